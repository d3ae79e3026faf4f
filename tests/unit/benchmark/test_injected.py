"""Leaks put into inflow, what counts as an alarm, and the charts of the methods compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twuin.benchmark.bound import slow_bound
from twuin.benchmark.inflow import Inflow
from twuin.benchmark.paired import compare, difference
from twuin.benchmark.rivals import (
    Readings,
    above,
    cusum,
    ewma,
    leakdb_mnf,
    lowest,
    read,
    rivals,
    western_electric,
)
from twuin.benchmark.trials import Period, Trials, count_alarms, delays, draw, raised, windows
from waterworks.localtime import LocalTime


def made(days: int, dmas: int = 2) -> Inflow:
    rng = np.random.default_rng(1)
    day = 738_000 + np.repeat(np.arange(days), 24)
    hour = np.tile(np.arange(24.0), days)
    flow = (2 + np.sin((hour - 9) / 24 * 2 * np.pi))[:, None] * (
        1 + 0.05 * rng.standard_normal((days * 24, dmas))
    )
    local = LocalTime(day, hour, hour.astype(np.int64), (day + 6) % 7)
    return Inflow(tuple(f"D{i}" for i in range(dmas)), flow, local, 3600)


def readings(*values: float) -> Readings:
    x = np.array(values)[:, None]
    return Readings(x, np.zeros_like(x), np.ones_like(x), np.arange(len(x)) * 24.0)


def alarms(decisions) -> list[bool]:
    return [bool(a[0, 0]) for a in decisions]


def test_a_leak_has_its_size_from_its_hour_on_or_grows_to_it_in_two_weeks() -> None:
    t = Trials(np.array([0, 0]), np.array([10.0, 10.0]), np.array([0.1, 0.1]), np.array([False, True]))
    flow = t.flow(np.arange(0.0, 500.0)[:, None])
    assert flow[9].tolist() == [0.0, 0.0]
    assert flow[10, 0] == 0.1
    assert flow[10 + 14 * 24 // 2 - 1, 1] == pytest.approx(0.05)
    assert flow[-1].tolist() == [0.1, 0.1]


def test_each_size_and_shape_is_put_into_each_dma_and_seeds_repeat() -> None:
    inflow = made(200)
    trials = draw(inflow, Period(90, 200), 3, 5)
    assert len(trials.dma) == 3 * 2 * 6 * 2
    assert all((a == b).all() for a, b in zip(trials, draw(inflow, Period(90, 200), 3, 5), strict=True))
    cut = windows(inflow, trials)
    extra = cut.flow - cut.quiet
    hours = np.arange(extra.shape[0] * 24).reshape(-1, 24)
    for i in range(len(trials.dma)):
        assert (extra[:, :, i][hours < cut.start[i]] == 0).all()
        assert extra[-1, -1, i] == pytest.approx(trials.size[i] * inflow.mean[trials.dma[i]])


def test_what_goes_on_is_one_alarm_and_an_alarm_without_the_leak_finds_nothing() -> None:
    on = [np.array([[x]]) for x in (True, True, False, True, False, False, False, False, True)]
    hours = np.arange(9) * 24.0
    assert [bool(a[0, 0]) for _, a in raised(on, hours)] == [True] + [False] * 7 + [True]
    assert count_alarms(on, hours, Period(0, 9)).tolist() == [
        [1]
    ]  # one at the very start is before the period
    both = [np.array([[w], [q]]) for w, q in ((0, 0), (1, 1), (0, 0), (0, 0), (0, 0), (0, 0), (1, 0))]
    found = delays([b.astype(bool) for b in both], np.arange(7) * 24.0, np.array([12.0]))
    assert found.tolist() == [[6 * 24.0 - 12.0]]


def test_charts_do_as_their_sources_say() -> None:
    one = np.array([1.0])
    flows = Readings(np.array([[1.0], [1.3], [1.3], [1.0]]), np.ones((4, 1)), np.ones((4, 1)), np.arange(4.0))
    assert alarms(above(flows, np.array([0.2]), nights=2)) == [False, False, True, False]
    # EWMA with weight 0.2: 0.2, 0.36, 0.488, 0.59 against L sqrt(0.2 / 1.8) = 1.5 / 3
    assert alarms(ewma(readings(1, 1, 1, 1), np.array([1.5]), weight=0.2)) == [False, False, False, True]
    # CUSUM with k 0.5, h 1: 0.5, 1.0, 1.5 -> alarm, anew
    assert alarms(cusum(readings(1, 1, 1, 1), one, k=0.5)) == [False, False, True, False]
    assert alarms(western_electric(readings(0, 3.1, 0), one, runs=False)) == [False, True, False]
    assert alarms(western_electric(readings(2.1, 0, 2.1), one, runs=False)) == [False, False, True]
    assert alarms(western_electric(readings(1.1, 1.1, 0, 1.1, 1.1), one, runs=False)) == [False] * 4 + [True]
    assert alarms(western_electric(readings(*[0.1] * 9), one, runs=True)) == [False] * 7 + [True, True]


def test_methods_are_compared_leak_by_leak_and_days_are_what_is_independent() -> None:
    day = np.repeat([100, 101, 102], 2)
    one, other = np.array([1.0, 1, 2, 2, 3, 3]), np.array([3.0, 3, 3, 3, 3, 3])
    d = difference(one, other, day)
    assert d.mean == pytest.approx(-1.0)
    assert d.error == pytest.approx(1.0 / 3**0.5)  # three days, not six leaks
    assert d.text() == "-1 ± 1"
    trials = Trials(np.zeros(6, int), day * 24.0, np.full(6, 0.02), np.arange(6) % 2 == 1)
    delay = np.where(trials.growing, 500.0, 20.0)
    got = compare(delay, np.full(6, np.inf), trials, 36.0)
    assert got["lost h"].mean == pytest.approx(260.0 - 720.0)
    assert (got["36h"].mean, got["2%"].mean, got["~2%"].mean) == (100.0, 100.0, 100.0)


def test_a_growing_leak_is_beyond_the_bound_only_where_noise_is_larger() -> None:
    inflow = made(320, 3)
    rng = np.random.default_rng(6)
    wander = np.cumsum(rng.standard_normal(320)) * 0.1
    inflow.flow[:, 2] += np.repeat(wander, 24)
    got = slow_bound(inflow, Period(90, 320))
    assert np.shape(got.found) == (3, 6)
    assert got.noise[0] < 1.0 < got.noise[2]
    assert got.found[0][1] > 0.95
    assert got.found[2][1] < got.found[0][1]
    assert all((np.diff(f) >= 0).all() for f in got.found)  # larger leaks are found as surely


def test_leakdb_rule_keeps_suspicious_days_out_of_its_window() -> None:
    flow = readings(*[10.0] * 10, 12.0, 10.5, 12.0)
    assert alarms(leakdb_mnf(flow, np.array([0.1]), window=10)) == [False] * 10 + [True, False, True]


def test_no_rival_looks_ahead() -> None:
    inflow = made(120)
    days = inflow.days()
    weekday = np.repeat(inflow.weekdays()[:, None], 2, axis=1)
    later = days.copy()
    later[100:] *= 3.0
    for rival in rivals():
        for setting in rival.settings[:: max(1, len(rival.settings) // 3)]:
            a, b = setting.read(days, weekday), setting.read(later, weekday)
            n = int(np.searchsorted(a.hours, 100 * 24.0, "right"))
            for i, (x, y) in enumerate(
                zip(
                    setting.chart(a, rival.thresholds[:4]),
                    setting.chart(b, rival.thresholds[:4]),
                    strict=True,
                )
            ):
                if i >= n:
                    break
                assert (x == y).all(), setting.label


def test_lowest_rolling_hour_needs_most_of_the_night() -> None:
    flow = np.full((1, 96, 2), 5.0)
    flow[0, 8:12, 0] = 3.0
    flow[0, 0:10, 1] = np.nan
    assert lowest(flow)[0, 0] == 3.0
    assert np.isnan(lowest(flow)[0, 1])


def test_hours_are_compared_with_days_of_the_same_kind() -> None:
    inflow = made(60, 1)
    flow = inflow.days()
    weekday = inflow.weekdays()[:, None]
    flow[weekday[:, 0] == 6] = 9.0
    r = read(flow, weekday, "day", 56)
    assert np.nanmax(r.reference[40:][weekday[40:, 0] < 6]) < 3.0
    assert np.nanmin(r.reference[40:][weekday[40:, 0] == 6]) == 9.0


def test_what_cannot_be_benchmarked_is_said_in_one_line(tmp_path: Path) -> None:
    from twuin.benchmark.inflow import read_inflow
    from twuin.benchmark.injected_parts import periods
    from waterworks.errors import BenchmarkError

    with pytest.raises(BenchmarkError, match="name one with --site"):
        read_inflow([tmp_path / "x.csv"], tmp_path / "nowhere")
    with pytest.raises(BenchmarkError, match=r"mapping\.toml"):
        read_inflow([tmp_path / "x.csv"], tmp_path)
    with pytest.raises(BenchmarkError, match="days before"):
        periods(made(100), None)
