"""When it began, with an interval: how likely each start of a change is, given the values since and before.

The same steps and ramps as ``analytics.cusum.change_point`` compares, but instead of the best one the
weight of each: the posterior over the start of the change with an even prior over starts and over the two
kinds, and the change's size integrated out (Smith 1975, Biometrika 62(2), with a flat prior on the size).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from analytics.noise import lag_one

Floats = NDArray[np.float64]

LONGEST_MEMORY = 0.95
"""Persistence is not believed beyond this: what wanders more slowly is a level, not noise."""


class Onset(NamedTuple):
    """Indices into the series: low to high hold the asked-for probability, best is likeliest."""

    low: int
    best: int
    high: int


def onset_posterior(z: Floats, earliest: int, side: int, persistence: float = 0.0) -> Floats:
    """Probability that a change which lasts to the end of a series (n,) began at each value, (n,).

    z (n,): standardised, mean 0 and deviation 1 before the change, NaN carries no weight. side: +1 for a
    rise, -1 for a fall. 0 before ``earliest``. persistence [0, 1): lag-one autocorrelation of the noise;
    log likelihoods are scaled by (1 - p) / (1 + p), the share of a value that is news of its own.

    With x = side z, weights w (1 for a step, i - tau + 1 for a ramp from tau on), A = sum w x, B = sum w²:
    log weight = k A² / (2 B) - log(k B) / 2 + log Phi(A sqrt(k / B)), k the scale; the last term holds the
    size to its side. Steps need two values, ramps 24, as there; ramps count by their rise over the
    values they last, so that both kinds have one measure of size. All 0 where nothing is finite.
    """
    n = len(z)
    ok = np.isfinite(z)
    if not ok.any():
        return np.zeros(n)
    x, w = np.where(ok, side * z, 0.0), ok.astype(np.float64)
    i = np.arange(n, dtype=np.float64)

    def tail(values: Floats) -> Floats:
        return np.cumsum(values[::-1])[::-1]

    s0, s1 = tail(x), tail(x * i)
    n0, n1, n2 = tail(w), tail(w * i), tail(w * i * i)
    shift, last = i - 1, n - i
    k = (1 - persistence) / (1 + persistence)

    def weight(a: Floats, b: Floats, least: int) -> Floats:
        b = np.maximum(b, 1e-12)
        score = k * a * a / (2 * b) - 0.5 * np.log(k * b) + norm.logcdf(a * np.sqrt(k / b))
        return np.where((n0 >= 2) & (last >= least), score, -np.inf)

    step = weight(s0, n0, 2)
    ramp = weight((s1 - shift * s0) / last, (n2 - 2 * shift * n1 + shift * shift * n0) / last**2, 24)
    log = np.logaddexp(step, ramp)
    log[: max(0, min(earliest, n - 1))] = -np.inf
    if not np.isfinite(log).any():
        return np.zeros(n)
    p = np.exp(log - log[np.isfinite(log)].max())
    return np.asarray(p / p.sum())


def onset_interval(
    z: Floats, earliest: int, side: int, share: float = 0.9, persistence: float | None = None
) -> Onset | None:
    """The narrowest run of starts that holds ``share`` of the posterior; None where nothing can be said.

    Arguments as for ``onset_posterior``; persistence None: measured on the values before ``earliest``, where
    there are 20 of them, else on the residual of the best step.
    """
    if persistence is None:
        persistence = _persistence(z, earliest, side)
    p = onset_posterior(z, earliest, side, min(persistence, LONGEST_MEMORY))
    if not p.sum() > 0:
        return None
    total = np.concatenate([[0.0], np.cumsum(p)])
    # For each start the first end that holds enough; the shortest such run, of equals the likeliest.
    end = np.searchsorted(total, total[:-1] + share * (1 - 1e-12))
    fits = end < len(total)
    length = np.where(fits, end - np.arange(len(p)), len(p) + 1)
    low = int(np.argmin(length))
    return Onset(low, int(np.argmax(p)), int(end[low]) - 1)


def _persistence(z: Floats, earliest: int, side: int) -> float:
    before = z[: max(0, earliest)]
    if np.isfinite(before).sum() >= 20:
        return float(lag_one(before[:, None])[0])
    p = onset_posterior(z, earliest, side)
    at = int(np.argmax(p)) if p.any() else 0
    rest = z.copy()
    if np.isfinite(rest[at:]).any():
        rest[at:] -= np.nanmean(rest[at:])
    return float(lag_one(rest[:, None])[0])
