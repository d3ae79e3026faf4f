"""What inflow a district's past leads one to expect: a weekly profile times a level that moves slowly.

The profile is made of medians, so that a few disturbed days do not enter; the level lets the profile
follow seasons. How a day departs from it is split into a change of demand (a share of the profile) and an
offset (the same at every hour, as a leak is).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.noise import nanmedian, robust_scale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SHIFT_H = 0.25
"""By how much habits shift unannounced [h], as a standard deviation."""

DAY_OFF = 0.25
"""How much of the way to the other kind of day a day may go unannounced, as a standard deviation."""


def day_class(weekday: Ints) -> Ints:
    """Class of each day of the week (T,): 0 for Monday (0) to Friday (4), 1 for Saturday, 2 for Sunday.
    Holidays come as Sundays."""
    return np.maximum(weekday - 4, 0)


def smooth_circular(values: Floats, width: int) -> Floats:
    """Moving average over ``width`` (odd) slots around each slot of a day, (J, S); NaN slots carry none."""
    half = width // 2
    if half == 0:
        return values
    finite = np.isfinite(values)
    filled = np.where(finite, values, 0.0)
    total = np.zeros_like(filled)
    count = np.zeros_like(filled)
    for shift in range(-half, half + 1):
        total += np.roll(filled, shift, axis=0)
        count += np.roll(finite, shift, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)


def profile(past: Floats, weekday: Ints, today: int, slots_per_hour: int) -> Floats:
    """Expected course of a day of kind ``today`` from D past days, (J, S).

    past (D, J, S): inflow of past days by slot of day, known leaks taken off and divided by each day's
    level; NaN where missing. weekday (D,): 0 Monday .. 6 Sunday or holiday.

    The median of days of the same class (Monday to Friday, Saturday, Sunday), drawn towards the median of
    all days while there are few (weight n^2 / (n^2 + 1)). Monday to Friday get their own weekday's median
    departure from the class on top, smoothed over two hours and weighted n / (n + 3).
    """
    same = day_class(weekday) == day_class(np.asarray(today))
    own = nanmedian(past[same]) if same.any() else np.full(past.shape[1:], np.nan)
    n = np.isfinite(past[same]).sum(0)
    if n.size and n.min() >= 8:
        expected = own
    else:
        pooled = nanmedian(past)
        share = n**2 / (n**2 + 1.0)
        expected = np.where(np.isfinite(own), share * np.nan_to_num(own) + (1 - share) * pooled, pooled)
    if today < 5:
        alike = weekday == today
        if alike.sum() >= 3:
            departure = smooth_circular(nanmedian(past[alike] - expected), 2 * slots_per_hour + 1)
            m = np.isfinite(past[alike]).sum(0)
            expected = expected + np.nan_to_num(departure) * np.where(m >= 3, m / (m + 3.0), 0.0)
    return expected


def left_out_residuals(past: Floats) -> Floats:
    """Residual of each of a few days from the median of the others, (D, J, S): noise before there is any.

    Larger than later residuals from more days and knowing no weekdays: limits start wide.
    """
    out = np.full(past.shape, np.nan)
    for d in range(len(past)):
        others = np.delete(past, d, axis=0)
        if len(others):
            out[d] = past[d] - nanmedian(others)
    return out


def other_kind(past: Floats, weekday: Ints, today: int) -> Floats:
    """Median course (J, S) of the days that ``today`` is not: of days off for a working day, or the reverse.

    NaN with fewer than two such days. Arguments as for ``profile``.
    """
    off = weekday >= 5
    days = off if today < 5 else ~off
    return nanmedian(past[days]) if days.sum() >= 2 else np.full(past.shape[1:], np.nan)


def slot_scale(residual: Floats, expected: Floats, other: Floats, slots_per_hour: int) -> Floats:
    """Noise of each slot of the day [m3/s], (J, S), from residuals (D, J, S) of past days.

    Robust over days, averaged over the neighbouring two hours, never below half of the day's median nor
    0.2 % of the mean of ``expected`` (J, S): no hour is as quiet as a run of equal readings may look.
    To it comes what nobody tells the detector: habits that shift (``SHIFT_H`` times the slope of the
    expected course), and days off that stand in no calendar (``DAY_OFF`` times the difference from
    ``other`` (J, S), the course of the other kind of day; NaN adds nothing).
    """
    scale = smooth_circular(robust_scale(residual), 2 * slots_per_hour + 1)
    middle = nanmedian(scale)
    course = np.nan_to_num(expected)
    least = np.fmax(0.5 * middle, 0.002 * np.abs(course).mean(axis=0))
    scale = np.fmax(np.where(np.isfinite(scale), scale, middle), np.maximum(least, 1e-9))
    smooth = smooth_circular(course, slots_per_hour | 1)
    shift = 0.5 * SHIFT_H * slots_per_hour * np.abs(np.roll(smooth, -1, axis=0) - np.roll(smooth, 1, axis=0))
    off = DAY_OFF * np.nan_to_num(np.abs(expected - other))
    noise: Floats = np.sqrt(scale**2 + shift**2 + off**2)
    return noise


class DayFit(NamedTuple):
    """share (S,): change of demand as a share of the expected course; offset (S,) [m3/s]."""

    share: Floats
    offset: Floats


def fit_day(
    residual: Floats, expected: Floats, scale: Floats, persistence: Floats, prior: float = 0.05
) -> DayFit:
    """Split a day's residual (J, S) into ``share * expected + offset``, least squares weighted by 1/scale^2.

    persistence (S,): how many slots' worth of noise count as one observation. ``share`` is drawn to 0 as a
    normal variable of standard deviation ``prior`` (days differ by some 5 %), ``offset`` is free. Residuals
    are cut at four of their scales, so that one wild hour is no offset; NaN carries no weight; fewer than
    three quarters of the slots give NaN.
    """
    ok = np.isfinite(residual) & np.isfinite(expected)
    w = np.where(ok, 1.0 / (scale * scale), 0.0) / persistence
    with np.errstate(invalid="ignore"):
        r = np.where(ok, np.clip(residual, -4 * scale, 4 * scale), 0.0)
    p = np.where(ok, expected, 0.0)
    s0, sp, spp = w.sum(0), (w * p).sum(0), (w * p * p).sum(0) + 1.0 / prior**2
    sr, srp = (w * r).sum(0), (w * r * p).sum(0)
    det = s0 * spp - sp * sp
    enough = (ok.sum(0) >= 0.75 * len(residual)) & (det > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = np.where(enough, (sr * spp - srp * sp) / det, np.nan)
        share = np.where(enough, (srp * s0 - sr * sp) / det, np.nan)
    return DayFit(share, offset)
