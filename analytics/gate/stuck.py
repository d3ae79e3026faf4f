"""How long a sensor may say the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SAME = 1e-9
"""Values that differ by less than this share are one value: means of equal readings are rounded."""

LEAST_S = 3600.0
"""Shorter repetition is nobody's fault [s]."""

RARE = 0.02
"""A repetition is not believed to be rarer than this: the past has few of them to count."""


def repeats(values: Floats, before: Floats) -> Bools:
    """(T, S) whether a value repeats the one of the step before; before (S,): the one before the first."""
    last = np.concatenate([before[None], values[:-1]])
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values - last) <= SAME * np.maximum(np.abs(values), 1e-6))


def longest_run(repeated: Bools) -> Ints:
    """Longest run of True in each column (T, S) -> (S,)."""
    n = len(repeated)
    index = np.arange(1, n + 1)[:, None]
    broken = np.maximum.accumulate(np.where(repeated, 0, index), axis=0)
    return np.asarray((index - broken).max(axis=0) if n else np.zeros(repeated.shape[1]), np.int64)


def run_limit(values: Floats, hour: Ints, step_s: float, years: float) -> Ints:
    """Steps in a row of the same value that are a fault, from past readings (N, S) of hours (N,) -> (S,).

    If a value repeats with chance p, a run of n begins at a step with chance (1 - p) p^n: n is such that one
    is met in ``years`` at most, with p (an upper bound, for few are counted) that of the
    hour of the day at which values repeat most. As chance has
    a memory (tanks at rest, rounded values), it must also be twice as long as the longest run seen.
    """
    steps = years * 365.25 * 86400 / step_s
    least = max(4, int(np.ceil(LEAST_S / step_s)))
    if len(values) < 2:
        return np.full(values.shape[1], int(86400 / step_s), np.int64)
    repeated = repeats(values[1:], values[0])
    seen = np.isfinite(values[1:]) & np.isfinite(values[:-1])
    share = np.stack([_at_most(repeated[hour[1:] == h], seen[hour[1:] == h]) for h in range(24)]).max(axis=0)
    chance = np.clip(share, RARE, 0.999)
    by_chance = np.ceil(np.log(steps) / -np.log(chance)).astype(np.int64)
    return np.asarray(np.maximum(np.maximum(by_chance, 2 * longest_run(repeated) + 1), least), np.int64)


def _at_most(repeated: Bools, seen: Bools) -> Floats:
    """Upper bound of the chance of a repetition: k of n counts allow for k + 2 sqrt(k + 1) + 1."""
    k, n = repeated.sum(axis=0), seen.sum(axis=0)
    return np.asarray((k + 2 * np.sqrt(k + 1) + 1) / np.maximum(n, 2 / RARE))
