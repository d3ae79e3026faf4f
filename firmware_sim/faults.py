"""What a failing meter makes of its values: pure functions on arrays.

values (N,): in the sensor's unit. on (N,): where the fault acts; elsewhere values stay as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

DAY_US = 86_400_000_000


def offset(values: Floats, on: Mask, by: float) -> Floats:
    """``by`` is added: a meter that was set to zero wrongly."""
    return np.where(on, values + by, values)


def drift(values: Floats, on: Mask, at: NDArray[np.int64], start: int, per_day: float) -> Floats:
    """``per_day`` is added for each day since ``start``; ``at`` (N,) and ``start`` in microseconds."""
    return np.where(on, values + per_day * (at - start) / DAY_US, values)


def reversed_sign(values: Floats, on: Mask) -> Floats:
    """The sign is turned: a meter built in the wrong way round."""
    return np.where(on, -values, values)


def noise(values: Floats, on: Mask, normal: Floats, spread: float) -> Floats:
    """Normal noise of standard deviation ``spread`` is added; normal (N,): standard normal numbers."""
    return np.where(on, values + spread * normal, values)


def spikes(values: Floats, on: Mask, chance: Floats, share: float, height: float) -> Floats:
    """A ``share`` [0..1] of values jumps by ``height``, half of them up; chance (N,): uniform in (0, 1)."""
    jump = np.where(chance < share / 2, height, -height)
    return np.where(on & (chance < share), values + jump, values)


def stuck(values: Floats, on: Mask, held: float) -> Floats:
    """``held`` is repeated: a frozen register, a blocked impeller."""
    return np.where(on, held, values)
