"""What a utility promises about leaks, and the hours in which it works."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

PRIORITIES = ("high", "medium", "low")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_LONGEST = 3660  # days that a promise may reach ahead


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """When people work, by the local clock. weekdays: Monday is 0. start, end: of each working day, start
    before end; an end of 00:00 is midnight. holidays: days on which nobody does."""

    zone: ZoneInfo
    weekdays: frozenset[int] = frozenset(range(5))
    start: time = time(8)
    end: time = time(16)
    holidays: frozenset[date] = frozenset()

    def of(self, day: date) -> tuple[datetime, datetime] | None:
        """The working hours of a local day [UTC], None where it has none."""
        if day.weekday() not in self.weekdays or day in self.holidays:
            return None
        last = day + timedelta(days=1) if self.end == time(0) else day
        start = datetime.combine(day, self.start, self.zone).astimezone(UTC)
        return start, datetime.combine(last, self.end, self.zone).astimezone(UTC)

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much of the time from ``start`` to ``end`` are working hours; 0 where the end is no later."""
        total = timedelta(0)
        day, last = (t.astimezone(self.zone).date() for t in (start, end))
        while day <= last:
            hours = self.of(day)
            if hours is not None:
                total += max(timedelta(0), min(end, hours[1]) - max(start, hours[0]))
            day += timedelta(days=1)
        return total

    def after(self, start: datetime, worked: timedelta) -> datetime | None:
        """The instant [UTC] by which so much working time is over since ``start``; None: not in 10 years."""
        left, start = worked, start.astimezone(UTC)
        day = start.astimezone(self.zone).date()
        for _ in range(_LONGEST):
            hours = self.of(day)
            if hours is not None:
                begins = max(start, hours[0])
                there = hours[1] - begins
                if there > timedelta(0):
                    if left <= there:
                        return begins + left
                    left -= there
            day += timedelta(days=1)
        return None


@dataclass(frozen=True, slots=True)
class Promise:
    """How long it may take from an alert until someone has taken it on (respond), until the leak is found
    (locate) and until it is repaired; None: nothing is promised. working: counted in working hours only."""

    respond: timedelta | None = None
    locate: timedelta | None = None
    repair: timedelta | None = None
    working: bool = False


@dataclass(frozen=True, slots=True)
class Promises:
    """Promises by priority (of ``PRIORITIES``), and the working hours; without any, no clock runs.

    residents: what is promised to who reports: an answer (respond), and that it is settled (repair).
    """

    hours: WorkingHours
    by_priority: dict[str, Promise] = field(default_factory=dict)
    residents: Promise | None = None

    def due(self, start: datetime, span: timedelta, working: bool) -> datetime:
        """When ``span`` is over that begins at ``start``. Where nobody ever works it counts by the clock."""
        return (self.hours.after(start, span) if working else None) or start + span
