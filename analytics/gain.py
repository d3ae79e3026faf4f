"""What sending a crew now is worth: water saved if it finds the leak, less the visit.

A leak that nobody goes for is found in the end all the same: it surfaces, customers complain, a survey
passes. If that happens at a constant rate, the chance that it still runs after a time t is exp(-t / mean),
the run time of unreported bursts in component analysis (Lambert et al. 1999, J. Water SRT - Aqua 48(6):
awareness, location and repair times). The loss that a find prevents is what would have run from the repair
on, up to a horizon beyond which nobody counts on the estimate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]

DAY_S = 86400.0

FOUND_ANYWAY_S = 50 * DAY_S
"""Mean run time of a leak nobody reports [s]: 50 days, that of unreported bursts of mains in a well-run
network (Lambert et al. 1999, the values behind UARL; 100 days on service connections)."""

HORIZON_S = 365 * DAY_S
"""Beyond a year nothing is counted [s]: by then a survey has passed."""


def run_time(
    repaired_after_s: ArrayLike = 0.0, found_anyway_s: float = FOUND_ANYWAY_S, horizon_s: float = HORIZON_S
) -> Floats:
    """Expected time that a leak runs between its repair, if found now, and the horizon, if not found [s].

    integral of exp(-t / m) dt from d to H = m (exp(-d / m) - exp(-H / m)), m = ``found_anyway_s`` the mean
    time until it is found anyway (inf: never; then H - d), d = ``repaired_after_s``, H = ``horizon_s``; 0
    where the repair comes after the horizon. Any shape.
    """
    d = np.minimum(np.asarray(repaired_after_s, np.float64), horizon_s)
    if np.isinf(found_anyway_s):
        return np.asarray(horizon_s - d)
    m = found_anyway_s
    return np.asarray(m * (np.exp(-d / m) - np.exp(-horizon_s / m)))


def grown_volume(
    flow: ArrayLike,
    growth: ArrayLike = 0.0,
    repaired_after_s: ArrayLike = 0.0,
    found_anyway_s: float = FOUND_ANYWAY_S,
    horizon_s: float = HORIZON_S,
) -> Floats:
    """Expected water [m3] that a leak loses in that time: ``flow`` [m3/s], rising by ``growth`` [m3/s per s].

    integral of (q + g t) exp(-t / m) dt from d to H, in closed form:
    m (q + g d + g m) exp(-d / m) - m (q + g H + g m) exp(-H / m); without being found (m = inf)
    q (H - d) + g (H² - d²) / 2. Never less than 0. Any shapes that broadcast.
    """
    q, g = np.asarray(flow, np.float64), np.asarray(growth, np.float64)
    d, h, m = np.minimum(np.asarray(repaired_after_s, np.float64), horizon_s), horizon_s, found_anyway_s
    if np.isinf(m):
        return np.asarray(np.maximum(q * (h - d) + 0.5 * g * (h * h - d * d), 0.0))
    volume = m * (q + g * (d + m)) * np.exp(-d / m) - m * (q + g * (h + m)) * np.exp(-h / m)
    return np.asarray(np.maximum(volume, 0.0))


def mean_positive(mean: ArrayLike, sigma: ArrayLike) -> Floats:
    """Mean of max(q, 0) of a normal q: mean * Phi(mean / sigma) + sigma * phi(mean / sigma). Any shape.

    A leak's flow is never negative; an estimate that reaches below 0 has its weight there at 0.
    """
    m, s = np.asarray(mean, np.float64), np.maximum(np.asarray(sigma, np.float64), 1e-12)
    return np.asarray(m * norm.cdf(m / s) + s * norm.pdf(m / s))


def expected_gain(
    found: ArrayLike, volume: ArrayLike, water_cost: ArrayLike, visit_cost: ArrayLike
) -> Floats:
    """Expected gain of a visit, in the currency of the costs: found * volume * water_cost - visit_cost.

    found [0..1]: probability that there is a leak and that the visit finds it; volume [m3]: what would run
    otherwise (``grown_volume``); water_cost: value of a m3; visit_cost: of sending a crew, found or not.
    Sending pays where this is above 0. What waiting for better evidence would be worth is not counted: a
    find that is put off by a day costs a day's water. NaN where an argument is NaN. Any shapes.
    """
    f, v = np.asarray(found, np.float64), np.asarray(volume, np.float64)
    return np.asarray(f * v * np.asarray(water_cost, np.float64) - np.asarray(visit_cost, np.float64))


def least_found(volume: ArrayLike, water_cost: ArrayLike, visit_cost: ArrayLike) -> Floats:
    """Probability of finding it from which on a visit pays, in [0, 1]; 1 where it never does. Any shapes."""
    worth = np.asarray(volume, np.float64) * np.asarray(water_cost, np.float64)
    cost = np.asarray(visit_cost, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(worth > 0, cost / worth, np.where(cost > 0, 1.0, 0.0))
    return np.clip(needed, 0.0, 1.0)
