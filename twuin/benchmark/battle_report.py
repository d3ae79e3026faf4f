"""When a leak that is tracked is reported, and which pipe is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from analytics.model.telling import REACH_M, VISIT_DAYS, best_pipe, ripe, shadow
from analytics.model.tracker import Leak, Tracker
from twuin.benchmark.battle_score import VISIT, WATER, Report
from twuin.monitor.plant import Plant

Floats = NDArray[np.float64]

HORIZON_S = 60 * 86400.0
"""A leak that nobody reports goes on for so long: months, as leaks of the competition did."""

PRICE = 20.0
"""What a false alarm costs, in visits. A year with more than four of them does not count, so that each is far
dearer than its visit. From 10 to 40 the mean of made years differs by 2 % of the perfect score, and what is
false grows the lower it is."""

ELSEWHERE = 0.1
"""Probability left near the named pipe below which a leak is reported again."""

AGAIN_DAYS = 8
"""What was reported and is gone since the tracker was taken back was that leak still if one is found there in
so many days."""

PRICES = (1.0, 5.0, 10.0, 20.0, 40.0, 100.0, 400.0)
"""Prices of a false alarm for which delay is set against false alarms."""


def gain(sure: float, flow: float, price: float = PRICE) -> float:
    """Expected gain [EUR] of reporting a leak of ``flow`` [m3/s] at a place where it is with probability
    ``sure``: the water that would still be lost, less what a false alarm costs (``price``, in visits)."""
    return sure * WATER * flow * HORIZON_S - (1 - sure) * price * VISIT


@dataclass
class Reporter:
    """Turns what is tracked into reports where that is worth it: each leak once, again only if it turns out
    to be elsewhere.

    told: the pipe that was named for each leak; found: the day on which each of these was found; lost: pipes
    named for leaks that are not tracked any more, since the tracker was taken back, and when that was seen;
    named: the day on which each pipe was named last.
    """

    plant: Plant
    first: datetime
    price: float = PRICE
    reports: list[Report] = field(default_factory=list)
    told: dict[int, int] = field(default_factory=dict)
    found: dict[int, int] = field(default_factory=dict)
    lost: list[tuple[int, int]] = field(default_factory=list)
    named: dict[int, int] = field(default_factory=dict)

    def look(self, tracker: Tracker, now: datetime) -> None:
        """At ``now``, the end of the tracker's last day."""
        if now < self.first:
            return
        near = self.plant.layout.distance
        self._note_lost(tracker)
        for leak in tracker.open:
            if not ripe(leak, tracker.day):
                continue
            before = self._named(leak, near)
            if before is not None and leak.probability[near[before] <= REACH_M].sum() > ELSEWHERE:
                continue
            pipe, sure = best_pipe(leak, near)
            flow = leak.flow[tracker.day]
            if gain(sure, flow, self.price) <= 0:
                continue
            if shadow(leak, pipe, tracker.open, self.told, near, tracker.day):
                continue
            self.told[leak.id], self.found[leak.id] = pipe, leak.found
            last, self.named[pipe] = self.named.get(pipe), tracker.day
            if last is not None and tracker.day - last <= VISIT_DAYS:
                continue
            when = max(now, self.first + timedelta(minutes=5))
            self.reports.append(Report(self.plant.pipe_ids[pipe], when, sure, flow))

    def _note_lost(self, tracker: Tracker) -> None:
        """Leaks that the tracker made before it was taken back, and has not made again."""
        for k in list(self.told):
            leak = tracker.leaks.get(k)
            if leak is None or leak.found != self.found[k]:
                self.lost.append((self.told.pop(k), tracker.day))
        self.lost = [x for x in self.lost if tracker.day - x[1] <= AGAIN_DAYS]

    def _named(self, leak: Leak, near: Floats) -> int | None:
        """The pipe that was named for a leak, also before the tracker was taken back."""
        if leak.id not in self.told:
            for at in self.lost:
                if leak.probability[near[at[0]] <= REACH_M].sum() > ELSEWHERE:
                    self.told[leak.id], self.found[leak.id] = at[0], leak.found
                    self.lost.remove(at)
                    break
        return self.told.get(leak.id)
