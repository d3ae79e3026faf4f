from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from waterworks.clocks import ScaledClock, WallClock
from waterworks.ports import Clock
from waterworks.reading import ReadingBatch, as_datetime, instant
from waterworks.series import Derived, derived, is_derived

NOON = np.datetime64("2026-11-21T05:00:00", "us")


def test_an_instant_is_utc_whatever_its_zone() -> None:
    assert instant("2026-11-21T12:00:00+07:00") == NOON
    assert instant("2026-11-21T05:00:00Z") == NOON
    assert instant(datetime(2026, 11, 21, 12, tzinfo=timezone(timedelta(hours=7)))) == NOON
    assert as_datetime(NOON) == datetime(2026, 11, 21, 5, tzinfo=UTC)


def test_a_time_without_zone_is_no_instant() -> None:
    with pytest.raises(ValueError, match="has no zone"):
        instant("2026-11-21T12:00:00")
    with pytest.raises(ValueError, match="no instant"):
        as_datetime(np.datetime64("NaT", "us"))


def test_batches_join_over_one_list_of_names() -> None:
    a = ReadingBatch.of(["x", "y"], [NOON, NOON], [1, 2], received=NOON)
    b = ReadingBatch.of(["y", "z"], [NOON, NOON], [3, 4], received=NOON, quality=2)
    joined = ReadingBatch.concat([a, ReadingBatch.empty(), b])
    assert joined.names == ("x", "y", "z")
    assert [joined.names[i] for i in joined.sensor] == ["x", "y", "y", "z"]
    assert joined.value.tolist() == [1, 2, 3, 4]
    assert joined.quality.tolist() == [0, 0, 2, 2]
    assert joined.take(joined.value > 2).value.tolist() == [3, 4]
    assert len(ReadingBatch.concat([])) == 0


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length: 2 sensors, 1 times, 1 values"):
        ReadingBatch.columns(["x"], [0, 0], [NOON], [1], received=NOON)


def test_a_scaled_clock_runs_as_fast_as_told_from_where_it_was_told() -> None:
    origin = WallClock().now() - np.timedelta64(10, "s")
    clock = ScaledClock(NOON, 60, origin)
    assert isinstance(clock, Clock)
    passed = clock.now() - NOON
    # Ten seconds at sixty times speed, and however long this test took to get here.
    wall = WallClock().now() - origin
    assert np.timedelta64(600, "s") <= passed <= wall * 60
    assert ScaledClock(NOON, 60, origin).now() >= NOON + passed


def test_a_clock_cannot_stand_still() -> None:
    with pytest.raises(ValueError, match="not above 0"):
        ScaledClock(NOON, 0)


def test_computed_series_are_told_from_measured_ones() -> None:
    assert derived("D1", Derived.EXPECTED) == "dma:D1:expected"
    assert is_derived(derived("D1", Derived.LEAK))
    assert not is_derived("D1-IN")
