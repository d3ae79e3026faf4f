"""Working hours: against minutes counted one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waterworks.promises import WorkingHours

JAKARTA = ZoneInfo("Asia/Jakarta")
OFFICE = WorkingHours(JAKARTA, holidays=frozenset({date(2026, 11, 25)}))


def local(text: str, zone: ZoneInfo = JAKARTA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-23 09:00", 4, "2026-11-23 13:00"),  # a Monday
        ("2026-11-23 14:00", 4, "2026-11-24 10:00"),
        ("2026-11-23 06:00", 1, "2026-11-23 09:00"),
        ("2026-11-23 16:00", 1, "2026-11-24 09:00"),
        ("2026-11-24 15:00", 2, "2026-11-26 09:00"),  # over the holiday
        ("2026-11-27 12:00", 8, "2026-11-30 12:00"),  # over a week-end
        ("2026-11-28 12:00", 8, "2026-11-30 16:00"),
        ("2026-11-23 09:00", 0, "2026-11-23 09:00"),
    ],
)
def test_a_promise_is_due_after_so_many_working_hours(start: str, hours: float, due: str) -> None:
    found = OFFICE.after(local(start), timedelta(hours=hours))
    assert found == local(due)
    assert OFFICE.between(local(start), local(due)) == timedelta(hours=hours)


def test_hours_may_end_at_midnight_and_never_come() -> None:
    late = WorkingHours(JAKARTA, frozenset({6}), time(22), time(0))
    assert late.between(local("2026-11-28 00:00"), local("2026-11-30 12:00")) == timedelta(hours=2)
    assert WorkingHours(JAKARTA, frozenset()).after(local("2026-11-28 00:00"), timedelta(hours=1)) is None


@given(
    st.integers(0, 60 * 24 * 40),
    st.integers(0, 60 * 24 * 10),
    st.frozensets(st.integers(0, 6)),
    st.tuples(st.integers(0, 22), st.integers(1, 23)).filter(lambda h: h[0] < h[1]),
    st.sampled_from(["Asia/Jakarta", "Europe/Berlin", "America/St_Johns"]),
)
def test_working_time_is_what_counting_minutes_gives(
    first: int, length: int, days: frozenset[int], hours: tuple[int, int], zone: str
) -> None:
    """In zones whose clocks change, too: the days lie around the end of October."""
    place = ZoneInfo(zone)
    working = WorkingHours(place, days, time(hours[0]), time(hours[1]), frozenset({date(2026, 10, 28)}))
    start = datetime(2026, 10, 1, tzinfo=UTC) + timedelta(minutes=first)
    minutes = 0
    for k in range(length):
        at = (start + timedelta(minutes=k)).astimezone(place)
        on_duty = time(hours[0]) <= at.time() < time(hours[1])
        minutes += on_duty and at.weekday() in days and at.date() != date(2026, 10, 28)
    found = working.between(start, start + timedelta(minutes=length))
    assert found == timedelta(minutes=minutes)
    if found:
        due = working.after(start, found)
        assert due is not None and due <= start + timedelta(minutes=length)
        assert working.between(start, due) == found
