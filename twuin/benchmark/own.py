"""Twuin's own inflow detector under the same trials as its rivals: the detector itself, hour by hour."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.detector import Detector
from analytics.events import Event
from analytics.options import Options
from twuin.benchmark.inflow import Inflow
from twuin.benchmark.trials import HORIZON_D, QUIET_H, Period, Trials

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KNOB = (1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0, 5.0)
"""Values of ``Options.years`` that are swept, from keen to calm."""

LOOK_D = (1, 2, 3, 5, 8, 12, 20, HORIZON_D + 2)
"""Days after the day of their start by which leaks that have been found are taken out."""


class Run(NamedTuple):
    """What was raised on the inflow as it is: area (n,), hours (n,) since the first midnight; and residual
    (T, S) [m3/s] and statistic (T, S) of each block."""

    area: Ints
    hours: Floats
    residual: Floats
    statistic: Floats

    def rate(self, period: Period, years: float) -> float:
        """Alarms a DMA-year in a period of so many DMA-years."""
        inside = (self.hours > period.first * 24) & (self.hours <= period.last * 24)
        return float(inside.sum()) / years


def told(events: list[Event], area: int, hour_of: Callable[[int], float]) -> list[float]:
    """Hours at which a crew would be told of leaks in one area: ``QUIET_H`` after the last alarm at least."""
    out: list[float] = []
    last = -np.inf
    for when in sorted(hour_of(e.detected) for e in events if e.area == area and e.side > 0):
        if when - last > QUIET_H:
            out.append(when)
        last = when
    return out


def _hour_of(inflow: Inflow, detector: Detector) -> Callable[[int], float]:
    """Local hours since the first midnight at the end of a block."""
    day, hour, per = inflow.local.day, inflow.local.hour, detector.rows_per_block

    def at(block: int) -> float:
        row = (block + 1) * per - 1
        return float((day[row] - day[0]) * 24 + hour[row] + inflow.step_s / 3600)

    return at


def quiet(inflow: Inflow, years: float) -> Run:
    """The detector over all inflow, without any leak put in."""
    s = inflow.flow.shape[1]
    detector = Detector(s, inflow.step_s, Options(years=years))
    hour_of = _hour_of(inflow, detector)
    last = len(inflow.flow) // detector.rows_per_block * detector.rows_per_block
    _advance(detector, inflow, 0, last, inflow.flow[:last])
    real = [(k, when) for k in range(s) for when in told(detector.events, k, hour_of)]
    block = detector.record.block
    return Run(
        np.array([k for k, _ in real], np.int64),
        np.array([w for _, w in real]),
        (block["residual"] - block["known"])[: detector.blocks],
        detector.statistic.copy(),
    )


def delays(inflow: Inflow, years: float, trials: Trials) -> Floats:
    """Delay of each trial (N,) [h], infinite where it is not found.

    Each day on which trials begin, the detector is branched: a column per trial, fed with inflow and leak.
    """
    detector = Detector(inflow.flow.shape[1], inflow.step_s, Options(years=years))
    per = detector.rows_per_block
    days = inflow.local.day - inflow.first_day
    out = np.full(len(trials.dma), np.inf)
    at = 0
    for day in np.unique(trials.day).tolist():
        until = int(np.searchsorted(days, day)) // per * per
        _advance(detector, inflow, at, until, inflow.flow[at:until])
        at = until
        which = np.flatnonzero(trials.day == day)
        out[which] = _delays(detector, inflow, trials.take(which), at)
    return out


def _delays(detector: Detector, inflow: Inflow, trials: Trials, at: int) -> Floats:
    """Delay of trials (N,) [h] that begin on the day of row ``at``, up to which the detector has come.

    A column whose leak has been found is followed no further.
    """
    s, n = inflow.flow.shape[1], len(trials.dma)
    hour_of = _hour_of(inflow, detector)
    per = detector.rows_per_block
    days = inflow.local.day - inflow.first_day
    day = int(days[at])
    delay = np.full(n, np.inf)
    left = np.arange(n)
    branch = detector.branch(trials.dma)
    for until in LOOK_D:
        part = trials.take(left)
        last = int(np.searchsorted(days, day + until)) // per * per
        rows = slice(at, last)
        hours = np.asarray(days[rows] * 24.0 + np.floor(inflow.local.hour[rows]), np.float64)
        leak = part.flow(hours[:, None]) * inflow.mean[part.dma]
        flow = inflow.flow[rows]
        _advance(branch, inflow, at, last, np.concatenate([flow, flow[:, part.dma] + leak], axis=1))
        at = last
        quiet = [set(told(branch.events, k, hour_of)) for k in range(s)]
        for column, trial in enumerate(left.tolist(), s):
            for when in told(branch.events, column, hour_of):
                age = when - trials.start[trial]
                if 0 < age <= 24.0 * HORIZON_D and when not in quiet[trials.dma[trial]]:
                    delay[trial] = age
                    break
        stay = ~np.isfinite(delay[left])
        if not stay.any():
            break
        branch = branch.columns(np.concatenate([np.arange(s), s + np.flatnonzero(stay)]))
        left = left[stay]
    return delay


def _advance(detector: Detector, inflow: Inflow, first: int, last: int, flow: Floats) -> None:
    local = inflow.local
    detector.advance(flow, local.day[first:last], local.slot[first:last], local.weekday[first:last])
