"""The gate before leak logic: fed from the store, its findings for the alerts, its word for the locator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.detector import Detector
from analytics.gate.fault import Dry, Fault, FaultKind
from analytics.gate.gate import Gate
from analytics.gate.watch import Watch
from analytics.resample import to_rows
from twuin.alerts.model import Finding, Kind
from twuin.monitor.distrust import Distrust, layout_of
from twuin.monitor.grid import instant_of, moment, utc_seconds
from waterworks.gating import Gating, gating
from waterworks.network import Network
from waterworks.ports import ReadingStore
from waterworks.reading import Quality
from waterworks.site import Site
from waterworks.units import SI_UNIT

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DOUBTED = int(Quality.SUSPECT | Quality.CLOCK)
"""Readings that the gate does not see. Those out of range it does: they are evidence."""


class SiteGate:
    """The gate of one site and the watch that it keeps with a detector.

    ids: the sensors that are checked, the columns of the gate.
    """

    def __init__(self, site: Site, store: ReadingStore, network: Network | None, step_s: int) -> None:
        self._site, self._store, self.step_s = site, store, step_s
        self.frame: Gating = gating(site, network)
        self.ids = list(self.frame.ids)
        self.distrust = Distrust(self.frame, step_s)

    def watch(self, detector: Detector) -> Watch:
        """A new gate before a new detector."""
        gate = Gate(layout_of(self.frame), self.step_s, per_block=detector.rows_per_block)
        return Watch(gate, detector, self.frame.needs)

    def readings(self, origin: int, first: int, count: int) -> tuple[Floats, Bools]:
        """Means of the rows [first, first+count) since ``origin`` [s since 1970], (count, S) [SI], and
        which of them hold readings out of range."""
        at = origin // self.step_s + first
        window = self._store.window(
            self.ids,
            instant_of(at * self.step_s),
            instant_of((at + count) * self.step_s),
            step=np.timedelta64(self.step_s, "s"),
            exclude=DOUBTED,
        )
        rows = utc_seconds(window.times) // self.step_s
        outside = (window.quality & int(Quality.OUT_OF_RANGE)) != 0
        return (
            to_rows(rows, window.values, at, count),
            to_rows(rows, outside.astype(np.float64), at, count) > 0,
        )

    def findings(self, watch: Watch, origin: int) -> list[Finding]:
        """All that the gate has found, up to its last row."""
        gate = watch.gate
        return [self._fault(f, gate, origin) for f in gate.faults] + [
            self._supply(d, gate, origin) for d in gate.dry
        ]

    def _fault(self, f: Fault, gate: Gate, origin: int) -> Finding:
        sensor = self._site.sensor[self.ids[f.sensor]]
        unwatched = [
            d.id for k, d in enumerate(self._site.dmas) if self.frame.needs[f.sensor, k] and f.end is None
        ]
        evidence: dict[str, Any] = {
            "fault": f.kind.value,
            "size": _rounded(f.size),
            "unit": "s" if f.kind is FaultKind.CLOCK else SI_UNIT[sensor.quantity],
            **{name: _rounded(value) for name, value in f.evidence.items()},
        }
        if unwatched:
            evidence["unwatched"] = unwatched
        odds = f.evidence.get("odds", 99.0)
        return Finding(
            kind=Kind.SENSOR,
            subject=sensor.id,
            dma=sensor.dma or sensor.from_dma,
            onset=self._at(origin, f.onset),
            detected=self._at(origin, f.detected + 1),
            as_of=self._at(origin, gate.rows if f.closed is None else f.closed + 1),
            ended=None if f.end is None else self._at(origin, f.end),
            confidence=round(min(odds / (1 + odds), 0.99), 3),
            evidence=evidence,
        )

    def _supply(self, d: Dry, gate: Gate, origin: int) -> Finding:
        dma = self._site.dmas[d.area].id
        until = gate.rows if d.end is None else d.end
        dry = d.rows * self.step_s / 3600
        return Finding(
            kind=Kind.SUPPLY,
            subject=dma,
            dma=dma,
            onset=self._at(origin, d.onset),
            detected=self._at(origin, d.onset + 1),
            as_of=self._at(origin, gate.rows if d.closed is None else d.closed + 1),
            ended=None if d.end is None else self._at(origin, d.end),
            confidence=0.99,
            evidence={
                "hours_without": round(dry, 2),
                "share_without": round(d.rows / max(until - d.onset, 1), 3),
                "last_without": self._at(origin, d.last + 1),
            },
        )

    def _at(self, origin: int, row: int) -> Any:
        return moment(origin + row * self.step_s)


def _rounded(value: float) -> float | None:
    """Four digits: less than what different ways of adding up may differ by."""
    return float(f"{value:.4g}") if np.isfinite(value) else None
