"""Local hours: when a rule holds, when quiet ends, when a digest is due. Pure; clock changes included."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from twuin.notify.model import Rule, Window

_WEEKEND = (5, 6)


def inside(window: Window, when: datetime, zone: ZoneInfo) -> bool:
    """Whether the local clock at ``when`` shows an hour of the window."""
    clock = when.astimezone(zone).time()
    if window.start < window.end:
        return window.start <= clock < window.end
    return clock >= window.start or clock < window.end


def next_time(at: time, when: datetime, zone: ZoneInfo) -> datetime:
    """The first instant [UTC] after ``when`` at which the local clock shows ``at``.

    Where the clock skips that time, it is as much later as it skipped; where it comes twice, the first.
    """
    day = when.astimezone(zone).date()
    for ahead in range(3):
        found = datetime.combine(day + timedelta(days=ahead), at, zone).astimezone(UTC)
        if found > when:
            return found
    raise AssertionError("no day of more than two days")


def quiet_until(window: Window | None, when: datetime, zone: ZoneInfo) -> datetime:
    """When what may not disturb may be told: ``when`` itself outside quiet hours, else their end."""
    if window is None or not inside(window, when, zone):
        return when
    return next_time(window.end, when, zone)


def holds(rule: Rule, when: datetime, zone: ZoneInfo, holidays: Collection[date]) -> bool:
    """Whether ``when`` lies in the rule's hours and days. Hours over midnight belong to the day before."""
    local = when.astimezone(zone)
    day = local.date()
    if rule.hours is not None:
        if not inside(rule.hours, when, zone):
            return False
        if rule.hours.start >= rule.hours.end and local.time() < rule.hours.end:
            day -= timedelta(days=1)
    if rule.weekdays is not None and day.weekday() not in rule.weekdays:
        return False
    if rule.working is None:
        return True
    return rule.working == (day.weekday() not in _WEEKEND and day not in holidays)
