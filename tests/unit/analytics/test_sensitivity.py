"""Answers to leaks by the adjoint, against EPANET solved with and without the leak."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from epanet import toolkit

from analytics.sensitivity import Finite, Law, Linear, head_response, pump_slope
from firmware_sim.town import demo_site_folder
from twuin.monitor.locate import linearise
from waterworks.epanet_file import read_network
from waterworks.hydraulics import steady_states
from waterworks.network import NodeKind

M3H = 1 / 3600


class Epanet:
    """The first instant of a model's day, with water taken at a node."""

    def __init__(self, path: Path, scratch: Path) -> None:
        self.project = toolkit.createproject()
        toolkit.open(self.project, str(path), str(scratch / "report.txt"), "")
        toolkit.setoption(self.project, toolkit.ACCURACY, 1e-5)
        toolkit.setoption(self.project, toolkit.TRIALS, 500)
        toolkit.setstatusreport(self.project, toolkit.NO_REPORT)
        self.per_si = {"CMH": 3600.0, "LPS": 1000.0}[read_network(path).units]
        toolkit.addpattern(self.project, "even")
        self.even = toolkit.getpatternindex(self.project, "even")
        multiplier = toolkit.getoption(self.project, toolkit.DEMANDMULT)
        self.per_si /= multiplier

    def heads(self, node: int | None = None, taken: float = 0.0) -> np.ndarray:
        p = self.project
        if node is not None:
            toolkit.adddemand(p, node + 1, taken * self.per_si, "even", "")
        toolkit.openH(p)
        toolkit.initH(p, toolkit.INITFLOW)
        toolkit.runH(p)
        n = toolkit.getcount(p, toolkit.NODECOUNT)
        head = np.array([toolkit.getnodevalue(p, i, toolkit.HEAD) for i in range(1, n + 1)])
        toolkit.closeH(p)
        if node is not None:
            toolkit.deletedemand(p, node + 1, toolkit.getnumdemands(p, node + 1))
        return head

    def close(self) -> None:
        toolkit.close(self.project)
        toolkit.deleteproject(self.project)


def compare(
    path: Path, scratch: Path, taken: float, *, finite: bool, nodes: int = 25
) -> tuple[np.ndarray, np.ndarray]:
    """Answers (M, K) [m]: ours and EPANET's."""
    network = read_network(path)
    states = steady_states(path, [_start_hour(path, scratch)])
    state = linearise(network, states.head[0], states.flow[0], states.status[0])
    fixed = network.node_kind != NodeKind.JUNCTION
    start, end = network.start.astype(np.int64), network.end.astype(np.int64)
    rng = np.random.default_rng(1)
    junctions = np.flatnonzero(~fixed & (network.base_demand > 0))
    sensors = rng.choice(junctions, 40, replace=False)
    leaks = rng.choice(junctions, nodes, replace=False)
    if finite:
        links = state.linear, state.law, state.flow, start, end, fixed
        ours = Finite(*links).response(sensors, leaks, taken, rounds=2)
    else:
        ours = head_response(state.linear, start, end, fixed, sensors)[:, leaks] * taken
    model = Epanet(path, scratch)
    before = model.heads()
    theirs = np.column_stack([(model.heads(int(k), taken) - before)[sensors] for k in leaks])
    model.close()
    return ours, theirs


def _start_hour(path: Path, scratch: Path) -> float:
    project = toolkit.createproject()
    toolkit.open(project, str(path), str(scratch / "report.txt"), "")
    hour = toolkit.gettimeparam(project, toolkit.STARTTIME) / 3600
    toolkit.close(project)
    toolkit.deleteproject(project)
    return float(hour)


def assert_close(ours: np.ndarray, theirs: np.ndarray, share: float, floor: float) -> None:
    """Within a share of the largest answer to the same leak, and ``floor`` [m]."""
    allowed = share * np.abs(theirs).max(axis=0) + floor
    worst = np.abs(ours - theirs) / allowed
    assert worst.max() < 1, f"{worst.max():.2f} times the tolerance"


@pytest.fixture
def town(tmp_path: Path) -> Path:
    return Path(shutil.copy(demo_site_folder() / "network.inp", tmp_path / "network.inp"))


def test_small_leaks_are_felt_as_epanet_says(town: Path, tmp_path: Path) -> None:
    ours, theirs = compare(town, tmp_path, 0.02 * M3H, finite=False)
    assert np.abs(theirs).max() > 0.001
    assert_close(ours, theirs, 0.03, 2e-5)


def test_a_leak_as_large_as_a_districts_inflow_is_felt_as_epanet_says(town: Path, tmp_path: Path) -> None:
    ours, theirs = compare(town, tmp_path, 10 * M3H, finite=True)
    assert_close(ours, theirs, 0.08, 5e-3)


@pytest.mark.data
def test_small_leaks_in_l_town_are_felt_as_epanet_says(data_dir: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(data_dir / "ltown" / "network.inp", tmp_path / "network.inp"))
    ours, theirs = compare(path, tmp_path, 0.1 * M3H, finite=False, nodes=40)
    assert_close(ours, theirs, 0.01, 5e-5)


# A line of hand: reservoir 0 - pipe - 1 - pipe - 2, and a PRV from 2 to 3, pipe to 4; node 5 stands alone.
START = np.array([0, 1, 2, 3])
END = np.array([1, 2, 3, 4])
FIXED = np.array([True, False, False, False, False, False])


def test_a_leak_in_a_line_costs_the_slopes_on_its_way() -> None:
    linear = Linear(np.array([10.0, 20.0, 1.0, 40.0]), np.zeros(4, np.int64))
    r = head_response(linear, START, END, FIXED, np.array([1, 2, 4]))
    assert r[0] == pytest.approx([0, -10, -10, -10, -10, 0], rel=1e-5)
    assert r[1] == pytest.approx([0, -10, -30, -30, -30, 0], rel=1e-5)
    assert r[2] == pytest.approx([0, -10, -30, -31, -71, 0], rel=1e-5)


def test_behind_an_active_prv_only_its_own_district_feels_a_leak_there_and_all_upstream_do() -> None:
    linear = Linear(np.array([10.0, 20.0, np.inf, 40.0]), np.array([0, 0, 1, 0]))
    r = head_response(linear, START, END, FIXED, np.array([2, 3, 4]))
    assert r[0] == pytest.approx([0, -10, -30, -30, -30, 0], rel=1e-5)  # its flow passes upstream
    assert r[1] == pytest.approx(np.zeros(6), abs=1e-6)  # held
    assert r[2] == pytest.approx([0, 0, 0, 0, -40, 0], abs=1e-6, rel=1e-5)  # upstream leaks do not pass


def test_a_closed_link_passes_nothing_and_what_it_cuts_off_answers_nothing() -> None:
    linear = Linear(np.array([10.0, np.inf, 1.0, 40.0]), np.zeros(4, np.int64))
    r = head_response(linear, START, END, FIXED, np.array([1, 4]))
    assert r[0] == pytest.approx([0, -10, 0, 0, 0, 0], rel=1e-5, abs=1e-9)
    assert np.all(r[1] == 0)


def test_a_large_leak_costs_what_the_head_loss_law_says() -> None:
    law = Law(np.full(4, 1e4), np.zeros(4), 2.0)
    flow = np.full(4, 0.01)
    linear = Linear(2 * 1e4 * flow, np.zeros(4, np.int64))
    found = Finite(linear, law, flow, START, END, FIXED).response(np.array([4]), np.array([2, 5]), 0.02)
    assert found[0, 0] == pytest.approx(-2 * 1e4 * (0.03**2 - 0.01**2), rel=1e-4)
    assert found[0, 1] == 0


@pytest.mark.parametrize(
    ("points", "speed"),
    [
        ([(0.01, 30.0)], 1.0),
        ([(0.01, 30.0)], 0.8),
        ([(0.0, 60.0), (0.01, 45.0), (0.02, 10.0)], 1.0),
        ([(0.0, 60.0), (0.01, 45.0), (0.02, 10.0)], 0.9),
        ([(0.0, 60.0), (0.005, 55.0), (0.01, 45.0), (0.02, 10.0)], 1.0),
        ([(0.002, 60.0), (0.01, 45.0), (0.02, 10.0)], 1.1),
    ],
)
def test_a_pumps_slope_is_that_of_its_curve(points: list[tuple[float, float]], speed: float) -> None:
    curve = np.array(points)
    for flow in (0.004, 0.008, 0.013):
        head, slope = pump_slope(curve, flow, speed)
        step = 1e-6
        more, less = (pump_slope(curve, flow + d, speed)[0] for d in (step, -step))
        assert slope == pytest.approx((less - more) / (2 * step), rel=1e-4)
        assert 0 < head < 80
    if speed == 1.0:  # through its points
        for flow, head in points:
            assert pump_slope(curve, flow)[0] == pytest.approx(head, abs=0.01)
