"""The best linear measure of a constant excess over the last hours, from how hours vary together.

A leak adds the same at every hour; demand does not: it comes late in the morning, is high in the evening, or
high all day. How the parts of two days vary together, at this time of day, is learnt from weeks past, and the
excess since L hours ago is estimated by generalised least squares (Aitken 1935, Proc. R. Soc. Edinburgh 55):

    q = g' C^-1 y / g' C^-1 g

y: mean residuals of the last two days in bins, less the level of the week before; g: 1 for bins of the last L
hours, else 0; C: covariance of y. Quiet hours weigh most, and hours before the window predict those in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.noise import nanmedian

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BIN_S = 3 * 3600
"""Length of a bin [s]: two days in bins are few enough numbers to learn how they vary together."""

FINE_S = 3600
"""Length of the bins of the last ``BIN_S`` [s]: a burst is over and above the hours just before it."""

SPAN_S = 48 * 3600
"""How much of the past enters an estimate hour by hour [s]."""

LEVEL_S = 7 * 86400
"""Before that, the level is the mean of a whole week [s], so that no kind of day is missing from it."""

WINDOWS_H = (1, 2, 3, 6, 12, 24, 36, 48)
"""Lengths of excess that are looked for [h]."""

CUT = 4.0
"""Bins count as at most so many of their deviations when covariance is learnt."""

POOL_DAYS = 130.0
"""Correlations of one time of day count against those of all times as its days against this many: two days in
bins have 120 correlations, which some weeks cannot tell apart on their own."""

NUGGET = 0.05
"""Share of a bin's variance that is taken to be its own: what few days make look certain is not."""


class Geometry(NamedTuple):
    """edges (B + 1,): blocks before now at which bins begin, oldest first, 0 last; windows: lengths in bins
    from the last, ascending; per_day: blocks of a day; per_phase: blocks of one time of day (phase)."""

    edges: Ints
    windows: tuple[int, ...]
    per_day: int
    per_phase: int

    @property
    def phases(self) -> int:
        """Times of day that are told apart."""
        return self.per_day // self.per_phase

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1

    @property
    def span(self) -> int:
        """Blocks that the bins cover."""
        return int(self.edges[0])

    @property
    def lengths(self) -> Ints:
        """Blocks of each bin (B,)."""
        return np.asarray(-np.diff(self.edges))

    @property
    def blocks(self) -> Ints:
        """Blocks of each window (L,)."""
        return np.asarray(self.edges[self.bins - np.array(self.windows)], np.int64)

    @property
    def level(self) -> int:
        """Blocks of the level before the span."""
        return self.per_day * LEVEL_S // 86400


def geometry(block_s: int) -> Geometry:
    """How blocks of ``block_s`` [s], which divides a day, make up bins and windows."""
    edges = [0]
    while edges[-1] * block_s < SPAN_S:
        bin_s = FINE_S if edges[-1] * block_s < BIN_S else BIN_S
        edges.append(edges[-1] + max(1, bin_s // block_s))
    per_day = 86400 // block_s
    wanted = [max(1, h * 3600 // block_s) for h in WINDOWS_H]
    windows = sorted({int(np.searchsorted(edges, w)) for w in wanted if w <= edges[-1]} | {1})
    return Geometry(np.array(edges[::-1]), tuple(windows), per_day, max(1, 3600 // block_s))


class Sums(NamedTuple):
    """Running sums of blocks (n + 1, S): of values, of their number, of values and weights by 1 / scale^2."""

    value: Floats
    known: Floats
    weighted: Floats
    weight: Floats


def running(excess: Floats, scale: Floats) -> Sums:
    """Running sums of excess (n, S) [m3/s], NaN where unknown, with scale (n, S) [m3/s]."""
    known = np.isfinite(excess) & np.isfinite(scale)
    x = np.where(known, excess, 0.0)
    w = np.where(known, 1.0 / np.where(known, scale * scale, 1.0), 0.0)

    def total(a: Floats) -> Floats:
        out = np.zeros((len(a) + 1, a.shape[1]))
        np.cumsum(a, axis=0, out=out[1:])
        return out

    return Sums(total(x), total(known.astype(np.float64)), total(x * w), total(w))


def bins_of(sums: Sums, ends: Ints, edges: Ints) -> Floats:
    """Means of the bins with ``edges`` (B + 1,) before each end (N, B, S); NaN if a third is unknown."""
    at = np.maximum(ends[:, None] - edges[None, :], 0)
    n = np.diff(sums.known[at], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.diff(sums.value[at], axis=1) / n
    return np.where(3 * n >= 2 * -np.diff(edges)[None, :, None], mean, np.nan)


def level_of(sums: Sums, ends: Ints, geo: Geometry) -> Floats:
    """Level before the span that ends at each end, (N, S) [m3/s]: mean weighted by noise, NaN if half of it
    is unknown."""
    last = np.maximum(ends - geo.span, 0)
    first = np.maximum(last - geo.level, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (sums.weighted[last] - sums.weighted[first]) / (sums.weight[last] - sums.weight[first])
    return np.where(2 * (sums.known[last] - sums.known[first]) >= geo.level, mean, np.nan)


class Bank(NamedTuple):
    """Weights of all times of day. weight (P, L, B, S): of bins for each window; sigma (P, L, S) [m3/s]:
    deviation of the estimate by the model, NaN where nothing is known."""

    weight: Floats
    sigma: Floats


def learn(past: Floats, geo: Geometry) -> Bank:
    """Weights from bins of past days (D, P, B, S), levels taken off; NaN where unknown."""
    bins = past.shape[2]
    z = np.ascontiguousarray(past.transpose(1, 3, 0, 2))  # P, S, D, B
    known = np.isfinite(z)
    n = known.sum(2)  # P, S, B
    size = 1.4826 * nanmedian(np.where(known, np.abs(z), np.nan), axis=2)
    own = np.where(n > 0, size, 0.0) ** 2
    pooled = (n * own).sum((0, 2)) / np.maximum(n.sum((0, 2)), 1)  # S
    nothing = ~(pooled > 0)
    pooled = np.where(nothing, 1.0, pooled)
    # A bin's own variance against that of all: as its days against six, and never below a tenth of it.
    variance = (n * own + 6.0 * pooled[None, :, None]) / (n + 6.0)
    variance = np.maximum(variance, 0.1 * pooled[None, :, None])
    sd = np.sqrt(variance)
    with np.errstate(invalid="ignore"):
        z = np.where(known, np.clip(z / sd[:, :, None, :], -CUT, CUT), 0.0)
    # Unknown bins are 0 in all products, and days one number for a whole time of day: so it stays a
    # covariance.
    cross = np.matmul(z.transpose(0, 1, 3, 2), z)
    power = np.sqrt(np.maximum(np.einsum("psbb->psb", cross), 1e-6))
    correlation = cross / (power[..., :, None] * power[..., None, :])
    count = n.mean(axis=-1)[..., None, None]  # P, S, 1, 1
    pool = _over_the_day(correlation, count, geo)
    share = count / (count + POOL_DAYS)
    correlation = share * correlation + (1.0 - share) * pool
    correlation = (correlation + NUGGET * np.eye(bins)) / (1.0 + NUGGET)
    sd = sd * np.maximum(power / np.sqrt(np.maximum(n, 1.0)), 0.5)
    inverse = np.linalg.inv(correlation * sd[..., :, None] * sd[..., None, :])
    inside = (np.arange(bins)[None, :] >= bins - np.array(geo.windows)[:, None]).astype(np.float64)
    front = np.matmul(inside, inverse)  # P, S, L, B
    power_of = np.einsum("pslb,lb->psl", front, inside)
    weight = (front / power_of[..., None]).transpose(0, 2, 3, 1)
    sigma = (1.0 / np.sqrt(power_of)).transpose(0, 2, 1)
    return Bank(weight, np.where(nothing, np.nan, sigma))


def put(bank: Bank | None, part: Bank, columns: Ints, areas: int) -> Bank:
    """A bank of ``areas`` with the weights of some columns replaced."""
    out = []
    for i, new in enumerate(part):
        a = np.zeros((*new.shape[:-1], areas)) if bank is None else bank[i].copy()
        a[..., columns] = new
        out.append(a)
    return Bank(*out)


def _over_the_day(correlation: Floats, weight: Floats, geo: Geometry) -> Floats:
    """Mean correlation over all times of day, (P, S, B, B) -> (1, S, B, B); weight (P, S, 1, 1): days.

    Drawn to halve with each three hours of distance while days are few.
    """
    middle = 0.5 * (geo.edges[1:] + geo.edges[:-1]) * 86400.0 / geo.per_day
    prior = 0.5 ** (np.abs(np.subtract.outer(middle, middle)) / BIN_S)
    total = (weight * correlation).sum(0) + 20.0 * prior
    return np.asarray(total / (weight.sum(0) + 20.0))[None]


def measure(y: Floats, weight: Floats, geo: Geometry) -> Floats:
    """Excess of each window (L, S) [m3/s] from bins y (B, S), NaN where unknown, and weights (L, B, S).

    Unknown bins before the window count as usual; a window of which a third is unknown is NaN.
    """
    known = np.isfinite(y)
    q: Floats = np.einsum("lbs,bs->ls", weight, np.where(known, y, 0.0))
    if known.all():
        return q
    length = geo.lengths[:, None]
    for i, n in enumerate(geo.windows):
        inside, of = known[-n:], length[-n:]
        have = np.where(inside, weight[i, -n:], 0.0).sum(0)
        enough = (3 * (inside * of).sum(0) >= 2 * of.sum()) & (have > 0.5)
        with np.errstate(invalid="ignore", divide="ignore"):
            q[i] = np.where(enough, q[i] / have, np.nan)
    return q
