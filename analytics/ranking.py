"""Which pipe leaks: how well each pipe's signature explains the pressures since the onset.

Pressures r of M sensors (mean excess over what is usual, drops negative) are a leak's flow q times the
pipe's signature s plus noise: r = q s + e, e ~ N(0, C). C is learnt from the days before, so that the
ways in which pressures move together with demand, the common mode first of all, count for little. q comes
from the inflow with its own uncertainty. The model's signature is wrong by some part of its size, which
adds to the noise. A pipe's probability is its likelihood with q integrated out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from analytics.noise import MAD_TO_SIGMA, nanmedian

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def seasonal_residual(values: Floats, kind: Ints, before: Bools) -> Floats:
    """Values (T, M) less the median of the same kind of hour ``kind`` (T,) where ``before`` (T,) holds.

    NaN where a value is missing or its kind of hour has fewer than 3 values before.
    """
    out = np.full(values.shape, np.nan)
    for k in np.unique(kind):
        here = kind == k
        past = values[here & before]
        enough = np.isfinite(past).sum(0) >= 3
        out[here] = np.where(enough, values[here] - nanmedian(past), np.nan) if len(past) else np.nan
    return out


def shrunk_covariance(residual: Floats, least: float) -> Floats:
    """Covariance (M, M) of zero-mean residuals (D, M), drawn towards its diagonal.

    Residuals are cut at four robust deviations. The weight of the diagonal is M / (D + M): with few days
    many sensors' correlations are mostly chance (in the spirit of Ledoit & Wolf 2004). ``least`` [m]: no
    sensor is trusted beyond this. NaN counts as 0 in the products it is part of.
    """
    days, sensors = residual.shape
    scale = MAD_TO_SIGMA * nanmedian(np.abs(residual))
    scale = np.where(np.isfinite(scale) & (scale > 0), scale, least)
    x = np.clip(residual, -4 * scale, 4 * scale)
    ok = np.isfinite(x)
    x = np.where(ok, x, 0.0)
    pairs = ok.astype(np.float64).T @ ok.astype(np.float64)
    c = (x.T @ x) / np.maximum(pairs, 1.0)
    share = sensors / (days + sensors)
    shrunk: Floats = (1 - share) * c + share * np.diag(np.diag(c)) + least**2 * np.eye(sensors)
    return shrunk


def pipe_probabilities(
    residual: Floats,
    covariance: Floats,
    signature: Floats,
    flow: float,
    flow_sigma: float,
    prior: Floats,
    model_error: float = 0.2,
) -> Floats:
    """Probability of each pipe, (P,), summing to 1.

    residual (M,) [m]: mean since the onset, NaN where a sensor says nothing; covariance (M, M) of such
    means; signature (M, P) [m per m3/s]; flow, flow_sigma [m3/s]: the leak as the inflow shows it; prior
    (P,): weight before any pressure is seen (0 excludes a pipe). model_error: standard deviation of a
    signature as a share of its size. With no usable sensor the prior is returned.
    """
    prior = prior / prior.sum()
    use = np.isfinite(residual) & np.all(np.isfinite(signature), axis=1)
    if not use.any():
        return prior
    r, s = residual[use], signature[use]
    c = covariance[np.ix_(use, use)]
    # One error for all pipes: that of a typical signature. Pipe by pipe it would reward large signatures.
    typical = np.sqrt(np.average(s**2, axis=1, weights=prior))
    c = c + np.diag((model_error * flow * typical) ** 2)
    factor = cho_factor(c)
    cs = cho_solve(factor, s)
    power = np.einsum("mp,mp->p", s, cs)
    match = r @ cs
    # q ~ N(flow, flow_sigma^2): completing the square in q and integrating it out.
    tau = 1.0 / max(flow_sigma, 1e-9) ** 2
    mean = flow * tau
    log = 0.5 * (match + mean) ** 2 / (power + tau) - 0.5 * np.log((power + tau) / tau)
    with np.errstate(divide="ignore"):
        log = log + np.log(prior)
    weight = np.exp(log - log.max())
    p: Floats = weight / weight.sum()
    return p


def nearest_sensors(residual: Floats, covariance: Floats) -> tuple[Ints, Floats]:
    """Sensors (M,) by how far their pressure fell, in its own standard deviations, deepest fall first."""
    drop = np.where(np.isfinite(residual), -residual / np.sqrt(np.diag(covariance)), -np.inf)
    order = np.argsort(-drop, kind="stable")
    return order, drop[order]
