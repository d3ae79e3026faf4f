"""When a leak that is tracked is reported, and which pipe is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from analytics.model.options import M3H
from analytics.model.tracker import Leak, Tracker
from twuin.benchmark.battle_score import REACH_M, Report
from twuin.monitor.plant import Plant

Floats = NDArray[np.float64]

SURE = 0.7
"""A pipe is reported when the leak lies within 300 m of it with this probability. Between 0.4 and 0.7 it
hardly changes what is found on made years, and at 0.7 fewer alarms are false; weighing the water that a leak
would lose against the price of a visit gave no more."""

LEAST = 0.5 * M3H
"""A leak is not reported while it is smaller than this [m3/s]."""

SECOND = 2.0 * M3H
"""Nor one near a pipe that was named for another that still runs, while it is smaller than this [m3/s]: what
is not quite right about the first looks like a small leak beside it."""

SMALL = 3.0 * M3H
"""Of a smaller leak one evening says too little of its place [m3/s]."""

WAIT_DAYS, WAIT_SMALL_DAYS = 1, 2
"""A leak found today is reported when as many more evenings have not taken it back."""

ELSEWHERE = 0.1
"""Probability left near the named pipe below which a leak is reported again."""

LEVELS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Probabilities for which delay is set against false alarms."""


@dataclass
class Reporter:
    """Turns what is tracked into reports: each leak once, again only if it turns out to be elsewhere."""

    plant: Plant
    first: datetime
    sure: float = SURE
    reports: list[Report] = field(default_factory=list)
    told: dict[int, int] = field(default_factory=dict)

    def look(self, tracker: Tracker, now: datetime) -> None:
        """At ``now``, the end of the tracker's last day."""
        if now < self.first:
            return
        near = self.plant.layout.distance
        for leak in tracker.open:
            flow = leak.flow.get(tracker.day, 0.0)
            wait = WAIT_DAYS if flow >= SMALL else WAIT_SMALL_DAYS
            if tracker.day - leak.found < wait or flow < LEAST:
                continue
            before = self.told.get(leak.id)
            if before is not None and leak.probability[near[before] <= REACH_M].sum() > ELSEWHERE:
                continue
            pipe, sure = best_pipe(leak, near)
            if sure < self.sure or (flow < SECOND and self._beside(tracker, leak, near[pipe])):
                continue
            self.told[leak.id] = pipe
            when = max(now, self.first + timedelta(minutes=5))
            self.reports.append(Report(self.plant.pipe_ids[pipe], when, sure, flow))

    def _beside(self, tracker: Tracker, leak: Leak, metres: Floats) -> bool:
        """Whether a pipe so far from others was as good as named for another leak that runs."""
        return any(
            metres[self.told[other.id]] <= REACH_M
            for other in tracker.open
            if other.id != leak.id and other.id in self.told and other.flow.get(tracker.day, 0.0) > LEAST
        )


def best_pipe(leak: Leak, distance: Floats) -> tuple[int, float]:
    """The pipe to name, and the probability that the leak is within 300 m of it: near the most, at the heart
    of it."""
    best = np.argsort(-leak.probability, kind="stable")[:200]
    p = leak.probability[best]
    metres = distance[:, best]
    near = (metres <= REACH_M) @ p
    expected = np.minimum(metres, 2 * REACH_M) @ p
    pipe = int(np.argmax(near - expected / (10 * REACH_M)))
    return pipe, float(near[pipe])
