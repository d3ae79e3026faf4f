"""The tracker of leaks on a small made-up network whose hydraulics are linear, so that all of it is fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.model.layout import Hours, Layout
from analytics.model.options import M3H, Options
from analytics.model.tracker import Tracker
from analytics.radius import pipe_distances
from analytics.sensitivity import Linear

Floats = NDArray[np.float64]

SIDE = 5
SENSORS = (2, 4, 8, 11, 14, 17, 20, 22, 24)


class Grid:
    """A square grid of pipes, fed at one corner, with head loss in proportion to flow."""

    def __init__(self, seed: int = 1, wrong: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        n = SIDE * SIDE
        at = np.arange(n).reshape(SIDE, SIDE)
        across = np.stack([at[:, :-1].ravel(), at[:, 1:].ravel()])
        down = np.stack([at[:-1].ravel(), at[1:].ravel()])
        source = np.array([[n], [0]])
        self.start, self.end = np.concatenate([source, across, down], axis=1)
        self.nodes = n + 1
        self.slope = np.full(len(self.start), 400.0)
        self.slope[0] = 50.0
        self.true_slope = self.slope * np.exp(wrong * rng.standard_normal(len(self.slope)))
        self.fixed = np.zeros(self.nodes, bool)
        self.fixed[n] = True
        self.usual = np.zeros(self.nodes)
        self.usual[:n] = rng.uniform(0.5, 1.5, n) * 100 * M3H / n

    def solve_with(self, slope: Floats, demand: Floats, fixed: Floats) -> tuple[Floats, Floats]:
        w = 1 / slope
        system = np.zeros((self.nodes, self.nodes))
        for a, b, c in zip(self.start, self.end, w, strict=True):
            system[a, a] += c
            system[b, b] += c
            system[a, b] -= c
            system[b, a] -= c
        system[self.fixed] = 0.0
        system[self.fixed, self.fixed] = 1.0
        load = -demand.T.copy()
        load[self.fixed] = fixed.T
        head = np.linalg.solve(system, load).T
        return head, (head[:, self.start] - head[:, self.end]) * w

    def solve(self, demand: Floats, fixed: Floats) -> tuple[Floats, Floats]:
        return self.solve_with(self.slope, demand, fixed)

    def linear(self, head: Floats, flow: Floats) -> Linear:
        return Linear(self.slope, np.zeros(len(self.slope), np.int64))

    def layout(self, sensors: tuple[int, ...] = SENSORS) -> Layout:
        pipes = np.arange(1, len(self.start))
        length = np.full(len(pipes), 100.0)
        near = pipe_distances(self.start[pipes], self.end[pipes], length, self.nodes, 1000.0)
        zone = np.zeros(self.nodes, np.int64)
        zone[-1] = -1
        none = np.zeros(0, np.int64)
        group = np.zeros(len(pipes), np.int64)
        return Layout(
            self.start,
            self.end,
            pipes,
            length,
            group,
            near.dense(),
            self.fixed,
            zone,
            1,
            np.array(sensors, np.int64),
            none,
            none,
        )


Leaks = Callable[[int], dict[int, float]]


def days(
    grid: Grid,
    count: int,
    leaks: Leaks,
    *,
    seed: int = 3,
    sensors: tuple[int, ...] = SENSORS,
    first: int = 0,
) -> list[Hours]:
    """leaks: of a day, flow [m3/h] by pipe (index into Layout.pipes)."""
    rng = np.random.default_rng(seed)
    layout = grid.layout(sensors)
    hour = np.arange(24)
    course = 0.6 + 0.4 * np.sin((hour - 8) * np.pi / 12).clip(0)
    out = []
    for d in range(count):
        each = rng.normal(1.0, 0.3, (24, grid.nodes)).clip(0.1)
        demand = grid.usual * course[:, None] * each
        leak = np.zeros(grid.nodes)
        for pipe, flow in leaks(d).items():
            link = layout.pipes[pipe]
            leak[grid.start[link]] += flow * M3H / 2
            leak[grid.end[link]] += flow * M3H / 2
        total = demand + leak
        fixed = np.full((24, 1), 50.0)
        head, _ = grid.solve_with(grid.true_slope, total, fixed)
        measured = head[:, list(sensors)] + rng.normal(0, 0.005, (24, len(sensors)))
        out.append(
            Hours(
                hour,
                measured,
                np.full((24, len(sensors)), 0.005),
                total[:, :-1].sum(1, keepdims=True),
                np.zeros((24, 0)),
                np.zeros((24, 0)),
                fixed,
                grid.usual * course[:, None],
                (first + d) % 7,
            )
        )
    return out


def fed(grid: Grid, hours: list[Hours], sensors: tuple[int, ...] = SENSORS) -> Tracker:
    tracker = Tracker(grid.layout(sensors), grid, Options())
    for day in hours:
        tracker.advance(day)
    return tracker


def steady(pipe: int, flow: float, start: int, end: int = 10**6) -> Leaks:
    return lambda d: {pipe: flow} if start <= d < end else {}


def likeliest(tracker: Tracker, leak: int = -1) -> int:
    return int(np.argmax(list(tracker.leaks.values())[leak].probability))


def test_quiet_weeks_with_a_wrong_model_raise_nothing() -> None:
    grid = Grid(wrong=0.15)
    tracker = fed(grid, days(grid, 45, lambda d: {}))
    assert not tracker.leaks


def test_a_burst_is_found_within_two_days_with_its_place_and_flow() -> None:
    grid = Grid(wrong=0.1)
    pipe = 30
    tracker = fed(grid, days(grid, 30, steady(pipe, 6.0, 20)))
    (leak,) = tracker.leaks.values()
    assert 20 <= leak.found <= 21
    assert tracker.layout.distance[likeliest(tracker), pipe] <= 200
    assert leak.flow[29] / M3H == pytest.approx(6.0, rel=0.35)


def test_a_leak_that_grows_is_one_leak() -> None:
    grid = Grid(wrong=0.1)
    tracker = fed(grid, days(grid, 50, lambda d: {12: 0.35 * max(0, d - 15)}))
    assert len(tracker.leaks) == 1
    (leak,) = tracker.leaks.values()
    assert leak.flow[49] / M3H == pytest.approx(0.35 * 34, rel=0.3)


def test_a_repair_ends_the_leak_and_leaves_the_other() -> None:
    grid = Grid(wrong=0.1)

    def leaks(d: int) -> dict[int, float]:
        return {**steady(5, 7.0, 12, 34)(d), **steady(38, 6.0, 22)(d)}

    tracker = fed(grid, days(grid, 42, leaks))
    first, second = tracker.leaks.values()
    assert first.closed is not None and 34 <= first.closed <= 39
    assert second.closed is None
    assert tracker.layout.distance[int(np.argmax(second.probability)), 38] <= 200
    assert second.flow[41] / M3H == pytest.approx(6.0, rel=0.4)


def test_a_sensor_that_steps_is_no_leak() -> None:
    grid = Grid()
    hours = days(grid, 30, lambda d: {})
    moved = [
        h._replace(head=h.head - 0.5 * (np.arange(len(SENSORS)) == 4)) if d >= 20 else h
        for d, h in enumerate(hours)
    ]
    tracker = fed(grid, moved)
    assert not tracker.leaks
    assert [n.what for n in tracker.notes].count("sensor") >= 1


def test_a_sensor_that_drifts_is_believed_less_and_less_and_a_burst_beside_it_is_found() -> None:
    grid = Grid()
    hours = days(grid, 60, steady(30, 6.0, 45))
    moved = [
        h._replace(head=h.head - 0.05 * max(d - 20, 0) * (np.arange(len(SENSORS)) == 4))
        for d, h in enumerate(hours)
    ]
    tracker = fed(grid, moved)
    off = [n.day for n in tracker.notes if n.what == "sensor"]
    assert len(off) <= 5  # not each of forty days
    (leak,) = [k for k in tracker.open if k.flow[59] > 0.5 * M3H]
    assert leak.found <= 47
    assert leak.flow[59] == pytest.approx(6 * M3H, rel=0.3)


def test_sensors_whose_datum_is_wrong_see_a_burst_as_well_as_others() -> None:
    grid = Grid(wrong=0.1)
    hours = days(grid, 30, steady(30, 6.0, 20))
    wrong = np.random.default_rng(5).normal(0, 0.5, len(SENSORS))
    tracker = fed(grid, [h._replace(head=h.head + wrong) for h in hours])
    (leak,) = tracker.leaks.values()
    assert 20 <= leak.found <= 21
    assert tracker.layout.distance[likeliest(tracker), 30] <= 200


def test_a_repair_that_nobody_tells_of_leaves_nothing_behind() -> None:
    """The fall is a step: going on with it would make room for a leak that is not there."""
    grid = Grid(wrong=0.1)
    evening = {25: 18.5}
    tracker = fed(grid, days(grid, 40, lambda d: {30: evening.get(d, 20.0)} if 12 <= d < 26 else {}))
    (leak,) = tracker.leaks.values()
    assert leak.closed is not None and 26 <= leak.closed <= 31
    assert max(leak.flow[d] for d in leak.flow if d >= 28) < 2.0 * M3H


def test_what_begins_beside_a_leak_that_stopped_growing_is_a_leak_of_its_own() -> None:
    grid = Grid(wrong=0.1)

    def leaks(d: int) -> dict[int, float]:
        return {30: 8.0 if d >= 10 else 0.0, 31: 0.4 * min(max(0, d - 40), 15)}

    tracker = fed(grid, days(grid, 62, leaks))
    first, second = tracker.leaks.values()
    assert first.flow[61] / M3H == pytest.approx(8.0, rel=0.3)
    assert second.flow[61] / M3H == pytest.approx(6.0, rel=0.4)
    assert 41 <= second.found <= 60


def test_a_known_repair_closes_the_tracked_leak_at_once() -> None:
    grid = Grid(wrong=0.1)
    tracker = Tracker(grid.layout(), grid, Options())
    for d, h in enumerate(days(grid, 30, steady(30, 6.0, 15, 25))):
        tracker.advance(h, [30] if d == 25 else [])
    (leak,) = tracker.leaks.values()
    assert leak.closed == 25


def test_a_repair_of_a_leak_that_nobody_saw_is_no_new_leak() -> None:
    grid = Grid(wrong=0.1)
    tracker = Tracker(grid.layout(), grid, Options())
    for d, h in enumerate(days(grid, 40, steady(30, 4.0, 0, 25))):
        tracker.advance(h, [30] if d == 25 else [])
    assert all(leak.known or leak.found < 25 for leak in tracker.leaks.values())


def test_the_future_changes_nothing_that_was_decided() -> None:
    grid = Grid(wrong=0.1)
    hours = days(grid, 34, steady(30, 6.0, 20))
    short, long = fed(grid, hours[:26]), fed(grid, hours)
    assert [n for n in long.notes if n.day < 26] == short.notes
    a, b = next(iter(short.leaks.values())), next(iter(long.leaks.values()))
    assert (a.found, a.onset) == (b.found, b.onset)


def test_taken_back_it_comes_to_the_same_again() -> None:
    grid = Grid(wrong=0.1)

    def leaks(d: int) -> dict[int, float]:
        return {**steady(5, 7.0, 12, 30)(d), **steady(38, 6.0, 20)(d)}

    hours = days(grid, 36, leaks)
    tracker = fed(grid, hours[:22])
    kept = tracker.saved()
    for day in hours[22:]:
        tracker.advance(day)
    once = (list(tracker.notes), {k: (leak.flow, leak.closed) for k, leak in tracker.leaks.items()})
    tracker.restore(kept)
    assert tracker.day == 21
    for day in hours[22:]:
        tracker.advance(day)
    assert once == (tracker.notes, {k: (leak.flow, leak.closed) for k, leak in tracker.leaks.items()})


def test_the_order_of_sensors_does_not_matter() -> None:
    grid = Grid(wrong=0.1)
    order = (5, 0, 7, 2, 8, 1, 3, 6, 4)
    turned = tuple(SENSORS[i] for i in order)
    plain = days(grid, 26, steady(30, 6.0, 20))
    other = [h._replace(head=h.head[:, order]) for h in plain]
    a, b = fed(grid, plain), fed(grid, other, turned)
    assert [n.what for n in a.notes] == [n.what for n in b.notes]
    np.testing.assert_allclose(
        next(iter(a.leaks.values())).probability, next(iter(b.leaks.values())).probability, atol=1e-4
    )


def test_weeks_do_not_matter_for_when_it_happened() -> None:
    grid = Grid(wrong=0.1)
    a = fed(grid, days(grid, 26, steady(30, 6.0, 20), first=0))
    b = fed(grid, days(grid, 26, steady(30, 6.0, 20), first=7))
    assert a.notes == b.notes


def test_missing_readings_are_done_without() -> None:
    grid = Grid(wrong=0.1)
    holes = []
    for d, h in enumerate(days(grid, 32, steady(30, 6.0, 22))):
        head, inflow = h.head.copy(), h.inflow.copy()
        head[:, 2] = np.nan  # never there
        if 10 <= d < 16:
            head[:, 5] = np.nan
        if d in (7, 23):
            head[:] = np.nan
        if d == 12:
            inflow[:] = np.nan
        if d == 13:
            inflow[3:9] = np.nan
        holes.append(h._replace(head=head, inflow=inflow))
    tracker = fed(grid, holes)
    (leak,) = tracker.leaks.values()
    assert leak.found <= 25
    assert tracker.layout.distance[likeliest(tracker), 30] <= 200


@pytest.mark.parametrize("broken", [1, 2])
def test_a_day_that_breaks_the_arithmetic_costs_no_more_than_what_was_known(
    monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    grid = Grid(wrong=0.1)
    step, failed = Tracker._step, []

    def breaking(self: Tracker, d: int, hours: Hours, **how: bool) -> Iterator[None]:
        if d == 5 and len(failed) < broken:
            failed.append(d)
            raise np.linalg.LinAlgError("not positive definite")
        yield from step(self, d, hours, **how)

    monkeypatch.setattr(Tracker, "_step", breaking)
    tracker = fed(grid, days(grid, 32, steady(30, 6.0, 22)))
    assert [n.what for n in tracker.notes if n.day == 5] == (["unread"], ["anew"])[broken - 1]
    (leak,) = tracker.leaks.values()
    assert 22 <= leak.found <= 24


def test_a_network_without_a_solved_day_yet_waits() -> None:
    grid = Grid()
    hours = days(grid, 3, lambda d: {})
    blind = [h._replace(inflow=np.full_like(h.inflow, np.nan)) for h in hours]

    class Unsolvable(Grid):
        def solve(self, demand: Floats, fixed: Floats) -> tuple[Floats, Floats]:
            return np.full(demand.shape, np.nan), np.full((len(demand), len(self.start)), np.nan)

    tracker = Tracker(grid.layout(), Unsolvable(), Options())
    for h in blind:
        assert tracker.advance(h) == []
    assert np.isnan(tracker.unexplained())
