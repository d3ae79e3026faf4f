"""Leaks from pressures alone: made-up towns whose sensors answer to two kinds of demand and to leaks."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.drops import Drop
from analytics.pairs import PairWatch
from analytics.precision import conditional, scatter

SENSORS, DAYS = 6, 75
PLACES = np.linspace(0, 5, SENSORS)


def effect(place: float, size_m: float) -> np.ndarray:
    """What a leak at ``place`` on a line of sensors does: all fall a little, the near ones most [m]."""
    return -size_m * (0.3 + 0.7 * np.exp(-np.abs(PLACES - place)))


def town(seed: int, days: int = DAYS, cold_from: int | None = None) -> np.ndarray:
    """Hourly pressures of the sensors and the inflow, (days * 24, SENSORS + 1).

    Water is drawn at thirteen places along the line, by homes and by works whose days and weeks differ;
    drawing there is felt as a leak there is. Days differ by 5 %, places by 3 % an hour; loggers by 4 mm.
    """
    rng = np.random.default_rng(seed)
    hour = np.arange(days * 24)
    drawn = []
    for weekend, phase in ((1.1, 0), (0.6, 5)):
        course = 1 + 0.5 * np.sin(2 * np.pi * (hour - phase) / 24)
        week = np.where(hour // 24 % 7 >= 5, weekend, 1.0)
        drawn.append(course * week * np.repeat(1 + 0.05 * rng.standard_normal(days), 24))
    if cold_from is not None:
        drawn[0][cold_from:] *= 1.1
    homes = rng.uniform(0.2, 0.8, 13)
    local = np.stack(drawn, 1) @ np.stack([homes, 1 - homes])
    local = np.maximum(local * (1 + 0.03 * rng.standard_normal(local.shape)), 0.0)
    falls = np.stack([effect(place, 0.05) for place in np.linspace(-0.5, 5.5, 13)])
    noise = 0.004 * rng.standard_normal((len(hour), SENSORS))
    return np.column_stack([50 + local @ falls + noise, 0.002 * local.sum(1)])


def watched(rows: np.ndarray, chunk: int = 10_000) -> PairWatch:
    watch = PairWatch(SENSORS, rows.shape[1] - SENSORS)
    for a in range(0, len(rows), chunk):
        watch.advance(rows[a : a + chunk])
    return watch


def facts(drop: Drop) -> tuple[object, ...]:
    return (drop.sensor, drop.start, drop.low, drop.high, drop.detected, drop.end, drop.statistic)


def test_nothing_is_found_where_nothing_leaks() -> None:
    for seed in (1, 2, 3):
        assert watched(town(seed)).drops == []


def test_a_sudden_leak_is_found_at_its_sensor_within_a_day_and_dated() -> None:
    rows = town(4)
    began = 50 * 24 + 10
    rows[began:, :SENSORS] += effect(3.2, 0.05)
    (drop,) = watched(rows).drops
    assert drop.sensor == 3 and drop.end is None
    assert began / 6 <= drop.detected + 1 <= began / 6 + 5
    assert drop.low <= began // 6 <= drop.high and drop.high - drop.low <= 8
    assert drop.effect[3] == pytest.approx(effect(3.2, 0.05)[3], abs=0.03)


def test_a_leak_that_grows_is_one_leak_and_is_not_learnt_away() -> None:
    rows = town(5, days=110)
    grown = np.clip((np.arange(len(rows)) - 45 * 24) / (40 * 24), 0, 1)
    rows[:, :SENSORS] += grown[:, None] * effect(1.1, 0.12)
    (drop,) = watched(rows).drops
    assert drop.sensor == 1 and drop.end is None
    assert drop.detected < 75 * 4
    # Against a far sensor: what all share is demand as well.
    true = effect(1.1, 0.12)
    assert drop.effect[1] - drop.effect[5] < 0.6 * (true[1] - true[5]) < 0


def test_a_repair_ends_the_leak_and_the_watch_is_ready_for_the_next() -> None:
    rows = town(6, days=100)
    rows[45 * 24 : 65 * 24, :SENSORS] += effect(0.2, 0.06)
    rows[80 * 24 :, :SENSORS] += effect(0.2, 0.06)
    first, second = watched(rows).drops
    assert (first.sensor, second.sensor) == (0, 0)
    assert first.end is not None and abs(first.end - 65 * 4) <= 4
    assert second.end is None and 80 * 4 <= second.detected <= 81 * 4


def test_a_second_leak_elsewhere_is_found_while_the_first_runs_and_each_repair_is_its_own() -> None:
    rows = town(7, days=100)
    rows[45 * 24 : 80 * 24, :SENSORS] += effect(0.5, 0.06)
    rows[60 * 24 :, :SENSORS] += effect(4.8, 0.06)
    first, second = watched(rows).drops
    assert first.sensor in (0, 1) and second.sensor == 5
    assert first.end is not None and abs(first.end - 80 * 4) <= 4
    assert second.end is None


def test_what_moves_all_sensors_as_demand_does_is_no_leak() -> None:
    assert watched(town(8, cold_from=50 * 24)).drops == []


def test_what_rises_for_a_day_and_falls_back_is_no_leak() -> None:
    rows = town(16)
    rows[50 * 24 : 51 * 24, :SENSORS] -= effect(2.0, 2.0)  # supply cut beyond the third sensor
    watch = watched(rows)
    assert watch.drops == []
    assert np.nanmax(watch.statistic) > 10


def test_the_way_rows_come_does_not_matter_and_the_future_changes_nothing() -> None:
    rows = town(9)
    rows[48 * 24 + 5 :, :SENSORS] += effect(2.0, 0.05)
    whole, pieces = watched(rows), watched(rows, chunk=7)
    assert [facts(d) for d in whole.drops] == [facts(d) for d in pieces.drops] != []
    np.testing.assert_array_equal(whole.statistic, pieces.statistic)
    cut = 60 * 24
    early = watched(rows[:cut])
    np.testing.assert_array_equal(early.statistic, whole.statistic[: early.parts])


def test_going_back_and_on_again_comes_to_the_same() -> None:
    rows = town(10)
    rows[48 * 24 :, :SENSORS] += effect(4.0, 0.05)
    straight, turned = watched(rows), watched(rows[: 60 * 24 + 7])
    at = turned.rewind(47 * 24 + 3)
    assert at == 47 * 24
    turned.advance(rows[at:])
    assert [facts(d) for d in straight.drops] == [facts(d) for d in turned.drops] != []
    np.testing.assert_array_equal(straight.statistic, turned.statistic)


def test_order_of_sensors_and_units_of_covariates_do_not_matter() -> None:
    rows = town(11)
    rows[50 * 24 :, :SENSORS] += effect(2.1, 0.05)
    order = np.random.default_rng(0).permutation(SENSORS)
    turned = np.column_stack([rows[:, order], 3600 * rows[:, -1]])
    (a,), (b,) = watched(rows).drops, watched(turned).drops
    assert (order[b.sensor], b.start, b.detected) == (a.sensor, a.start, a.detected)
    assert b.statistic == pytest.approx(a.statistic, rel=1e-6)


def test_missing_readings_and_a_dead_sensor_cost_little() -> None:
    rng = np.random.default_rng(12)
    rows = town(12)
    rows[50 * 24 :, :SENSORS] += effect(3.0, 0.05)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[:, 1] = np.nan
    rows[55 * 24 : 58 * 24] = np.nan
    (drop,) = watched(rows).drops
    assert drop.sensor == 3 and 50 * 4 <= drop.detected <= 53 * 4


def test_residuals_are_those_of_regressing_each_column_on_the_others() -> None:
    rng = np.random.default_rng(13)
    mix = rng.standard_normal((4, 4))
    x = rng.standard_normal((5000, 4)) @ mix
    found = conditional(x, np.linalg.inv(x.T @ x / len(x)))
    for i in range(4):
        others = np.delete(x, i, axis=1)
        plain = x[:, i] - others @ np.linalg.lstsq(others, x[:, i], rcond=None)[0]
        assert found[:, i] == pytest.approx(plain, abs=1e-9)


def test_without_a_column_the_others_are_regressed_on_what_is_there() -> None:
    rng = np.random.default_rng(14)
    c = np.cov(rng.standard_normal((50, 5)) @ rng.standard_normal((5, 5)), rowvar=False)
    x = rng.standard_normal((3, 5))
    there = [0, 1, 3]
    gone = x.copy()
    gone[:, [2, 4]] = np.nan
    small = np.linalg.inv(c[np.ix_(there, there)])
    full = np.linalg.inv(c)
    expected = conditional(x[:, there], small) * np.diag(small) / np.diag(full)[there]
    assert conditional(gone, full)[:, there] == pytest.approx(expected)
    assert np.isnan(conditional(gone, full)[:, [2, 4]]).all()


def test_a_covariance_is_not_bent_by_a_few_days_of_works() -> None:
    rng = np.random.default_rng(15)
    x = rng.standard_normal((3000, 3)) * [0.1, 0.2, 0.05]
    clean = np.diag(scatter(x, np.zeros(3)))
    x[100:190] += [3.0, -4.0, 2.0]
    assert np.diag(np.cov(x, rowvar=False)) / clean == pytest.approx([35, 14, 60], rel=0.5)
    assert np.diag(scatter(x, np.zeros(3))) / clean == pytest.approx([1, 1, 1], abs=0.35)
