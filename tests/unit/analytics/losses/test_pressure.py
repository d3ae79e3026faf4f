"""Pressure as a service, hours of supply, health of reducing valves."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.losses.pressure import service, supply_hours, valve_health

STEP = 900.0
DAYS = 21
DAY = np.repeat(np.arange(DAYS), 96)
HOUR = np.tile(np.arange(96) / 4, DAYS)
FLOW = 0.006 + 0.004 * np.sin((HOUR - 7) / 24 * 2 * np.pi)


def outlet(seed: int = 0) -> np.ndarray:
    """A valve in good order: within some decimetres, a little droop with flow."""
    return 29.0 - 100 * (FLOW - FLOW.mean()) + 0.15 * np.random.default_rng(seed).standard_normal(len(DAY))


def test_service_by_sensor_and_together() -> None:
    pressure = np.array([[20.0, 8.0], [20.0, np.nan], [9.0, 12.0], [20.0, 12.0]])
    found = service(pressure, 10.0)
    assert found.share.tolist() == [0.75, pytest.approx(2 / 3)]
    assert found.together == pytest.approx(5 / 7)
    assert found.everywhere == pytest.approx(0.5)
    assert found.sensors == 0.0
    nothing = service(np.full((3, 1), np.nan), 10.0)
    assert np.isnan(nothing.together) and np.isnan(nothing.share[0])


def test_hours_of_supply() -> None:
    on = np.array([[True], [False], [True], [True]])
    known = np.array([[True], [True], [True], [False]])
    assert supply_hours(on, known)[0] == pytest.approx(16.0)


def test_a_valve_that_holds_is_steady() -> None:
    for seed in range(5):
        found = valve_health(outlet(seed), FLOW, DAY, STEP)
        assert found.state == "steady"
        assert found.set_m == pytest.approx(29, abs=0.3)
        assert found.ripple_m < 0.5


def test_a_valve_that_swings_from_reading_to_reading_hunts() -> None:
    swing = 2.5 * np.sign(np.sin(np.arange(len(DAY)) * 2.4))
    assert valve_health(outlet() + swing, FLOW, DAY, STEP).state == "hunting"


def test_a_valve_whose_pressure_creeps_drifts() -> None:
    found = valve_health(outlet() + 5.0 * DAY / DAYS, FLOW, DAY, STEP)
    assert found.state == "drifting"
    assert found.drift_m == pytest.approx(4.8, abs=0.5)


def test_a_valve_behind_which_pressure_falls_as_flow_rises_is_open() -> None:
    assert valve_health(outlet() - 1500 * (FLOW - FLOW.mean()), FLOW, DAY, STEP).state == "open"


def test_without_flow_a_swing_has_no_cause() -> None:
    lost = np.full(len(DAY), np.nan)
    assert valve_health(outlet() - 1500 * (FLOW - FLOW.mean()), lost, DAY, STEP).state == "unsteady"


def test_a_pressure_that_is_lowered_at_night_on_purpose_is_steady() -> None:
    modulated = outlet() - np.where((HOUR < 5) | (HOUR >= 22), 8.0, 0.0)
    assert valve_health(modulated, FLOW, DAY, STEP).state == "steady"


def test_a_new_setting_is_neither_drift_nor_swing() -> None:
    found = valve_health(outlet() - np.where(DAY >= 10, 6.0, 0.0), FLOW, DAY, STEP)
    assert found.state == "steady"
    assert found.set_m == pytest.approx(23, abs=0.3)
    assert found.days == 11


def test_hours_without_supply_say_nothing_of_the_valve() -> None:
    assert valve_health(np.where(HOUR < 6, 0.1, outlet()), FLOW, DAY, STEP).state == "steady"


def test_too_few_readings_give_no_verdict() -> None:
    few = np.full(len(DAY), np.nan)
    few[:40] = 29.0
    assert valve_health(few, FLOW, DAY, STEP).state == "unknown"
    assert valve_health(np.full(len(DAY), np.nan), FLOW, DAY, STEP).state == "unknown"
