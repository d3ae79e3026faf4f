"""The table ``[promises]`` of ``site.toml``."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from waterworks.promises import PRIORITIES, WEEKDAYS, Promise, Promises, WorkingHours
from waterworks.tables import Problems, suggestion

RESIDENTS = "residents"
KEYS = ("days", "hours", *PRIORITIES, RESIDENTS)
PROMISE_KEYS = ("respond_h", "locate_h", "repair_h", "clock")
CLOCKS = ("always", "working")
LONGEST_H = 8760.0
"""Longest promise [h]: a year."""

Line = Callable[[str, str], int | None]


def read_promises(
    said: dict[str, Any], zone: ZoneInfo, holidays: frozenset[date], line: Line, problems: Problems
) -> Promises:
    """What ``site.toml`` promises. line: where (key, table) is set. Unknown keys of the table itself are the
    caller's to tell."""
    table = said.get("promises", {})
    if not isinstance(table, dict):
        problems.error(line("promises", ""), "promises is not a table: write [promises]")
        return Promises(WorkingHours(zone, holidays=holidays))

    def error(key: str, message: str) -> None:
        problems.error(line(key, "promises"), message)

    default = WorkingHours(zone)
    days, hours = default.weekdays, (default.start, default.end)
    if "days" in table:
        days = _days(table["days"], error)
    if "hours" in table:
        hours = _hours(table["hours"], error) or hours
    found = {}
    for priority in PRIORITIES:
        if priority in table:
            promise = _promise(priority, table[priority], error)
            if promise is not None:
                found[priority] = promise
    residents = _promise(RESIDENTS, table[RESIDENTS], error) if RESIDENTS in table else None
    if residents is not None and residents.locate is not None:
        error(RESIDENTS, "residents are promised respond_h (an answer) and repair_h (settled), not locate_h")
    every = [*found.values(), *([residents] if residents is not None else [])]
    if not days and any(p.working for p in every):
        error("days", "days is empty, so a promise in working hours would never be due")
    return Promises(WorkingHours(zone, days, *hours, holidays), found, residents)


def _days(value: Any, error: Callable[[str, str], None]) -> frozenset[int]:
    if not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
        error("days", 'days is not a list of weekdays: write days = ["mon", "tue", "wed", "thu", "fri"]')
        return frozenset()
    for day in value:
        if day.lower() not in WEEKDAYS:
            error("days", f"unknown weekday {day!r}: write {', '.join(WEEKDAYS)}")
    return frozenset(WEEKDAYS.index(d.lower()) for d in value if d.lower() in WEEKDAYS)


def _hours(value: Any, error: Callable[[str, str], None]) -> tuple[time, time] | None:
    wrong = 'hours is not a pair of local times: write hours = ["08:00", "16:00"]'
    if not (isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value)):
        error("hours", wrong)
        return None
    try:
        start, end = (time(0) if v == "24:00" else time.fromisoformat(v) for v in value)
    except ValueError:
        error("hours", wrong)
        return None
    if start.tzinfo or end.tzinfo:
        error("hours", wrong)
        return None
    if end != time(0) and start >= end:
        error("hours", f"hours: {value[1]} is not after {value[0]}")
        return None
    return start, end


def _promise(priority: str, value: Any, error: Callable[[str, str], None]) -> Promise | None:
    if not isinstance(value, dict):
        error(priority, f"{priority} is not a promise: write {priority} = {{ respond_h = 1, repair_h = 24 }}")
        return None
    for key in value:
        if key not in PROMISE_KEYS:
            error(priority, f"unknown key {key!r} of {priority}{suggestion(key, PROMISE_KEYS)}")
    clock = value.get("clock", "always")
    if clock not in CLOCKS:
        error(priority, f'clock {clock!r} of {priority} is unknown: write "always" or "working"')
    spans: list[timedelta | None] = []
    for key in PROMISE_KEYS[:3]:
        hours = value.get(key)
        if hours is None:
            spans.append(None)
        elif isinstance(hours, bool) or not isinstance(hours, int | float) or not math.isfinite(hours):
            error(priority, f"{key} {hours!r} of {priority} is not a number of hours")
            spans.append(None)
        elif not 0 < hours <= LONGEST_H:
            error(priority, f"{key} {hours:g} of {priority} is not above 0 and up to {LONGEST_H:g} hours")
            spans.append(None)
        else:
            spans.append(timedelta(hours=float(hours)))
    given = [s for s in spans if s is not None]
    if given != sorted(given):
        error(priority, f"{priority} promises a later step sooner than an earlier one")
    return Promise(spans[0], spans[1], spans[2], working=clock == "working")
