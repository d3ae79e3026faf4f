"""Local hours, over midnight, over the days on which clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from twuin.notify.hours import holds, next_time, quiet_until
from twuin.notify.model import Rule, Window

JAKARTA, BERLIN = ZoneInfo("Asia/Jakarta"), ZoneInfo("Europe/Berlin")
NIGHT = Window(time(22), time(5))


def local(text: str, zone: ZoneInfo = JAKARTA, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-20 21:59:59", "2026-11-20 21:59:59"),
        ("2026-11-20 22:00", "2026-11-21 05:00"),
        ("2026-11-21 04:59:59", "2026-11-21 05:00"),
        ("2026-11-21 05:00", "2026-11-21 05:00"),
    ],
)
def test_quiet_hours_over_midnight_end_at_their_end(now: str, until: str) -> None:
    assert quiet_until(NIGHT, local(now), JAKARTA) == local(until)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-28 23:00", "2026-03-29 05:00"),  # the night of one hour less
        ("2026-10-24 23:00", "2026-10-25 05:00"),  # and of one more
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall_where_clocks_change(now: str, until: str) -> None:
    assert quiet_until(NIGHT, local(now, BERLIN), BERLIN) == local(until, BERLIN)


def test_a_time_that_the_clock_skips_is_as_much_later_and_one_that_comes_twice_is_the_first() -> None:
    skipped = next_time(time(2, 30), local("2026-03-28 12:00", BERLIN), BERLIN)
    assert skipped == local("2026-03-29 03:30", BERLIN)
    twice = next_time(time(2, 30), local("2026-10-24 12:00", BERLIN), BERLIN)
    assert twice == local("2026-10-25 02:30", BERLIN, fold=0)
    assert next_time(time(2, 30), twice, BERLIN) == local("2026-10-26 02:30", BERLIN)


def test_a_digest_at_this_very_minute_was_the_last_one() -> None:
    now = local("2026-11-20 07:00")
    assert next_time(time(7), now, JAKARTA) == local("2026-11-21 07:00")


@pytest.mark.parametrize(
    ("rule", "now", "fits"),
    [
        (Rule(to=("a",), hours=NIGHT, working=True), "2026-11-20 23:00", True),  # Friday night
        (Rule(to=("a",), hours=NIGHT, working=True), "2026-11-21 03:00", True),  # still its night
        (Rule(to=("a",), hours=NIGHT, working=True), "2026-11-21 23:00", False),
        (Rule(to=("a",), working=False), "2026-11-21 10:00", True),
        (Rule(to=("a",), working=True), "2026-12-25 10:00", False),  # a holiday of the site
        (Rule(to=("a",), working=False), "2026-12-25 10:00", True),
        (Rule(to=("a",), weekdays=frozenset({4})), "2026-12-25 10:00", True),
        (Rule(to=("a",)), "2026-12-25 03:00", True),
    ],
)
def test_a_rule_holds_in_its_hours_and_days(rule: Rule, now: str, fits: bool) -> None:
    assert holds(rule, local(now), JAKARTA, {date(2026, 12, 25)}) == fits
