"""The tracker behind the gate of sensors, over two years of measurements, evening by evening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from analytics.model.tracker import Saved, Tracker
from analytics.model.work import Work
from twuin.benchmark.battle_data import Scada, daily
from twuin.benchmark.battle_gate import BattleGate
from twuin.monitor.hydraulics import NetworkHydraulics
from twuin.monitor.places import KEEP_DAYS, Places
from twuin.monitor.plant import Plant


class Course:
    """tracker: as of the last evening; days: all there are; residual: what each left unexplained [mm], as it
    looked when the tracker last went through it; gate: what it does not trust the tracker does not see."""

    def __init__(
        self, plant: Plant, measured: Sequence[Scada], repairs: Mapping[date, Sequence[int]]
    ) -> None:
        """repairs: pipes (indices of ``Layout.pipes``) known to have been repaired, by day."""
        self._plant, self._repairs = plant, repairs
        self.days = [day for scada in measured for day in daily(scada)]
        self.tracker = Tracker(plant.layout, NetworkHydraulics(plant.network, plant.solver))
        seconds = measured[0].times.astype(np.int64)
        interval_s = round(float(np.median(np.diff(seconds))))
        # Between the years there may be days of which nothing is known.
        self._starts = np.array([d.when for d in self.days], "datetime64[s]").astype(np.int64)
        self.gate = BattleGate(plant, measured[0].names, int(self._starts[0]), interval_s)
        self.residual: list[float] = []
        self._fresh = self.tracker.saved()
        self._places: Places[Saved] = Places(KEEP_DAYS)

    def evening(self, today: int) -> Work[None]:
        """The next day is over: the gate looks at it, and the tracker goes on from the first day of which the
        gate has changed its mind. In pieces, as ``Tracker.advancing``."""
        changed = yield from self.gate.advance(self.days[today].rows, int(self._starts[today]) + 86400)
        begin = today
        if changed is not None and changed < self._starts[today]:
            begin = self._back(int(np.searchsorted(self._starts, changed, side="right")) - 2) + 1
        for d in range(begin, today + 1):
            day = self.days[d]
            hours = day.hours(self._plant, self.gate.believed(day.rows))
            yield
            yield from self.tracker.advancing(hours, self._repairs.get(day.when.date(), ()))
            self._places.put(d, self.tracker.saved())
            self.residual.append(self.tracker.unexplained() * 1e3)

    def _back(self, day: int) -> int:
        """Take the tracker back to the end of ``day``, or of one before; returns which."""
        kept = self._places.back(day)
        last, saved = (-1, self._fresh) if kept is None else kept
        self.tracker.restore(saved)
        del self.residual[last + 1 :]
        return last
