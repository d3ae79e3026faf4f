"""What the gate has seen, step by step; the oldest is forgotten."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Tape:
    """Rows [base, rows) of S sensors in D areas. All times are row numbers since the beginning.

    value (T, S): readings [SI], NaN where there is none; wrong (T, S): out of the range of belief; error,
    z (T, S): difference from what the neighbours say [SI], and by its deviation [-]; inflow (T, D) [m3/s],
    NaN where a meter is missing; dry (T, D): without water; slot (T,): of the local day.
    """

    def __init__(self, sensors: int, areas: int) -> None:
        self.base = self.rows = 0
        self._wide = {
            "value": np.full((0, sensors), np.nan, np.float32),
            "error": np.full((0, sensors), np.nan, np.float32),
            "z": np.full((0, sensors), np.nan, np.float32),
            "wrong": np.zeros((0, sensors), bool),
            "inflow": np.full((0, areas), np.nan, np.float32),
            "dry": np.zeros((0, areas), bool),
            "slot": np.zeros((0, 1), np.int64),
        }

    def append(self, **columns: NDArray[np.generic]) -> None:
        """Rows of ``value``, ``wrong``, ``inflow``, ``slot``; what is computed of them is filled in later."""
        n = len(columns["value"])
        have = self.rows - self.base
        for name, kept in self._wide.items():
            if have + n > len(kept):
                grown = np.empty((max(have + n, 2 * len(kept), 1024), kept.shape[1]), kept.dtype)
                grown[:have] = kept[:have]
                self._wide[name] = kept = grown
            given = columns.get(name)
            kept[have : have + n] = given if given is not None else (False if kept.dtype == bool else np.nan)
        self.rows += n

    def cut(self, name: str, first: int, last: int) -> NDArray[np.generic]:
        """Rows [first, last) of a column, a view; what is older than the base is left out."""
        return self._wide[name][max(first, self.base) - self.base : max(last, self.base) - self.base]

    def floats(self, name: str, first: int, last: int) -> Floats:
        """The same in double precision, a copy."""
        return np.asarray(self.cut(name, first, last), np.float64)

    def of(self, sensor: int, name: str, first: int, last: int) -> Floats:
        """Of one sensor, (T,)."""
        return np.asarray(self.cut(name, first, last)[:, sensor], np.float64)

    def slots(self, first: int, last: int) -> Ints:
        """Slots of rows [first, last)."""
        return np.asarray(self.cut("slot", first, last)[:, 0], np.int64)

    def back_to(self, row: int) -> None:
        """Forget what came from ``row`` on."""
        self.rows = row

    def forget(self, before: int) -> None:
        """Forget rows before ``before``; done rarely, for it copies."""
        drop = before - self.base
        if drop > 0 and 2 * drop > self.rows - self.base:
            have = self.rows - self.base
            for name, kept in self._wide.items():
                self._wide[name] = kept[drop:have].copy()
            self.base = before
