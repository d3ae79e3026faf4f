"""What the data's own noise allows: a filter that knows what no detector can."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twuin.benchmark.inflow import Inflow
from twuin.benchmark.trials import QUIET_H, Period

Floats = NDArray[np.float64]

BEFORE_D = 7
"""The filter compares with the same hours of so many days before."""

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
