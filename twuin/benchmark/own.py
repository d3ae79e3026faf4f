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
from twuin.benchmark.trials import HORIZON_D, QUIET_H, Trials

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KNOB = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 10.0, 20.0)
"""Values of ``Options.years`` that are swept, from keen to calm."""


class Run(NamedTuple):
    """What was raised on the inflow as it is: area (n,), hours (n,) since the first midnight; and residual
    (T, S) [m3/s] and statistic (T, S) of each block."""

    area: Ints
    hours: Floats
    residual: Floats
    statistic: Floats


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


def run(
    inflow: Inflow, years: float, trials: Trials | None, progress: Callable[[float], None] = lambda _: None
) -> tuple[Run, Floats | None]:
    """The detector over all inflow, and the delay of each trial (N,) [h], infinite where it is not found.

    Each day on which trials begin, the detector is branched: a column per trial, fed with inflow and leak.
    """
    detector = Detector(inflow.flow.shape[1], inflow.step_s, Options(years=years))
    per = detector.rows_per_block
    days = inflow.local.day - inflow.first_day
    starts = [] if trials is None else np.unique(trials.day).tolist()
    found: list[tuple[Ints, Ints, list[Event]]] = []
    at = 0
    for i, day in enumerate(starts):
        assert trials is not None
        until = int(np.searchsorted(days, day)) // per * per
        _advance(detector, inflow, at, until, inflow.flow[at:until])
        at = until
        which = np.flatnonzero(trials.day == day)
        branch = detector.branch(trials.dma[which])
        last = int(np.searchsorted(days, day + HORIZON_D + 2)) // per * per
        rows = slice(at, last)
        hours = np.asarray(days[rows] * 24.0 + np.floor(inflow.local.hour[rows]), np.float64)
        part = trials.take(which)
        leak = part.flow(hours[:, None]) * inflow.mean[part.dma]
        flow = inflow.flow[rows]
        _advance(branch, inflow, at, last, np.concatenate([flow, flow[:, part.dma] + leak], axis=1))
        found.append((which, part.dma, branch.events))
        progress((i + 1) / (len(starts) + 4))
    last = len(inflow.flow) // per * per
    _advance(detector, inflow, at, last, inflow.flow[at:last])
    hour_of = _hour_of(inflow, detector)
    s = inflow.flow.shape[1]
    real = [(k, when) for k in range(s) for when in told(detector.events, k, hour_of)]
    block = detector.record.block
    shown = (block["residual"] - block["known"])[: detector.blocks]
    result = Run(
        np.array([k for k, _ in real], np.int64),
        np.array([w for _, w in real]),
        shown,
        detector.statistic.copy(),
    )
    if trials is None:
        return result, None
    delay = np.full(len(trials.dma), np.inf)
    for which, dma, events in found:
        quiet = {k: set(told(events, k, hour_of)) for k in range(s)}
        for column, (trial, k) in enumerate(zip(which.tolist(), dma.tolist(), strict=True), s):
            for when in told(events, column, hour_of):
                age = when - trials.start[trial]
                if 0 < age <= 24.0 * HORIZON_D and when not in quiet[k]:
                    delay[trial] = age
                    break
    return result, delay


def _advance(detector: Detector, inflow: Inflow, first: int, last: int, flow: Floats) -> None:
    local = inflow.local
    detector.advance(flow, local.day[first:last], local.slot[first:last], local.weekday[first:last])
