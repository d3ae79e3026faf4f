"""What a gate's findings mean for readings of any step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.gate.fault import Fault, FaultKind
from analytics.gate.gate import Gate
from analytics.gate.layout import Layout
from analytics.gate.watch import DAYS_BEFORE
from waterworks.gating import Gating

Bools = NDArray[np.bool_]

DOUBT_DAYS = {kind: DAYS_BEFORE if kind in (FaultKind.OFFSET, FaultKind.DRIFT) else 1 for kind in FaultKind}
"""Days before a fault's onset in which it may have begun, by the kind that it was first called: what adds up
over days sees that sooner than the gate, which calls a drift once it stands out."""


def layout_of(frame: Gating) -> Layout:
    """What a gate must know of a site's sensors."""
    f = frame
    return Layout(f.what, f.area, f.member, f.sign, f.low, f.high, f.least, f.device)


class Distrust:
    """Says which readings a gate over the sensors of ``frame`` on a grid of ``step_s`` [s] does not trust."""

    def __init__(self, frame: Gating, step_s: int) -> None:
        self._frame, self._step_s = frame, step_s
        self._column = {name: i for i, name in enumerate(frame.ids)}
        self._doubted: dict[tuple[int, int], int | None] = {}

    def of(
        self,
        gate: Gate,
        origin: int,
        names: Sequence[str],
        seconds: Any,
        step_s: int,
        *,
        doubt_before: bool = False,
    ) -> Bools:
        """(T, len(names)) whether a reading within [seconds, seconds + step_s) is not to be trusted, or was
        taken in an area without water. seconds (T,): since 1970; origin: of the gate's first row, likewise.
        doubt_before: nor those before a fault's onset in which it may have begun unseen (``DOUBT_DAYS``)."""
        out = np.zeros((len(seconds), len(names)), bool)
        if not len(seconds) or not gate.rows:
            return out
        at = np.asarray(seconds, np.int64) - origin
        first, last = at // self._step_s, (at + max(step_s, 1) - 1) // self._step_s
        for f in gate.faults:
            name = self._frame.ids[f.sensor]
            if name in names:
                end = gate.rows if f.closed is None else f.closed + 1
                begun = self._doubted_from(f) if doubt_before else f.onset
                out[(last >= begun) & (first < end), list(names).index(name)] = True
        for d in gate.dry:
            areas = [k for k, n in enumerate(names) if self._area(n) == d.area]
            if areas:
                for k in np.flatnonzero((last >= d.onset) & (first <= d.last)).tolist():
                    a, b = max(0, int(first[k])), min(gate.rows, int(last[k]) + 1)
                    if b > a and gate.unsupplied(a, b - a)[:, d.area].any():
                        out[k, areas] = True
        return out

    def changed(self, gate: Gate) -> int | None:
        """First row of which ``doubt_before`` says other than when this was last asked, None: of none."""
        before, now = self._doubted, {(f.sensor, self._doubted_from(f)): f.closed for f in gate.faults}
        self._doubted = now
        rows = [row for _, row in now.keys() ^ before.keys()]
        for stretch in now.keys() & before.keys():
            if now[stretch] != before[stretch]:
                rows += [end for end in (now[stretch], before[stretch]) if end is not None]
        return min(rows, default=None)

    def _doubted_from(self, f: Fault) -> int:
        """First row in which a fault may have begun."""
        return f.onset - DOUBT_DAYS[f.called or f.kind] * 86400 // self._step_s

    def _area(self, name: str) -> int:
        i = self._column.get(name)
        return -1 if i is None else int(self._frame.area[i])
