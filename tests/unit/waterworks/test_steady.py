"""Steady states for demands and heads that somebody measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware_sim.town import demo_site_folder
from waterworks.epanet_file import read_network
from waterworks.hydraulics import steady_states
from waterworks.network import LinkKind
from waterworks.steady import WEEK_HOURS, SteadySolver


@pytest.fixture(scope="module")
def path() -> Path:
    return demo_site_folder() / "network.inp"


def test_given_what_a_run_found_it_finds_the_same(path: Path) -> None:
    network = read_network(path)
    states = steady_states(path, [3.0, 8.0, 19.0])
    pumps = np.flatnonzero(network.link_kind == LinkKind.PUMP)
    with SteadySolver(path, pumps.tolist()) as solver:
        demand = states.demand.copy()
        demand[:, solver.fixed] = 0.0
        for pump in pumps:  # shut, its flow given
            demand[:, network.start[pump]] += states.flow[:, pump]
            demand[:, network.end[pump]] -= states.flow[:, pump]
        head, flow = solver.solve(demand, states.head[:, solver.fixed])
    pipes = network.link_kind == LinkKind.PIPE
    np.testing.assert_allclose(head, states.head, atol=2e-3)
    np.testing.assert_allclose(flow[:, pipes], states.flow[:, pipes], atol=2e-6)


def test_weekly_demand_is_what_a_run_takes(path: Path) -> None:
    states = steady_states(path, [2.0, 12.0])
    with SteadySolver(path) as solver:
        junctions = np.setdiff1d(np.arange(states.demand.shape[1]), solver.fixed)
        assert solver.weekly.shape == (WEEK_HOURS, states.demand.shape[1])
        np.testing.assert_allclose(
            solver.weekly[2, junctions], states.demand[0, junctions], rtol=0.12, atol=1e-9
        )
        assert solver.weekly[12].sum() == pytest.approx(states.demand[1, junctions].sum(), rel=0.05)


def test_shapes_that_do_not_fit_are_refused(path: Path) -> None:
    with SteadySolver(path) as solver, pytest.raises(ValueError, match="do not fit"):
        solver.solve(np.zeros((2, 3)), np.zeros((2, len(solver.fixed))))


def test_states_do_not_depend_on_what_was_solved_before(path: Path) -> None:
    with SteadySolver(path) as solver:
        n = solver.weekly.shape[1]
        heads = np.full((1, len(solver.fixed)), 120.0)
        one, _ = solver.solve(solver.weekly[8:9], heads)
        solver.solve(np.full((1, n), 1e-5), heads + 5)
        again, _ = solver.solve(solver.weekly[8:9], heads)
    np.testing.assert_allclose(one, again, atol=1e-3)


def test_a_full_tank_takes_no_more_and_one_that_is_not_takes_what_its_level_lets_in(path: Path) -> None:
    network = read_network(path)
    tank, pipe = network.node_index["TANK-1"], network.link_index["MPS4"]
    with SteadySolver(path) as solver:  # the pump runs
        column = solver.fixed.tolist().index(tank)
        heads = np.tile(network.elevation[solver.fixed], (2, 1))
        heads[:, column] += [network.tank_max[tank] - 0.01, network.tank_max[tank] - 0.5]
        _, flow = solver.solve(solver.weekly[[3, 3]], heads)
    into = flow[:, pipe] * np.where(network.end[pipe] == tank, 1, -1) * 3600
    assert into[0] == pytest.approx(0.0, abs=1e-3)
    assert into[1] > 5


def test_links_are_on_and_off_as_each_state_says(path: Path) -> None:
    network = read_network(path)
    pump = network.link_index["PUMP-1"]
    with SteadySolver(path, switched=[pump]) as solver:
        heads = np.tile(network.elevation[solver.fixed], (3, 1))
        heads[:, network.node_kind[solver.fixed] == 2] += 2.0
        _, flow = solver.solve(solver.weekly[[3, 3, 3]], np.hstack([heads, [[1.0], [0.0], [1.0]]]))
    assert flow[1, pump] == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(flow[[0, 2], pump], flow[0, pump], rtol=1e-3)
    assert flow[0, pump] > 5e-3
