"""Derived series into the store."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.night import NightFlow
from twuin.monitor.engine import Engine
from twuin.monitor.grid import instant_of
from waterworks.ports import Clock, ReadingStore
from waterworks.reading import Quality, ReadingBatch, Times
from waterworks.series import Derived, derived
from waterworks.site import Site

Floats = NDArray[np.float64]

BAND = 1.6449
"""Half width of a 90 % band in standard deviations."""

ROWS = 50_000
"""Rows of the grid that go into one batch."""


DOUBTFUL = int(Quality.SUSPECT)
"""Marks inflow, and nights, that were measured but are not trusted: they decide nothing."""


class Publisher:
    """Writes what has changed since it last wrote. Writing the same again changes nothing in the store.

    Inflow that the gate has taken out, or that works moved that people have entered, is written as it was
    measured, marked doubtful, and so are nights that lack it: what had been written before it was known to
    be wrong must not stand there as good.
    """

    def __init__(self, site: Site, store: ReadingStore, clock: Clock) -> None:
        self._site, self._store, self._clock = site, store, clock
        self.origin: int | None = None
        self._nights: NightFlow | None = None

    def write(
        self, engine: Engine, first: int, nights: NightFlow, begins: Times, measured: NightFlow
    ) -> None:
        """Series of the detector from ``first`` on, its first changed row, and nights that are new or differ.

        begins (D,): the local midnights of ``nights``. measured: the same nights of inflow as measured.
        """
        detector = engine.detector
        if self.origin != engine.origin:
            first, self._nights, self.origin = 0, None, engine.origin
        assert engine.origin is not None
        per_block = detector.rows_per_block
        for a in range(first, detector.rows, ROWS):
            b = min(a + ROWS, detector.rows)
            times = instant_of(engine.origin + a * engine.step_s) + np.arange(b - a) * np.timedelta64(
                engine.step_s * 1_000_000, "us"
            )
            blocks = slice(a // per_block, -(-b // per_block))
            block_times = instant_of(engine.origin + blocks.start * detector.block_s) + np.arange(
                blocks.stop - blocks.start
            ) * np.timedelta64(detector.block_s * 1_000_000, "us")
            trusted, all_of_it = engine.usual(a, b), engine.watch.measured(a, b)
            self._append([(Derived.INFLOW, times, np.where(np.isnan(trusted), all_of_it, np.nan))], DOUBTFUL)
            self._append(
                [
                    (Derived.INFLOW, times, trusted),
                    (Derived.EXPECTED, times, detector.expected[a:b]),
                    (Derived.BAND, times, BAND * detector.scale[a:b]),
                    (Derived.CUSUM, block_times, detector.statistic[blocks]),
                    (
                        Derived.LEAK,
                        block_times,
                        np.where(np.isnan(detector.statistic[blocks]), np.nan, detector.known[blocks]),
                    ),
                ]
            )
        rows = np.arange(len(nights.night))
        old = self._nights
        if old is not None:
            n = min(len(old.night), len(nights.night))
            same = (old.night[:n] == nights.night[:n]) & np.all(
                _same(old.lowest[:n], nights.lowest[:n]) & _same(old.usual[:n], nights.usual[:n]), axis=1
            )
            rows = np.concatenate([np.flatnonzero(~same), np.arange(n, len(nights.night))])
        if len(rows):
            lost = np.isnan(nights.lowest) & np.isfinite(measured.lowest)
            lost_usual = np.isnan(nights.usual) & np.isfinite(measured.usual)
            self._append(
                [
                    (Derived.NIGHT_FLOW, begins[rows], np.where(lost, measured.lowest, np.nan)[rows]),
                    (
                        Derived.NIGHT_FLOW_USUAL,
                        begins[rows],
                        np.where(lost_usual, measured.usual, np.nan)[rows],
                    ),
                ],
                DOUBTFUL,
            )
            self._append(
                [
                    (Derived.NIGHT_FLOW, begins[rows], nights.lowest[rows]),
                    (Derived.NIGHT_FLOW_USUAL, begins[rows], nights.usual[rows]),
                ]
            )
        self._nights = nights

    def _append(self, series: list[tuple[Derived, Times, Floats]], quality: int = 0) -> None:
        names: list[str] = []
        columns: list[tuple[NDArray[np.int32], Times, Floats]] = []
        for what, times, values in series:
            row, column = np.nonzero(np.isfinite(values))
            columns.append(((column + len(names)).astype(np.int32), times[row], values[row, column]))
            names += [derived(d.id, what) for d in self._site.dmas]
        sensor, time, value = (np.concatenate(c) for c in zip(*columns, strict=True))
        if len(value):
            self._store.append(
                ReadingBatch.columns(names, sensor, time, value, received=self._clock.now(), quality=quality)
            )


def _same(a: Floats, b: Floats) -> NDArray[np.bool_]:
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))
