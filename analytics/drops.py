"""A leak in pressures alone, and how the watch that finds it behaves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class PairOptions(NamedTuple):
    """How the watch behaves. Nothing here is fitted to one data set.

    weeks: past that relations are learnt from. noise_days: past that the noise of comparisons is measured on.
    before_days: what a window is compared with. windows_days: lengths of windows. min_days: days before
    anything is decided. limit: an alarm needs a comparison this many of its own deviations from 0, the
    largest of some ten windows and all sensors. ridge_m [m]: part of a sensor's variance taken to be its own
    (resolution), least_m [m]: no comparison is believed to be less noisy. same: cosine from which on two
    effects are one leak's. blurred: part by which an effect's shape may be wrong.
    """

    weeks: int = 8
    noise_days: int = 84
    before_days: int = 14
    windows_days: tuple[int, ...] = (1, 2, 3, 5, 7, 10, 14, 21)
    min_days: int = 21
    limit: float = 7.0
    ridge_m: float = 0.003
    least_m: float = 0.001
    same: float = 0.5
    blurred: float = 0.3


@dataclass(slots=True)
class Drop:
    """One leak as the pressures show it. Times are parts (quarters of a day) of the watch.

    sensor: column that fell most for its noise, order (M,): all, deepest fall first. start, low, high:
    first changed part and its 90 % interval. detected: part whose end decided. end: first part after it,
    None while it lasts; closed: part whose end decided that. statistic: largest comparison in its own
    deviations; days: length of the window that found it. steps: (part, change of every column from it on).
    shape (S,): all of it before any repair. grown: (part, share) of its growth, which tells the next growth
    from another leak. passed: parts from the first that it touched to after the last, of one that was over
    within days: they say nothing of what stays, and its steps count no more.
    """

    sensor: int
    order: Ints
    start: int
    low: int
    high: int
    detected: int
    statistic: float
    days: float
    steps: list[tuple[int, Floats]]
    shape: Floats
    grown: list[tuple[int, float]] = field(default_factory=list)
    end: int | None = None
    closed: int | None = None
    passed: tuple[int, int] | None = None

    @property
    def effect(self) -> Floats:
        """What it does to every column now, (S,)."""
        return np.asarray(np.sum([change for _, change in self.steps], axis=0))

    def copy(self) -> Drop:
        """A drop that can be followed on without changing this one."""
        return replace(self, steps=list(self.steps), grown=list(self.grown))
