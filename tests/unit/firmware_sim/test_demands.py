from datetime import date
from zoneinfo import ZoneInfo

import numpy as np

from firmware_sim.demands import follow, local_times, rhythm, utc_offsets
from firmware_sim.scenario_model import DemandOptions

DAY = 86400


def seconds(utc: str, count: int, step: int) -> np.ndarray:
    return int(np.datetime64(utc, "s").astype(np.int64)) + step * np.arange(count, dtype=np.int64)


def test_offsets_follow_every_clock_change_of_a_year() -> None:
    zone = ZoneInfo("Europe/Rome")
    at = seconds("2026-01-01T00:00", 365 * 96, 900)
    offsets = utc_offsets(at, zone)
    from datetime import UTC, datetime

    for k in range(0, len(at), 37):
        expected = datetime.fromtimestamp(int(at[k]), UTC).astimezone(zone).utcoffset()
        assert expected is not None and offsets[k] == expected.total_seconds()
    changes = at[1:][np.diff(offsets) != 0]
    told = [np.datetime64(int(c), "s").item().isoformat() for c in changes]
    assert told == ["2026-03-29T01:00:00", "2026-10-25T01:00:00"]


def test_days_are_told_apart_by_local_calendar() -> None:
    at = seconds("2026-03-05T17:30", 8, DAY)  # Friday 00:30 in Jakarta
    local = local_times(at, ZoneInfo("Asia/Jakarta"), frozenset({date(2026, 3, 10)}))
    assert local.special.tolist() == [0, 1, 1, 0, 2, 0, 0, 0]
    assert (local.seconds % DAY == 1800).all()
    assert local.seconds[3] % (7 * DAY) == 1800  # Monday


def test_weekends_change_the_day_and_leave_the_night() -> None:
    at = seconds("2026-03-06T17:00", 96, 900)  # a Saturday in Jakarta
    local = local_times(at, ZoneInfo("Asia/Jakarta"), frozenset())
    factor, later = rhythm(local, DemandOptions(weekend=1.2, weekend_shift_h=2.0))
    assert factor[0] == 1.0 and later[0] == 0.0
    assert np.isclose(factor[48], 1.2) and np.isclose(later[48], 7200)
    assert np.abs(np.diff(factor)).max() < 0.01


def test_patterns_are_met_at_their_values_and_straight_in_between() -> None:
    pattern = np.array([1.0, 3.0, 2.0])
    at = np.array([0, 3600, 7200, 10800, 1800, 9000])
    assert follow(pattern, at, 3600.0, 0.0).tolist() == [1.0, 3.0, 2.0, 1.0, 2.0, 1.5]
