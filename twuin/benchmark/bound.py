"""What the data's own noise allows: a filter that knows what no detector can."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twuin.benchmark.inflow import Inflow
from twuin.benchmark.rivals import lowest
from twuin.benchmark.trials import GROWTH_D, HORIZON_D, QUIET_H, SIZES, Period

Floats = NDArray[np.float64]

BEFORE_D = 7
"""The filter compares with the same hours of so many days before."""

LEVEL_D = 21
"""Growing leaks are looked for against so many days before they began."""

BINS = 8
"""Means of a day, of three hours each."""

WEEKS = 8
"""Usual course: median of the days of the same kind in so many weeks before."""


class Bound(NamedTuple):
    """found (S,): share of bursts that the filter finds; noise (S,): robust deviation of its estimate in % of
    the mean inflow."""

    found: list[float]
    noise: list[float]


def bound(inflow: Inflow, period: Period, size: float, within_h: float) -> Bound:
    """Share of bursts of ``size`` (of mean inflow) found within ``within_h`` by the best linear filter in
    hindsight.

    The filter sums the residual of the first ``within_h`` hours of a burst, whose moment it is told, against
    the week before, with the weights that leave the least variance on the very days that are scored
    (covariance of all hours over the period, one for summer half-years and one for winters, as variance
    moves with the seasons). Its threshold is the one at which it would give each DMA one false alarm in the
    measured time. A real detector does not know the moment and must learn from the past alone.
    """
    days, weekday = inflow.days(), inflow.weekdays()
    d, j, s = days.shape
    kind = np.maximum(weekday - 4, 0)
    residual = np.full(days.shape, np.nan)
    for i in range(14, d):
        past = np.arange(max(0, i - 7 * WEEKS), i)
        past = past[kind[past] == kind[i]]
        with np.errstate(all="ignore"):
            residual[i] = days[i] - _median(days[past])
    hourly = residual.reshape(d * 24, j // 24, s).mean(axis=1) if j > 24 else residual.reshape(d * 24, s)
    w = round(within_h)
    found, noise = [], []
    for k in range(s):
        x = hourly[:, k] / inflow.mean[k]
        ends = np.arange(period.first * 24 + w, min(period.last * 24, len(x)))
        took = np.lib.stride_tricks.sliding_window_view(x, w)[ends - w]
        level = np.array([_mean(x[e - w - 24 * BEFORE_D : e - w]) for e in ends])
        y = took - level[:, None]
        ok = np.isfinite(y).all(axis=1)
        y, at = y[ok], ends[ok]
        season = np.isin((inflow.first_day + at // 24) % 365.2425 // 91.31, (1, 2))
        estimate = np.full(len(y), np.nan)
        for part in (season, ~season):
            if part.sum() < 4 * w:
                continue
            for phase in range(0, 24, 3):
                mine = part & (at % 24 // 3 == phase // 3)
                v = y[mine]
                if len(v) < 20:
                    continue
                mad = 1.4826 * np.median(np.abs(v), axis=0)
                cut = np.clip(v, -4 * mad, 4 * mad)
                c = cut.T @ cut / len(cut)
                c = c + 0.1 * np.diag(np.diag(c))
                weight = np.linalg.solve(c, np.ones(w))
                weight /= weight.sum()
                estimate[mine] = v @ weight / max(1e-12, float(np.sqrt(weight @ c @ weight)))
                noise_here = float(np.sqrt(weight @ c @ weight))
                estimate[mine] = v @ weight / noise_here
                y[mine, 0] = noise_here
        good = np.isfinite(estimate)
        z, sigma, when = estimate[good], y[good, 0], at[good].astype(np.float64)
        allowed = max(1.0, len(z) / (365.25 * 24))
        limit = _limit(z, when, allowed)
        found.append(float((z + size / sigma > limit).mean()))
        noise.append(float(100.0 * np.median(sigma)))
    return Bound(found, noise)


class SlowBound(NamedTuple):
    """found (Z, S): share of growing leaks of each of ``SIZES`` that the filter finds; noise (S,): robust
    deviation of its estimate in % of the mean inflow."""

    found: list[list[float]]
    noise: list[float]


def slow_bound(inflow: Inflow, period: Period) -> SlowBound:
    """Share of leaks that grow over ``GROWTH_D`` found within ``HORIZON_D`` days by a linear filter in
    hindsight.

    The filter is told the day on which a leak began. It compares the days from when the leak has grown to
    the horizon with the three weeks before it began, in the lowest hour of the night and the means of three
    hours of the area, and the nights and days of all others. Its weights leave the least variance on the
    very period that is scored (one set for summer half-years and one for winters), its threshold gives each
    DMA one false alarm in the measured time. With so many weights for so few months it is too good: a bound.
    """
    days_of = inflow.days() / inflow.mean
    d, j, areas = days_of.shape
    means = days_of.reshape(d, BINS, j // BINS, areas).mean(axis=2)
    values = np.concatenate([lowest(days_of)[:, None], means], axis=1)
    kind = np.maximum(inflow.weekdays() - 4, 0)
    for k in range(3):
        values[kind == k] -= _median(values[kind == k]) - _median(values)
    now = _means(values, HORIZON_D - GROWTH_D)
    before = np.full(values.shape, np.nan)
    before[HORIZON_D:] = _means(values, LEVEL_D)[:-HORIZON_D]
    change = now - before
    days = np.arange(period.first + HORIZON_D, min(period.last, len(values)))
    found, noise = [], []
    for k in range(areas):
        others = [i for i in range(areas) if i != k]
        theirs = [change[:, 0][:, others], change[:, 1:].mean(axis=1)[:, others]]
        y = np.concatenate([change[..., k], *theirs], axis=1)[days]
        ok = np.isfinite(y).all(axis=1)
        y, at = y[ok], days[ok]
        summer = np.isin((inflow.first_day + at) % 365.2425 // 91.31, (1, 2))
        g = (np.arange(y.shape[1]) < values.shape[1]).astype(np.float64)
        z, sigma = np.full(len(y), np.nan), np.full(len(y), np.nan)
        for part in (summer, ~summer):
            if part.sum() < 2 * y.shape[1]:
                continue
            c = y[part].T @ y[part] / part.sum()
            c = c + 0.1 * np.diag(np.diag(c))
            weight = np.linalg.solve(c, g)
            weight /= weight @ g
            sigma[part] = float(np.sqrt(weight @ c @ weight))
            z[part] = y[part] @ weight / sigma[part]
        good = np.isfinite(z)
        if not good.any():
            found.append([float("nan")] * len(SIZES))
            noise.append(float("nan"))
            continue
        limit = _limit(z[good], at[good] * 24.0, max(1.0, good.sum() / 365.25))
        found.append([float((z[good] + size / sigma[good] > limit).mean()) for size in SIZES])
        noise.append(float(100.0 * np.median(sigma[good])))
    return SlowBound(found, noise)


def _means(values: Floats, days: int) -> Floats:
    """Mean of the last so many days at each (D, K, S), NaN where less than half is known."""
    known = np.isfinite(values)
    total, count = np.cumsum(np.where(known, values, 0.0), axis=0), np.cumsum(known, axis=0)
    n = count.astype(np.float64)
    n[days:] -= count[:-days]
    part = total.copy()
    part[days:] -= total[:-days]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(2 * n >= days, part / n, np.nan)


def _limit(z: Floats, when: Floats, allowed: float) -> float:
    """Least threshold at which there are no more alarms than allowed, of which those close by are one."""
    for limit in np.linspace(1.0, float(z.max()), 400):
        times = when[z > limit]
        alarms = 0 if not len(times) else 1 + int((np.diff(times) > QUIET_H).sum())
        if alarms <= allowed and limit > 1.5:
            return float(limit)
    return float(z.max())


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if 2 * len(known) >= len(values) and len(known) else float("nan")


def _median(values: Floats) -> Floats:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=0))
