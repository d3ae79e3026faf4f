"""When which works are under way, and what that means for rows of readings.

A work counts for what was measured after it was entered, as it stood then: a row sees what was known at its
end. So what the detectors make of past rows never changes, however late somebody enters what happened.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analytics.explained import Explained
from twuin.works.model import Action, Plan, PlannedWork
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Spell(NamedTuple):
    """One stretch of a work as one version of its plan has it [s since 1970].

    start, end: of the work; over: when its refilling is over too. known, forgotten: when this version was
    entered, and when it was changed or cancelled (inf: it stands). areas: its DMAs; sensors: ids that are
    named.
    """

    work: str
    plan: Plan
    start: float
    end: float
    over: float
    known: float
    forgotten: float
    areas: frozenset[str]
    sensors: frozenset[str]

    def touches(self, sensor: Sensor) -> bool:
        """Whether a sensor is named, or lies in one of the DMAs or on its boundary."""
        return sensor.id in self.sensors or bool({sensor.dma, sensor.from_dma} & self.areas)


@dataclass(frozen=True, slots=True)
class Version:
    """A plan as it stood from ``known`` until ``forgotten`` [s since 1970]."""

    work: str
    plan: Plan
    known: float
    forgotten: float
    areas: frozenset[str]
    sensors: frozenset[str]


class Calendar:
    """All works of a site, as of when it was made. Never changed.

    pipe_dma: in which DMA each pipe lies; a pipe in none touches no DMA.
    """

    def __init__(
        self,
        site: Site,
        works: Sequence[PlannedWork],
        pipe_dma: Mapping[str, str],
        versions: Sequence[Version] = (),
    ) -> None:
        self._site, self._zone = site, site.timezone
        self._columns = {d.id: i for i, d in enumerate(site.dmas)}
        self._versions = [*versions, *(v for work in works for v in _versions(work, pipe_dma))]
        self._first = np.array([v.plan.start.timestamp() for v in self._versions])
        # Hours of the last day may end on the next.
        self._last = np.array(
            [
                math.inf if v.plan.end is None else v.plan.end.timestamp() + v.plan.refill_s
                for v in self._versions
            ]
        )

    def __bool__(self) -> bool:
        return bool(self._versions)

    def of(self, site: Site) -> tuple[Version, ...]:
        """What of it touches a part of the site: enough to make the part's own calendar elsewhere."""
        dmas, sensors = {d.id for d in site.dmas}, site.sensor.keys()
        return tuple(v for v in self._versions if v.areas & dmas or v.sensors & sensors)

    # -- spells ------------------------------------------------------------------------------------

    def spells(self, first: float, last: float) -> Iterator[Spell]:
        """All that overlap [first, last) [s since 1970], of every version of every work."""
        if not self._versions:
            return
        for k in np.flatnonzero((self._first < last) & (self._last > first)).tolist():
            v = self._versions[k]
            for start, end in _windows(v.plan, first - v.plan.refill_s, last, self._zone):
                over = end + v.plan.refill_s
                if start < last and over > first:
                    yield Spell(v.work, v.plan, start, end, over, v.known, v.forgotten, v.areas, v.sensors)

    def standing(self, first: float, last: float) -> list[Spell]:
        """Those of them that stand now, by their start."""
        found = [s for s in self.spells(first, last) if math.isinf(s.forgotten)]
        return sorted(found, key=lambda s: (s.start, s.work))

    def changed_since(self, before: Calendar) -> float | None:
        """First instant [s since 1970] of which this says other than ``before`` did, None: of none."""
        mine, others = ({(v.work, v.known, v.forgotten) for v in c._versions} for c in (self, before))
        apart = mine ^ others
        # A version that stands no longer was right until it was forgotten.
        shared = {v[:2] for v in mine} & {v[:2] for v in others}
        times = [forgotten if (work, known) in shared else known for work, known, forgotten in apart]
        return min((t for t in times if math.isfinite(t)), default=None)

    # -- rows --------------------------------------------------------------------------------------

    def explained(self, seconds: Ints, step_s: int, *, all_known: bool = False) -> Explained | None:
        """What works explain of the inflow of rows [seconds, seconds + step) (T,), None: nothing.

        all_known: by all that stands now, however late it was entered: for reports of the past.
        """
        spells = [s for s in self._of(seconds, step_s) if s.plan.moves_water and s.areas]
        if not spells:
            return None
        shape = (len(seconds), len(self._columns))
        worked, low, high = np.zeros(shape, bool), np.zeros(shape), np.zeros(shape)
        for s in spells:
            rows = _rows(s, seconds, step_s, all_known)
            filling = rows & (seconds + step_s > s.end)
            for area in s.areas & self._columns.keys():
                c = self._columns[area]
                worked[rows, c] = True
                if s.plan.no_supply or s.plan.low_pressure:
                    low[rows, c] = -np.inf
                if s.plan.extra_flow is not None:
                    high[rows, c] += s.plan.extra_flow
                elif s.plan.no_supply:
                    high[filling, c] = np.inf
        return Explained(worked, low, high) if worked.any() else None

    def worked(self, dmas: Sequence[str], seconds: Ints, step_s: int) -> Bools | None:
        """(T, D) rows of these DMAs in which water moved otherwise than usual, by all that stands now."""
        found = self.explained(seconds, step_s, all_known=True)
        if found is None:
            return None
        none = np.zeros(len(seconds), bool)
        columns = [self._columns.get(d) for d in dmas]
        return np.column_stack([none if c is None else found.worked[:, c] for c in columns])

    def named(self, names: Sequence[str], seconds: Ints, step_s: int) -> Bools | None:
        """(T, N) readings of sensors that are named, while that work goes on. None: no such."""
        return self._marked(names, seconds, step_s, lambda s, sensor: sensor.id in s.sensors)

    def unread(self, names: Sequence[str], seconds: Ints, step_s: int) -> Bools | None:
        """(T, N) which readings say nothing at all: of sensors that are named, of those in DMAs without
        water, and of pressures where they are to be low. None: no such."""

        def concerned(s: Spell, sensor: Sensor) -> bool:
            if sensor.id in s.sensors or (s.plan.no_supply and s.touches(sensor)):
                return True
            low = s.plan.low_pressure and sensor.quantity is Quantity.PRESSURE
            return low and sensor.dma in s.areas

        return self._marked(names, seconds, step_s, concerned)

    def disturbed(self, names: Sequence[str], seconds: Ints, step_s: int) -> Bools | None:
        """(T, N) which readings are no ground to judge a sensor or to seek leaks by: those, and all of DMAs
        where water moves otherwise than usual. None: no such."""
        return self._marked(
            names,
            seconds,
            step_s,
            lambda s, sensor: sensor.id in s.sensors or (s.plan.moves_water and s.touches(sensor)),
        )

    def _marked(
        self, names: Sequence[str], seconds: Ints, step_s: int, concerned: Callable[[Spell, Sensor], bool]
    ) -> Bools | None:
        out: Bools | None = None
        for s in self._of(seconds, step_s):
            columns = [
                k
                for k, name in enumerate(names)
                if (sensor := self._site.sensor.get(name)) is not None and concerned(s, sensor)
            ]
            if columns:
                if out is None:
                    out = np.zeros((len(seconds), len(names)), bool)
                rows = np.flatnonzero(_rows(s, seconds, max(step_s, 1), False))
                out[np.ix_(rows, np.array(columns, np.int64))] = True
        return out

    def _of(self, seconds: Ints, step_s: int) -> list[Spell]:
        if not len(seconds) or not self._versions:
            return []
        return list(self.spells(float(seconds.min()), float(seconds.max()) + max(step_s, 1)))


def _rows(s: Spell, seconds: Ints, step_s: int, all_known: bool) -> Bools:
    """Rows (T,) in which a spell shows and that know of it."""
    end = seconds + step_s
    shows = (seconds < s.over) & (end > s.start)
    if all_known:
        return np.asarray(shows if math.isinf(s.forgotten) else np.zeros(len(seconds), bool))
    return np.asarray(shows & (end >= s.known) & (end < s.forgotten))


def areas_of(plan: Plan, pipe_dma: Mapping[str, str]) -> frozenset[str]:
    """DMAs that a plan is about."""
    return frozenset(plan.dmas) | {d for p in plan.pipes if (d := pipe_dma.get(p))}


def _versions(work: PlannedWork, pipe_dma: Mapping[str, str]) -> Iterator[Version]:
    times = [*(line.at.timestamp() for line in work.lines[1:]), math.inf]
    for line, forgotten in zip(work.lines, times, strict=True):
        if line.action is not Action.CANCELLED and forgotten > line.at.timestamp():
            areas = areas_of(line.plan, pipe_dma)
            yield Version(
                work.id, line.plan, line.at.timestamp(), forgotten, areas, frozenset(line.plan.sensors)
            )


def _windows(plan: Plan, first: float, last: float, zone: ZoneInfo) -> Iterator[tuple[float, float]]:
    """Stretches (start, end) [s since 1970] of a plan that may overlap [first, last)."""
    begin = plan.start.timestamp()
    until = math.inf if plan.end is None else plan.end.timestamp()
    if plan.weekly is None:
        yield begin, until
        return
    days, start_min, end_min = plan.weekly
    longer = 1 if end_min <= start_min else 0
    day = datetime.fromtimestamp(max(first, begin), UTC).astimezone(zone).date()
    day -= timedelta(days=1 + longer)
    stop = datetime.fromtimestamp(min(last, until), UTC).astimezone(zone).date()
    while day <= stop:
        if day.weekday() in days:
            a, b = _at(day, start_min, zone), _at(day + timedelta(days=longer), end_min, zone)
            if max(a, begin) < min(b, until):
                yield max(a, begin), min(b, until)
        day += timedelta(days=1)


def _at(day: date, minute: int, zone: ZoneInfo) -> float:
    local = datetime.combine(day, time(minute // 60, minute % 60), tzinfo=zone)
    return local.timestamp()


def overlapping(works: Collection[PlannedWork], first: datetime, last: datetime) -> list[PlannedWork]:
    """Works whose stretch as a whole overlaps [first, last]."""
    return [w for w in works if w.plan.start <= last and (w.plan.end is None or w.plan.end >= first)]
