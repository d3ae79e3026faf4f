"""Net inflow of district metered areas from the meters on their boundaries and their tanks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def storage_rate(level: Floats, time_s: Floats, area: Floats, step_s: float) -> Floats:
    """Rate at which tanks fill [m3/s], (T, K).

    level (T, K): last level of each step [m]; time_s (T, K): its time [s]; area (K,): plan area [m2].
    The rate of a step is area * (level - previous step's level) / (time between the two readings). It is
    NaN where either level is missing or the readings are more than two steps apart. Rounding of the level
    does not accumulate: what one step gets too much the next gets too little.
    """
    rate = np.full(level.shape, np.nan)
    if len(level) > 1:
        dt = np.diff(time_s, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            near = (dt > 0) & (dt <= 2 * step_s)
            rate[1:] = np.where(near, np.diff(level, axis=0) / np.where(near, dt, np.nan), np.nan) * area
    return rate


def net_inflow(meters: Floats, sign: Floats, storage: Floats, storage_sign: Floats) -> Floats:
    """Net inflow of S areas [m3/s], (T, S).

    meters (T, M): mean flow of each step [m3/s]; sign (M, S): +1 where positive flow enters the area, -1
    where it leaves, 0 otherwise. storage (T, K): rate at which tanks fill [m3/s]; storage_sign (K, S): -1
    where the tank stands inside the area, so that water put into store is not counted as used.

    Gaps are not filled: a step is NaN if any meter or tank that the area needs is NaN in it. One reading
    within a step is enough for a meter to count. An area without a meter is NaN throughout.
    """
    columns = np.concatenate([meters, storage], axis=1)
    weights = np.concatenate([sign, storage_sign], axis=0)
    missing = np.isnan(columns)
    total = np.where(missing, 0.0, columns) @ weights
    needed = (weights != 0).astype(np.float64)
    lacking = missing.astype(np.float64) @ needed > 0
    unmetered = ~np.any(sign != 0, axis=0)
    return np.where(lacking | unmetered, np.nan, total)
