"""When a gate learns, and from what: most of it before it is due, so that no step waits for all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analytics.gate.learnt import Learning, Learnt

if TYPE_CHECKING:
    from analytics.gate.gate import Gate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

AHEAD_ROWS = 2 * Learning.PIECES
"""So many rows before it is due learning begins, a piece a row."""


class Study:
    """Learns for a gate, at midnights.

    What is learnt from ends ``lag_days`` before the midnight, so it can be learnt in the evening; if that
    midnight finds something that changes it, or comes at another row, as where clocks are set, it is learnt
    anew.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._ahead: Learning | None = None

    def forget(self) -> None:
        """The gate has gone back: what was learnt ahead is of another evening."""
        self._ahead = None

    def due(self, rows: int) -> bool:
        """Whether a midnight after ``rows`` is one to learn at."""
        gate, j = self.gate, self.gate.slots
        since = rows - gate.state.learnt_at
        again = since >= gate.options.refit_days * j or (gate.state.learnt_at < 14 * j and since >= 2 * j)
        return rows - gate.tape.base >= gate.options.min_days * j and (again or gate.learnt is None)

    def learn(self, rows: int) -> Learnt:
        """All that there is to learn at the midnight after ``rows``."""
        values, inflow, slot = self._lesson(rows)
        ahead, self._ahead = self._ahead, None
        if ahead is None or not ahead.same(values, inflow, slot, self.gate.learnt):
            ahead = self._learning(values, inflow, slot)
        return ahead.whole()

    def ahead(self, rows: int) -> None:
        """After ``rows``: do a piece of what is due at the next midnight, where all of it is past."""
        gate = self.gate
        midnight = gate.state.learnt_at + gate.options.refit_days * gate.slots
        if gate.learnt is None or not midnight - AHEAD_ROWS <= rows < midnight:
            return
        if self._ahead is not None:
            self._ahead.piece()
        elif self._lags(midnight):
            self._ahead = self._learning(*self._lesson(midnight))

    def _lags(self, rows: int) -> bool:
        """Whether there is so much past that the newest days can be left out."""
        return rows - self.gate.tape.base >= 3 * self.gate.options.lag_days * self.gate.slots

    def _lesson(self, rows: int) -> tuple[Floats, Floats, Ints]:
        """What is learnt from at a midnight after ``rows``, by what is known now: readings (N, S), NaN where
        they are in doubt, areas' inflows (N, D), slots (N,)."""
        gate, tape = self.gate, self.gate.tape
        last = rows - gate.options.lag_days * gate.slots if self._lags(rows) else rows
        first = max(tape.base, last - gate.options.window_days * gate.slots)
        values = np.where(gate.doubtful(first, last), np.nan, tape.floats("value", first, last))
        inflow = np.where(gate.unsupplied(first, last - first), np.nan, tape.floats("inflow", first, last))
        for f in gate.faults:
            areas = np.flatnonzero(gate.layout.sign[f.sensor] != 0)
            a, b = max(0, f.onset - first), max(0, (last if f.closed is None else f.closed + 1) - first)
            inflow[a:b, areas] = np.nan
        return values, inflow, tape.slots(first, last)

    def _learning(self, values: Floats, inflow: Floats, slot: Ints) -> Learning:
        gate = self.gate
        return Learning(values, inflow, slot, gate.slots, gate.layout, gate.options, gate.learnt)
