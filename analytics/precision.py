"""What each sensor shows that the others do not explain: one regression of every sensor on all others.

With the precision matrix K (inverse covariance) of sensors and covariates together, the residual of
regressing sensor i on all others is (K r)_i / K_ii, its variance 1 / K_ii (Lauritzen 1996, Graphical Models,
ch. 5): the generalised least squares over all pairs of sensors, with the covariance across pairs in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.noise import robust_scale

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FREEDOM = 4.0
"""Degrees of freedom of the t distribution that differences are taken to have: onsets, works and faults make
tails, and a row d² from the rest counts (FREEDOM + S) / (FREEDOM + d²)."""

ROUNDS = 3
"""Of reweighting; further ones move a covariance by less than its own error."""


def differences(rows: Floats, per_day: int) -> Floats:
    """Rows (T, S) less those of a day before, and less those of a week before, one below the other.

    A level that moved, by leak, season or sensor, is in a day's differences once: what remains is how
    sensors move together with demand. NaN where either is missing.
    """
    week = 7 * per_day
    return np.concatenate([rows[per_day:] - rows[:-per_day], rows[week:] - rows[:-week]])


def scatter(x: Floats, ridge: Floats) -> Floats:
    """Covariance (S, S) of zero-mean rows (T, S) with heavy tails: the M-estimator of a t distribution.

    Kent, Tyler & Vardi (1994), Commun. Stat. 23(2), ``ROUNDS`` rounds from rows cut at six robust deviations.
    ridge (S,): variances that the weighting allows for on top. NaN counts as 0, and a column's variance as
    measured where it is measured: correlations then come out too small, never too large.
    """
    there = np.isfinite(x)
    share = np.sqrt(np.maximum(there.mean(axis=0), 1e-9))
    scale = np.nan_to_num(robust_scale(x))
    x = np.where(there, x, 0.0)
    n, sensors = max(len(x), 1), x.shape[1]
    bound = 6 * np.where(scale > 0, scale, np.inf)
    cut = np.clip(x, -bound, bound)
    c = cut.T @ cut / n / np.outer(share, share)
    for _ in range(ROUNDS):
        inverse = np.linalg.inv(c + np.diag(ridge))
        distance = np.einsum("ts,ts->t", x @ inverse, x)
        weight = (FREEDOM + sensors) / (FREEDOM + distance)
        c = (x * weight[:, None]).T @ x / n / np.outer(share, share)
    return np.asarray(c)


def conditional(residual: Floats, precision: Floats) -> Floats:
    """Residuals (T, S) of each column regressed on all others, in its own unit, (T, S).

    Where columns are missing (NaN) the others are regressed on those that are there; they stay NaN.
    """
    there = np.isfinite(residual)
    filled = np.where(there, residual, 0.0)
    for pattern in np.unique(there[~there.all(axis=1)], axis=0):
        gone = ~pattern
        if not pattern.any():
            continue
        rows = (there == pattern).all(axis=1)
        # The conditional mean of what is missing: with it, (K r) of the others is that of their own K.
        block = np.linalg.solve(precision[np.ix_(gone, gone)], precision[np.ix_(gone, pattern)])
        filled[np.ix_(rows, gone)] = -filled[np.ix_(rows, pattern)] @ block.T
    out = filled @ precision / np.diag(precision)
    return np.asarray(np.where(there, out, np.nan))
