"""A sensor's own usual day, and how far means of it stray."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.noise import nanmedian, robust_scale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOURS = (0.25, 1.0, 4.0, 12.0, 24.0, 72.0)
"""Lengths of the means whose spread is measured [h]."""


class Course(NamedTuple):
    """usual (J, S): median of each slot of the day [SI], NaN where unknown. lengths (L,): in steps; spread
    (L, S): deviation of means over so many steps from the usual [SI]."""

    usual: Floats
    lengths: Ints
    spread: Floats

    def spread_of(self, sensor: int, steps: int) -> float:
        """Deviation of a mean over ``steps`` [SI]; NaN where unknown."""
        known = self.spread[:, sensor]
        if not np.isfinite(known).all():
            return float("nan")
        at = np.log(max(1, steps))
        return float(np.exp(np.interp(at, np.log(self.lengths), np.log(known + 1e-12))))


def learn_course(values: Floats, slot: Ints, slots: int) -> Course:
    """From readings (N, S) of slots (N,) of the day, of whole days one after the other.

    Slots with fewer than four values are unknown. The spread is that of running means of what departs from
    the usual, so that its persistence is in it; a longer mean is never given a wider spread than a shorter.
    """
    n, sensors = values.shape
    usual = np.full((slots, sensors), np.nan)
    for j in range(slots):
        own = values[slot == j]
        if len(own) >= 4:
            enough = np.isfinite(own).sum(axis=0) >= 4
            usual[j] = np.where(enough, nanmedian(own), np.nan)
    departure = values - usual[slot] if n else values
    finite = np.isfinite(departure)
    total = np.concatenate([np.zeros((1, sensors)), np.cumsum(np.where(finite, departure, 0.0), axis=0)])
    count = np.concatenate([np.zeros((1, sensors)), np.cumsum(finite, axis=0)])
    lengths = np.unique(np.maximum(1, np.round(np.array(HOURS) * slots / 24).astype(np.int64)))
    spread = np.full((len(lengths), sensors), np.nan)
    for i, w in enumerate(lengths.tolist()):
        if n < 2 * w:
            spread[i] = spread[i - 1] if i else np.nan
            continue
        m = count[w:] - count[:-w]
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(m >= w / 2, (total[w:] - total[:-w]) / m, np.nan)
        spread[i] = robust_scale(means, tail=True)
        if i:
            spread[i] = np.fmin(spread[i], spread[i - 1])
    return Course(usual, lengths, spread)
