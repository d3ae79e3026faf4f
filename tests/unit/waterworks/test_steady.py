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
