"""A network's meters and levels become a day for the tracker: what is known, and what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from analytics.model.demand import allocate
from analytics.model.layout import Hours
from analytics.model.noise import Noise
from analytics.model.observe import observe
from analytics.model.options import Options
from analytics.model.tracker import Tracker
from analytics.model.work import done
from firmware_sim.town import demo_site_folder
from twuin.monitor.hydraulics import NetworkHydraulics
from twuin.monitor.plant import Plant, Points, Rows
from waterworks.epanet_file import read_network
from waterworks.network import NodeKind

M3H = 1 / 3600
DAY = 86400

# Low town (a, from reservoir R), and a hill (b, with tank T) that a pump serves.
TOWN = """
[JUNCTIONS]
 a1 0 4
 a2 0 4
 a3 0 4
 s 0 0
 u 0 0
 b1 20 3
 b2 20 3
 t 20 0
[RESERVOIRS]
 R 40
[TANKS]
 T 45 3 0 6 10 0
[PIPES]
 m0 R a1 50 400 120 0 Open
 p1 a1 a2 200 100 120 0 Open
 p2 a2 a3 200 100 120 0 Open
 m1 s a3 20 100 120 0 Open
 m2 u b1 20 100 120 0 Open
 p3 b1 b2 300 80 120 0 Open
 p4 b2 t 50 100 120 0 Open
 m3 T t 10 100 120 0 Open
[PUMPS]
 PU s u HEAD C
[CURVES]
 C 12 30
[CONTROLS]
 LINK PU OPEN IF NODE T BELOW 2
 LINK PU CLOSED IF NODE T ABOVE 5
[OPTIONS]
 Units CMH
 Headloss H-W
[END]
"""
NO_TANK = (
    TOWN.replace("[TANKS]\n T 45 3 0 6 10 0\n", "")
    .replace(" m3 T t 10 100 120 0 Open\n", "")
    .replace(" LINK PU OPEN IF NODE T BELOW 2\n LINK PU CLOSED IF NODE T ABOVE 5\n", "")
)


@contextmanager
def plant(
    folder: Path,
    text: str,
    flows: Sequence[str],
    levels: Sequence[str] = ("T",),
    pressures: Sequence[str] = ("a2", "b2"),
    consumption: Sequence[str] = (),
) -> Iterator[Plant]:
    path = folder / "network.inp"
    path.write_text(text)
    n = read_network(path)
    made = Plant(
        n,
        path,
        Points(
            np.array([n.node_index[x] for x in pressures], np.int64),
            np.array([n.link_index[x] for x in flows], np.int64),
            np.array([n.node_index[x] for x in levels], np.int64),
            np.array([n.node_index[x] for x in consumption], np.int64),
        ),
    )
    try:
        yield made
    finally:
        made.close()


def day(made: Plant, flow: dict[int, object], level: object = 3.0, consumption: object = 0.0) -> Hours:
    """A day of quarter hours; flow [m3/h] by column, each a number or one for each quarter hour, as levels
    [m] and consumption [m3/h] are. A row before the day sets out from the first level."""
    count, p = 97, made.points

    def columns(values: object, width: int) -> np.ndarray:
        one = np.asarray(values, float)
        if one.ndim == 1:
            one = np.concatenate([one[:1], one])[:, None]
        return np.broadcast_to(one, (count, width)).copy()

    flows = np.hstack([columns(flow.get(k, 0.0), 1) for k in range(len(p.flow))] or [np.zeros((count, 0))])
    rows = Rows(
        np.arange(-1, 96) * 900,
        columns(30.0, len(p.pressure)),
        flows * M3H,
        columns(level, len(p.level)),
        columns(consumption, len(p.consumption)) * M3H,
    )
    return made.day(rows, 1 + 4 * np.arange(25), np.arange(24), 0)


def test_a_pump_moves_what_the_meter_in_line_with_it_says(tmp_path: Path) -> None:
    with plant(tmp_path, TOWN, ["m0", "m1"]) as made:
        assert made.unmetered_pumps == []
        assert [made.network.link_ids[k] for k in made.layout.imposed] == ["PU"]
        # The meter looks the other way: it counts what goes back.
        got = day(made, {0: 20.0, 1: -8.0})
    np.testing.assert_allclose(got.imposed[:, 0], 8 * M3H)
    np.testing.assert_allclose(got.inflow[:, made.layout.zone[made.network.node_index["b1"]]], 8 * M3H)


def test_the_demo_town_s_pump_is_known_by_the_meter_before_it() -> None:
    path = demo_site_folder() / "network.inp"
    n = read_network(path)
    links = np.array([n.link_index[x] for x in ("D6-M", "MPS1")], np.int64)
    tank = np.array([n.node_index["TANK-1"]], np.int64)
    made = Plant(n, path, Points(np.zeros(0, np.int64), links, tank, np.zeros(0, np.int64)))
    assert (made.unmetered_pumps, [n.link_ids[k] for k in made.layout.imposed]) == ([], ["PUMP-1"])
    made.close()


def test_a_pump_without_a_meter_is_known_by_the_tank_that_takes_its_water(tmp_path: Path) -> None:
    text = TOWN.replace(" b1 20 3\n b2 20 3\n", " b1 20 0\n b2 20 0\n")
    rise = np.linspace(2.0, 4.4, 96)  # 2.4 m in 95 quarter hours
    with plant(tmp_path, text, ["m0"]) as made:
        assert made.unmetered_pumps == []
        got = day(made, {0: 20.0}, rise)
    rate = 2.4 / (95 * 900) * np.pi * 25
    np.testing.assert_allclose(got.imposed[1:, 0], rate, rtol=1e-9)


def test_pressures_that_rest_on_a_pump_of_which_nothing_is_known_are_left_out(tmp_path: Path) -> None:
    with plant(tmp_path, TOWN, ["m0"], pressures=("a1", "b2")) as made:
        assert made.unmetered_pumps == ["PU"]
        got = day(made, {0: 20.0})
    assert np.isfinite(got.head[:, 0]).all()  # beside the reservoir it makes no difference
    assert np.isnan(got.head[:, 1]).all()


def test_a_pump_that_alone_serves_a_part_works_on_its_curve(tmp_path: Path) -> None:
    standing = np.where(np.arange(96) < 22, 0.1, 6.0)  # until 05:30, its meter creeps
    with plant(tmp_path, NO_TANK, ["m0", "PU"], levels=()) as made:
        assert made.unmetered_pumps == []
        assert len(made.layout.imposed) == 0
        got = day(made, {0: 20.0, 1: standing})
        demand = np.zeros((1, len(made.network.node_ids)))
        demand[0, made.network.node_index["b2"]] = 6 * M3H
        head, flow = made.solver.solve(demand, got.fixed[-1:])
        hydraulics = NetworkHydraulics(made.network, made.solver)
        assert np.isfinite(hydraulics.linear(head[0], flow[0]).slope[made.network.link_index["PU"]])
        b2 = made.network.node_index["b2"]
    assert 40 < head[0, b2] < 80
    assert np.isfinite(got.head[:, 0]).all()
    assert np.isnan(got.head[:6, 1]).all()  # while it stands nothing holds the hill's heads
    assert np.isfinite(got.head[6:, 1]).all()
    assert (got.fixed[:, -1] == 1).all()


def test_of_two_pumps_side_by_side_that_runs_which_its_meter_says(tmp_path: Path) -> None:
    text = NO_TANK.replace(" PU s u HEAD C\n", " PU s u HEAD C\n PV s u HEAD C\n")
    first = np.arange(96) < 48
    with plant(tmp_path, text, ["m0", "PU", "PV"], levels=()) as made:
        got = day(made, {0: 20.0, 1: 6.0 * first, 2: 6.0 * ~first})
    assert got.fixed[:, -2].tolist() == [1.0] * 12 + [0.0] * 12
    assert got.fixed[:, -1].tolist() == [0.0] * 12 + [1.0] * 12
    assert np.isfinite(got.head).all()


def test_a_silent_meter_takes_its_own_zone_s_pressures_with_it_and_no_others(tmp_path: Path) -> None:
    silent = np.where(np.arange(96) < 40, 20.0, np.nan)
    with plant(tmp_path, TOWN, ["m0", "m1", "p2"]) as made:
        zone = made.layout.zone[[made.network.node_index[x] for x in ("a1", "a3", "b2")]]
        got = day(made, {0: silent, 1: -8.0, 2: 12.0})
    assert np.isfinite(got.head[:10]).all()
    assert np.isnan(got.head[10:, 0]).all()
    assert np.isfinite(got.head[:, 1]).all()
    assert np.isnan(got.inflow[10:, zone[0]]).all()
    assert np.isfinite(got.inflow[:, zone[1:]]).all()


@pytest.mark.parametrize("what", ["level", "pump"])
def test_while_a_level_or_a_pump_s_meter_is_silent_what_rests_on_it_is_left_out(
    tmp_path: Path, what: str
) -> None:
    gone = np.where(np.arange(96) < 40, np.nan, 3.0)
    with plant(tmp_path, TOWN, ["m0", "m1"], pressures=("a1", "b2")) as made:
        if what == "level":
            got = day(made, {0: 20.0, 1: -8.0}, gone)
        else:
            got = day(made, {0: 20.0, 1: -8.0 * gone / 3})
    assert np.isfinite(got.fixed).all()
    assert np.isfinite(got.imposed).all()
    assert np.isnan(got.head[:10, 1]).all()
    assert np.isfinite(got.head[11:, 1]).all()


def test_a_metered_zone_whose_meters_are_silent_has_no_balance(tmp_path: Path) -> None:
    used = np.where(np.arange(96) < 40, np.nan, 3.0)
    with plant(tmp_path, TOWN, ["m0", "m1"], consumption=("b1", "b2")) as made:
        hill = made.layout.zone[made.network.node_index["b1"]]
        got = day(made, {0: 20.0, 1: -8.0}, consumption=used)
    assert np.isnan(got.inflow[:10, hill]).all()
    np.testing.assert_allclose(got.inflow[10:, hill], 8 * M3H)


def test_a_valve_that_the_file_throttles_by_the_clock_is_not_believed(tmp_path: Path) -> None:
    text = TOWN.replace(" p1 a1 a2 200 100 120 0 Open\n", "")
    text = text.replace("[CURVES]", "[VALVES]\n V a1 a2 100 PRV 30 0\n[CURVES]")
    text = text.replace("[CONTROLS]\n", "[CONTROLS]\n LINK V 20 AT CLOCKTIME 10 PM\n")
    with plant(tmp_path, text, ["m0", "m1"], pressures=("a1", "a3", "b2")) as made:
        assert made.unmetered_pumps == []
        got = day(made, {0: 20.0, 1: -8.0})
    assert np.isfinite(got.head[:, [0, 2]]).all()
    assert np.isnan(got.head[:, 1]).all()


def test_without_any_meter_or_reading_a_day_is_still_a_day(tmp_path: Path) -> None:
    with plant(tmp_path, TOWN, [], levels=(), pressures=()) as made:
        got = day(made, {})
        assert got.head.shape == (24, 0)
        empty = Rows(
            np.zeros(0, np.int64), np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0))
        )
        got = made.day(empty, np.zeros(25, np.int64), np.arange(24), 0)
    assert np.isfinite(got.fixed).all()


def test_hours_without_supply_say_nothing_of_leaks_there_and_hours_elsewhere_do(tmp_path: Path) -> None:
    with plant(tmp_path, TOWN, ["m0", "m1"], pressures=("a2", "b2")) as made:
        hill = made.layout.zone[made.network.node_index["b1"]]
        low = made.layout.zone[made.network.node_index["a2"]]
        p = made.points
        pressure = np.full((97, 2), 30.0)
        pressure[1 + 40 : 1 + 48, 1] = 0.0  # 10 to 12 o'clock
        rows = Rows(
            np.arange(-1, 96) * 900,
            pressure,
            np.tile([20.0 * M3H, -8.0 * M3H], (97, 1)),
            np.full((97, len(p.level)), 3.0),
            np.zeros((97, 0)),
        )
        got = made.day(rows, 1 + 4 * np.arange(25), np.arange(24), 0)
    off = np.isin(np.arange(24), [9, 10, 11, 12, 13])  # as it goes, and while it comes back
    assert np.isnan(got.head[off, 1]).all()
    assert np.isnan(got.inflow[off, hill]).all()
    assert np.isfinite(got.head[~off]).all()
    assert np.isfinite(got.inflow[:, low]).all()


def test_a_zone_into_which_nothing_flows_is_without_supply(tmp_path: Path) -> None:
    shut = np.where(np.arange(96) // 4 == 15, 0.0, 20.0)
    with plant(tmp_path, TOWN, ["m0", "m1"]) as made:
        got = day(made, {0: shut + 8.0 * (shut == 0), 1: -8.0})  # all that flows in goes up the hill
        low = made.layout.zone[made.network.node_index["a2"]]
    off = np.isin(np.arange(24), [14, 15, 16, 17])
    assert np.isnan(got.inflow[off, low]).all()
    assert np.isfinite(got.inflow[~off, low]).all()


def test_what_only_passes_through_is_not_balanced_to_the_drop(tmp_path: Path) -> None:
    quiet = np.zeros((0, 9)), np.zeros(0)
    with plant(tmp_path, TOWN, ["m0", "m1", "PU"]) as made:
        chamber = made.layout.zone[made.network.node_index["s"]]
        hydraulics = NetworkHydraulics(made.network, made.solver)
        hours = day(made, {0: 20.0, 1: -8.0, 2: 8.0})
        seen, _ = done(observe(made.layout, hydraulics, Options(), hours, *quiet, None))
        inflow = seen.inflow.reshape(3, made.layout.zones)
        noise = Noise(Options(), 2, made.layout.zones)
        noise.begin(seen.residual[6:], seen.inflow)
    # Of 20 m3/h that the town takes 2 are taken to pass: its two meters may differ by 4 % of that.
    np.testing.assert_allclose(inflow[:, chamber], 2 * M3H)
    sd = np.sqrt(noise.balance.reshape(3, -1)[:, chamber])
    np.testing.assert_allclose(sd, 0.04 * 2 * M3H, rtol=0.01)


def test_a_zone_without_a_meter_may_use_more_or_less_than_the_others_all_together(tmp_path: Path) -> None:
    quiet = np.zeros((0, 10)), np.zeros(0)
    with plant(tmp_path, TOWN, ["m1"], pressures=("a2", "a3", "b2")) as made:
        low, hill = made.layout.zone[[made.network.node_index[x] for x in ("a2", "b2")]]
        hydraulics = NetworkHydraulics(made.network, made.solver)
        hours = day(made, {0: -12.0})
        given = allocate(made.layout, hours, np.zeros(10))
        seen, reference = done(observe(made.layout, hydraulics, Options(), hours, *quiet, None))
        silent = hours._replace(inflow=np.where(np.arange(24)[:, None] < 8, np.nan, hours.inflow))
        later = allocate(made.layout, silent, np.zeros(10))
    assert given.borrowed[[low, hill]].tolist() == [True, False]
    assert not later.borrowed[hill]  # it is measured, though not at night
    assert reference is not None
    assert reference.borrowed[[low, hill]].tolist() == [True, False]
    # The hill uses twice what the file says, so the low town is taken to.
    a1 = made.network.node_index["a1"]
    np.testing.assert_allclose(given.guessed[:, a1], 8 * M3H)
    np.testing.assert_allclose(later.demand[:8, made.network.node_index["b2"]], 3 * M3H)  # as the file says
    # Two sensors there go up and down as one: their noise is shared beyond what single junctions give.
    noise = seen.noise[2]
    assert noise[0, 1] > 0.9 * np.sqrt(noise[0, 0] * noise[1, 1])


Readings = tuple[np.ndarray, np.ndarray, np.ndarray]
SENSORS = ("a1", "a2", "a3", "b1", "b2")


def track(made: Plant, edit: Callable[[int, Readings], Readings], days: int, leak: float = 0.0) -> Tracker:
    """So many days of hourly readings of the town, whose pump always moves 6 m3/h.

    ``edit`` makes of a day's pressures, flows and levels what arrives. leak [m3/h]: at b2, from the ninth
    day on.
    """
    rng = np.random.default_rng(1)
    n, solver, points = made.network, made.solver, made.points
    tracker = Tracker(made.layout, NetworkHydraulics(n, solver))
    hill = [n.node_index[x] for x in ("b1", "b2")]
    for d in range(days):
        demand = solver.weekly[:24] * rng.normal(1, 0.1, (24, len(n.node_ids)))
        if d >= 8:
            demand[:, hill[1]] += leak * M3H
        rise = (6 * M3H - demand[:, hill].sum(1)) * 3600 / (np.pi * 25)
        level = 3.0 + np.concatenate([[0.0], np.cumsum(rise)])[:, None]
        if len(made.layout.imposed):
            demand[:, n.node_index["s"]] += 6 * M3H
            demand[:, n.node_index["u"]] -= 6 * M3H
        tank = n.node_kind[solver.fixed] == NodeKind.TANK
        bounds = [n.elevation[solver.fixed] + np.where(tank, level[1:], 0.0)]
        head, flow = solver.solve(demand, np.hstack([*bounds, np.ones((24, len(solver.switched)))]))
        pressure = head[:, points.pressure] - n.elevation[points.pressure]
        pressure += rng.normal(0, 0.01, pressure.shape)
        measured = flow[:, points.flow]
        measured[:, points.flow == n.link_index["m1"]] = -6 * M3H
        level = np.tile(level, (1, len(points.level)))
        p, q, h = edit(d, (pressure, measured, level[1:]))
        rows = Rows(
            d * DAY + 3600 * np.arange(-1, 24),
            np.vstack([p[:1], p]),
            np.vstack([q[:1], q]),
            np.vstack([level[:1], h]),
            np.zeros((25, 0)),
        )
        tracker.advance(made.day(rows, 1 + np.arange(25), np.arange(24), d % 7))
    return tracker


def whole(_: int, readings: Readings) -> Readings:
    return readings


def gone(
    days: range, which: int | None = None, column: int | None = None
) -> Callable[[int, Readings], Readings]:
    def edit(d: int, readings: Readings) -> Readings:
        out = tuple(x.copy() for x in readings)
        for k, values in enumerate(out):
            if d in days and which in (None, k):
                values[:, slice(None) if column is None else column] = np.nan
        return out[0], out[1], out[2]

    return edit


@pytest.mark.parametrize(
    ("flows", "levels", "pressures", "edit"),
    [
        pytest.param(["m0", "m1"], ["T"], SENSORS, whole, id="all is measured"),
        pytest.param(["m0", "m1"], ["T"], (), whole, id="no pressures"),
        pytest.param(["m0", "m1"], ["T"], ("b2",), whole, id="one pressure"),
        pytest.param(["m0", "m1"], [], SENSORS, whole, id="no level"),
        pytest.param([], ["T"], SENSORS, whole, id="no meter"),
        pytest.param(["m0", "m1"], ["T"], SENSORS, gone(range(2)), id="nothing for the first days"),
        pytest.param(["m0", "m1"], ["T"], SENSORS, gone(range(7, 8)), id="a day is missing"),
        pytest.param(["m0", "m1"], ["T"], SENSORS, gone(range(6, 12), 1), id="no meter speaks for days"),
        pytest.param(["m0", "m1"], ["T"], SENSORS, gone(range(6, 12), 1, 0), id="one is silent for days"),
        pytest.param(["m0", "m1"], ["T"], SENSORS, gone(range(6, 12), 2), id="the level is silent for days"),
        pytest.param(["m0", "m1"], ["T"], SENSORS, gone(range(6, 99), 0), id="pressures end"),
        pytest.param(["m0", "m1"], ["T"], SENSORS, gone(range(6), 0, 1), id="a sensor comes later"),
    ],
)
def test_what_is_not_measured_makes_up_no_leak(
    tmp_path: Path,
    flows: list[str],
    levels: list[str],
    pressures: tuple[str, ...],
    edit: Callable[[int, Readings], Readings],
) -> None:
    with plant(tmp_path, TOWN, flows, levels, pressures) as made:
        tracker = track(made, edit, 14)
    assert [note for note in tracker.notes if note.what == "found"] == []


def test_a_leak_is_found_while_the_meter_of_another_zone_is_silent(tmp_path: Path) -> None:
    with plant(tmp_path, TOWN, ["m0", "m1"], ["T"], SENSORS) as made:
        tracker = track(made, gone(range(6, 99), 1, 0), 14, leak=3.0)
        (leak,) = tracker.open
        pipe = made.pipe_ids[int(np.argmax(leak.probability))]
    assert pipe in ("m2", "p3", "p4", "m3")
    assert leak.flow[13] == pytest.approx(3.0 * M3H, rel=0.4)
