"""A sensor's own usual day, and how far it strays from it by itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.noise import MAD_TO_SIGMA, nanmedian

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOURS = (0.25, 1.0, 4.0, 12.0, 24.0, 72.0)
"""Lengths of the means whose spread is measured [h]."""

BEFORE_H = 72.0
"""What a mean is held against are so many hours before it [h]."""


class Course(NamedTuple):
    """usual (J, S): median of each slot of the day [SI], NaN where unknown. lengths (L,): in steps; spread
    (L, S): deviation of means over so many steps, less the usual, from that of the ``BEFORE_H`` before
    them [SI]."""

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

    Slots with fewer than four values are unknown. The spread is that of running means, so that persistence is
    in it, by their median: means move farther when leaks begin and end, which is no noise. A longer mean is
    never given a wider spread than a shorter.
    """
    n, sensors = values.shape
    usual = np.full((slots, sensors), np.nan)
    if n:
        day = np.cumsum(np.concatenate([[0], np.diff(slot) < 0]))
        folded = np.full((int(day[-1]) + 1, slots, sensors), np.nan)
        folded[day, slot] = values
        usual = np.where(np.isfinite(folded).sum(axis=0) >= 4, nanmedian(folded), np.nan)
    departure = values - usual[slot] if n else values
    finite = np.isfinite(departure)
    total = np.concatenate([np.zeros((1, sensors)), np.cumsum(np.where(finite, departure, 0.0), axis=0)])
    count = np.concatenate([np.zeros((1, sensors)), np.cumsum(finite, axis=0)])
    lengths = np.unique(np.maximum(1, np.round(np.array(HOURS) * slots / 24).astype(np.int64)))
    spread = np.full((len(lengths), sensors), np.nan)
    before = max(1, round(BEFORE_H * slots / 24))
    past = _means(total, count, before)
    for i, w in enumerate(lengths.tolist()):
        if n < before + 2 * w:
            spread[i] = spread[i - 1] if i else np.nan
            continue
        moved = np.abs(_means(total, count, w)[before:] - past[: n - before - w + 1])
        spread[i] = MAD_TO_SIGMA * nanmedian(moved)
        if i:
            spread[i] = np.fmin(spread[i], spread[i - 1])
    return Course(usual, lengths, spread)


def _means(total: Floats, count: Floats, w: int) -> Floats:
    """Running means over w steps from sums (N + 1, S); NaN where half of the values are missing."""
    m = count[w:] - count[:-w]
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Floats = np.where(m >= w / 2, (total[w:] - total[:-w]) / m, np.nan)
    return means
