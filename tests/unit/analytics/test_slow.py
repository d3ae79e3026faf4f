"""What is small or grows: readings of days, their best linear measure, and how far out it must be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from analytics.detector import Detector
from analytics.limits import CELLS, SLOW_TESTS, deviation, heavy_limits, normal_limits, own_margin
from analytics.slow import (
    BEFORE,
    Dawn,
    by_dawn,
    change_of,
    changes,
    estimate,
    layout,
    learn,
    lowest,
    of_peers,
    read_days,
    without_kinds,
    without_spikes,
)


def test_the_lowest_hour_is_that_of_a_loop_and_needs_most_of_the_night() -> None:
    rng = np.random.default_rng(1)
    flow = rng.random((5, 20, 3))
    flow[2, :4, 1] = np.nan
    flow[3, :6, 2] = np.nan
    got = lowest(flow, 4)
    for d in range(5):
        for s in range(3):
            hours = [flow[d, i : i + 4, s].mean() for i in range(17)]
            want = np.nanmin(hours) if np.isfinite(flow[d, :, s]).sum() >= 15 else np.nan
            assert got[d, s] == pytest.approx(want, nan_ok=True)


def test_days_are_read_as_a_loop_reads_them() -> None:
    rng = np.random.default_rng(5)
    flow = rng.random((4, 96, 2))
    flow[1, 12:17, 0] = np.nan  # five of the twelve steps of 03:00-06:00
    got = read_days(flow)
    assert got.shape == (4, 9, 2)
    assert got[2, 0, 1] == pytest.approx(min(flow[2, i : i + 4, 1].mean() for i in range(17)))
    for k in range(8):
        part = flow[:, 12 * k : 12 * k + 12]
        assert got[:, 1 + k, 1] == pytest.approx(part[..., 1].mean(1))
    assert np.isnan(got[1, 2, 0]) and np.isfinite(got[[0, 2, 3], 2, 0]).all()


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 6, 8, 12, 24, 48, 96, 288])
def test_days_of_any_step_can_be_read(slots: int) -> None:
    day = layout(slots)
    assert slots % day.bins == 0
    assert 0 <= day.dawn < slots
    values = read_days(np.ones((3, slots, 1)))
    assert values.shape == (3, 1 + day.bins, 1)
    assert by_dawn(values, day.done).shape == (2, 1 + day.bins, 1)


def test_at_dawn_what_is_not_over_is_that_of_the_day_before() -> None:
    values = np.arange(3)[:, None, None] * 10.0 + np.arange(9)[None, :, None]
    got = by_dawn(values, 2)
    assert got[:, :, 0].tolist() == [
        [10, 11, 12, 3, 4, 5, 6, 7, 8],
        [20, 21, 22, 13, 14, 15, 16, 17, 18],
    ]


def test_days_off_are_compared_as_days_off() -> None:
    weekday = np.arange(56) % 7
    off = np.where(weekday >= 5, 3.0, 0.0)[:, None, None]
    left = without_kinds(10.0 + off, weekday)
    assert left[weekday < 5].max() == pytest.approx(10.0)
    assert left[weekday >= 5, 0, 0] == pytest.approx(10.6)  # 8 Saturdays count against 2: 0.2 of 3 stays


def test_a_change_is_that_over_the_weeks_before_it() -> None:
    values = np.full((BEFORE + 7, 2, 1), 10.0)
    values[-7:] = 12.5
    assert changes(values, 7)[-1, :, 0] == pytest.approx([2.5, 2.5])
    assert changes(values, 14)[-1, :, 0] == pytest.approx([1.25, 1.25])
    values[: BEFORE // 2 + 1] = np.nan
    assert np.isnan(changes(values, 7)[-1]).all()


def drawn(days: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Readings of two areas: weather moves both by day, one of them also by night; (D, 9, 2)."""
    rng = np.random.default_rng(seed)
    weather = rng.standard_normal((days, 1, 1))
    by_hour = np.r_[0.3, 0.2, 0.4, 0.8, 1.0, 1.2, 1.0, 0.8, 0.5][None, :, None]
    values = 10.0 + weather * by_hour * np.array([1.0, 2.0])
    return values + 0.05 * rng.standard_normal((days, 9, 2)), by_hour, weather


def test_an_excess_is_measured_better_with_all_hours_and_neighbours_than_by_the_night() -> None:
    values, _, _ = drawn(300, 6)
    peers = np.array([[1], [0]])
    past = changes(values[:200], 3)[30:]
    weights = learn(past, of_peers(past, peers))
    assert weights.own.sum(axis=0) == pytest.approx([1.0, 1.0])
    now = changes(values[150:], 3)[50:]
    best = np.array([estimate(c, of_peers(c, peers), weights)[0] for c in now])
    assert best.std() < 0.5 * now[:, 0, 0].std()
    leak = now[-1] + np.array([0.7, 0.0])
    found = estimate(leak, of_peers(now[-1], peers), weights)
    assert found[0] - best[-1] == pytest.approx(0.7)


def test_a_leak_that_has_been_running_hardly_changes_what_is_learnt() -> None:
    values, _, _ = drawn(90, 7)
    leaky = values.copy()
    leaky[-10:, :, 0] += 0.3
    peers = np.array([[1], [0]])

    def excess(x: np.ndarray) -> float:
        past = changes(x, 3)[30:-1]
        weights = learn(past, of_peers(past, peers))
        now = changes(x, 7)[-1]
        return float(estimate(now, of_peers(now, peers), weights)[0])

    assert excess(leaky) - excess(values) == pytest.approx(0.3, rel=0.2)


def test_a_neighbour_that_is_cut_off_makes_no_leak() -> None:
    values, _, _ = drawn(120, 8)
    peers = np.array([[1], [0]])
    past = changes(values, 3)[30:]
    weights = learn(past, of_peers(past, peers))
    now = changes(values, 3)[-1]
    cut = now.copy()
    cut[:, 1] -= 1000.0
    moved = estimate(now, of_peers(cut, peers), weights) - estimate(now, of_peers(now, peers), weights)
    assert abs(moved[0]) < 10.0


def test_what_is_not_known_has_no_weight_and_too_little_gives_nothing() -> None:
    values, _, _ = drawn(90, 9)
    values[:, 0, 0] = np.nan
    nobody = np.full((2, 1), -1)
    past = changes(values, 3)[30:]
    weights = learn(past, of_peers(past, nobody))
    assert weights.own[0, 0] == 0.0
    assert (weights.peer == 0.0).all()
    excess = np.full((9, 2), 2.0)
    none = np.full((2, 2), np.nan)
    assert estimate(excess, none, weights) == pytest.approx([2.0, 2.0])
    assert np.isnan(estimate(np.full((9, 2), np.nan), none, weights)).all()
    assert np.isnan(learn(past[:5], of_peers(past[:5], nobody)).own).all()


def test_rare_is_further_out_where_tails_are_heavy_and_for_shorter_windows() -> None:
    seconds = 86400.0 * np.array([1.0, 7.0, 14.0])
    heavy = heavy_limits(seconds, 3.0)
    assert (np.diff(heavy) < 0).all() and (np.diff(normal_limits(seconds, np.full(3, 3.0))) < 0).all()
    assert (heavy_limits(seconds, 6.0) > heavy).all()
    # As often as asked for, by values of that tail measured as estimates are.
    x = t.rvs(4.0, size=(200_000, 1, 1), random_state=np.random.default_rng(2))
    beyond = (x / deviation(x)[0] > heavy[2]).mean()
    wanted = seconds[2] / (365.25 * 86400 * 3.0 * SLOW_TESTS)
    assert beyond == pytest.approx(wanted, rel=0.35)


def test_a_wild_area_gets_wider_limits_and_a_calm_one_those_of_normal_noise() -> None:
    rng = np.random.default_rng(3)
    peak = np.stack([0.5 * rng.random((CELLS, 5, 1)), 0.5 + rng.exponential(0.5, (CELLS, 5, 1))], axis=-1)
    margin = own_margin(peak, np.array([3.0]))
    assert margin.shape == (1, 2)
    assert margin[0, 0] == 1.0
    assert margin[0, 1] > 2.0
    assert (own_margin(peak[:0], np.array([3.0])) == 1.0).all()


def with_quiet_nights(leak: np.ndarray) -> Detector:
    """Days differ by an eighth in what is used, nights are quiet. leak (T,): in area 2."""
    rng = np.random.default_rng(4)
    days, areas = len(leak) // 24, 6
    hour = np.tile(np.arange(24), days)
    demand = np.where((hour >= 5) & (hour < 23), 9.0, 1.0)[:, None] * np.repeat(
        1 + 0.12 * rng.standard_normal((days, areas)), 24, axis=0
    )
    flow = 3.0 + np.maximum(demand, 0.2) + 0.05 * rng.standard_normal((24 * days, areas))
    flow[:, 2] += leak
    day = 738_000 + np.repeat(np.arange(days), 24)
    detector = Detector(areas, 3600)
    detector.advance(flow, day, hour, (day + 6) % 7)
    return detector


def step(days: int, start: int, end: int | None = None) -> np.ndarray:
    """1 from 09:00 of one day to 09:00 of another."""
    leak = np.zeros(24 * days)
    leak[start * 24 + 9 : None if end is None else end * 24 + 9] = 1.0
    return leak


def test_a_leak_too_small_for_its_hours_is_found_by_its_nights() -> None:
    detector = with_quiet_nights(step(110, 80))
    (event,) = (e for e in detector.events if e.area == 2)
    assert not event.fast
    assert event.start == pytest.approx(80 * 24 + 9, abs=24)  # days do not tell it to the hour
    assert event.detected < 82 * 24
    assert event.flow == pytest.approx(1.0, rel=0.1)
    assert event.confidence > 0.7
    assert event.end is None
    assert len(detector.events) <= 2


@pytest.mark.parametrize("repaired", [83, 88, 95])
def test_the_repair_of_what_only_days_have_shown_is_seen_by_days(repaired: int) -> None:
    detector = with_quiet_nights(step(110, 80, repaired))
    (event,) = (e for e in detector.events if e.area == 2)
    assert event.end == pytest.approx(repaired * 24 + 9, abs=24)
    assert event.closed is not None and event.closed <= (repaired + 3) * 24


def test_an_hour_of_fire_fighting_is_no_leak_of_a_day_and_a_leak_is_no_spike() -> None:
    values, _, _ = drawn(90, 11)
    spiked = values.copy()
    spiked[80, 4, 0] += 1000.0
    clean = without_spikes(spiked)
    assert np.abs(clean - without_spikes(values)).max() < 10.0
    leaky = values.copy()
    leaky[80:, :, 0] += 1000.0
    assert (without_spikes(leaky) - without_spikes(values))[80:, :, 0] == pytest.approx(1000.0, rel=0.05)


@pytest.mark.parametrize("side", [1, -1])
def test_days_tell_when_a_change_began_and_how_large_it_is(side: int) -> None:
    values, _, _ = drawn(35, 12)
    values[29:, :, 0] += side * 6.0
    past = changes(drawn(90, 13)[0], 3)[30:]
    peers = np.array([[1], [0]])
    weights = learn(past, of_peers(past, peers))
    dawn = Dawn(np.zeros((4, 2)), np.zeros((4, 2)), values, weights, peers)
    change = change_of(dawn, 0, side)
    assert change is not None
    assert change.days == pytest.approx(6, abs=1)
    assert change.size == pytest.approx(side * 6.0, rel=0.25)
    values[:21, :, 0] = np.nan
    assert change_of(dawn, 0, side) is None
