"""Leaks of known size put into measured inflow at random times, and what counts as found.

An alarm is what a crew would be told: the first decision for an alarm after ``QUIET_H`` without one. A
*false* alarm is any alarm on the inflow as it was measured, whether a real burst caused it or not: nobody
knows, and it counts against all methods alike. A leak is *found* by the first alarm after its start that the
same method would not have raised at that very time without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twuin.benchmark.inflow import Inflow

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SIZES = (0.02, 0.05, 0.10, 0.15, 0.20, 0.30)
"""Leaks as shares of the DMA's mean inflow."""

GROWTH_D = 14
"""Days over which a growing leak rises evenly to its size."""

HORIZON_D = 30
"""Days after its start in which a leak may be found."""

QUIET_H = 72.0
"""An alarm less than this [h] after the last alarming decision is still the same alarm."""

LOOKBACK_D = 84
"""Days before a leak that a chart is given to settle in."""


class Period(NamedTuple):
    """Days [first, last) of an ``Inflow``."""

    first: int
    last: int


class Trials(NamedTuple):
    """N leaks. dma (N,): column; start (N,): hours since the first local midnight; size (N,): share of the
    DMA's mean inflow; growing (N,)."""

    dma: Ints
    start: Floats
    size: Floats
    growing: Bools

    @property
    def day(self) -> Ints:
        """Day of each start."""
        return np.asarray(self.start // 24, np.int64)

    def take(self, which: Ints) -> Trials:
        """Some of them."""
        return Trials(self.dma[which], self.start[which], self.size[which], self.growing[which])

    def flow(self, hours: Floats) -> Floats:
        """Mean flow of each leak in shares of mean inflow over steps that begin ``hours`` (n, N) after the
        first midnight; a step in which a leak starts has all of it (starts are on full hours)."""
        age = hours - self.start
        grown = np.clip((age + 1.0) / (24.0 * GROWTH_D), 0.0, 1.0)
        return np.where(age >= 0, self.size * np.where(self.growing, grown, 1.0), 0.0)


def draw(inflow: Inflow, period: Period, starts: int, seed: int) -> Trials:
    """``starts`` days drawn without replacement (evenly stratified), on each a leak of each size and shape in
    each DMA, at an hour of its own."""
    rng = np.random.default_rng(seed)
    first, last = period.first, period.last - HORIZON_D - 1
    edges = np.linspace(first, last, starts + 1)
    day = np.floor(rng.uniform(edges[:-1], edges[1:])).astype(np.int64)
    s = inflow.flow.shape[1]
    grid = np.meshgrid(day, np.arange(s), SIZES, (False, True), indexing="ij")
    days, dma, size, growing = (g.ravel() for g in grid)
    hour = rng.integers(0, 24, len(days))
    return Trials(dma.astype(np.int64), days * 24.0 + hour, size, growing)


class Windows(NamedTuple):
    """Inflow around N leaks by day and slot: flow (D, J, N) with, quiet (D, J, N) without them; weekday
    (D, N); start (N,) hours since the window's first midnight."""

    flow: Floats
    quiet: Floats
    weekday: Ints
    start: Floats


def windows(inflow: Inflow, trials: Trials) -> Windows:
    """Cut out what a chart needs to settle and to find each leak."""
    days, weekday = inflow.days(), inflow.weekdays()
    d, j = LOOKBACK_D + HORIZON_D + 1, inflow.per_day
    n = len(trials.dma)
    at = trials.day[None, :] - LOOKBACK_D + np.arange(d)[:, None]
    inside = (at >= 0) & (at < len(days))
    at = np.clip(at, 0, len(days) - 1)
    quiet = days[at[:, None, :], np.arange(j)[None, :, None], trials.dma[None, None, :]]
    quiet = np.where(inside[:, None, :], quiet, np.nan)
    start = trials.start - (trials.day - LOOKBACK_D) * 24.0
    hours = (np.arange(d * j) * inflow.step_s / 3600.0)[:, None]
    leak = trials._replace(start=start).flow(np.floor(hours)) * inflow.mean[trials.dma]
    return Windows(quiet + leak.reshape(d, j, n), quiet, weekday[at], start)


def raised(decisions: Iterable[Bools], hours: NDArray[np.floating[Any]]) -> Iterator[tuple[float, Bools]]:
    """Times and alarms: of each decision (any shape) those that are no continuation of an earlier one."""
    last: Floats | None = None
    for when, alarm in zip(hours.tolist(), decisions, strict=True):
        if last is None:
            last = np.full(alarm.shape, -np.inf)
        if not alarm.any():
            yield when, alarm
            continue
        yield when, alarm & (when - last > QUIET_H)
        last = np.where(alarm, when, last)


def count_alarms(decisions: Iterable[Bools], hours: NDArray[np.floating[Any]], period: Period) -> Ints:
    """Alarms of each column (S, H) within a period."""
    total: Ints | None = None
    for when, alarm in raised(decisions, hours):
        inside = period.first * 24 < when <= period.last * 24
        total = np.zeros(alarm.shape, np.int64) if total is None else total
        if inside:
            total += alarm
    assert total is not None
    return total


def delays(decisions: Iterable[Bools], hours: NDArray[np.floating[Any]], start: Floats) -> Floats:
    """Hours from each leak's start to its alarm (N, H), infinite where it is not found.

    decisions: (2 N, H), first with, then without the leak; start (N,).
    """
    n = len(start)
    out: Floats | None = None
    for when, alarm in raised(decisions, hours):
        out = np.full((n, alarm.shape[1]), np.inf) if out is None else out
        if not alarm.any():
            continue
        age = (when - start)[:, None]
        hit = alarm[:n] & ~alarm[n:] & (age > 0) & (age <= 24.0 * HORIZON_D)
        out = np.where(hit, np.minimum(out, age), out)
    assert out is not None
    return out


def measured_years(inflow: Inflow, period: Period) -> float:
    """DMA-years with readings in a period."""
    d = inflow.local.day - inflow.first_day
    inside = (d >= period.first) & (d < period.last)
    return float(np.isfinite(inflow.flow[inside]).sum() * inflow.step_s / (365.25 * 86400))
