"""Means of stretches of a series against what came before them, all at once from running sums."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Sums(NamedTuple):
    """Running sums of columns, (p + 1, C), and how many values are in them: means of any stretch at once."""

    total: Floats
    there: Ints

    @classmethod
    def of(cls, columns: Floats) -> Sums:
        """Of columns (p, C), NaN where a value is missing."""
        finite = np.isfinite(columns)
        none = np.zeros((1, columns.shape[1]))
        total = np.concatenate([none, np.cumsum(np.where(finite, columns, 0.0), axis=0)])
        return cls(total, np.concatenate([none.astype(np.int64), np.cumsum(finite, axis=0)]))


def compared(sums: Sums, parts: int, before: int, ends: Ints) -> Floats:
    """Means over ``parts`` rows up to each of ``ends`` (E,) less those over ``before`` rows before, (E, C).

    NaN where either has less than half of its values.
    """
    a, b = ends - parts, np.maximum(ends - parts - before, 0)
    total, there = sums.total, sums.there
    n, m = there[ends] - there[a], there[a] - there[b]
    with np.errstate(invalid="ignore", divide="ignore"):
        out = (total[ends] - total[a]) / n - (total[a] - total[b]) / m
    return np.asarray(np.where((2 * n >= parts) & (2 * m >= before), out, np.nan))
