"""How far an excess must be beyond its usual deviation to be told: so that noise alone does it so rarely.

How far estimates usually stray is measured on the area itself (``deviation``). How much further they stray
once in years is told, for excesses of hours to two days, by the area's own tail: there are dozens of them in
a year (``own_margin``). Of excesses of nights to weeks there are not, and what moves them (seasons, visitors,
tanks) has heavy tails everywhere: their limits are those of Student's distribution (``heavy_limits``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from analytics.noise import MAD_TO_SIGMA

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

YEAR_S = 365.25 * 86400

TAIL = 0.95
"""Quantile by which estimates' deviation is judged, beside their median: what lies further out is for the
limits."""

FREEDOM = 4.0
"""Degrees of freedom of heavy tails: what Lange, Little & Taylor (1989), J. Am. Stat. Assoc. 84, 881-896,
recommend where there are too few values to estimate them."""

TESTS, SLOW_TESTS = 150, 4
"""Windows overlap and are of several lengths: so many times the tests that windows of one length, end to end,
would be, tested at each block, or once a day."""

PARTS = (4.0, 4.0, 2.0)
"""Bursts, excesses of up to two days, and longer ones share the false alarms that are allowed: one in so many
is of each. Half is for the longer ones, as what they find would run unseen for longest."""

CELL_DAYS = 5
"""How wild an area is in the tail is told by the highest of its tests in each so many days; what is further
apart are disturbances of their own."""

CELLS = 73
"""Of a year."""

PRIOR_CELLS = 12
"""Normal noise counts as so many cells of the area's own past."""

WILDEST = 1.5
"""No disturbance counts for more than so many times the limit of its time."""


def normal_limits(seconds: Floats, years: Floats) -> Floats:
    """Deviations that windows of (L,) seconds exceed once in so many years by normal noise [-]."""
    return np.asarray(norm.isf(np.minimum(0.4, seconds / (YEAR_S * years * TESTS))))


def heavy_limits(seconds: Floats, years: float) -> Floats:
    """The same by noise with the tails of Student's distribution, in units of its ``TAIL`` quantile by which
    ``deviation`` judges."""
    unit = t.isf(0.5 - 0.5 * TAIL, FREEDOM) / norm.isf(0.5 - 0.5 * TAIL)
    return np.asarray(t.isf(np.minimum(0.4, seconds / (YEAR_S * years * SLOW_TESTS)), FREEDOM) / unit)


def own_margin(peak: NDArray[np.floating[Any]], years: Floats) -> Floats:
    """By how much limits must exceed those for normal noise, (G, S), from the tail of the tests in a past.

    peak (n, c, G, S): tests in n cells of c blocks, as shares of the limits for normal noise; NaN where
    nothing was tested. Peaks over threshold with an exponential tail (Pickands 1975, Annals of Statistics 3;
    Coles 2001, An Introduction to Statistical Modeling of Extreme Values, ch. 4): of n cells' maxima, those
    of both sides, the K highest exceed u by b on average, so that k exceed u + b log(K / k). Wanted is k of
    one side in ``years``, (G,) of each group. Never below 1.
    """
    if not len(peak):
        return np.ones(peak.shape[2:])
    known = np.isfinite(peak)
    top = np.sort(np.where(known, peak, -np.inf).max(axis=1).astype(np.float64), axis=0)[::-1]
    n = known.any(axis=1).sum(axis=0)
    high = np.maximum(3, n // 6)
    u = np.take_along_axis(top, np.minimum(high, len(top) - 1)[None], axis=0)[0]
    wanted = 2.0 * n * CELL_DAYS * 86400 / YEAR_S / years[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        counted = np.arange(len(top))[:, None, None] < high
        above = np.where(counted, top - u, 0.0).sum(axis=0) / high
        own = u + above * np.log(high / wanted)
        mixed = (n * own + PRIOR_CELLS) / (n + PRIOR_CELLS)
    return np.where((n >= 6) & np.isfinite(mixed), np.maximum(1.0, mixed), 1.0)


def caution(days: Ints) -> Floats:
    """By how much limits are wider while only so many days are known [-]."""
    return np.asarray(1.0 + 4000.0 / np.maximum(days, 7) ** 3)


def deviation(values: Floats) -> tuple[Floats, Ints]:
    """Deviation of zero-mean values (N, L, S) -> (L, S), by the median or the ``TAIL`` quantile of their
    size, and how many were known; NaN where fewer than 14 were."""
    size = np.abs(values)
    n = np.isfinite(size).sum(axis=0)
    if not len(size):
        return np.full(values.shape[1:], np.nan), n
    ordered = np.sort(size, axis=0)

    def at(share: float) -> Floats:
        k = np.clip((share * (n - 1)).round().astype(np.int64), 0, len(size) - 1)
        return np.asarray(np.take_along_axis(ordered, k[None], axis=0)[0], np.float64)

    out = np.fmax(MAD_TO_SIGMA * at(0.5), at(TAIL) / norm.isf(0.5 - 0.5 * TAIL))
    return np.where(n >= 14, out, np.nan), n
