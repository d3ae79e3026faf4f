"""What the gate must know of the sensors: what they measure and which of them belong together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

INLET, PRESSURE, LEVEL, OTHER = 0, 1, 2, 3
"""What a sensor is to its area: a meter on the boundary, a pressure, a level, or another flow."""


class Layout(NamedTuple):
    """S sensors in D areas.

    what (S,): INLET, PRESSURE, LEVEL or OTHER. area (S,): index of the area that it is tested in, -1 for
    none. member (D, S): which sensors tell about an area; an inlet meter between two areas about both.
    sign (S, D): how an inlet meter counts in an area's inflow (1, -1, 0). low, high (S,): values [SI] that
    are physically possible, NaN where unknown. least (S,): shifts smaller than this [SI] are within the
    accuracy of the instrument, NaN for a share of the usual flow (``Options.least_share``).
    """

    what: Ints
    area: Ints
    member: Bools
    sign: Floats
    low: Floats
    high: Floats
    least: Floats
    device: Ints
