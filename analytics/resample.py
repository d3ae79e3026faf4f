"""Readings onto a regular grid.

A grid step ``k`` of length ``step`` [us] covers [k*step, (k+1)*step) since 1970-01-01 UTC.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def to_rows(rows: Ints, values: Floats, first: int, count: int) -> Floats:
    """Values (n, S) that stand at grid steps ``rows`` (n,) -> (count, S) from step ``first`` on.

    Steps that ``rows`` does not name are NaN; rows outside [first, first+count) are left out.
    """
    out = np.full((count, values.shape[1]), np.nan)
    inside = (rows >= first) & (rows < first + count)
    out[rows[inside] - first] = values[inside]
    return out


def last_in_steps(
    time_us: Ints, values: Floats, step_us: int, first: int, count: int
) -> tuple[Floats, Floats]:
    """Last finite value of each grid step and its time.

    time_us (n,) ascending [us since 1970]; values (n, K), NaN where a sensor has no reading.
    Returns (count, K) values and (count, K) times [s since 1970], NaN where a step has no reading.
    """
    sensors = values.shape[1]
    last = np.full((count, sensors), np.nan)
    when = np.full((count, sensors), np.nan)
    row = time_us // step_us - first
    for k in range(sensors):
        use = np.flatnonzero(np.isfinite(values[:, k]) & (row >= 0) & (row < count))
        # NumPy keeps the last of repeated indices in an assignment: rows ascend, so the latest stays.
        last[row[use], k] = values[use, k]
        when[row[use], k] = time_us[use] / 1e6
    return last, when
