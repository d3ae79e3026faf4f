"""A leak as the tracker knows it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.model.options import M3H

Floats = NDArray[np.float64]

STEADY = 15
"""A leak that has grown by less than 0.02 m3/h and 0.2 % a day for so many days has stopped growing."""


@dataclass(slots=True)
class Leak:
    """One leak. Days count from the tracker's first.

    probability (P,) of each pipe; weight (N,): the same over nodes. onset: last day before it, found: day
    whose end decided, modes (R, MODES): patterns of what may be wrong about its signature, per m3/s. closed:
    day it was seen to be over. flow, flow_sd: by day [m3/s]. evidence: log Bayes factor at its finding.
    known: a repair told of it, nothing had been seen before. top: largest flow [m3/s]. settled: day from
    which it grows no more. fell: last day on which a repair was suspected, -1: none. revised: day of its last
    placing.
    """

    id: int
    probability: Floats
    weight: Floats
    onset: int
    found: int
    evidence: float
    modes: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    known: bool = False
    closed: int | None = None
    flow: dict[int, float] = field(default_factory=dict)
    flow_sd: dict[int, float] = field(default_factory=dict)
    top: float = 0.0
    settled: int | None = None
    fell: int = -1
    revised: int = 0

    def steady(self, day: int) -> bool:
        """Whether it had stopped growing by then."""
        return self.settled is not None and self.settled <= day

    def follow(self, day: int, flow: float, sd: float) -> None:
        """Note its flow on a day, and whether it has stopped growing."""
        self.flow[day], self.flow_sd[day] = max(flow, 0.0), sd
        self.top = max(self.top, self.flow[day])
        last = np.array([self.flow.get(j, np.nan) for j in range(day - STEADY + 1, day + 1)])
        if self.settled is not None or day - self.found < STEADY or not np.isfinite(last).all():
            return
        at = np.arange(STEADY) - (STEADY - 1) / 2
        slope = float(at @ last / (at @ at))
        if abs(slope) < max(0.02 * M3H, 0.002 * self.flow[day]):
            self.settled = day

    def copied(self) -> Leak:
        """A leak that can be followed on without changing this one. ``probability``, ``weight`` and ``modes``
        are shared: they are replaced, never changed."""
        return replace(self, flow=dict(self.flow), flow_sd=dict(self.flow_sd))


class Note(NamedTuple):
    """What was decided at the end of a day: "found", "closed", "moved", "sensor", "repaired",
    "unread" or "anew"."""

    day: int
    what: str
    leak: int
    detail: str
