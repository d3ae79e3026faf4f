"""``twuin benchmark battle``: leaks of a whole network by its hydraulic model, day by day, and the battle's
score."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.model.options import M3H
from analytics.model.telling import best_pipe
from analytics.model.tracker import Tracker
from twuin.benchmark.battle_course import Course
from twuin.benchmark.battle_data import Repair, points, read_repairs, read_scada, years
from twuin.benchmark.battle_gate import BattleGate
from twuin.benchmark.battle_plots import Priced, plot_curve, plot_map, plot_time
from twuin.benchmark.battle_report import PRICE, PRICES, Reporter
from twuin.benchmark.battle_score import Report, Score, has_truth, read_truth, score
from twuin.benchmark.table import Table, plain
from twuin.monitor.plant import Plant
from waterworks.epanet_file import read_network
from waterworks.errors import BenchmarkError

Floats = NDArray[np.float64]

CURVE = ("visits", "found", "false_alarms", "median_delay_days", "share")
"""Columns of ``Battle.curve``: price of a false alarm [visits] and what comes of it."""

LEFT_OUT = ("column", "fault", "since", "until")
"""What is told of a sensor that was left out."""


@dataclass
class Battle:
    """What a run gives. steps_s: time of each day's work [s]; longest_s: of the longest piece of it, of the
    processor; unscored: why there is no score."""

    folder: Path
    year: int
    reports: list[Report]
    found: list[tuple[str, date, date | None, float]]
    steps_s: list[float]
    longest_s: float
    steps_a_day: int
    seconds: float
    peak_mb: float
    score: Score | None
    unscored: str
    curve: list[tuple[float, int, int, float, float]]
    days: list[datetime]
    flows: dict[str, list[float]]
    residual: list[float]
    plant: Plant
    gate: BattleGate

    def tables(self) -> Sequence[Table]:
        out = [
            Table(
                f"Reported in {self.year}",
                ("pipe", "when", "sure within 300 m", "m3/h", "leak", "m", "EUR"),
                [
                    (r.pipe, f"{r.when:%Y-%m-%d %H:%M}", r.sure, r.flow / M3H, *self._judged(i))
                    for i, r in enumerate(self.reports)
                ],
                self._notes(),
            )
        ]
        if self.score is not None:
            s = self.score
            out.append(
                Table(
                    "Score",
                    ("what", "value"),
                    [
                        ("share of the perfect score", f"{100 * s.total / s.perfect:.1f} %"),
                        ("leaks found", f"{len(s.hits)} of {len(s.leaks)}"),
                        ("false alarms", s.false),
                        ("repeats", s.repeats),
                        ("median delay [d]", _median(s.delays)),
                        ("median distance [m]", _median([r.distance for r in s.hits])),
                        ("missed", " ".join(s.missed) or "none"),
                    ],
                )
            )
            out.append(
                Table(
                    "Delay against false alarms, by the price of a false alarm",
                    ("visits", "found", "false", "median delay [d]", "share of the perfect score"),
                    self.curve,
                )
            )
        if self.gate.faults:
            out.append(
                Table(
                    "Sensors that were left out",
                    LEFT_OUT,
                    [(*said, until or "the end") for *said, until in self._left_out()],
                )
            )
        out.append(
            Table(
                "Effort",
                ("what", "value"),
                [
                    ("both years [s]", self.seconds),
                    ("peak memory [MB]", self.peak_mb),
                    ("5-minute step, mean [ms]", 1e3 * float(np.mean(self.steps_s)) / self.steps_a_day),
                    ("end of a day, median [ms]", 1e3 * float(np.median(self.steps_s))),
                    ("end of a day, longest [ms]", 1e3 * float(np.max(self.steps_s))),
                    ("longest piece of it at once [ms of processor time]", 1e3 * self.longest_s),
                ],
            )
        )
        return out

    def _left_out(self) -> list[tuple[str, str, str, str | None]]:
        """Faults that the gate found, as ``LEFT_OUT``; until None: to the end."""

        def at(row: int) -> str:
            return str(np.datetime64(self.gate.origin + row * self.gate.step_s, "s")).replace("T", " ")[:16]

        return [
            (
                self.gate.ids[f.sensor].split("-", 1)[1],
                f.kind.value,
                at(f.onset),
                None if f.end is None else at(f.end),
            )
            for f in self.gate.faults
        ]

    def _notes(self) -> list[str]:
        out = [] if self.score else [self.unscored]
        if self.plant.unmetered_pumps:
            out.append(
                f"Nothing tells when {', '.join(self.plant.unmetered_pumps)} runs: pressures that rest on it "
                "are left out. Measure its flow."
            )
        return out

    def _judged(self, i: int) -> tuple[str | None, float | None, float | None]:
        if self.score is None:
            return None, None, None
        row = next(r for r in self.score.rows if r.report is self.reports[i])
        return row.leak or "false alarm", row.distance, row.money

    def as_json(self) -> dict[str, Any]:
        s = self.score
        return {
            "case": "battle",
            "year": self.year,
            "reports": [
                {"pipe": r.pipe, "when": r.when.isoformat(), "sure": r.sure, "flow_m3h": r.flow / M3H}
                for r in self.reports
            ],
            "score": None
            if s is None
            else plain(
                {
                    "share": s.total / s.perfect,
                    "found": len(s.hits),
                    "leaks": len(s.leaks),
                    "false_alarms": s.false,
                    "repeats": s.repeats,
                    "median_delay_days": _median(s.delays),
                    "median_distance_m": _median([r.distance for r in s.hits]),
                    "missed": s.missed,
                }
            ),
            "left_out": [dict(zip(LEFT_OUT, x, strict=True)) for x in self._left_out()],
            "curve": [dict(zip(CURVE, plain(c), strict=True)) for c in self.curve],
            "seconds": self.seconds,
            "peak_mb": self.peak_mb,
            "end_of_day_ms": {
                "median": 1e3 * float(np.median(self.steps_s)),
                "longest": 1e3 * float(np.max(self.steps_s)),
                "longest_piece": 1e3 * self.longest_s,
            },
        }

    def write(self, path: Path) -> None:
        """The competition's result file."""
        lines = ["# linkID, startTime (YYYY-MM-DD HH:MM)"]
        lines += [f"{r.pipe}, {r.when:%Y-%m-%d %H:%M}" for r in self.reports]
        try:
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as e:
            raise BenchmarkError(
                f"cannot write {path}: {e.strerror or e}; name another file with --out"
            ) from None

    def plot(self, folder: Path) -> list[Path]:
        out = [
            plot_time(
                folder,
                self.year,
                self.days,
                self.residual,
                self.flows,
                self.reports,
                self.score,
                self.steps_a_day,
            ),
            plot_map(folder, self.plant.network, self.reports, self.score),
        ]
        if self.curve:
            out.append(plot_curve(folder, [Priced(c[0], c[1], c[2], c[3]) for c in self.curve]))
        return out


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def run(folder: Path, *, progress: Callable[[float], None] | None = None) -> Battle:
    """Two years of a folder: the first is history, the second is reported. Raises BenchmarkError,
    NetworkError."""
    begun = time.perf_counter()
    there = years(folder)
    if len(there) < 2:
        raise BenchmarkError(f"{folder}: measurements of one year only; the year before is needed as history")
    history, year = there[-2], there[-1]
    measured = [read_scada(folder, y) for y in (history, year)]
    if measured[0].names != measured[1].names:
        raise BenchmarkError(f"{folder}: the columns of {year} are not those of {history}")
    path = folder / "network.inp"
    network = read_network(path)
    plant = Plant(network, path, points(network, measured[0].names))
    repairs = _by_day(plant, read_repairs(folder, history))
    course = Course(plant, measured, repairs)
    tracker, days = course.tracker, course.days
    step = float(np.median(np.diff(measured[0].times.astype(np.int64))))
    per_day = max(1, round(86400 / step))
    first = datetime(year, 1, 1)  # noqa: DTZ001 - local time, no zone
    reporters = [Reporter(plant, first, price) for price in PRICES]
    steps, longest = [], 0.0
    for today, day in enumerate(days):
        start, last = time.perf_counter(), time.thread_time()
        for _ in course.evening(today):
            now = time.thread_time()
            longest, last = max(longest, now - last), now
        for reporter in reporters:
            reporter.look(tracker, day.when + timedelta(days=1))
        longest = max(longest, time.thread_time() - last)
        steps.append(time.perf_counter() - start)
        if progress is not None:
            progress((today + 1) / len(days))
    plant.solver.close()
    when = [day.when for day in days]
    main = next(r for r in reporters if r.price == PRICE)
    judged, curve = None, []
    unscored = "No truth beside the measurements: nothing is scored."
    truth = []
    if has_truth(folder, year):
        try:
            truth = read_truth(folder, year)
            unscored = f"No leak ran in {year}: nothing is scored."
        except BenchmarkError as e:  # what was found is worth having all the same
            unscored = f"Nothing is scored: {e}"
    if truth:
        for reporter in reporters:
            s = score(reporter.reports, truth, plant.pipe_index, plant.layout.distance, year)
            curve.append((reporter.price, len(s.hits), s.false, _median(s.delays), s.total / s.perfect))
            if reporter is main:
                judged = s
    return Battle(
        folder,
        year,
        main.reports,
        _found(tracker, plant, when),
        steps,
        longest,
        per_day,
        time.perf_counter() - begun,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        judged,
        unscored,
        curve,
        when,
        _flows(tracker, plant, len(when)),
        course.residual,
        plant,
        course.gate,
    )


def _by_day(plant: Plant, repairs: Sequence[Repair]) -> dict[date, list[int]]:
    out: dict[date, list[int]] = {}
    for repair in repairs:
        if repair.pipe not in plant.pipe_index:
            raise BenchmarkError(f"repairs: {repair.pipe} is no pipe of network.inp")
        out.setdefault(repair.when.date(), []).append(plant.pipe_index[repair.pipe])
    return out


def _found(
    tracker: Tracker, plant: Plant, days: Sequence[datetime]
) -> list[tuple[str, date, date | None, float]]:
    out = []
    for leak in tracker.leaks.values():
        if leak.known:
            continue
        pipe, _ = best_pipe(leak, plant.layout.distance)
        closed = None if leak.closed is None else days[leak.closed].date()
        out.append((plant.pipe_ids[pipe], days[leak.found].date(), closed, leak.top))
    return out


def _flows(tracker: Tracker, plant: Plant, count: int) -> dict[str, list[float]]:
    out: dict[str, list[float]] = {}
    for leak in tracker.leaks.values():
        if leak.known:
            continue
        pipe, _ = best_pipe(leak, plant.layout.distance)
        # Two leaks may have been tracked in one pipe: a blank more keeps them apart and is not seen.
        name = plant.pipe_ids[pipe]
        while name in out:
            name += " "
        out[name] = [leak.flow.get(d, 0.0) for d in range(count)]
    return out
