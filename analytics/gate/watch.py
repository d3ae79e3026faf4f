"""Gate and detector side by side: what the gate does not trust, the detector does not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from analytics.detector import Detector
from analytics.events import Event
from analytics.explained import Explained, nothing
from analytics.gate.fault import FaultKind
from analytics.gate.gate import Change, Gate
from analytics.gate.judge import LONGEST_DAYS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Revoked:
    """An event in an area's inflow that was a meter's fault. at: row whose end decided so; sensor: column
    of the gate."""

    event: Event
    at: int
    sensor: int


class Wider(NamedTuple):
    """Rows [first, last) of a meter that are left out before the onset that the gate saw; decided: when."""

    sensor: int
    first: int
    last: int
    decided: int


DAYS_BEFORE = LONGEST_DAYS + 1
"""Events that began so many days before a fault's onset may be its beginning [days]: what is judged goes no
further back."""

MOST_OF_IT = 1.5
"""And are no larger than so many times the fault."""


class Watch:
    """Runs a gate before a detector, on the same rows.

    A fault is decided some time after it began. Then the detector is taken back to its onset and goes over
    the rows since with the faulty meter's inflow unknown; events that it had found and does not find any
    more stand in ``revoked``, as of the row of the decision. All this happens in the order of rows, however
    many of them come at once.
    """

    def __init__(self, gate: Gate, detector: Detector, needs: Bools) -> None:
        """needs (S, D): which sensors of the gate each area's inflow is made of."""
        self.gate, self.detector, self.needs = gate, detector, needs.astype(np.float64)
        self.revoked: list[Revoked] = []
        self._inflow = np.full((0, needs.shape[1]), np.nan)
        self._calendar = np.zeros((0, 3), np.int64)
        self._explained: Explained | None = None
        self._rows = 0
        self._changed = 0
        self._wider: list[Wider] = []

    @property
    def rows(self) -> int:
        """Rows taken so far."""
        return self._rows

    def advance(
        self,
        values: Floats,
        wrong: Bools,
        inflow: Floats,
        day: Ints,
        slot: Ints,
        weekday: Ints,
        explained: Explained | None = None,
    ) -> None:
        """Take the next rows, whole blocks of the detector.

        values, wrong (n, S) as ``Gate.advance`` takes them; inflow (n, D) [m3/s] as measured, NaN where it
        is unknown; day, slot, weekday (n,), explained (n, D) as ``Detector.advance`` takes them.
        """
        n, first = len(values), self._rows
        if n % self.detector.rows_per_block:
            raise ValueError(f"{n} rows are not whole blocks of {self.detector.rows_per_block}")
        self._inflow = _put(self._inflow, first, inflow)
        self._calendar = _put(self._calendar, first, np.column_stack([day, slot, weekday]))
        self._explain(first, n, explained)
        self._rows = first + n
        per_block = self.detector.rows_per_block
        for change in self.gate.advance(values, wrong, day, slot):
            self._changed = min(self._changed, change.first)
            boundary = change.decided // per_block * per_block
            self._on(boundary, boundary - 1)
            if self.needs[change.sensor].any() and change.first < boundary:
                self.detector.estimates()
                before = [e.copy() for e in self.detector.events]
                first = self._since(change)
                if first < change.first:
                    self._wider.append(Wider(change.sensor, first, change.first, change.decided))
                    self._changed = min(self._changed, first)
                self.detector.rewind(first)
                self._on(boundary, change.decided)
                self._revoke(before, change.decided, change.sensor)
        self._on(self._rows, self._rows - 1)

    def _on(self, target: int, known: int) -> None:
        """Let the detector go on to row ``target`` with what is known of sensors at row ``known``."""
        first = self.detector.rows
        if target <= first:
            return
        n = target - first
        inflow = self._inflow[first:target].copy()
        unusable = self.gate.unusable(first, n, known)
        for w in self._wider:
            if w.decided <= known:
                unusable[max(0, w.first - first) : max(0, w.last - first), w.sensor] = True
        lacking = unusable.astype(np.float64) @ self.needs > 0
        inflow[lacking | self.gate.unsupplied(first, n)] = np.nan
        day, slot, weekday = self._calendar[first:target].T
        explained = None if self._explained is None else self._explained.part(slice(first, target))
        self.detector.advance(inflow, day, slot, weekday, explained)

    def _explain(self, first: int, count: int, explained: Explained | None) -> None:
        """Keep what explains the rows [first, first + count); nothing is kept before the first work."""
        kept, areas = self._explained, self._inflow.shape[1]
        if explained is None and kept is None:
            return
        kept = nothing(first, areas) if kept is None else kept
        explained = nothing(count, areas) if explained is None else explained
        low, high = _put(kept.low, first, explained.low), _put(kept.high, first, explained.high)
        self._explained = Explained(_put(kept.worked, first, explained.worked), low, high)

    def worked(self, first: int, last: int) -> Bools | None:
        """(n, D) rows [first, last) in which people's works went on; None: there were none at all."""
        return None if self._explained is None else self._explained.worked[first:last]

    def _since(self, change: Change) -> int:
        """First row from which on a meter's inflow is left out, now that its fault is known.

        The detector sums up over days and may have seen the fault's beginning sooner than the gate: an event
        of a size that the fault explains, which began a little before it, was it already.
        """
        first, per_block = change.first, self.detector.rows_per_block
        day = 86400 // self.detector.block_s
        for e in self.detector.events:
            start = e.start * per_block
            if not self.needs[change.sensor, e.area] or start >= change.first:
                continue
            onset = change.first // per_block
            if change.kind in (FaultKind.CLOCK, FaultKind.NOISE):  # they come and go
                same = e.start >= onset - day
            else:
                same = (
                    change.kind in (FaultKind.OFFSET, FaultKind.DRIFT)
                    and (e.end is None or e.end > onset)
                    and e.start >= onset - DAYS_BEFORE * day
                    and abs(e.flow) <= MOST_OF_IT * abs(change.size)
                )
            if same:
                first = min(first, start)
        return first

    def _revoke(self, before: list[Event], decided: int, sensor: int) -> None:
        near = 86400 // self.detector.block_s
        per_block = self.detector.rows_per_block
        for e in before:
            if not self.needs[sensor, e.area] or any(
                o.area == e.area and o.side == e.side and abs(o.start - e.start) <= near
                for o in self.detector.events
            ):
                continue
            self.revoked.append(Revoked(e, decided // per_block * per_block + per_block - 1, sensor))

    def rewind(self, row: int) -> int:
        """Go back to a place at or before ``row``; returns the row to go on from."""
        at = row
        while True:
            at = self.gate.rewind(at)
            back = self.detector.rewind(at)
            if back == at:
                break
            at = back
        self.revoked = [r for r in self.revoked if r.at < at]
        self._wider = [w for w in self._wider if w.decided < at]
        self._rows = at
        self._changed = min(self._changed, at)
        return at

    def forget(self, keep: int) -> None:
        """Keep so many places to go back to."""
        self.gate.forget(keep)
        self.detector.forget(keep)

    def measured(self, first: int, last: int) -> Floats:
        """Inflow of rows [first, last) as measured, what is not trusted included, (n, D) [m3/s]."""
        return np.asarray(self._inflow[first:last], np.float64)

    def distrust_changed(self) -> int:
        """First row of which the gate may say something else than when this was last asked."""
        first, self._changed = self._changed, self._rows
        return first


Kept = TypeVar("Kept", Floats, Ints, Bools)


def _put(kept: Kept, first: int, more: Kept) -> Kept:
    """``more`` as rows from ``first`` on."""
    need = first + len(more)
    if need > len(kept):
        grown = np.empty((max(need, 2 * len(kept), 1024), kept.shape[1]), kept.dtype)
        grown[:first] = kept[:first]
        kept = grown
    kept[first:need] = more
    return kept
