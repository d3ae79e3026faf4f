from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from firmware_sim.town import demo_site_folder
from waterworks.epanet_file import read_network
from waterworks.errors import NetworkError
from waterworks.hydraulics import Status, steady_states
from waterworks.network import NodeKind

TOWN = demo_site_folder() / "network.inp"
HOURS = [2.0, 5.5, 17.25, 23.75]


def test_what_flows_into_a_junction_leaves_it() -> None:
    n, s = read_network(TOWN), steady_states(TOWN, HOURS)
    into = np.zeros_like(s.head)
    for k in range(len(HOURS)):
        np.add.at(into[k], n.end, s.flow[k])
        np.subtract.at(into[k], n.start, s.flow[k])
    np.testing.assert_allclose(into, s.demand, atol=1e-6)  # m3/s; for tanks and the spring too
    assert s.balanced.all()


def test_pipes_lose_head_as_hazen_and_williams_say() -> None:
    n, s = read_network(TOWN), steady_states(TOWN, HOURS)
    pipes = np.flatnonzero((n.length > 0) & n.open)
    q = s.flow[:, pipes]
    # Rossman, EPANET 2.2 manual, table 3.1 in SI: h = 10.67 C^-1.852 d^-4.871 L q^1.852
    h = 10.67 * n.roughness[pipes] ** -1.852 * n.diameter[pipes] ** -4.871 * n.length[pipes]
    loss = h * np.abs(q) ** 1.852 * np.sign(q)
    np.testing.assert_allclose(
        s.head[:, n.start[pipes]] - s.head[:, n.end[pipes]], loss, rtol=0.005, atol=0.002
    )


def test_hours_come_in_the_order_asked_for() -> None:
    forth, back = steady_states(TOWN, HOURS), steady_states(TOWN, HOURS[::-1])
    np.testing.assert_allclose(forth.head, back.head[::-1])
    assert forth.hours.tolist() == HOURS


def test_an_hour_is_the_same_whichever_others_are_asked_for() -> None:
    alone, among = steady_states(TOWN, [17.25]), steady_states(TOWN, HOURS)
    np.testing.assert_allclose(alone.head[0], among.head[2], atol=1e-3)


def test_a_prv_that_holds_its_pressure_is_told_from_an_open_one() -> None:
    n, s = read_network(TOWN), steady_states(TOWN, HOURS)
    valves = [n.link_index[v] for v in ("PRV-1", "PRV-2", "PRV-3")]
    assert (s.status[:, valves] == Status.ACTIVE).all()
    for v in valves:
        np.testing.assert_allclose(s.head[:, n.end[v]], n.elevation[n.end[v]] + n.setting[v], atol=1e-3)
    assert (s.status[:, [n.link_index["BV-1"], n.link_index["BV-2"]]] == Status.CLOSED).all()


def test_a_prv_whose_setting_is_never_reached_is_open(network_file: Callable[[str], Path]) -> None:
    text = (
        "[JUNCTIONS]\n a 0 0\n b 0 1\n[RESERVOIRS]\n r 30\n[PIPES]\n p r a 10 200 130\n"
        "[VALVES]\n v a b 200 PRV 50 0\n[OPTIONS]\n Units LPS\n[END]\n"
    )
    path = network_file(text)
    s = steady_states(path, [0])
    assert s.status[0, read_network(path).link_index["v"]] == Status.OPEN


def test_hours_are_clock_time_where_the_model_starts_in_the_morning(tmp_path: Path) -> None:
    text = TOWN.read_text(encoding="utf-8")
    assert "Start ClockTime 12 am" in text
    late = tmp_path / "late.inp"
    # Begun six hours later by the clock, with the pattern shifted as much: the same day.
    late.write_text(
        text.replace("Start ClockTime 12 am", "Start ClockTime 6 am\n Pattern Start 6:00"), encoding="utf-8"
    )
    n = read_network(TOWN)
    junction = n.node_kind == NodeKind.JUNCTION
    a, b = steady_states(TOWN, [7, 12.5]), steady_states(late, [7, 12.5])
    np.testing.assert_allclose(a.demand[:, junction], b.demand[:, junction], atol=1e-9)


def test_hours_beyond_a_day_are_refused() -> None:
    with pytest.raises(ValueError, match="within a day"):
        steady_states(TOWN, [24])
    with pytest.raises(ValueError, match="within a day"):
        steady_states(TOWN, [float("nan")])


def test_no_hours_give_empty_states() -> None:
    s = steady_states(TOWN, [])
    assert s.head.shape == (0, len(read_network(TOWN).node_ids))
    assert s.flow.shape[0] == 0


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"none\.inp"):
        steady_states(tmp_path / "none.inp", [0])
