"""How well sensor faults are told from each other and from leaks: labelled months of the demo town."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.detector import Detector
from analytics.gate.gate import Gate
from analytics.gate.layout import Layout
from analytics.gate.watch import Watch
from analytics.inflow import net_inflow
from firmware_sim.town import demo_site_folder
from twuin.benchmark.fault_plan import QUIET_DAYS, START, STEP_S, TRANSPORT, Trouble, draw, measure
from twuin.benchmark.spread import Each, in_turn
from twuin.benchmark.table import Table
from waterworks.epanet_file import read_network
from waterworks.gating import Gating, gating
from waterworks.localtime import local_time
from waterworks.metering import balance
from waterworks.network import Network
from waterworks.site import Site
from waterworks.site_folder import read_site

Floats = NDArray[np.float64]

REPORT_SEEDS = (401, 402, 403, 404, 405, 406)
"""Runs that the published table comes from; the gate was made looking at others (1 to 6) only."""

PER_DAY = 86400 // STEP_S

NAMES = {
    "clock_offset": {"clock"},
    "clock_drift": {"clock"},
    "zone": {"clock"},
    "spikes": {"spike"},
    "beyond": {"impossible", "offset"},
    "offset": {"offset", "impossible"},
}
"""Kinds of the gate that name a fault of the simulator rightly, where they are called otherwise."""

GRACE = PER_DAY
"""A finding counts for a trouble that ended up to so many rows before it was made."""


@dataclass
class Found:
    """A finding of the gate as scoring sees it."""

    sensor: str
    kind: str
    onset: int
    detected: int


@dataclass
class Score:
    """What became of the troubles of one kind."""

    count: int = 0
    found: int = 0
    named: int = 0
    delays_h: list[float] = field(default_factory=list)
    leak_alarms: int = 0
    revoked: int = 0
    called: Counter[str] = field(default_factory=Counter)

    def add(self, other: Score) -> None:
        """Count what became of others with these."""
        for name in ("count", "found", "named", "leak_alarms", "revoked"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delays_h += other.delays_h
        self.called.update(other.called)


_COUNTED = (
    "false_findings", "sensor_years", "leaks", "leaks_found", "leaks_found_ungated", "leaks_called_faults",
    "cuts", "ungated_alarms",
)  # fmt: skip


@dataclass
class FaultsResult:
    """See ``run``."""

    seeds: tuple[int, ...]
    scores: dict[str, Score]
    precision: dict[str, tuple[int, int]]
    false_findings: int
    sensor_years: float
    leaks: int
    leaks_found: int
    leaks_found_ungated: int
    leaks_called_faults: int
    cuts: int
    cuts_marked: float
    ungated_alarms: int
    detail: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """Faults of sensors: what goes wrong on the way is none."""
        return sum(s.count for k, s in self.scores.items() if k not in NO_FAULT)

    @property
    def ended_as_leak(self) -> int:
        """Faults in whose course a leak alarm stood that was not taken back."""
        return sum(s.leak_alarms for k, s in self.scores.items() if k not in NO_FAULT)

    @property
    def taken_back(self) -> int:
        """Faults that had raised a leak alarm before they were seen for what they are."""
        return sum(s.revoked for k, s in self.scores.items() if k not in NO_FAULT)

    def add(self, other: FaultsResult) -> None:
        """Count the runs of another with these."""
        for kind, s in other.scores.items():
            self.scores.setdefault(kind, Score()).add(s)
        for kind, (right, n) in other.precision.items():
            before = self.precision.get(kind, (0, 0))
            self.precision[kind] = (before[0] + right, before[1] + n)
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.detail += other.detail

    def tables(self) -> Sequence[Table]:
        rows: list[list[str | int | float | None]] = []
        for kind, s in sorted(self.scores.items()):
            delays = np.array(s.delays_h)
            called = ", ".join(f"{k} {n}" for k, n in s.called.most_common(4))
            rows.append(
                [
                    kind,
                    s.count,
                    s.found / s.count if kind not in _SILENT_IS_RIGHT else None,
                    s.named / s.found if s.found and kind not in _SILENT_IS_RIGHT | {"leak"} else None,
                    float(np.median(delays)) if len(delays) else None,
                    float(np.quantile(delays, 0.9)) if len(delays) else None,
                    s.leak_alarms,
                    s.revoked,
                    called,
                ]
            )
        first = Table(
            f"What became of {sum(s.count for s in self.scores.values())} troubles",
            (
                "trouble", "count", "found", "named right", "delay h, median", "9 in 10 within h",
                "leak alarms", "taken back", "called",
            ),
            rows,
        )  # fmt: skip
        second = Table(
            "Findings by what they said",
            ("finding", "count", "right"),
            [[k, n, right / n] for k, (right, n) in sorted(self.precision.items())],
        )
        years = self.sensor_years
        third = Table(
            "In all",
            ("figure", "value"),
            [
                ["faults", self.faults],
                ["faults that ended as a leak alarm", self.ended_as_leak],
                ["share of faults that ended as a leak alarm", self.ended_as_leak / max(self.faults, 1)],
                ["faults whose leak alarm was taken back", self.taken_back],
                ["faults with a leak alarm, had there been no gate", self.ungated_alarms],
                ["false findings a sensor-year", self.false_findings / years],
                ["sensor-years", years],
                ["leaks", self.leaks],
                ["leaks found", self.leaks_found],
                ["leaks found, had there been no gate", self.leaks_found_ungated],
                ["leaks with a sensor wrongly called faulty", self.leaks_called_faults],
                ["DMAs with intermittent supply", self.cuts],
                ["share of their dry hours marked", self.cuts_marked],
            ],
            (f"seeds {', '.join(map(str, self.seeds))}",),
        )
        return first, second, third

    def as_json(self) -> dict[str, Any]:
        return {
            "seeds": list(self.seeds),
            "troubles": {
                k: {
                    "count": s.count,
                    "found": s.found,
                    "named": s.named,
                    "delay_h": s.delays_h,
                    "leak_alarms": s.leak_alarms,
                    "taken_back": s.revoked,
                    "called": dict(s.called),
                }
                for k, s in self.scores.items()
            },
            "findings": {k: {"count": n, "right": right} for k, (right, n) in self.precision.items()},
            "faults": self.faults,
            "ended_as_leak": self.ended_as_leak,
            "taken_back": self.taken_back,
            "ungated_alarms": self.ungated_alarms,
            "false_findings_per_sensor_year": self.false_findings / self.sensor_years,
            "sensor_years": self.sensor_years,
            "leaks": self.leaks,
            "leaks_found": self.leaks_found,
            "leaks_found_ungated": self.leaks_found_ungated,
            "leaks_called_faults": self.leaks_called_faults,
            "cuts": self.cuts,
            "cuts_marked": self.cuts_marked,
        }

    def plot(self, folder: Path) -> list[Path]:
        """Delays to detection by kind, and where faults ended."""
        from twuin.benchmark.plots import COLOURS, figure, save

        kinds = sorted(
            (k for k, s in self.scores.items() if s.delays_h),
            key=lambda k: float(np.median(self.scores[k].delays_h)),
            reverse=True,
        )
        drawn, (axes,) = figure(height=0.4 * len(kinds) + 1.8)
        names = [f"{k.replace('_', ' ')} ({len(self.scores[k].delays_h)})" for k in kinds]
        delays = [self.scores[k].delays_h for k in kinds]
        axes.boxplot(delays, orientation="horizontal", tick_labels=names, showfliers=False)
        for row, hours in enumerate(delays, 1):
            axes.plot(hours, np.full(len(hours), row), "o", color=COLOURS[0], markersize=4, alpha=0.6)
        axes.set_xscale("symlog", linthresh=1)
        ticks = [h for h in _TICKS_H if min(map(min, delays)) <= h <= max(map(max, delays)) or h in (0, 1)]
        axes.set_xticks(ticks, [f"{h:g}" for h in ticks])
        axes.set_title("How soon each kind of fault is found (number found)")
        axes.set_xlabel(
            "hours from the fault's onset to its finding, by the times of the readings\n"
            "(below 0: a clock that is behind stamps them before the onset)"
        )
        return [save(drawn, folder, "faults-delay")]


NO_FAULT = {"leak", "no_supply", *(k.value for k in TRANSPORT)}
_TICKS_H = (-30, -10, -3, -1, 0, 1, 3, 10, 30, 100, 300)
_SILENT_IS_RIGHT = {k.value for k in TRANSPORT}


def run(
    seeds: Sequence[int] = REPORT_SEEDS,
    progress: Callable[[float], None] | None = None,
    each: Each = in_turn,
) -> FaultsResult:
    """107 days of the demo town for each seed, with some 36 troubles in each, through gate and detector.

    After 35 quiet days something goes wrong in each DMA every twelve days, for two to nine days: a fault of
    any kind of the simulator, cut supply, or a leak of 15-60 % of mean inflow. each: who does the runs.
    """
    done: dict[int, tuple[FaultsResult, list[float]]] = {}
    for k, one in each("benchmark.faults", work, list(seeds)):
        done[k] = one
        if progress:
            progress(len(done) / len(seeds))
    result = _nothing(tuple(seeds))
    marked: list[float] = []
    for k in range(len(seeds)):
        one, own = done[k]
        result.add(one)
        marked += own
    result.cuts_marked = float(np.mean(marked)) if marked else float("nan")
    return result


def _nothing(seeds: tuple[int, ...]) -> FaultsResult:
    return FaultsResult(seeds, {}, {}, 0, 0.0, 0, 0, 0, 0, 0, 0.0, 0)


def work(seed: int) -> tuple[FaultsResult, list[float]]:
    """One run, and what share of the dry hours of each of its cuts was marked."""
    site = read_site(demo_site_folder())
    assert site.network_file is not None
    network = read_network(site.network_file)
    frame = gating(site, network)
    result, marked = _nothing((seed,)), list[float]()
    troubles = draw(site, seed)
    values = measure(site, seed, troubles)
    watch = watched(site, network, frame, values, gated=True)
    blind = watched(site, network, frame, values, gated=False)
    _score(site, frame, troubles, watch, blind, result, marked, seed)
    result.sensor_years = len(frame.ids) * (len(values) / PER_DAY - QUIET_DAYS) / 365.25
    return result, marked


def watched(site: Site, network: Network, frame: Gating, values: Floats, *, gated: bool) -> Watch:
    """Readings (T, S) [SI] of all sensors through gate and detector; not gated: nothing is taken out."""
    order = {s.id: i for i, s in enumerate(site.sensors)}
    at = [order[i] for i in frame.ids]
    low = np.array([-np.inf if s.low is None else s.low for s in site.sensors])
    high = np.array([np.inf if s.high is None else s.high for s in site.sensors])
    wrong = (values < low) | (values > high)
    metered = balance(site, network)
    meters = np.where(wrong, np.nan, values)[:, [order[m] for m in metered.meters]]
    inflow = net_inflow(meters, metered.signs, np.empty((len(values), 0)), np.empty((0, len(site.dmas))))
    seconds = START.astype("datetime64[s]").astype(np.int64) + np.arange(len(values)) * STEP_S
    local = local_time(seconds, STEP_S, site.timezone, site.monitor.holidays)
    detector = Detector(len(site.dmas), STEP_S)
    layout = Layout(
        frame.what, frame.area, frame.member, frame.sign, frame.low, frame.high, frame.least, frame.device
    )
    if not gated:
        layout = layout._replace(area=np.full_like(layout.area, -1), member=np.zeros_like(layout.member))
    watch = Watch(
        Gate(layout, STEP_S, per_block=detector.rows_per_block),
        detector,
        frame.needs if gated else np.zeros_like(frame.needs),
    )
    watch.advance(values[:, at], wrong[:, at], inflow, local.day, local.slot, local.weekday)
    return watch


def _score(
    site: Site,
    frame: Gating,
    troubles: list[Trouble],
    watch: Watch,
    blind: Watch,
    result: FaultsResult,
    marked: list[float],
    seed: int,
) -> None:
    found = [Found(frame.ids[f.sensor], f.kind.value, f.onset, f.detected) for f in watch.gate.faults]
    block = watch.detector.rows_per_block
    column = {d.id: i for i, d in enumerate(site.dmas)}
    used: set[int] = set()
    right: set[int] = set()
    for t in sorted(troubles, key=lambda t: t.start):
        s = result.scores.setdefault(t.what, Score())
        s.count += 1
        mine = [
            i
            for i, f in enumerate(found)
            if f.sensor in t.sensors and t.start - t.early <= f.detected <= t.end + GRACE
        ]
        used.update(mine)
        area = column[t.dma]

        def alarmed(of: Watch, area: int = area, t: Trouble = t) -> bool:
            return any(
                e.area == area and e.side > 0 and t.start <= e.detected * block <= t.end + GRACE
                for e in of.detector.events
            )

        if t.what == "leak":
            result.leaks += 1
            result.leaks_found += alarmed(watch)
            result.leaks_found_ungated += alarmed(blind)
            inside = {x.id for x in site.sensors if x.dma == t.dma}
            wrongly = [
                f
                for f in found
                if f.sensor in inside and t.start <= f.detected <= t.end and f.onset >= t.start - PER_DAY
            ]
            result.leaks_called_faults += bool(wrongly)
            for f in wrongly:
                result.detail.append(f"{seed} leak {t.dma} {t.size:.1f} m3/h at {t.start}: {f}")
            s.found += alarmed(watch)
            continue
        if t.what == "no_supply":
            dry = watch.gate.tape.cut("dry", t.start, t.end)[:, area]
            truly = _truly_dry(site, watch, t, frame)
            marked.append(float(dry[truly].mean()) if truly.any() else float("nan"))
            result.cuts += 1
            s.found += bool(marked[-1] > 0.5)
            s.named += bool(marked[-1] > 0.5)
        elif mine:
            names = NAMES.get(t.what, {t.what})
            kinds = [found[i].kind for i in mine]
            s.called.update(kinds)
            s.found += 1
            s.named += any(k in names for k in kinds)
            right.update(i for i in mine if found[i].kind in names)
            first = min(found[i].detected for i in mine)
            s.delays_h.append((first + 1 - t.start) * STEP_S / 3600)
        else:
            s.called["nothing"] += 1
            if t.what not in _SILENT_IS_RIGHT:
                result.detail.append(f"{seed} missed {t.what} {t.sensors} {t.size:.4g} at {t.start}-{t.end}")
        if alarmed(watch):
            s.leak_alarms += 1
            result.detail.append(f"{seed} leak alarm from {t.what} {t.sensors} {t.size:.4g} at {t.start}")
        s.revoked += any(
            r.event.area == area and r.event.side > 0 and t.start <= r.event.detected * block <= t.end + GRACE
            for r in watch.revoked
        )
        if t.what not in NO_FAULT:
            result.ungated_alarms += alarmed(blind)
    for i, f in enumerate(found):
        n_right, n = result.precision.get(f.kind, (0, 0))
        result.precision[f.kind] = (n_right + (i in right), n + 1)
        if i not in used:
            result.false_findings += 1
            result.detail.append(f"{seed} false {f}")


def _truly_dry(site: Site, watch: Watch, t: Trouble, frame: Gating) -> NDArray[np.bool_]:
    """Rows of a cut in which the overlay turned the water off: its inlet meters read 0."""
    meters = [i for i, name in enumerate(frame.ids) if name in t.sensors and frame.sign[i].any()]
    values = watch.gate.tape.floats("value", t.start, t.end)[:, meters]
    return np.asarray((values == 0).all(axis=1))
