"""Leaks of known size in real inflow: Twuin's detector side by side with what utilities use today.

Two ways to read the result, both printed:

- *set in advance*: the settings and the threshold of each rival are those that did best on the tuning period
  at one false alarm a DMA-year at most; Twuin is as it comes. The scored period then shows what they give,
  false alarms included.
- *with hindsight*: on the scored period each rival may choose the settings and the threshold that do best
  there at one false alarm a DMA-year at most. Twuin has no settings to choose; of its sensitivity, likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.options import Options
from twuin.benchmark import own
from twuin.benchmark.bound import Bound, SlowBound
from twuin.benchmark.inflow import Inflow
from twuin.benchmark.injected_parts import (
    DAYS_AT_ONCE,
    SCORED,
    TUNED,
    Bounds,
    Case,
    Count,
    Delays,
    Lost,
    OwnDelays,
    OwnRate,
    Part,
    begin,
    days_of,
    scene,
    work,
)
from twuin.benchmark.paired import compare
from twuin.benchmark.rivals import Rival, rivals
from twuin.benchmark.spread import Each, in_turn
from twuin.benchmark.table import Table, plain
from twuin.benchmark.trials import HORIZON_D, SIZES, Period, Trials

Floats = NDArray[np.float64]

ALLOWED = 1.0
"""False alarms a DMA and year at which methods are compared."""

KEENEST = 8.0
"""False alarms a DMA and year up to which a method is looked at."""

STARTS = 36
"""Days in each period on which leaks begin: with a third of them most differences between methods are no
larger than two of their errors."""

WITHIN_H = 36.0
"""The time within which a burst should be found [h]."""

OWN = "Twuin"


def percent(share: float) -> str:
    """A share as whole per cent."""
    return f"{100 * share:.0f}" if np.isfinite(share) else "-"


class Point(NamedTuple):
    """One method at one sensitivity: false alarms a DMA-year of a period, and delay (N,) [h] of each
    trial."""

    method: str
    setting: str
    threshold: float
    false_alarms: float
    delay: Floats

    @property
    def lost(self) -> float:
        """Mean hours that leaks ran unseen, the horizon for those never found."""
        return float(np.minimum(self.delay, 24.0 * HORIZON_D).mean())

    def found(self, which: NDArray[np.bool_], within_h: float) -> float:
        """Share of some trials found in time."""
        return float((self.delay[which] <= within_h).mean())


@dataclass(frozen=True)
class Injected:
    """Result of the case; ``points``: with hindsight, of the scored period; ``ahead``: set in advance;
    ``rates``: Twuin's alarms a DMA-year in the scored period without any leak put in, by its knob."""

    inflow: Inflow
    tuned: Period
    scored: Period
    trials: Trials
    points: list[Point]
    ahead: list[Point]
    curves: dict[str, list[Point]]
    bound: Bound
    slow_bound: SlowBound
    best_years: float
    seed: int
    rates: dict[float, float]
    fixed: list[Point] = field(default_factory=list)

    @cached_property
    def shown(self) -> own.Run:
        """Twuin at its best on the inflow as it is."""
        return own.quiet(self.inflow, self.best_years)

    def tables(self) -> list[Table]:
        return [
            self._table("With hindsight: each method at its best at 1 false alarm a DMA-year", self.points),
            self._knob(),
            self._paired(),
            self._table(
                "Set in advance: rivals by the tuning period, Twuin as it comes", self.ahead + self.fixed
            ),
            self._by_dma(),
            self._growing_by_dma(),
        ]

    def _table(self, title: str, points: Sequence[Point]) -> Table:
        step, grow = ~self.trials.growing, self.trials.growing
        columns = ["method", "false"]
        columns += [f"{s:.0%} 36h" for s in (0.05, 0.1, 0.2, 0.3)]
        columns += [f"{s:.0%} 30d" for s in (0.02, 0.05, 0.1, 0.2)]
        columns += [f"~{s:.0%} 30d" for s in (0.05, 0.1, 0.2)] + ["lost h"]
        rows: list[list[str | float]] = []
        for p in points:
            row: list[str | float] = [f"{p.method} ({p.setting})" if p.setting else p.method, p.false_alarms]
            month = 24.0 * HORIZON_D
            row += [percent(p.found(step & (self.trials.size == s), WITHIN_H)) for s in (0.05, 0.1, 0.2, 0.3)]
            row += [percent(p.found(step & (self.trials.size == s), month)) for s in (0.02, 0.05, 0.1, 0.2)]
            row += [percent(p.found(grow & (self.trials.size == s), month)) for s in (0.05, 0.1, 0.2)]
            rows.append([*row, p.lost])
        n = len(self.trials.dma) // (2 * len(SIZES))
        return Table(
            title,
            columns,
            rows,
            (
                "false: alarms a DMA-year without any leak put in. Then % of the leaks found in time; "
                f"{n} leaks of each size, in % of the DMA's mean inflow; ~: growing evenly over two weeks.",
                f"Standard error of such a share: {100 * (0.25 / n) ** 0.5:.0f} % at one half, "
                f"{100 * (0.09 / n) ** 0.5:.0f} % at one or nine tenths.",
                "lost h: mean hours that leaks of all sizes (2 to 30 %) ran unseen, 720 if never found.",
            ),
        )

    def _knob(self) -> Table:
        return Table(
            f"{OWN}'s alarms a DMA-year by its knob, without any leak put in",
            ["one in so many years", *(f"{years:g}" for years in self.rates)],
            [["false", *self.rates.values()]],
            ("How much they move from one setting to the next is how well such a number is known.",),
        )

    def _paired(self) -> Table:
        best = self.points[0]
        compared = [(p, compare(best.delay, p.delay, self.trials, WITHIN_H)) for p in self.points[1:]]
        columns = list(compared[0][1]) if compared else []
        return Table(
            f"{OWN} less each other method, leak by leak, with standard errors",
            ["method", *columns],
            [[p.method, *(d.text() for d in c.values())] for p, c in compared],
            (
                f"lost h: less is better. Then % found, more is better: abrupt leaks of all sizes within "
                f"{WITHIN_H:.0f} h; of each size, abrupt and (~) growing, within {HORIZON_D} days.",
                "Leaks of one day share its noise: the errors are those of the days' means.",
            ),
        )

    def _by_dma(self) -> Table:
        best = self.points[0]
        rows: list[list[str | float]] = []
        for k, dma in enumerate(self.inflow.dmas):
            which = (self.trials.dma == k) & ~self.trials.growing & (self.trials.size == 0.1)
            rivals_best = max((p.found(which, WITHIN_H) for p in self.points[1:]), default=float("nan"))
            rows.append(
                [
                    dma,
                    float(self.inflow.mean[k] * 3600),
                    self.bound.noise[k],
                    percent(self.bound.found[k]),
                    percent(best.found(which, WITHIN_H)),
                    percent(rivals_best),
                ]
            )
        return Table(
            f"Bursts of 10 % of mean inflow within {WITHIN_H:.0f} h, DMA by DMA",
            ["DMA", "mean m3/h", "noise of 36 h %", "best possible %", f"{OWN} %", "best rival %"],
            rows,
            (
                "best possible: a filter that was told the moment of the burst and fitted to these very "
                "years, with the threshold that gives each DMA one false alarm a year. Above it, chance.",
            ),
        )

    def _growing_by_dma(self) -> Table:
        best, month = self.points[0], 24.0 * HORIZON_D
        rows: list[list[str | float]] = []
        for k, dma in enumerate(self.inflow.dmas):
            mine = [(self.trials.dma == k) & self.trials.growing & (self.trials.size == s) for s in SIZES]
            rows.append(
                [
                    dma,
                    self.slow_bound.noise[k],
                    *(percent(share) for share in self.slow_bound.found[k]),
                    *(percent(best.found(which, month)) for which in mine),
                ]
            )
        return Table(
            f"Growing leaks within {HORIZON_D} days, DMA by DMA",
            ["DMA", "noise %", *(f"best {s:.0%}" for s in SIZES), *(f"{OWN} {s:.0%}" for s in SIZES)],
            rows,
            (
                "best: a filter that was told the day on which the leak began and fitted to these very "
                "years, with the threshold that gives each DMA one false alarm a year. noise: of what it "
                "measures, in % of mean inflow.",
            ),
        )

    def as_json(self) -> dict[str, Any]:
        def point(p: Point) -> dict[str, Any]:
            return {
                "method": p.method,
                "setting": p.setting,
                "threshold": p.threshold,
                "false_alarms_per_dma_year": p.false_alarms,
                "lost_h": p.lost,
                "found": [
                    {
                        "size": s,
                        "growing": g,
                        "n": int(w.sum()),
                        "within_12h": p.found(w, 12.0),
                        "within_36h": p.found(w, WITHIN_H),
                        "within_7d": p.found(w, 168.0),
                        "within_30d": p.found(w, 24.0 * HORIZON_D),
                        "median_delay_h": float(np.median(p.delay[w])),
                    }
                    for s in SIZES
                    for g in (False, True)
                    for w in [(self.trials.size == s) & (self.trials.growing == g)]
                ],
            }

        first = self.inflow.first_day
        out: dict[str, Any] = plain(
            {
                "case": "injected",
                "seed": self.seed,
                "dmas": list(self.inflow.dmas),
                "trials": len(self.trials.dma),
                "tuned": [date.fromordinal(first + d).isoformat() for d in self.tuned],
                "scored": [date.fromordinal(first + d).isoformat() for d in self.scored],
                "own_false_alarms_per_dma_year_by_years": {f"{y:g}": rate for y, rate in self.rates.items()},
                "with_hindsight": [point(p) for p in self.points],
                "set_in_advance": [point(p) for p in self.ahead + self.fixed],
                "curves": {m: [point(p) for p in c] for m, c in self.curves.items()},
                "paired": {
                    p.method: {
                        k: {"mean": d.mean, "standard_error": d.error}
                        for k, d in compare(self.points[0].delay, p.delay, self.trials, WITHIN_H).items()
                    }
                    for p in self.points[1:]
                },
                "bound": {"found": self.bound.found, "noise_percent": self.bound.noise},
                "slow_bound": {
                    "found": self.slow_bound.found,
                    "noise_percent": self.slow_bound.noise,
                },
            }
        )
        return out

    def plot(self, folder: Path) -> list[Path]:
        from twuin.benchmark.injected_plots import draw_all

        return draw_all(self, folder)


def run(
    files: Sequence[Path],
    *,
    site: Path | None = None,
    starts: int = STARTS,
    seed: int = 1,
    score_from: date | None = None,
    progress: Callable[[float], None] = lambda _: None,
    each: Each = in_turn,
) -> Injected:
    """The whole case. ``starts``: days in each period on which leaks begin, of each size and shape in each
    DMA. each: who does the pieces. Raises BenchmarkError, SiteError and DataFileError."""
    case = begin(files, site, starts, seed, score_from)
    there = scene(case)
    crew = _Crew(case, each, progress)
    trials = there.trials[SCORED]
    areas = range(len(there.inflow.dmas))
    methods = rivals()
    swept = [(r, n, rival.thresholds) for r, rival in enumerate(methods) for n in range(len(rival.settings))]
    by_thumb = [(r, n, shares) for r, rival in enumerate(methods) for n, shares in _rule_of_thumb(rival)]

    default = Options().years
    knob = sorted({*own.KNOB, default})
    (bound, slow_bound), *first = crew.do(
        [Bounds(0.1, WITHIN_H), *map(OwnRate, knob), *(Count(*s) for s in swept + by_thumb)], until=0.35
    )
    own_rate = dict(zip(knob, first, strict=False))
    counted = iter(first[len(knob) :])
    rate = {(r, n): next(counted) / np.array(there.years)[:, None] for r, n, _ in swept}
    thumb_rate = [next(counted)[SCORED] / there.years[SCORED] for _ in by_thumb]

    rates = {years: own_rate[years] for years in own.KNOB}
    calm = [years for years in own.KNOB if rates[years] <= ALLOWED]
    best_years = min(calm) if calm else max(own.KNOB)
    shown_years = sorted({best_years, default, min(own.KNOB)})
    mine = [
        OwnDelays(years, k, k + DAYS_AT_ONCE)
        for years in shown_years
        for k in range(0, len(days_of(trials)), DAYS_AT_ONCE)
    ]
    false = [np.array([rate[r, n] for n in range(len(rival.settings))]) for r, rival in enumerate(methods)]
    lost = [Lost(r, k, false[r] <= KEENEST) for r in range(len(methods)) for k in areas]
    second = crew.do([*mine, *lost], until=0.9)
    total = [
        sum((a for a, part in zip(second[len(mine) :], lost, strict=True) if part.rival == r), np.zeros(()))
        for r in range(len(methods))
    ]

    chosen = [
        tuple(_best(false[r][:, p], total[r][:, p]) for p in (TUNED, SCORED)) for r, _ in enumerate(methods)
    ]
    wanted: dict[tuple[int, int], list[int]] = {}
    for r, (ahead_at, best_at) in enumerate(chosen):
        if best_at is not None:
            wanted[r, best_at[0]] = np.flatnonzero(np.isfinite(total[r][best_at[0], SCORED])).tolist()
        if ahead_at is not None and np.isfinite(total[r][ahead_at[0], SCORED, ahead_at[1]]):
            wanted.setdefault((r, ahead_at[0]), [ahead_at[1]])
    asked = [(r, n, methods[r].thresholds[at]) for (r, n), at in wanted.items()] + by_thumb
    third = crew.do([Delays(r, n, shares, k) for r, n, shares in asked for k in areas], until=1.0)
    found = [
        _put_together([(trials.dma == k, third[i * len(areas) + k]) for k in areas])
        for i in range(len(asked))
    ]

    points: list[Point] = []
    ahead: list[Point] = []
    curves: dict[str, list[Point]] = {}
    of = {
        (r, n, h): Point(
            methods[r].name, methods[r].settings[n].label, float(methods[r].thresholds[h]),
            float(false[r][n, SCORED, h]), delay[:, i],
        )
        for ((r, n), at), delay in zip(wanted.items(), found, strict=False)
        for i, h in enumerate(at)
    }  # fmt: skip
    for r, (ahead_at, best_at) in enumerate(chosen):
        if ahead_at is not None and (r, *ahead_at) in of:
            ahead.append(of[r, *ahead_at])
        if best_at is not None:
            points.append(of[r, *best_at])
            curves[methods[r].name] = [of[r, best_at[0], h] for h in wanted[r, best_at[0]]]
    fixed = [
        Point(methods[r].name, f"fixed at {share:.0%}", float(share), float(rate_of[i]), delay[:, i])
        for (r, _, shares), rate_of, delay in zip(by_thumb, thumb_rate, found[len(wanted) :], strict=True)
        for i, share in enumerate(shares)
    ]
    at = {
        years: Point(
            OWN, f"one in {years:g} years", years, own_rate[years],
            _put_together(
                [(p.which(trials), d) for p, d in zip(mine, second, strict=False) if p.years == years]
            ),
        )
        for years in shown_years
    }  # fmt: skip
    return Injected(
        there.inflow, *there.periods, trials, [at[best_years], *points], [at[default], *ahead],
        {OWN: [at[y] for y in shown_years], **curves}, bound, slow_bound, best_years, seed, rates, fixed,
    )  # fmt: skip


class _Crew:
    """Has pieces of a case done, and tells how far it is."""

    def __init__(self, case: Case, each: Each, progress: Callable[[float], None]) -> None:
        self._case, self._each, self._progress, self._at = case, each, progress, 0.0

    def do(self, parts: Sequence[Part], until: float) -> list[Any]:
        """What each came to, in their order. until: share of the whole that is then done."""
        out: dict[int, Any] = {}
        for number, value in self._each("benchmark.injected", work, [(self._case, part) for part in parts]):
            out[number] = value
            self._progress(self._at + (until - self._at) * len(out) / len(parts))
        self._at = until
        return [out[k] for k in range(len(parts))]


def _best(false: Floats, lost: Floats) -> tuple[int, int] | None:
    """Place of setting and threshold, of (settings, H) each: of those with few enough false alarms the one
    that loses the least time."""
    open_to = np.where(false <= ALLOWED, lost, np.inf)
    if not np.isfinite(open_to).any():
        return None
    setting, threshold = np.unravel_index(int(np.argmin(open_to)), open_to.shape)
    return int(setting), int(threshold)


def _put_together(pieces: Sequence[tuple[NDArray[Any], Floats]]) -> Floats:
    """Delays of all leaks, from those of some each, whose places (or a mask of them) come first."""
    n = sum(len(delay) for _, delay in pieces)
    out = np.full((n, *pieces[0][1].shape[1:]), np.nan)
    for which, delay in pieces:
        out[which] = delay
    return out


def _rule_of_thumb(rival: Rival) -> list[tuple[int, Floats]]:
    """The night flow threshold at 10 and 20 %, and LeakDB's rule at its 10 %, as they are written: number of
    the setting, and shares."""
    wanted = {"night flow threshold": ("28 d, 1 in a row", (0.1, 0.2)), "LeakDB MNF": ("10 d", (0.1,))}
    if rival.name not in wanted:
        return []
    label, shares = wanted[rival.name]
    return [(next(i for i, s in enumerate(rival.settings) if s.label == label), np.array(shares))]
