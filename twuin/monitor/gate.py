"""The gate before leak logic: fed from the store, its findings for the alerts, its word for the locator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.detector import Detector
from analytics.gate.fault import Dry, Fault, FaultKind
from analytics.gate.gate import Gate
from analytics.gate.layout import Layout
from analytics.gate.watch import DAYS_BEFORE, Watch
from analytics.resample import to_rows
from twuin.alerts.model import Finding, Kind
from twuin.monitor.grid import instant_of, moment, utc_seconds
from waterworks.gating import Gating, gating
from waterworks.network import Network
from waterworks.ports import ReadingStore
from waterworks.reading import Quality
from waterworks.site import Site
from waterworks.units import SI_UNIT

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DOUBT_DAYS = {kind: DAYS_BEFORE if kind in (FaultKind.OFFSET, FaultKind.DRIFT) else 1 for kind in FaultKind}
"""Days before a fault's onset in which it may have begun: what adds up over days sees that sooner than the
gate, which calls a drift once it stands out."""

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
        self._column = {name: i for i, name in enumerate(self.ids)}
        self._doubted: dict[tuple[int, int], int | None] = {}

    def watch(self, detector: Detector) -> Watch:
        """A new gate before a new detector."""
        f = self.frame
        layout = Layout(f.what, f.area, f.member, f.sign, f.low, f.high, f.least, f.device)
        return Watch(Gate(layout, self.step_s, per_block=detector.rows_per_block), detector, f.needs)

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

    def distrusted(
        self,
        watch: Watch,
        origin: int,
        names: Sequence[str],
        seconds: Any,
        step_s: int,
        *,
        doubt_before: bool = False,
    ) -> Bools:
        """(T, len(names)) whether a reading within [seconds, seconds + step_s) is not to be trusted, or was
        taken in a DMA without water. seconds (T,): since 1970. doubt_before: nor those before a fault's
        onset in which it may have begun unseen (``DOUBT_DAYS``)."""
        out = np.zeros((len(seconds), len(names)), bool)
        if not len(seconds) or not watch.gate.rows:
            return out
        first = (np.asarray(seconds, np.int64) - origin) // self.step_s
        last = (np.asarray(seconds, np.int64) - origin + max(step_s, 1) - 1) // self.step_s
        for f in watch.gate.faults:
            name = self.ids[f.sensor]
            if name in names:
                end = watch.gate.rows if f.closed is None else f.closed + 1
                begun = self._doubted_from(f) if doubt_before else f.onset
                out[(last >= begun) & (first < end), list(names).index(name)] = True
        for d in watch.gate.dry:
            areas = [k for k, n in enumerate(names) if self._area(n) == d.area]
            if areas:
                for k in np.flatnonzero((last >= d.onset) & (first <= d.last)).tolist():
                    a, b = max(0, int(first[k])), min(watch.gate.rows, int(last[k]) + 1)
                    if b > a and watch.gate.unsupplied(a, b - a)[:, d.area].any():
                        out[k, areas] = True
        return out

    def doubt_changed(self, watch: Watch) -> int | None:
        """First row of which ``doubt_before`` says other than when this was last asked, None: of none."""
        before, now = self._doubted, {(f.sensor, self._doubted_from(f)): f.closed for f in watch.gate.faults}
        self._doubted = now
        rows = [row for _, row in now.keys() ^ before.keys()]
        for stretch in now.keys() & before.keys():
            if now[stretch] != before[stretch]:
                rows += [end for end in (now[stretch], before[stretch]) if end is not None]
        return min(rows, default=None)

    def _doubted_from(self, f: Fault) -> int:
        """First row in which a fault may have begun."""
        return f.onset - DOUBT_DAYS[f.kind] * 86400 // self.step_s

    def _area(self, name: str) -> int:
        i = self._column.get(name)
        return -1 if i is None else int(self.frame.area[i])


def _rounded(value: float) -> float | None:
    """Four digits: less than what different ways of adding up may differ by."""
    return float(f"{value:.4g}") if np.isfinite(value) else None
