"""Hours in which a part of a network has no water: what is measured then says nothing of leaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DRY_M = 0.5
"""A pressure below this is no water at the gauge [m]."""

IDLE_SHARE = 0.01
"""An inflow below this share of the model's usual demand of the hour is no supply [-]: what roof tanks and
leaks take at night alone is more (as in ``analytics.losses.mnf``)."""

REFILL_H = 2
"""For so long after its return water fills pipes and roof tanks [h]."""


def dry_hours(pressure: Floats, zone: Ints, net: Floats, usual: Floats, edges: Ints) -> Bools:
    """Hours (H, Z) without supply, with the one before, in which it went, and those in which it comes back.

    pressure (T, M) [m] of sensors in zones (M,), -1 for none; net (T, Z): inflow of zones [m3/s], NaN where
    it is not to be judged; usual (H, Z): their demand as the model has it [m3/s]; edges (H + 1,): rows of
    hours. A zone is dry in an hour in which any of its sensors ran dry, or in which nothing flowed in.
    """
    hours, zones = len(edges) - 1, net.shape[1]
    dry = np.zeros((hours, zones), bool)
    with np.errstate(invalid="ignore"):
        empty = pressure < DRY_M
        for h in range(hours):
            rows = slice(int(edges[h]), int(edges[h + 1]))
            dry[h, zone[empty[rows].any(0) & (zone >= 0)]] = True
            if rows.stop > rows.start:
                inflow = net[rows]
                least = IDLE_SHARE * usual[h]
                dry[h] |= (np.abs(inflow) < least).all(0) & (usual[h] > 0)
    out = dry.copy()
    out[:-1] |= dry[1:]
    for k in range(1, REFILL_H + 1):
        out[k:] |= dry[:-k]
    return out
