"""Up to when the readings are in."""

from __future__ import annotations

import numpy as np

from twuin.monitor.watermark import watermark
from waterworks.reading import Latest
from waterworks.site import Role, Sensor
from waterworks.units import Quantity

NOW = np.datetime64("2026-11-21T10:00:00", "us")


def minutes(n: float) -> np.timedelta64:
    return np.timedelta64(round(n * 60e6), "us")


def meter(id: str, role: Role = Role.INLET) -> Sensor:
    return Sensor(id, Quantity.FLOW, "m3/h", "D1", id, role, interval_s=300.0)


def mark(
    behind: dict[str, float],
    *,
    roles: dict[str, Role] | None = None,
    received: float | None = None,
    **how: float,
) -> float | None:
    """Minutes by which the watermark is behind NOW; ``behind``: of each sensor's newest reading."""
    sensors = [meter(n, (roles or {}).get(n, Role.INLET)) for n in behind]
    latest = {
        n: Latest(NOW - minutes(m), 1.0, 0, NOW if received is None else NOW - minutes(received))
        for n, m in behind.items()
    }
    found = watermark(sensors, latest, NOW, **how)
    return None if found is None else float((NOW - found) / minutes(1))


def test_nothing_read_no_watermark() -> None:
    assert mark({}) is None


def test_the_last_of_the_living_meters_decides() -> None:
    assert mark({"a": 1, "b": 4, "c": 30}) == 30


def test_a_dead_meter_holds_it_for_its_grace_and_no_longer() -> None:
    assert mark({"a": 1, "b": 2, "c": 50}) == 50
    assert mark({"a": 1, "b": 2, "c": 70}) == 2


def test_most_of_a_site_may_be_dead() -> None:
    assert mark({"a": 1, "b": 3, **{f"x{i}": 9000 for i in range(8)}}) == 3


def test_a_clock_that_is_ahead_does_not_drag_it() -> None:
    assert mark({"a": -600, "b": 5, "c": 6}) == 6
    assert mark({"a": -600, "b": 5}) == 5


def test_a_clock_that_is_ahead_does_not_make_the_others_look_dead_in_a_replay() -> None:
    """Old data, all received now: one clock a day ahead of two others."""
    assert mark({"a": 10000 - 1440, "b": 10000, "c": 10001}) == 10001


def test_a_reading_from_the_future_counts_as_of_now() -> None:
    assert mark({"a": -600}) == 0


def test_pressures_do_not_outvote_the_meters() -> None:
    roles = {f"p{i}": Role.MONITOR for i in range(20)}
    assert mark({"a": 40, **{f"p{i}": 1.0 for i in range(20)}}, roles=roles) == 40


def test_consumption_meters_have_no_say() -> None:
    assert mark({"a": 2, "c": 30}, roles={"c": Role.CONSUMPTION}) == 2


def test_lateness_is_taken_off() -> None:
    assert mark({"a": 2}, lateness_s=900.0) == 17


def test_a_clock_of_our_own_that_is_behind_takes_nothing_back() -> None:
    sensors = [meter(n) for n in "abc"]
    latest = {n: Latest(NOW, 1.0, 0, NOW) for n in "abc"}
    assert watermark(sensors, latest, np.datetime64("1970-01-01T00:01", "us")) == NOW
    # One that was ahead for a moment, when one sensor was heard, lends nobody the future.
    latest["a"] = Latest(NOW + minutes(600), 1.0, 0, NOW + minutes(9_000_000))
    latest["b"] = Latest(NOW, 1.0, 0, NOW)
    assert watermark(sensors, latest, NOW) == NOW
