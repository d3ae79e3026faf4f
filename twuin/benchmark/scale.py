"""How time and memory of one monitor cycle grow with the number of DMAs.

One cycle is the dearest of a week: readings of the whole window (60 days of 5-minute values of 10 sensors
a DMA) have come from the store as an array, a day has just begun, and the monitor must

1. check each sensor: share that is missing, out of range, stuck (no change over six hours), spikes against
   the neighbouring readings, noise against the weeks before;
2. bring each inlet's readings to the grid and make up net inflow (two inlets and an outlet a DMA);
3. prepare the new day: expected course and noise of each slot, neighbours, weights of all times of day;
4. test the block that has just ended over all lengths, and look at alarms, and find the night flow.

What is kept between cycles (what the detector noted as the window went by) is made before the clock starts.
Times are of the processor, so that what else the machine does does not count; a cycle runs on one core.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.detector import Detector
from analytics.inflow import net_inflow
from analytics.night import night_flow
from twuin.benchmark.spread import Each, in_turn
from twuin.benchmark.table import Table, plain

Floats = NDArray[np.float64]

SENSORS = 10
"""Sensors of a DMA: two inlets, an outlet, seven pressures."""

DAYS = 60
READ_S = 300
GRID_S = 900
PART = 250
"""DMAs that are worked on at once: so memory beyond the readings stays the same."""


class Cycle(NamedTuple):
    """One size: DMAs, seconds of the parts of a cycle, readings, peak of resident memory [MB].

    wall_s: from the first part's begin to the last one's end, the first one's readings made in it; digest:
    of all that was found, the same wherever it was found.
    """

    dmas: int
    checks_s: float
    inflow_s: float
    detect_s: float
    total_s: float
    readings: int
    peak_mb: float
    wall_s: float
    digest: str


@dataclass(frozen=True)
class Scale:
    """Result of the case."""

    cycles: list[Cycle]

    def tables(self) -> list[Table]:
        rows: list[list[str | int | float | None]] = [
            [
                c.dmas,
                c.readings,
                c.checks_s,
                c.inflow_s,
                c.detect_s,
                c.total_s,
                1e3 * c.total_s / c.dmas,
                c.peak_mb,
                c.wall_s,
                c.digest,
            ]
            for c in self.cycles
        ]
        return [
            Table(
                f"One monitor cycle: {SENSORS} sensors a DMA, {DAYS} days of {READ_S // 60}-minute readings",
                [
                    "DMAs",
                    "readings",
                    "checks s",
                    "inflow s",
                    "detection s",
                    "cycle s",
                    "ms a DMA",
                    "peak MB",
                    "on the clock s",
                    "result",
                ],
                rows,
                (
                    "Seconds of processor time, of one core. On the clock: from begin to end, the making "
                    "of readings with it, by one process or all workers.",
                    "Result: the same wherever it was worked out.",
                ),
            )
        ]

    def as_json(self) -> dict[str, Any]:
        out: dict[str, Any] = plain({"case": "scale", "cycles": [c._asdict() for c in self.cycles]})
        return out

    def plot(self, folder: Path) -> list[Path]:
        from twuin.benchmark.plots import COLOURS, figure, save

        fig, (ax,) = figure(width=6, height=4)
        x = [c.dmas for c in self.cycles]
        ax.loglog(x, [c.total_s for c in self.cycles], "o-", color=COLOURS[0], label="one cycle")
        last = self.cycles[-1]
        ax.loglog(x, [last.total_s * n / last.dmas for n in x], ":", color="#777777", label="in proportion")
        ax.set_xticks(x, [f"{n:,}" for n in x], minor=False)
        ax.set_title("One monitor cycle: 10 sensors a DMA, 60 days of 5-minute readings", fontsize=9)
        ax.set_xlabel("DMAs")
        ax.set_ylabel("processor time of one core [s]")
        ax.legend(frameon=False)
        return [save(fig, folder, "scale")]


def readings(dmas: int, seed: int, days: int) -> NDArray[np.float32]:
    """Simulated readings (T, dmas, SENSORS): flows [m3/s] of two inlets and an outlet, pressures [m]."""
    rng = np.random.default_rng(seed)
    t = days * 86400 // READ_S
    hour = np.arange(t) * READ_S / 3600 % 24
    course = (1 + 0.4 * np.sin((hour - 9) / 24 * 2 * np.pi)).astype(np.float32)
    out = rng.standard_normal((t, dmas, SENSORS), np.float32)
    size = rng.uniform(0.003, 0.03, dmas).astype(np.float32)
    out[:, :, :3] *= 0.04
    out[:, :, :3] += 1.0
    out[:, :, :3] *= course[:, None, None] * size[None, :, None] * np.array([0.8, 0.5, 0.3], np.float32)
    out[:, :, 3:] *= 0.2
    out[:, :, 3:] += (40.0 - 4.0 * course)[:, None, None]
    return out


def check_sensors(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each sensor (N,) of readings (T, N) may be believed today, by rules of a sensor on its own."""
    per_day = 86400 // READ_S
    missing = np.isnan(values).mean(axis=0)
    last = values[-per_day:]
    step = np.abs(np.diff(values, axis=0))
    usual = np.sqrt((step[:-per_day] ** 2).mean(axis=0))
    noise = np.sqrt((step[-per_day:] ** 2).mean(axis=0))
    stuck = (step[-per_day // 4 :] == 0).all(axis=0)
    spikes = (np.minimum(step[-per_day:-1], step[-per_day + 1 :]) > 8 * usual).any(axis=0)
    out_of_range = (last < -1.0).any(axis=0) | (last > 200.0).any(axis=0)
    return np.asarray(~(stuck | spikes | out_of_range | (missing > 0.25) | (noise > 3 * usual)))


def _calendar(days: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    per = 86400 // GRID_S
    # The last day is one on which weights are learnt anew, which is once a week.
    day = 7 * 105_572 - days + 1 + np.repeat(np.arange(days), per)
    return day, np.tile(np.arange(per), days), (day + 6) % 7


def _inflow(values: NDArray[np.float32]) -> Floats:
    """Net inflow (T', S) of readings (T, S, SENSORS) on the grid [m3/s]."""
    t, s, _ = values.shape
    width = GRID_S // READ_S
    flows = values[:, :, :3].reshape(t // width, width, s, 3).mean(axis=1).astype(np.float64)
    signs = np.array([[1.0], [1.0], [-1.0]])
    return net_inflow(flows.reshape(-1, 3), signs, np.empty((flows.size // 3, 0)), np.empty((0, 1))).reshape(
        -1, s
    )


def _warm(flow: Floats) -> Detector:
    """A detector that has seen all but the last block, whose day has just begun."""
    detector = Detector(flow.shape[1], GRID_S)
    day, slot, weekday = _calendar(DAYS)
    per_day = 86400 // GRID_S
    last = len(flow) - per_day
    detector.advance(flow[:last], day[:last], slot[:last], weekday[:last])
    return detector


class Part(NamedTuple):
    """What one part of a cycle took [s of processor time] and came to.

    digest: of the night flow and of the test statistic of each of its DMAs, to the last digit.
    """

    checks_s: float
    inflow_s: float
    detect_s: float
    peak_mb: float
    digest: str


@functools.lru_cache(maxsize=1)
def _ready(part: int, seed: int, days: int) -> tuple[NDArray[np.float32], Detector]:
    """Readings of a part, and the detector that has seen all but the last block."""
    values = readings(part, seed, days)
    return values, _warm(_inflow(values))


def work(order: tuple[int, int]) -> Part:
    """One part of (DMAs, seed), for a worker: it makes the readings itself, once."""
    return cycle_part(*order)


def cycle_part(part: int, seed: int = 0) -> Part:
    """Time one cycle over one part. Readings and what detectors had kept are made once and stand for all."""
    values, kept = _ready(part, seed, DAYS)
    day, slot, weekday = _calendar(DAYS)
    per_day = 86400 // GRID_S
    hour = slot * GRID_S / 3600
    rows = slice(kept.rows, kept.rows + kept.rows_per_block)
    fortnight = slice(-14 * per_day, None)
    detector = copy.deepcopy(kept)
    begun = time.process_time()
    believed = check_sensors(values.reshape(len(values), -1)).reshape(part, SENSORS)
    checked = time.process_time()
    flow = np.where(believed[:, :3].all(axis=1), _inflow(values), np.nan)
    made = time.process_time()
    detector.advance(flow[rows], day[rows], slot[rows], weekday[rows])
    nights = night_flow(flow[fortnight], day[fortnight], hour[fortnight], GRID_S)
    ended = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 if sys.platform != "darwin" else 1024**2
    )
    digest = hashlib.sha256(detector.statistic[-1].tobytes())
    for array in nights:
        digest.update(np.ascontiguousarray(array).tobytes())
    return Part(checked - begun, made - checked, ended - made, peak, digest.hexdigest()[:16])


def cycle(dmas: int, each: Each = in_turn, seed: int = 0) -> Cycle:
    """Time one cycle over so many DMAs, in parts of ``PART``."""
    part = min(PART, dmas)
    shares = [min(part, dmas - first) / part for first in range(0, dmas, part)]
    begun = time.perf_counter()
    done = [p for _, p in sorted(each("benchmark.scale", work, [(part, seed)] * len(shares)))]
    wall = time.perf_counter() - begun
    checks = sum(share * p.checks_s for share, p in zip(shares, done, strict=True))
    inflow = sum(share * p.inflow_s for share, p in zip(shares, done, strict=True))
    detect = sum(share * p.detect_s for share, p in zip(shares, done, strict=True))
    digest = hashlib.sha256("".join(p.digest for p in done).encode()).hexdigest()[:16]
    steps = dmas * SENSORS * DAYS * 86400 // READ_S
    peak = max(p.peak_mb for p in done)
    return Cycle(dmas, checks, inflow, detect, checks + inflow + detect, steps, peak, wall, digest)


def run(
    sizes: Sequence[int] = (10, 100, 1000, 10000),
    progress: Callable[[float], None] = lambda _: None,
    each: Each = in_turn,
) -> Scale:
    """Time cycles of each number of DMAs, smallest first. each: who does the parts."""
    out = []
    for i, n in enumerate(sorted(sizes)):
        out.append(cycle(n, each))
        progress((i + 1) / len(sizes))
    return Scale(out)
