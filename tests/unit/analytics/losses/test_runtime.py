"""What a leak lost while nobody knew, while it was looked for, until it was mended; what its repair saved."""

from __future__ import annotations

import pytest

from analytics.losses.runtime import lost_parts, saved
from analytics.losses.uncertain import Uncertain


def test_a_burst_as_the_manuals_reckon_it() -> None:
    """Flow times run time in each part: 10 m3/h for 24 h unknown, 12 h looked for, 6 h mended."""
    lost = Uncertain(420.0, {"flow": 42.0})
    parts = lost_parts(lost, 24.0, 12.0, 6.0)
    assert [p.value for p in parts] == pytest.approx([240.0, 120.0, 60.0])
    assert [p.half for p in parts] == pytest.approx([24.0, 12.0, 6.0])
    again = parts[0] + parts[1] + parts[2]
    assert (again.value, again.half) == pytest.approx((420.0, 42.0))  # one error, not three


def test_a_leak_that_was_over_as_it_was_seen_lost_all_of_it_unseen() -> None:
    parts = lost_parts(Uncertain(5.0), 0.0, 0.0, 0.0)
    assert [p.value for p in parts] == [5.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="-1 h"):
        lost_parts(Uncertain(5.0), -1.0, 0.0, 0.0)


def test_what_is_saved_is_what_fell_times_the_days_factor_and_the_days() -> None:
    found = saved(Uncertain(4.0, {"fall": 0.4}), Uncertain(21.0, {"ndf": 2.1}), 10.0)
    assert found.value == pytest.approx(4.0 * 21.0 * 10.0)
    assert found.half == pytest.approx(840.0 * 0.1 * 2**0.5)  # two errors of a tenth each
    with pytest.raises(ValueError, match="-1 days"):
        saved(Uncertain(4.0), Uncertain(24.0), -1.0)


def test_errors_of_two_repairs_in_one_district_share_its_factor() -> None:
    factor = Uncertain(20.0, {"ndf D1": 2.0})
    both = saved(Uncertain(1.0), factor, 1.0) + saved(Uncertain(3.0), factor, 1.0)
    assert both.half == pytest.approx(8.0)
