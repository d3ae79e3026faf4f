"""Burst and background estimates: what leaks even from pipes in good order.

Lambert (1994), Accounting for Losses: the Bursts and Background Concept; Lambert, Brown, Takizawa & Weimer
(1999), A Review of Performance Indicators for Real Losses from Water Supply Systems, AQUA 48(6), 227-237.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

BACKGROUND_MAINS_L_KM_H = 20.0
BACKGROUND_CONNECTION_L_H = 1.25
BACKGROUND_SERVICE_L_KM_H = 33.0
"""Unavoidable background leakage at 50 m: of mains, of a connection up to the property boundary, of service
pipe beyond it (Lambert et al. 1999; Thornton, Sturm & Kunkel 2008, table 10.7)."""
STANDARD_PRESSURE_M = 50.0
BACKGROUND_N1 = 1.5
"""Small leaks open with pressure (Thornton, Sturm & Kunkel 2008, sect. 10.6)."""

UARL_MAINS_L_KM_DAY_M = 18.0
UARL_CONNECTION_L_DAY_M = 0.8
UARL_SERVICE_L_KM_DAY_M = 25.0
"""Unavoidable annual real losses a metre of pressure (Lambert et al. 1999)."""

_L_H = 1e-3 / 3600.0  # m3/s in a litre an hour
_L_DAY = 1e-3 / 86400.0  # m3/s in a litre a day


def background_leakage(
    mains_m: ArrayLike,
    connections: ArrayLike,
    service_m: ArrayLike,
    pressure_m: ArrayLike,
    icf: ArrayLike = 1.0,
) -> Floats:
    """Background leakage [m3/s] at a pressure, arguments (S,) or scalars.

    (20 Lm + 1.25 Nc + 33 Lp) x ICF x (P/50)^1.5 litres an hour: Lm mains [km here m], Nc connections, Lp
    service pipe between property boundary and meter [m], P mean pressure of the zone [m], icf: infrastructure
    condition factor, 1 for pipes in good order. NaN where any of them is.
    """
    at_standard = (
        BACKGROUND_MAINS_L_KM_H * np.asarray(mains_m, np.float64) / 1e3
        + BACKGROUND_CONNECTION_L_H * np.asarray(connections, np.float64)
        + BACKGROUND_SERVICE_L_KM_H * np.asarray(service_m, np.float64) / 1e3
    )
    ratio = np.maximum(np.asarray(pressure_m, np.float64), 0.0) / STANDARD_PRESSURE_M
    return np.asarray(at_standard * np.asarray(icf, np.float64) * ratio**BACKGROUND_N1 * _L_H)


def unavoidable_real_losses(
    mains_m: ArrayLike, connections: ArrayLike, service_m: ArrayLike, pressure_m: ArrayLike
) -> Floats:
    """UARL [m3/s], arguments (S,) or scalars: the least real losses that are technically possible.

    (18 Lm + 0.8 Nc + 25 Lp) P litres a day: Lm mains [km, here m], Nc connections, Lp service pipe between
    property boundary and meter [km, here m], P mean pressure while supplied [m] (Lambert et al. 1999).
    See ``analytics.losses.indicators.ili_limits`` for where it holds. NaN where any argument is.
    """
    a_metre = (
        UARL_MAINS_L_KM_DAY_M * np.asarray(mains_m, np.float64) / 1e3
        + UARL_CONNECTION_L_DAY_M * np.asarray(connections, np.float64)
        + UARL_SERVICE_L_KM_DAY_M * np.asarray(service_m, np.float64) / 1e3
    )
    return np.asarray(a_metre * np.asarray(pressure_m, np.float64) * _L_DAY)
