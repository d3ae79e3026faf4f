"""How large and how persistent noise is, estimated so that a few disturbed hours do not decide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAD_TO_SIGMA = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""

Q99_TO_SIGMA = 1 / 2.5758
"""Standard deviation over the 99 % quantile of |x| of a normal distribution."""


def nanmedian(values: Floats, axis: int = 0) -> Floats:
    """Median along ``axis`` without NaN; NaN where there is nothing. By sorting: NumPy's own goes column by
    column where values are missing."""
    if not values.shape[axis]:
        return np.full(np.delete(values.shape, axis), np.nan)
    ordered = np.sort(values, axis=axis)  # NaN come last
    n = np.expand_dims((~np.isnan(values)).sum(axis=axis), axis)
    low = np.take_along_axis(ordered, np.maximum(n - 1, 0) // 2, axis=axis)
    high = np.take_along_axis(ordered, np.minimum(n // 2, values.shape[axis] - 1), axis=axis)
    return np.asarray(np.squeeze(0.5 * (low + np.where(n % 2 == 1, low, high)), axis))


def robust_scale(values: Floats, *, tail: bool = False) -> Floats:
    """Standard deviation of zero-mean noise, (T, ...) -> (...), from the median of its size.

    With ``tail`` never smaller than what the 99 % quantile of its size says: noise with heavy tails is
    then judged by its tails. NaN where nothing is finite.
    """
    ordered = np.sort(np.abs(values), axis=0)  # NaN come last
    count = np.isfinite(ordered).sum(axis=0)
    scale = MAD_TO_SIGMA * _quantile(ordered, count, 0.5)
    return np.fmax(scale, Q99_TO_SIGMA * _quantile(ordered, count, 0.99)) if tail else scale


def _quantile(ordered: Floats, count: NDArray[np.int64], q: float) -> Floats:
    """Of values (T, ...) in order along the first axis, of which ``count`` (...) are finite, straight between
    neighbours; NaN where none is. Many times faster than NumPy's, which goes column by column."""
    if not len(ordered):
        return np.full(ordered.shape[1:], np.nan)
    at = q * np.maximum(count - 1, 0)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    a = np.take_along_axis(ordered, low[None], axis=0)[0]
    b = np.take_along_axis(ordered, high[None], axis=0)[0]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(count > 0, a + (at - low) * (b - a), np.nan))


def lag_one(values: Floats, *, most: float = 0.95) -> Floats:
    """Lag-one autocorrelation of zero-mean series (T, S) -> (S,), within [0, most].

    Values are cut at four robust standard deviations first, so that single disturbances neither feign nor
    hide persistence. Pairs with a NaN do not count; 0 where there are fewer than 10 pairs.
    """
    scale = robust_scale(values)
    with np.errstate(invalid="ignore"):
        cut = np.clip(values, -4 * scale, 4 * scale)
    a, b = cut[:-1], cut[1:]
    both = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(both, a, 0.0), np.where(both, b, 0.0)
    power = np.sqrt((a * a).sum(0) * (b * b).sum(0))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.where((power > 0) & (both.sum(0) >= 10), (a * b).sum(0) / power, 0.0)
    return np.clip(rho, 0.0, most)


def scale_of_means(values: Floats, lengths: NDArray[np.int64]) -> Floats:
    """Standard deviation of means over ``lengths`` consecutive values of one series (T,) -> (len,).

    Measured on the series itself, so that its persistence, whatever its form, is in the result: under
    white noise it falls as 1/sqrt(n), under a wandering baseline it does not. Means over fewer than half
    of their values do not count. Where a length leaves fewer than 8 non-overlapping means, the value of
    the last length that had them is taken on: an interval never narrows on grounds nobody has seen.
    """
    finite = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(finite)])
    out = np.empty(len(lengths))
    known = np.nan
    for i, n in enumerate(lengths):
        if len(values) // n >= 8:
            m = count[n:] - count[:-n]
            ok = m >= max(1, n / 2)
            if ok.any():
                means = (total[n:] - total[:-n])[ok] / m[ok]
                known = float(robust_scale(means, tail=True))
        out[i] = known
    return out


def detrended(values: Floats, width: int = 15) -> Floats:
    """Values (T, S) less their running median over ``width`` (odd) around each: what moves day by day.

    A level that moved for long, by season or by leak, is not noise; what is left measures only how far
    single days stray. At the ends the median takes what there is.
    """
    half = width // 2
    padded = np.pad(values, ((half, half), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=0)
    return values - nanmedian(windows, axis=-1)


def day_level(values: Floats, per_day: int, days: int = 7) -> Floats:
    """Slow level of series (T, S): median over ``days`` (odd) of the medians of pieces of a day, (T, S).

    What is left without it is how values stray from day to day and hour to hour: weeks with a leak that
    nobody has seen yet, or with another use of water, do not count as noise. Pieces count from the end.
    """
    rows, areas = values.shape
    pieces = -(-rows // per_day)
    padded = np.full((pieces * per_day, areas), np.nan)
    padded[pieces * per_day - rows :] = values
    middles = nanmedian(padded.reshape(pieces, per_day, areas), axis=1)
    level = middles - detrended(middles, days)
    return np.repeat(level, per_day, axis=0)[pieces * per_day - rows :]
