"""Leaks of known size in real inflow: Twuin's detector side by side with what utilities use today.

Two ways to read the result, both printed:

- *set in advance*: the settings and the threshold of each rival are those that did best on the tuning period
  at one false alarm a DMA-year at most; Twuin is as it comes. The scored period then shows what they give,
  false alarms included.
- *with hindsight*: on the scored period each rival may choose the settings and the threshold that do best
  there at one false alarm a DMA-year at most. Twuin has no settings to choose; of its sensitivity, likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.options import Options
from twuin.benchmark import own
from twuin.benchmark.bound import Bound, SlowBound, bound, slow_bound
from twuin.benchmark.inflow import Inflow, read_inflow
from twuin.benchmark.paired import compare
from twuin.benchmark.rivals import Rival, rivals
from twuin.benchmark.table import Table, plain
from twuin.benchmark.trials import (
    HORIZON_D,
    LOOKBACK_D,
    SIZES,
    Period,
    Trials,
    Windows,
    count_alarms,
    delays,
    draw,
    measured_years,
    windows,
)
from waterworks.errors import BenchmarkError

Floats = NDArray[np.float64]

ALLOWED = 1.0
"""False alarms a DMA and year at which methods are compared."""

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
    shown: own.Run
    seed: int
    rates: dict[float, float]
    fixed: list[Point] = field(default_factory=list)

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


def periods(inflow: Inflow, score_from: date | None) -> tuple[Period, Period]:
    """Tuning and scored days. By default scored from the first 1 January after ten months."""
    total = int(inflow.local.day[-1]) - inflow.first_day + 1
    if score_from is None:
        begun = date.fromordinal(inflow.first_day + 300)
        score_from = date(begun.year + 1, 1, 1)
    at = score_from.toordinal() - inflow.first_day
    if at < LOOKBACK_D + 2 * HORIZON_D or total - at < 2 * HORIZON_D:
        raise BenchmarkError(
            f"{total} days of inflow cannot be tuned on before {score_from} and scored after it: "
            f"at least {LOOKBACK_D + 2 * HORIZON_D} days before and {2 * HORIZON_D} after are needed"
        )
    return Period(LOOKBACK_D + 7, at), Period(at, total)


class _Bench(NamedTuple):
    """What rivals are run on: the inflow as it is, and around each leak."""

    inflow: Inflow
    period: Period
    cut: Windows
    years: float

    def sweep(self, rival: Rival, number: int) -> list[Point]:
        """One setting at all thresholds that matter: false alarms, and delays where these are few enough."""
        setting = rival.settings[number]
        s = self.inflow.flow.shape[1]
        days = self.inflow.days()
        quiet = setting.read(days, np.repeat(self.inflow.weekdays()[:, None], s, axis=1))
        rate = (
            count_alarms(setting.chart(quiet, rival.thresholds), quiet.hours, self.period).sum(0) / self.years
        )
        use = np.flatnonzero(rate <= 8.0 * ALLOWED)
        if not len(use):
            return []
        both = np.concatenate([self.cut.flow, self.cut.quiet], axis=2)
        r = setting.read(both, np.concatenate([self.cut.weekday] * 2, axis=1))
        delay = delays(setting.chart(r, rival.thresholds[use]), r.hours, self.cut.start)
        return [
            Point(rival.name, setting.label, float(rival.thresholds[h]), float(rate[h]), delay[:, i])
            for i, h in enumerate(use)
        ]


def _best(points: Sequence[Point]) -> Point | None:
    """Of those with few enough false alarms the one that loses the least time."""
    return min((p for p in points if p.false_alarms <= ALLOWED), key=lambda p: p.lost, default=None)


def run(
    files: Sequence[Path],
    *,
    site: Path | None = None,
    starts: int = STARTS,
    seed: int = 1,
    score_from: date | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Injected:
    """The whole case. ``starts``: days in each period on which leaks begin, of each size and shape in each
    DMA. Raises BenchmarkError, SiteError and DataFileError."""
    inflow = read_inflow(files, site)
    tuned, scored = periods(inflow, score_from)
    step = _steps(progress, len(own.KNOB) + 3 + 2 * sum(len(r.settings) for r in rivals()) // 8)
    bench = {}
    for name, period in (("tuned", tuned), ("scored", scored)):
        trials = draw(inflow, period, starts, seed)
        bench[name] = (
            trials,
            _Bench(inflow, period, windows(inflow, trials), measured_years(inflow, period)),
        )
    trials = bench["scored"][0]

    ahead: list[Point] = []
    points: list[Point] = []
    fixed: list[Point] = []
    curves: dict[str, list[Point]] = {}
    for rival in rivals():
        of: dict[str, list[list[Point]]] = {"tuned": [], "scored": []}
        for number in range(len(rival.settings)):
            for name, (_, b) in bench.items():
                of[name].append(b.sweep(rival, number))
            if number % 4 == 3:
                next(step, None)
        choice = _best([p for c in of["tuned"] for p in c])
        if choice is not None:
            same = [p for c in of["scored"] for p in c]
            match = [p for p in same if (p.setting, p.threshold) == (choice.setting, choice.threshold)]
            ahead += match
        best = _best([p for c in of["scored"] for p in c])
        if best is not None:
            points.append(best)
            curves[rival.name] = [p for c in of["scored"] for p in c if p.setting == best.setting]
        fixed += _rule_of_thumb(rival, bench["scored"][1])

    mine: dict[float, own.Run] = {}
    rates: dict[float, float] = {}
    scored_bench = bench["scored"][1]
    for years in own.KNOB:
        mine[years], _ = own.run(inflow, years, None)
        rates[years] = mine[years].rate(scored, scored_bench.years)
        next(step, None)
    calm = [y for y in own.KNOB if rates[y] <= ALLOWED]
    best_years = min(calm) if calm else max(own.KNOB)
    default = Options().years
    at: dict[float, Point] = {}
    for years in sorted({best_years, default, min(own.KNOB)}):
        raised, delay = own.run(inflow, years, trials)
        assert delay is not None
        label = f"one in {years:g} years"
        at[years] = Point(OWN, label, years, raised.rate(scored, scored_bench.years), delay)
        next(step, None)
    points.insert(0, at[best_years])
    ahead.insert(0, at[default])
    curves = {OWN: [at[y] for y in sorted(at)], **curves}
    progress(1.0)
    return Injected(
        inflow, tuned, scored, trials, points, ahead, curves, bound(inflow, scored, 0.1, WITHIN_H),
        slow_bound(inflow, scored), mine[best_years], seed, rates, fixed,
    )  # fmt: skip


def _rule_of_thumb(rival: Rival, b: _Bench) -> list[Point]:
    """The night flow threshold at 10 and 20 %, and LeakDB's rule at its 10 %, as they are written."""
    wanted = {"night flow threshold": ("28 d, 1 in a row", (0.1, 0.2)), "LeakDB MNF": ("10 d", (0.1,))}
    if rival.name not in wanted:
        return []
    label, shares = wanted[rival.name]
    number = next(i for i, s in enumerate(rival.settings) if s.label == label)
    setting = rival.settings[number]
    s = b.inflow.flow.shape[1]
    quiet = setting.read(b.inflow.days(), np.repeat(b.inflow.weekdays()[:, None], s, axis=1))
    both = np.concatenate([b.cut.flow, b.cut.quiet], axis=2)
    r = setting.read(both, np.concatenate([b.cut.weekday] * 2, axis=1))
    thresholds = np.array(shares)
    rate = count_alarms(setting.chart(quiet, thresholds), quiet.hours, b.period).sum(0) / b.years
    delay = delays(setting.chart(r, thresholds), r.hours, b.cut.start)
    return [
        Point(rival.name, f"fixed at {share:.0%}", share, float(rate[i]), delay[:, i])
        for i, share in enumerate(shares)
    ]


def _steps(progress: Callable[[float], None], total: int) -> Iterator[None]:
    """Tell progress with each step taken, up to so many."""
    for i in range(total):
        progress(min(0.99, (i + 1) / total))
        yield
