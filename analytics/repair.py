"""Whether a repair took the leak away: nights after it against nights before.

Minimum night flow shows leakage best (Farley & Trow 2003, Losses in Water Distribution Networks, ch. 5):
its fall on the nights after a repair is what the repair has saved.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from analytics.noise import MAD_TO_SIGMA

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ENOUGH = 0.7
"""A repair took the leak away where so much of its flow is gone: between all of it and half, as estimates of
a leak are good to some 15 % and it runs a little faster at night than over the day."""

LEAST = 3
"""Fewer nights after the repair say nothing: one may be a night of festivities, two a weekend."""

BEFORE = 7
"""Nights before the repair that count: of a leak that grows, the last ones."""

BASE = 28
"""Nights before the leak that count."""

MEDIAN = 1.2533
"""Standard error of a median by that of a mean, of normal values."""

SPREAD, DRIFT = 0.03, 0.02
"""Least spread of one night, and least error of a difference between two groups of nights, as shares of the
night flow: it wanders a little from week to week, which more nights do not average out."""

SURE = 0.975
"""One end of a 95 % interval."""


class Judged(NamedTuple):
    """verdict: 1 it fell by enough, -1 it clearly did not, 0 that cannot be told (yet).

    fall, low, high: by how much it fell, with its 95 % interval [m3/s]; NaN where too few nights are known.
    before, after: nights that it rests on; before is 0 where it was held against those before the leak.
    last: index of the last night of these, -1 for none.
    """

    verdict: int
    fall: float
    low: float
    high: float
    before: int
    after: int
    last: int


def verdict(low: float, high: float, leak: float) -> int:
    """What an interval of the fall says of a leak of flow ``leak`` (same unit); 0 where neither is sure."""
    if low >= ENOUGH * leak:
        return 1
    return -1 if high < ENOUGH * leak else 0


def by_nights(
    lowest: Floats, base: Bools, before: Bools, after: Bools, leak: float, leak_sd: float
) -> Judged:
    """Judge a repair by minimum night flow, taking the nights after it one by one.

    lowest (D,): of each night, oldest first [m3/s], NaN where unknown or not supplied. base, before, after
    (D,): nights that were over before the leak began, that it ran all through, and that began after the
    repair. leak, leak_sd: its estimated flow and that one's standard error [m3/s].

    The answer is the first that is sure, so that it is the same whether nights come one by one or all at
    once; where none is, that of all nights. A leak that was mended before it ran for ``LEAST`` nights is
    judged by what is left above the nights before it began.
    """
    known = np.isfinite(lowest)
    quiet = lowest[base & known][-BASE:]
    ran = lowest[before & known][-BEFORE:]
    since = np.flatnonzero(after & known)
    usual = quiet if len(quiet) >= 5 else ran
    nothing = Judged(0, np.nan, np.nan, np.nan, len(ran), len(since), int(since[-1]) if len(since) else -1)
    against = ran if len(ran) >= LEAST else quiet
    if len(usual) < 5 or len(against) < LEAST or len(since) < LEAST:
        return nothing
    level = abs(float(np.median(usual)))
    steps = np.abs(np.diff(usual))
    spread = max(MAD_TO_SIGMA * float(np.median(steps)) / np.sqrt(2.0), SPREAD * level)
    within = float(stdtrit(len(steps), SURE))
    found = nothing
    for n in range(LEAST, len(since) + 1):
        left = float(np.median(lowest[since[:n]]))
        error = (MEDIAN * spread) ** 2 * (1 / len(against) + 1 / n) + (DRIFT * level) ** 2
        fall = float(np.median(against)) - left
        if against is not ran:
            fall, error = leak + fall, error + leak_sd**2
        half = within * float(np.sqrt(error))
        says = verdict(fall - half, fall + half, leak)
        nights = len(ran) if against is ran else 0
        found = Judged(says, fall, fall - half, fall + half, nights, n, int(since[n - 1]))
        if says:
            return found
    return found
