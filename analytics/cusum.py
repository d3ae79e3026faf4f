"""Cumulative sums: has the mean of a noisy series moved, since when, by how much."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Floats = NDArray[np.float64]


def run_length(k: float, h: float) -> float:
    """Mean steps to a false alarm of a one-sided CUSUM on independent standard normal noise.

    S = max(0, S + z - k), alarm at S > h. Siegmund (1985), Sequential Analysis, eq. 2.57: with
    b = h + 1.166, (exp(2 k b) - 2 k b - 1) / (2 k^2).
    """
    b = h + 1.166
    return float((np.exp(2 * k * b) - 2 * k * b - 1) / (2 * k * k))


def threshold(k: float, steps: float) -> float:
    """The h that gives ``steps`` mean steps to a false alarm (inverse of ``run_length``)."""
    return float(brentq(lambda h: np.log(run_length(k, h)) - np.log(steps), 0.01, 200.0))


def accumulate(state: Floats, z: Floats, k: float) -> Floats:
    """One step of S = max(0, S + z - k), any shape; where z is NaN the state stays."""
    return np.where(np.isnan(z), state, np.maximum(0.0, state + z - k))


class Change(NamedTuple):
    """start: index of the first changed value. growing: it rose (fell) steadily rather than at once."""

    start: int
    growing: bool


def change_point(z: Floats, earliest: int, side: int, least_ramp: int = 24) -> Change:
    """Most likely start of a change in a standardised series (n,) that lasts to its end.

    Before the change the mean is 0. Compared are steps (mean m from tau on) and ramps (slope b from tau
    on), each with its best size: log likelihood ratio (sum z w)^2 / (2 sum w^2), w = 1 or i - tau + 1.
    A ramp must beat the step by 3 and rise over at least ``least_ramp`` values to be taken. NaN carries no
    weight. side: +1 for a rise, -1 for a fall. Candidates from ``earliest`` on.
    """
    n = len(z)
    ok = np.isfinite(z)
    x = np.where(ok, side * z, 0.0)
    w = ok.astype(np.float64)
    i = np.arange(n, dtype=np.float64)

    def tail(values: Floats) -> Floats:
        return np.cumsum(values[::-1])[::-1]

    s0, s1 = tail(x), tail(x * i)
    n0, n1, n2 = tail(w), tail(w * i), tail(w * i * i)
    with np.errstate(invalid="ignore", divide="ignore"):
        step = np.where((s0 > 0) & (n0 > 0), s0 * s0 / (2 * n0), -np.inf)
        shift = i - 1
        top = s1 - shift * s0
        power = n2 - 2 * shift * n1 + shift * shift * n0
        ramp = np.where((top > 0) & (power > 0), top * top / (2 * power), -np.inf)
    candidates = slice(max(0, min(earliest, n - 1)), n)
    best_step = int(np.argmax(step[candidates])) + candidates.start
    best_ramp = int(np.argmax(ramp[candidates])) + candidates.start
    growing = bool(ramp[best_ramp] > step[best_step] + 3.0 and n - best_ramp >= least_ramp)
    return Change(best_ramp if growing else best_step, growing)
