"""Local time of the grid."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from twuin.monitor.grid import instant_of, local_time, midnight, site_step, utc_seconds
from waterworks.site import Site


def at(text: str, hours: int = 6, step: int = 3600) -> np.ndarray:
    first = int(utc_seconds(np.array([np.datetime64(text, "us")]))[0])
    return first + np.arange(hours * 3600 // step) * step


def test_the_hour_that_autumn_repeats_falls_on_one_slot_twice() -> None:
    local = local_time(at("2021-10-30T22:00"), 3600, ZoneInfo("Europe/Rome"), frozenset())
    assert local.slot.tolist() == [0, 1, 2, 2, 3, 4]
    assert len(set(local.day.tolist())) == 1


def test_the_hour_that_spring_skips_is_missing() -> None:
    local = local_time(at("2021-03-27T23:00"), 3600, ZoneInfo("Europe/Rome"), frozenset())
    assert local.slot.tolist() == [0, 1, 3, 4, 5, 6]


def test_zones_of_odd_quarters() -> None:
    local = local_time(at("2026-01-01T18:00", 1, 900), 900, ZoneInfo("Asia/Kathmandu"), frozenset())
    assert local.hour.tolist() == [23.75, 0.0, 0.25, 0.5]
    assert local.slot.tolist() == [95, 0, 1, 2]
    assert (local.day - local.day[0]).tolist() == [0, 1, 1, 1]


def test_holidays_are_sundays() -> None:
    zone = ZoneInfo("Asia/Jakarta")
    plain = local_time(at("2026-08-17T00:00"), 3600, zone, frozenset())
    free = local_time(at("2026-08-17T00:00"), 3600, zone, frozenset({date(2026, 8, 17)}))
    assert plain.weekday[0] == 0
    assert set(free.weekday.tolist()) == {6}


def test_local_midnight_is_an_instant() -> None:
    assert midnight(date(2026, 3, 1).toordinal(), ZoneInfo("Asia/Jakarta")) == np.datetime64(
        "2026-02-28T17:00"
    )
    assert instant_of(0) == np.datetime64("1970-01-01")


@pytest.mark.parametrize(
    ("interval", "step"), [(60.0, 900), (900.0, 900), (1200.0, 1800), (3600.0, 3600), (1e6, 86400)]
)
def test_the_step_divides_a_day_and_holds_a_reading(site: Site, interval: float, step: int) -> None:
    slow = replace(site, sensors=tuple(replace(s, interval_s=interval) for s in site.sensors))
    assert site_step(slow) == step
