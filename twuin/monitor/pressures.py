"""Leaks by pressures alone, where neither a hydraulic model nor an inlet meter tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from analytics.drops import Drop, PairOptions
from analytics.pairs import BRIEF_DAYS, PairWatch
from analytics.resample import to_rows
from twuin.alerts.model import Finding, Kind
from twuin.monitor.extent import first_day_of_use
from twuin.monitor.grid import instant_of, moment, utc_seconds
from waterworks.metering import UNUSABLE
from waterworks.ports import ReadingStore
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity

MOST = 60
"""Sensors that are regressed on each other at once: a town's. Of more, each DMA has a watch of its own."""

CHUNK_HOURS = 60 * 24
"""How much is read from the store at once."""

NEAR = 3
"""Sensors that a finding names."""


@dataclass
class _Group:
    """Sensors that are watched together, with the columns beside them, and where their watch stands."""

    sensors: list[Sensor]
    beside: list[Sensor]
    watch: PairWatch
    origin: int | None = None

    @property
    def names(self) -> list[str]:
        return [s.id for s in (*self.sensors, *self.beside)]

    @property
    def until(self) -> int | None:
        """End of what was decided on [s since 1970]."""
        return None if self.origin is None else self.origin + self.watch.parts * part_s()


def part_s() -> int:
    """Length of a part of the watch [s]."""
    return 86400 // PairWatch.PARTS


class PressureWatch:
    """Watches the DMAs that nothing else can: of a site without a model, or without an inlet meter.

    ``store`` leaves out what the gate does not trust. Like the detector it can be taken back.
    """

    def __init__(self, site: Site, store: ReadingStore, *, has_model: bool, keep: int) -> None:
        self._store, self._keep = store, keep
        self.options = PairOptions()
        metered = {d for s in site.sensors if s.role is Role.INLET for d in (s.dma, s.from_dma)}
        self.dmas = {d.id for d in site.dmas if not has_model or d.id not in metered}
        pressures = [s for s in site.sensors if s.quantity is Quantity.PRESSURE and s.dma]
        beside = [
            s
            for s in site.sensors
            if s.quantity in (Quantity.FLOW, Quantity.LEVEL) and s.role is not Role.CONSUMPTION
        ]
        if len(pressures) + len(beside) <= MOST:
            sets = [(pressures, beside)] if any(s.dma in self.dmas for s in pressures) else []
        else:
            sets = [
                (
                    [s for s in pressures if s.dma == dma],
                    [s for s in beside if dma in (s.dma, s.from_dma)],
                )
                for dma in sorted(self.dmas)
            ]
        self._groups = [_Group(p, b, PairWatch(len(p), len(b), self.options)) for p, b in sets if len(p) >= 2]
        self.ids = {name for g in self._groups for name in g.names}

    @property
    def until(self) -> int | None:
        """Up to here all groups have decided [s since 1970]; None where there is nothing to decide on."""
        ends = [g.until for g in self._groups if g.until is not None]
        return min(ends, default=None)

    def touched(self, names: Sequence[str], first: int) -> None:
        """Readings of ``names`` from ``first`` [s since 1970] on have changed."""
        for g in self._groups:
            if not set(names) & set(g.names) or g.origin is None:
                continue
            row = (first - g.origin) // 3600
            if row < 0:
                if self._first_of_use(g) != g.origin:
                    g.origin = None
                    g.watch = PairWatch(len(g.sensors), len(g.beside), self.options)
            elif row < g.watch.rows:
                g.watch.rewind(row)

    def proceed(self, mark: int) -> bool:
        """Evaluate all whole parts that end at or before ``mark`` [s since 1970]; whether there were any."""
        moved = False
        for g in self._groups:
            if g.watch.rows < self.options.min_days * 24:
                # Few rows yet: they may turn out to be those of a device whose clock was never set.
                first_day = self._first_of_use(g)
                if first_day != g.origin or g.origin is None:
                    g.origin = first_day
                    g.watch = PairWatch(len(g.sensors), len(g.beside), self.options)
            if g.origin is None:
                continue
            target = (mark - g.origin) // part_s() * part_s() // 3600
            while g.watch.rows < target:
                first, count = g.watch.rows, min(CHUNK_HOURS, target - g.watch.rows)
                at = g.origin // 3600 + first
                window = self._store.window(
                    g.names,
                    instant_of(at * 3600),
                    instant_of((at + count) * 3600),
                    step=np.timedelta64(3600, "s"),
                    exclude=UNUSABLE,
                )
                g.watch.advance(to_rows(utc_seconds(window.times) // 3600, window.values, at, count))
                g.watch.forget(self._keep)
                moved = True
        return moved

    def findings(self) -> list[Finding]:
        """All leaks that pressures have shown in the DMAs watched, past and present.

        What is seen in a DMA soon after another fall there may be that one once more, as many sensors share
        it: it is told of when it has lasted longer than a fall that passes.
        """
        out = []
        for g in self._groups:
            seen: dict[str, int] = {}
            for drop in sorted(g.watch.drops, key=lambda d: (d.detected, d.sensor)):
                dma, brief = g.sensors[drop.sensor].dma, BRIEF_DAYS * PairWatch.PARTS
                if dma not in self.dmas:
                    continue
                again = dma in seen and drop.detected - seen[dma] <= brief
                told = drop.detected + brief if again else drop.detected
                until = g.watch.parts if drop.closed is None else drop.closed
                if again and (drop.passed is not None or until <= told):
                    continue
                seen[dma] = drop.detected
                out.append(self._finding(g, drop, told))
        return out

    def _finding(self, g: _Group, drop: Drop, told: int) -> Finding:
        origin = g.origin or 0

        def at(part: int) -> datetime:
            return moment(origin + part * part_s())

        dma = g.sensors[drop.sensor].dma
        # Named are those of the DMA that fell by the precision of their own relation to the others.
        order = [i for i in drop.order.tolist() if g.sensors[i].dma == dma and drop.shape[i] < 0]
        near = list(dict.fromkeys([drop.sensor, *order]))[:NEAR]
        limit = self.options.limit
        return Finding(
            kind=Kind.LEAK,
            subject=dma,
            dma=dma,
            onset=at(drop.start),
            detected=at(told + 1),
            as_of=at(g.watch.parts if drop.closed is None else drop.closed + 1),
            ended=None if drop.end is None else at(max(drop.end, drop.start + 1)),
            # One alarm in ten at the limit is none, as years with known leaks have it; beyond it the noise
            # is held to have the tails of a t distribution of two degrees of freedom.
            confidence=round(1 - 0.1 * (limit / max(drop.statistic, limit)) ** 2, 3),
            near=tuple(g.sensors[i].id for i in near),
            evidence={
                "found_by": "pressure",
                "located_by": "sensors",
                "statistic": round(drop.statistic, 2),
                "threshold": limit,
                "window_days": drop.days,
                "pressure_drop_m": {g.sensors[i].id: round(float(-drop.shape[i]), 3) for i in near},
            },
            onset_low=at(min(drop.low, drop.start)),
            onset_high=at(max(drop.high, drop.start)),
        )

    def _first_of_use(self, g: _Group) -> int | None:
        return first_day_of_use(self._store, g.names, self.options.min_days)
