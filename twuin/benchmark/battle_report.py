"""When a leak that is tracked is reported, and which pipe is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from analytics.model.telling import REACH_M, best_pipe, ripe, shadow
from analytics.model.tracker import Tracker
from twuin.benchmark.battle_score import Report
from twuin.monitor.plant import Plant

SURE = 0.7
"""A pipe is reported when the leak lies within 300 m of it with this probability. Between 0.4 and 0.7 it
hardly changes what is found on made years, and at 0.7 fewer alarms are false; weighing the water that a leak
would lose against the price of a visit gave no more."""

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
            if not ripe(leak, tracker.day):
                continue
            before = self.told.get(leak.id)
            if before is not None and leak.probability[near[before] <= REACH_M].sum() > ELSEWHERE:
                continue
            pipe, sure = best_pipe(leak, near)
            if sure < self.sure or shadow(leak, pipe, tracker.open, self.told, near, tracker.day):
                continue
            self.told[leak.id] = pipe
            when = max(now, self.first + timedelta(minutes=5))
            self.reports.append(Report(self.plant.pipe_ids[pipe], when, sure, leak.flow[tracker.day]))
