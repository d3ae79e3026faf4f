"""What the flows of a step test say: in which area the leak is, how large, and how sure.

After step k the inflow is what all areas that still have water use, and the leaks among them:

    F_k = sum over areas j >= k of (u_j + q_j) + noise,     k = 0 (all open) .. K (only the last area left)

u_j, legitimate night use and background leakage, is known with an error of its own in each area and with one
that all share; q_j > 0 is a leak. Hypotheses: no leak, one in any area, one in each of any two. Each is
judged by its marginal likelihood, with the size of a leak integrated out over a logarithmic grid (Gaussian
likelihood)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

Floats = NDArray[np.float64]

USE_ERROR = 0.3
"""Standard error of what one area is expected to use, as a share of it: habits differ from street to
street."""
SHARED_ERROR = 0.3
"""The same of all areas together: night use per connection, infrastructure condition factor."""
PRESSURE_ERROR = 0.03
"""Standard error of each flow beside its noise, as a share of it: with every area that is shut off pressure
rises in the rest, and with it what leaks and flows there."""
TOILET_M3 = 0.01
"""Night use comes in portions of some ten litres, mostly toilets (Farley & Trow 2003, ch. 5), by chance."""
CONFIDENCE_Z = 1.645
"""One-sided 95 %."""
NO_LEAK = 0.2
"""Prior probability that there is no leak at all."""
SECOND = 0.15
"""Prior probability that, if there is one leak, there is another."""
LEAST_LEAK = 0.25 / 3600
"""A smaller leak is background leakage [m3/s]: half of the 0.5 m3/h at 50 m from which Lambert (1994) counts
bursts."""
SIZES = 80
"""Points of the grid of sizes."""
SIZE_ERROR = 0.3
"""Least standard error of the logarithm of a size that was estimated before."""


class Evidence(NamedTuple):
    """What is believed of A areas, the last one being that which kept its water. Flows [m3/s].

    probability (A,): that a leak is in the area; they add up to more than 1 where two leaks are likely.
    none: that there is none. leak, low, high (A,): size of a leak there with its 95 % interval, given that
    there is one. excess (A,): drop less expected use. against (A,): decibans (10 log10 of the Bayes factor)
    for one leak in this area alone against no leak. drop (A,): what the inflow fell by; of the last area
    what was left. sd (A,): standard error of excess without a leak."""

    probability: Floats
    none: float
    leak: Floats
    low: Floats
    high: Floats
    excess: Floats
    against: Floats
    drop: Floats
    sd: Floats


def drop_error(use: ArrayLike, flow_error: ArrayLike) -> Floats:
    """(A,) standard error [m3/s] of the drop of each step less the use expected there, no leak being there.

    use (A,) [m3/s], flow_error: of one measured flow [m3/s]. The last area is judged by one flow, the
    others by two."""
    used = np.asarray(use, np.float64)
    flows = np.full(len(used), 2.0)
    flows[-1] = 1.0
    error = np.asarray(flow_error, np.float64)
    return np.asarray(np.sqrt(flows * error**2 + (USE_ERROR**2 + SHARED_ERROR**2) * used**2))


def tellable(use: ArrayLike, flow_error: ArrayLike) -> Floats:
    """(A,) the smallest leak [m3/s] that each step tells: found with 95 % when it is there, and claimed with
    5 % when it is not."""
    return 2 * CONFIDENCE_Z * drop_error(use, flow_error)


def chance_error(use: float, dwell_s: float) -> float:
    """Standard error [m3/s] of a mean over ``dwell_s`` [s] of night use [m3/s] that comes in portions."""
    return float(np.sqrt(max(use, 0.0) * TOILET_M3 / dwell_s))


def dwell_error(flow: ArrayLike, per: int) -> float:
    """Standard error [m3/s] of a mean over ``per`` values of the inflow at night, from flow (D, T) [m3/s], a
    row a night: robust deviation of the differences of means that follow one another, by root two. NaN where
    fewer than twenty are known."""
    values = np.atleast_2d(np.asarray(flow, np.float64))
    count = values.shape[1] // per
    if count < 2:
        return float("nan")
    means = values[:, : count * per].reshape(len(values), count, per).mean(axis=2)
    steps = np.diff(means, axis=1).ravel()
    steps = steps[np.isfinite(steps)]
    if len(steps) < 20:
        return float("nan")
    return float(1.4826 * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2.0))


def step_evidence(
    flow: ArrayLike,
    use: ArrayLike,
    prior: ArrayLike,
    flow_error: ArrayLike,
    *,
    size: tuple[float, float, float] | None = None,
    no_leak: float = NO_LEAK,
) -> Evidence:
    """Judge the flows of a test of A - 1 steps.

    flow (A,) [m3/s]: before the first step, then after each. use (A,) [m3/s]: expected of each area in the
    order of the steps, the last one that which kept its water. prior (A,): probability of a leak in each,
    any scale. flow_error: of each flow [m3/s], scalar or (A,). size: leak with 95 % limits [m3/s] where it
    was estimated before; None: any size. Raises ValueError for shapes that do not fit or flows that are not
    finite."""
    measured, used, mass = (np.asarray(x, np.float64) for x in (flow, use, prior))
    count = len(measured)
    if measured.shape != used.shape or used.shape != mass.shape or measured.ndim != 1 or count < 2:
        raise ValueError("flow, use and prior need a value for each area, two or more")
    if not np.all(np.isfinite(measured)) or not np.all(np.isfinite(used)) or mass.sum() <= 0:
        raise ValueError("flows are to be finite, and a leak possible somewhere")
    error = np.hypot(np.broadcast_to(np.asarray(flow_error, np.float64), (count,)), PRESSURE_ERROR * measured)
    error = np.maximum(error, 1e-9)
    mass = mass / mass.sum()
    among = np.triu(np.ones((count, count)))  # F_k holds the areas k and after
    mean = among @ used
    covariance = (
        np.diag(error**2)
        + among @ np.diag((USE_ERROR * used) ** 2) @ among.T
        + SHARED_ERROR**2 * np.outer(mean, mean)
    )
    root = np.linalg.cholesky(covariance)
    left = solve_triangular(root, measured - mean, lower=True)
    ways = solve_triangular(root, among, lower=True)  # column j: of a leak in area j
    grid, weight = _sizes(measured, error, size)
    free, free_weight = _sizes(measured, error, None)

    pull, length = ways.T @ left, ways.T @ ways
    one = pull[:, None] * grid - 0.5 * np.diag(length)[:, None] * grid**2  # (A, S), beside that of no leak
    single = logsumexp(one + weight, axis=1)
    names: list[tuple[int, ...]] = [(), *((j,) for j in range(count))]
    with np.errstate(divide="ignore"):
        log_mass = np.log(mass)
        scores = [np.log(no_leak), *(np.log((1 - no_leak) * (1 - SECOND)) + log_mass + single)]
    by_area: list[list[tuple[float, Floats]]] = [[] for _ in range(count)]
    for j in range(count):
        by_area[j].append((scores[1 + j], one[j] + weight - single[j]))
    for i in range(count):
        for j in range(count):
            if i == j or mass[i] <= 0 or mass[j] <= 0 or mass[i] >= 1:
                continue
            # i has the leak that was known, j another of any size.
            second = pull[j] * free - 0.5 * length[j, j] * free**2 + free_weight
            both = (one[i] + weight)[:, None] + second[None, :] - length[i, j] * np.outer(grid, free)
            total = float(logsumexp(both))
            score = np.log((1 - no_leak) * SECOND * mass[i] * mass[j] / (1 - mass[i])) + total
            names.append((i, j))
            scores.append(score)
            by_area[i].append((score, logsumexp(both, axis=1) - total))
    total_score = logsumexp(scores)
    belief = np.exp(np.array(scores) - total_score)
    probability = np.zeros(count)
    for hypothesis, share in zip(names, belief.tolist(), strict=True):
        for area in hypothesis:
            probability[area] += share
    leak, low, high = np.array([_interval(grid, parts) for parts in by_area]).T
    drop = np.r_[measured[:-1] - measured[1:], measured[-1]]
    sd = np.sqrt(np.diag(_differences(count) @ covariance @ _differences(count).T))
    return Evidence(
        probability, float(belief[0]), leak, low, high, drop - used, 10 * single / np.log(10.0), drop, sd
    )


def _differences(count: int) -> Floats:
    """Matrix that makes drops of flows."""
    return np.eye(count) - np.eye(count, k=1)


def _sizes(flow: Floats, error: Floats, size: tuple[float, float, float] | None) -> tuple[Floats, Floats]:
    """Grid of sizes [m3/s] and the logarithm of their prior weights."""
    least = max(0.25 * float(error.min()), LEAST_LEAK)
    most = max(2.0 * float(np.abs(flow).max()), 20 * least)
    if size is not None:
        most = max(most, 3 * size[0])
    grid = np.geomspace(least, most, SIZES)
    if size is None or size[0] <= 0:
        return grid, np.full(SIZES, -np.log(SIZES))
    middle, low, high = size
    spread = (np.log(high) - np.log(low)) / (2 * 1.96) if 0 < low < high else 0.0
    weight = -0.5 * ((np.log(grid) - np.log(middle)) / max(spread, SIZE_ERROR)) ** 2
    return grid, weight - logsumexp(weight)


def _interval(grid: Floats, parts: list[tuple[float, Floats]]) -> tuple[float, float, float]:
    """Median and 95 % interval of a size, over the hypotheses that have it."""
    if not np.isfinite(logsumexp([score for score, _ in parts])):
        return (float("nan"),) * 3
    density = logsumexp([score + shape for score, shape in parts], axis=0)
    below = np.cumsum(np.exp(density - logsumexp(density)))
    at = np.interp([0.5, 0.025, 0.975], below, grid)
    return float(at[0]), float(at[1]), float(at[2])
