from zoneinfo import ZoneInfo

import numpy as np
import pytest

from firmware_sim.instants import parse_duration, parse_when

JAKARTA, ROME = ZoneInfo("Asia/Jakarta"), ZoneInfo("Europe/Rome")
START = np.datetime64("2026-03-27T13:00:00", "us")  # Friday 20:00 in Jakarta, 14:00 in Rome


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("+0s", "2026-03-27T13:00:00"),
        ("+90min", "2026-03-27T14:30:00"),
        ("+2d 6h", "2026-03-29T19:00:00"),
        ("-1.5h", "2026-03-27T11:30:00"),
        ("+1d 04:00", "2026-03-27T21:00:00"),
        ("-2d 23:30:15", "2026-03-25T16:30:15"),
        ("2026-04-01T00:00:00+07:00", "2026-03-31T17:00:00"),
        ("2026-04-01T00:00:00Z", "2026-04-01T00:00:00"),
    ],
)
def test_times_count_from_the_start_or_stand_for_themselves(text: str, utc: str) -> None:
    assert parse_when(text).at(START, JAKARTA) == np.datetime64(utc, "us")


def test_a_time_of_day_is_local_across_a_clock_change() -> None:
    # Clocks went forward on Sunday 29 March 2026: noon is 10:00 UTC then, 11:00 UTC the day before.
    assert parse_when("+2d 12:00").at(START, ROME) == np.datetime64("2026-03-29T10:00:00", "us")
    assert parse_when("+1d 12:00").at(START, ROME) == np.datetime64("2026-03-28T11:00:00", "us")


@pytest.mark.parametrize(
    "text", ["3h", "+", "+3x", "+2h 04:00", "+2d 25:00", "2026-04-01T00:00:00", "2026-04-01", "soon", 7, None]
)
def test_what_is_no_time_says_what_would_be_one(text: object) -> None:
    with pytest.raises(ValueError, match=r"write for example|no time of day|whole days|no zone"):
        parse_when(text)


def test_lengths_of_time_add_up() -> None:
    assert parse_duration("1d 2h 3min 4s").total_seconds() == 86400 + 7200 + 180 + 4
    with pytest.raises(ValueError, match="write for example"):
        parse_duration("1 fortnight")
