"""The detector on inflow made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy.signal import lfilter

from analytics.detector import Detector
from analytics.events import Event

STEP = 1800
PER_DAY = 86400 // STEP


def calendar(days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Local day, slot and weekday of ``days`` days from Monday 2026-01-05 on."""
    first = date(2026, 1, 5).toordinal()
    day = first + np.repeat(np.arange(days), PER_DAY)
    return day, np.tile(np.arange(PER_DAY), days), (day + 6) % 7


def town(days: int, areas: int, seed: int, phi: float = 0.0, noise: float = 0.05) -> np.ndarray:
    """Inflow [L/s] of mean 10 with a course over the day, other weekends, and AR(1) noise."""
    rng = np.random.default_rng(seed)
    _, slot, weekday = calendar(days)
    hour = slot * 24 / PER_DAY
    course = 10 * (1 + 0.5 * np.sin((hour - 9) / 24 * 2 * np.pi))
    course = np.where(weekday >= 5, 10 * (1 + 0.45 * np.sin((hour - 10) / 24 * 2 * np.pi)), course)
    e = rng.standard_normal((len(slot), areas)) * np.sqrt(1 - phi**2)
    return course[:, None] * (1 + noise * lfilter([1], [1, -phi], e, axis=0))


def run(flow: np.ndarray) -> Detector:
    detector = Detector(flow.shape[1], STEP)
    detector.advance(flow, *calendar(len(flow) // PER_DAY))
    detector.estimates()
    return detector


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_a_burst_of_a_fifth_of_the_inflow_is_found_within_four_hours(phi: float) -> None:
    flow = town(40, 20, 1, phi=phi, noise=0.05 if phi == 0 else 0.03)
    at = 30 * PER_DAY + 2 * np.arange(20)  # one in every hour
    for column, begins in enumerate(at):
        flow[begins:, column] += 2.0
    found = run(flow)
    by_area = {e.area: e for e in found.events if e.side > 0 and e.detected >= at[e.area]}
    delay = np.array([(by_area[k].detected + 1 - at[k]) / 2 if k in by_area else np.inf for k in range(20)])
    assert np.median(delay) <= 4.0
    assert np.isfinite(delay).all()


def test_the_interval_of_the_flow_holds_the_true_flow_nine_times_in_ten() -> None:
    areas = 60
    flow = town(36, areas, 2, phi=0.7)
    begins = 30 * PER_DAY + 10
    flow[begins:] += 2.0
    found = run(flow)
    by_area = {e.area: e for e in found.events if e.side > 0 and e.start >= begins - 4}
    held = [e.low <= 2.0 <= e.high for e in by_area.values()]
    assert len(held) >= 57
    assert np.mean(held) >= 0.8


def test_false_alarms_on_noise_are_rare_white_or_persistent() -> None:
    """40 areas for 20 weeks are 15 years: at most one alarm in two of them."""
    for phi in (0.0, 0.8):
        found = run(town(140, 40, 3, phi=phi))
        assert len(found.events) <= 8, [(e.area, e.start, e.fast) for e in found.events]


def test_nothing_is_expected_in_the_first_week_and_a_burst_is_found_after_the_second() -> None:
    flow = town(18, 2, 4)
    flow[14 * PER_DAY + 20 :, 0] += 4.0
    found = run(flow)
    assert np.isnan(found.expected[: 7 * PER_DAY]).all()
    assert np.isfinite(found.expected[8 * PER_DAY :]).all()
    assert [e.area for e in found.events] == [0]
    assert found.events[0].detected < 15 * PER_DAY


def test_a_leak_is_not_learnt_away() -> None:
    flow = town(120, 1, 5)
    flow[30 * PER_DAY :] += 2.0
    found = run(flow)
    (event,) = found.events
    assert event.end is None
    assert event.flow == pytest.approx(2.0, rel=0.15)
    last = found.expected[-7 * PER_DAY :].mean()
    assert last == pytest.approx(10.0, rel=0.03)


def test_two_leaks_one_after_the_other_and_their_repairs_are_told_apart() -> None:
    flow = town(75, 1, 6)
    flow[30 * PER_DAY : 60 * PER_DAY] += 1.5
    flow[40 * PER_DAY + 7 : 50 * PER_DAY + 5] += 3.0
    first, second = sorted(run(flow).events, key=lambda e: e.start)
    assert second.start == pytest.approx(40 * PER_DAY + 7, abs=3)
    assert second.end == pytest.approx(50 * PER_DAY + 5, abs=3)
    assert first.start == pytest.approx(30 * PER_DAY, abs=3)
    assert first.end == pytest.approx(60 * PER_DAY, abs=3)
    assert first.volume == pytest.approx(1.5 * 30 * 86400, rel=0.1)


def each_alone(leak: np.ndarray) -> list[Event]:
    """Events of leaks (T, S) [L/s] after twelve weeks without, each in a copy of a district whose neighbours
    go on without; they start so many blocks after these weeks."""
    rows, areas = leak.shape
    quiet, when = town(84 + rows // PER_DAY, areas, 8, phi=0.8), calendar(84 + rows // PER_DAY)
    begin = 84 * PER_DAY
    known = Detector(areas, STEP)
    known.advance(quiet[:begin], *(c[:begin] for c in when))
    branch = known.branch(np.arange(areas))
    later = np.concatenate([quiet[begin:], quiet[begin:] + leak], axis=1)
    branch.advance(later, *(c[begin:] for c in when))
    return [
        replace(e, area=e.area - areas, start=e.start - begin)
        for e in branch.events
        if e.area >= areas and e.side > 0
    ]


def grown(days: int, over: float, areas: int) -> np.ndarray:
    """Share (T, areas) of its size that a leak has reached which begins two hours later in each district."""
    age = np.arange(days * PER_DAY)[:, None] - 4 * np.arange(areas)
    return np.clip(age / (over * PER_DAY), 0, 1) if over else (age >= 0).astype(float)


@pytest.mark.parametrize(("over", "days"), [(4, 8), (14, 22)])
def test_a_leak_that_grows_is_one_event(over: int, days: int) -> None:
    events = each_alone(8.0 * grown(days, over, 24))
    assert sorted(e.area for e in events) == list(range(24))


@pytest.mark.parametrize(("over", "after"), [(0, 6), (4, 6), (4, 12)])
def test_a_burst_beside_a_leak_is_an_event_of_its_own(over: int, after: int) -> None:
    """A leak that comes at once, or grows over four days, and some days after its begin a burst."""
    burst = np.roll(grown(after + 4, 0, 8), after * PER_DAY, axis=0)
    burst[: after * PER_DAY] = 0
    events = each_alone(2.0 * grown(after + 4, over, 8) + 4.0 * burst)
    at = after * PER_DAY + 4 * np.arange(8)
    own = {e.area for e in events if abs(e.start - at[e.area]) <= 6}
    assert len(own) >= 7


def test_a_dip_of_a_few_hours_does_not_end_a_leak_of_weeks() -> None:
    flow = town(60, 1, 7)
    flow[30 * PER_DAY :] += 2.0
    flow[50 * PER_DAY : 50 * PER_DAY + 8] -= 2.0
    (event,) = run(flow).events
    assert event.end is None


def test_using_less_is_no_event_but_a_cut_in_supply_is() -> None:
    flow = town(50, 2, 8)
    flow[40 * PER_DAY + 16 : 41 * PER_DAY + 16, 0] *= 0.85
    flow[40 * PER_DAY + 16 : 41 * PER_DAY + 16, 1] *= 0.1
    found = run(flow)
    assert [(e.area, e.side) for e in found.events] == [(1, -1)]
    assert found.events[0].end is not None


def test_one_spike_is_no_leak() -> None:
    flow = town(50, 4, 9)
    flow[40 * PER_DAY + 10 : 40 * PER_DAY + 12] += 30.0  # an hour
    assert run(flow).events == []


def test_gaps_neither_alarm_nor_blind() -> None:
    flow = town(45, 2, 10)
    flow[::7] = np.nan
    flow[20 * PER_DAY : 23 * PER_DAY] = np.nan
    flow[40 * PER_DAY + 5 :, 0] += 3.0
    found = run(flow)
    assert [e.area for e in found.events] == [0]


def test_a_change_of_season_is_followed() -> None:
    flow = town(120, 4, 11)
    flow *= np.linspace(1, 1.25, len(flow))[:, None]
    assert run(flow).events == []


def test_the_past_can_be_gone_back_to() -> None:
    flow = town(45, 3, 12, phi=0.5)
    flow[30 * PER_DAY + 10 : 40 * PER_DAY, 1] += 2.0
    day, slot, weekday = calendar(45)
    once = run(flow)
    detector = Detector(3, STEP)
    changed = flow.copy()
    changed[32 * PER_DAY :] *= 1.3
    detector.advance(changed, day, slot, weekday)
    row = detector.rewind(32 * PER_DAY)
    assert 31 * PER_DAY <= row <= 32 * PER_DAY
    detector.advance(flow[row:], day[row:], slot[row:], weekday[row:])
    detector.estimates()
    assert np.array_equal(detector.expected, once.expected, equal_nan=True)
    assert np.array_equal(detector.known, once.known, equal_nan=True)
    assert np.array_equal(detector.statistic, once.statistic, equal_nan=True)
    assert [(e.area, e.start, e.end, e.flow) for e in detector.events] == [
        (e.area, e.start, e.end, e.flow) for e in once.events
    ]


def test_rows_that_are_no_whole_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="whole blocks"):
        Detector(1, 900).advance(np.zeros((3, 1)), *(np.zeros(3, np.int64),) * 3)
    with pytest.raises(ValueError, match="divide a day"):
        Detector(1, 7000)
