"""The inflow that a step test reads: its noise at night, and its means between steps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.step_evidence import chance_error, dwell_error
from waterworks.errors import WrongInput
from waterworks.localtime import local_time, utc_seconds
from waterworks.metering import UNUSABLE, balance
from waterworks.network import Network
from waterworks.ports import ReadingStore
from waterworks.reading import instant
from waterworks.site import Site

Floats = NDArray[np.float64]

NOISE_NIGHTS = 28
"""Nights from which the noise of the inflow is learnt."""
SETTLE = timedelta(minutes=3)
"""After a valve was turned, until what is read counts: pressure settles and the crew comes to rest."""


class Noise(NamedTuple):
    """Standard error [m3/s] of a mean over ``dwell_s`` [s]; source: measured or assumed."""

    error: float
    dwell_s: float
    source: str


class MeanFlow(NamedTuple):
    """Net inflow [m3/s] from ``start`` to ``end``, from so many readings of the poorest meter."""

    flow: float
    readings: int
    start: datetime
    end: datetime


class StepReadings:
    """Net inflow of a site's DMAs as their meters have it."""

    def __init__(self, site: Site, network: Network | None, store: ReadingStore) -> None:
        self._site, self._store = site, store
        self._balance = balance(site, network)

    def noise(self, dma: str, dwell_s: float, now: datetime, use: float) -> Noise:
        """Noise of a mean over about ``dwell_s`` (as many whole intervals of the meters as fit). use:
        expected inflow at night [m3/s], from which it is told where too few nights were measured."""
        interval = max([self._site.sensor[m].interval_s for m, _ in self._meters(dma)], default=300.0)
        per = max(1, round(dwell_s / interval))
        meters = self._meters(dma)
        begin, end = self._site.monitor.night
        hours = (end - begin) % 24 or 24.0
        window = self._store.window(
            [m for m, _ in meters],
            instant(now - timedelta(days=NOISE_NIGHTS)),
            instant(now),
            step=np.timedelta64(round(interval), "s"),
            exclude=UNUSABLE,
        )
        error = float("nan")
        if len(window.times):
            flow = window.values @ np.array([sign for _, sign in meters])
            seconds = utc_seconds(window.times)
            local = local_time(seconds, max(round(interval), 1), self._site.timezone, frozenset())
            since = (local.hour - begin) % 24
            night = local.day - (since > local.hour)
            place = np.round(since * 3600 / interval).astype(np.int64)
            at_night = (since < hours) & (place < int(hours * 3600 // interval))
            rows, row = np.unique(night[at_night], return_inverse=True)
            grid = np.full((len(rows), int(hours * 3600 // interval)), np.nan)
            grid[row, place[at_night]] = flow[at_night]
            error = dwell_error(grid, per) if len(rows) else error
        if np.isfinite(error) and error > 0:
            return Noise(error, per * interval, "measured")
        return Noise(max(chance_error(use, per * interval), 1e-6), per * interval, "assumed")

    def mean(self, dma: str, start: datetime, end: datetime, step: int) -> MeanFlow:
        """Net inflow between two instants, after a step (0: before the first). Raises WrongInput without
        readings."""
        meters = self._meters(dma)
        names = [m for m, _ in meters]
        if end <= start:
            raise WrongInput(
                f"{_called(step)}: no time is left to read: the steps' times must lie further apart",
                "no_time", step=step,
            )  # fmt: skip
        window = self._store.window(names, instant(start), instant(end), exclude=UNUSABLE)
        count = (
            np.isfinite(window.values).sum(axis=0) if len(window.times) else np.zeros(len(names), np.int64)
        )
        if not len(names) or count.min() == 0:
            silent = ", ".join(n for n, c in zip(names, count.tolist(), strict=True) if not c)
            raise WrongInput(
                f"{_called(step)}: no reading of {silent or 'any inlet meter'} between "
                f"{start:%Y-%m-%d %H:%M} and {end:%H:%M} UTC: enter the flow by hand",
                "no_reading", step=step, meter=silent, start=start, end=end,
            )  # fmt: skip
        flow = float(np.nanmean(window.values, axis=0) @ np.array([sign for _, sign in meters]))
        return MeanFlow(flow - self._stored(dma, start, end), int(count.min()), start, end)

    def _meters(self, dma: str) -> list[tuple[str, float]]:
        column = [d.id for d in self._site.dmas].index(dma)
        signs = self._balance.signs[:, column].tolist()
        return [(m, s) for m, s in zip(self._balance.meters, signs, strict=True) if s]

    def _stored(self, dma: str, start: datetime, end: datetime) -> float:
        """What the DMA's tanks took up [m3/s] between two instants; 0 where their levels say nothing."""
        column = [d.id for d in self._site.dmas].index(dma)
        b = self._balance
        tanks = [(t, a) for t, s, a in zip(b.tanks, b.tank_signs[:, column], b.areas, strict=True) if s]
        if not tanks:
            return 0.0
        window = self._store.window([t for t, _ in tanks], instant(start), instant(end), exclude=UNUSABLE)
        if not len(window.times):
            return 0.0
        total = 0.0
        for column, (_, area) in enumerate(tanks):
            known = np.flatnonzero(np.isfinite(window.values[:, column]))
            if len(known) >= 2:
                first, last = known[0], known[-1]
                took = (window.times[last] - window.times[first]) / np.timedelta64(1, "s")
                total += area * float(window.values[last, column] - window.values[first, column]) / took
        return total


def _called(step: int) -> str:
    return f"step {step}" if step else "before the first step"


def spans(times: Sequence[datetime], dwell: timedelta) -> list[tuple[datetime, datetime]]:
    """When to read, for steps at these times: ``dwell`` before the first, then after each until the next."""
    after = [(a + SETTLE, b) for a, b in zip(times, [*times[1:], times[-1] + SETTLE + dwell], strict=True)]
    return [(times[0] - dwell, times[0]), *after]
