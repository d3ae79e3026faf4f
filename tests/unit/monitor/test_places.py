"""Days that one can be taken back to."""

from __future__ import annotations

from twuin.monitor.places import Places


def test_each_of_the_last_days_is_kept_and_one_a_week_before_them() -> None:
    places: Places[str] = Places(35)
    for day in range(60):
        places.put(day, f"end of {day}")
    assert places.back(58) == (58, "end of 58")
    assert places.back(53) == (53, "end of 53")
    assert places.back(52) == (49, "end of 49")
    assert places.back(30) == (28, "end of 28")
    assert places.back(27) is None  # more than 35 days before the newest
    assert places.back(59) is None  # and what is after a day that one was taken back to is forgotten
