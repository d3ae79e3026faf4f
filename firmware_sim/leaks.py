"""How large a hole is at a time: pure functions on arrays."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_sim.scenario_model import Growth
from waterworks.units import GRAVITY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def orifice(hole_mm: float, discharge: float) -> float:
    """Emitter coefficient [m3/h/m^0.5] of a round hole: C = Cd A sqrt(2 g), Torricelli's law."""
    area = math.pi / 4 * (hole_mm / 1000) ** 2
    return discharge * area * math.sqrt(2 * GRAVITY) * 3600


def emitter(flow_m3h: float, pressure_m: float, exponent: float) -> float:
    """Emitter coefficient [m3/h/m^n] that gives ``flow_m3h`` at ``pressure_m`` [m]."""
    return float(flow_m3h / pressure_m**exponent)


class Course(NamedTuple):
    """A leak's life [s since 1970 UTC]: start, when it is full-grown, repair (``NEVER``: not repaired)."""

    start_s: float
    peak_s: float
    end_s: float
    growth: Growth


NEVER = math.inf


def size(course: Course, at_s: Ints | Floats) -> Floats:
    """Share (T,) [0..1] of the full emitter coefficient at instants (T,) [s since 1970]."""
    at = np.asarray(at_s, np.float64)
    span = course.peak_s - course.start_s
    if course.growth is Growth.ABRUPT or span <= 0:
        grown = np.ones_like(at)
    else:
        grown = np.clip((at - course.start_s) / span, 0.0, 1.0)
        if course.growth is Growth.QUADRATIC:
            grown = grown**2
    return np.where((at >= course.start_s) & (at < course.end_s), grown, 0.0)
