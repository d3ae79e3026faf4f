"""A sensor and its neighbours disagree: is that the sensor, or is it water?

A leak lets the inflow rise and all pressures behind it fall, most where it is; a fault moves one sensor only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]

FELT, FELT_SPREAD = 0.9, 0.8
"""A leak is felt by an area's pressures as if it were FELT times as much demand, spread over the area as
demand is; the deviation of its logarithm over places is FELT_SPREAD. Unit responses of the demo town's six
DMAs by length of pipe: median 0.85 to 1.05, one in twenty below 0.09 to 0.52 (deviations of 0.3 to 1.4)."""

NEAREST = 6.0
"""A leak beside a pressure sensor moves it at most so many times as much as the same demand spread out."""

NEXT, NEXT_SPREAD = 0.3, 1.2
"""A leak that moves one pressure of an area against its neighbours moves another by NEXT of that; the
deviation of its logarithm over places is NEXT_SPREAD. Unit responses of the zones of L-TOWN, the demo town
and ky4 (3 to 39 pressures each) less what as much demand would do: medians of zones 0.03 to 0.98, their
logarithms -1.1 +- 1.0, within zones +- 0.6."""

_NODES = np.linspace(-3.0, 3.0, 61)
_WEIGHTS = np.exp(-0.5 * _NODES**2) / np.exp(-0.5 * _NODES**2).sum()


def flow_odds(difference: float, virtual: float, spread: float, gain: float) -> float:
    """How much likelier a fault of an inlet meter is than anything that water can do [-].

    difference: mean of meter less what the pressures say [m3/s]; virtual: by how much what the pressures
    say departs from its usual [m3/s]; spread: deviation of that by chance [m3/s].

    A fault moves the meter only: virtual ~ N(0, spread). A leak of flow L that is felt by a share g (gain
    times what its place makes of it) gives difference = (1 - g) L and virtual = g L, so virtual ~ N(g /
    (1 - g) difference, spread), with g drawn from its distribution over places (sizes of leaks have no scale,
    so the Jacobian cancels). What changes heads but no flow, as a valve, leaves the meter where it was:
    virtual ~ N(-difference, spread).
    """
    felt = gain * FELT * np.exp(FELT_SPREAD * _NODES)
    with np.errstate(divide="ignore"):
        by_leak = felt / (1 - felt) * difference
    leak = float((_WEIGHTS * _density(virtual, by_leak, spread)).sum())
    valve = float(_density(virtual, -difference, spread))
    fault = float(_density(virtual, 0.0, spread))
    return fault / max(leak + valve, 1e-300)


def head_odds(
    difference: float, own: float, own_spread: float, inflow: float, inflow_spread: float, response: float
) -> float:
    """How much likelier a fault of a pressure sensor is than anything that water can do [-].

    difference: mean of sensor less what its neighbours say [m]; own: by how much it departs from its own
    usual [m], own_spread: deviation of that; inflow: by how much the area's inflow departs from its usual
    [m3/s], inflow_spread: deviation of that, infinite where it is unknown; response: fall of this pressure
    with demand [m per m3/s].

    A leak must be large enough: at least |difference| / (NEAREST response) for a fall, |difference| /
    response for a rise (all others fell, this one did not); the inflow would show it. And the sensor itself
    must have moved as much as it differs: where its neighbours moved, they are in question.
    """
    moved = _one(own - difference, own_spread) / _one(own, own_spread)
    reach = response * (NEAREST if difference < 0 else 1.0)
    if reach <= 0 or not np.isfinite(inflow_spread):
        return moved if reach <= 0 or difference > 0 else min(moved, 1.0)
    needed = abs(difference) / reach
    signed = inflow if abs(inflow) < needed else needed  # larger leaks farther away explain it as well
    return min(moved, _one(inflow, inflow_spread) / _one(abs(signed) - needed, inflow_spread))


def alone_odds(difference: float, hidden: float) -> float:
    """How much likelier no other pressure shows it if one is faulty than if it is water [-].

    difference: of the sensor from what its neighbours say [m]; hidden: what another may have moved against
    the rest without its being seen, or has [m]. A faulty sensor moves no other; at least 1.
    """
    if not difference or not np.isfinite(hidden):
        return 1.0
    return float(1 / max(norm.cdf(np.log(max(abs(hidden / difference), 1e-9) / NEXT) / NEXT_SPREAD), 1e-3))


def _one(x: float, spread: float) -> float:
    return float(_density(x, 0.0, spread))


def _density(x: float, mean: ArrayLike, spread: float) -> Floats:
    """Normal density with a foot: what is far off counts the same, however far."""
    z = (x - np.asarray(mean, np.float64)) / max(spread, 1e-12)
    return np.asarray(np.exp(-0.5 * np.minimum(z * z, 60.0)))
