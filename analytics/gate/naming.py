"""Which kind of fault explains best how a sensor differs from what its neighbours say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.gate.fault import FaultKind

Floats = NDArray[np.float64]

EXPLAINS = 0.5
"""A kind is named where it takes away at least this share of the differences' mean square."""

RAMP_GAIN = 0.9
"""A drift must leave less than this share of what a step leaves."""

RAMP_DAYS = 2.0
"""Shorter than this [days] nothing is called a drift."""

FAR = 6.0
"""Steps beyond so many deviations are single outliers where most of the others are normal."""


DOUBT = 2.0
"""Onsets whose log likelihood is within this of the best are not told from it: a 95 % interval."""


class Named(NamedTuple):
    """kind and size [SI] as in ``Fault``; start: index of the first faulty step in the window."""

    kind: FaultKind
    size: float
    start: int


def onset_of(z: Floats, earliest: int) -> int:
    """Index at which standardised differences (n,) began to be shifted, either way.

    Of a step at tau the log likelihood ratio is (sum z)^2 / (2 n) over the n values from tau on; the earliest
    tau that is within ``DOUBT`` of the best is taken: what may be faulty is left out.
    """
    ok = np.isfinite(z)
    total = np.cumsum(np.where(ok, np.clip(z, -8, 8), 0.0)[::-1])[::-1]
    count = np.cumsum(ok[::-1])[::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = np.where(count > 0, total * total / (2 * count), -np.inf)[earliest:]
    return int(np.flatnonzero(gain >= gain.max() - DOUBT)[0]) + earliest


def onset_of_noise(z: Floats, earliest: int) -> int:
    """Most likely index from which on standardised differences (n,) scatter more than one deviation.

    Log likelihood ratio of a normal deviation that fits the rest of the series against 1:
    (m - 1 - ln m) n / 2 with m the mean square of the n values from there on.
    """
    ok = np.isfinite(z)
    square = np.where(ok, np.clip(z, -8, 8) ** 2, 0.0)
    count = np.cumsum(ok[::-1])[::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.cumsum(square[::-1])[::-1] / count
        gain = np.where((count > 0) & (mean > 1), (mean - 1 - np.log(mean)) * count / 2, -np.inf)
    return int(np.argmax(gain[earliest:])) + earliest


def name(error: Floats, z: Floats, steps_a_day: float) -> Named | None:
    """The kind of fault in differences (n,) [SI], standardised z (n,), of the time since its onset.

    None where too few are known. Kinds that need the readings themselves (stuck, reversed, clock) are
    judged elsewhere.
    """
    ok = np.isfinite(z)
    n = int(ok.sum())
    if n < 3:
        return None
    e, s = error[ok], z[ok]
    size = np.abs(s)
    first = int(np.flatnonzero(ok)[0])
    far = size > FAR
    if n >= 6 and far.any() and far.mean() < 0.5 and np.median(size) < 1.5 and _rms(s[~far]) < 2.0:
        return Named(FaultKind.SPIKE, float(np.median(np.abs(e[far]))), int(np.flatnonzero(ok)[far][0]))
    whole = float(np.mean(s * s))
    middle = float(np.median(s))
    step = float(np.mean((s - np.mean(s)) ** 2))
    if whole - step >= EXPLAINS * whole or abs(middle) > 2 * np.median(np.abs(s - middle)):
        at = np.flatnonzero(ok).astype(np.float64)
        t = at - at[0]
        if t[-1] >= RAMP_DAYS * steps_a_day:
            u = t - t.mean()
            slope = float((u * s).sum() / (u * u).sum())
            base = float(s.mean() - slope * t.mean())
            ramp = float(np.mean((s - base - slope * t) ** 2))
            grows = abs(base + slope * t[-1]) > 1.5 * abs(base)
            if ramp < RAMP_GAIN * step and grows:
                last = max(1, round(min(steps_a_day, n / 4)))
                return Named(FaultKind.DRIFT, float(np.mean(e[-last:])), first)
        return Named(FaultKind.OFFSET, float(np.mean(e)), first)
    return Named(FaultKind.NOISE, float(np.std(e)), first)


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values * values))) if len(values) else 0.0
