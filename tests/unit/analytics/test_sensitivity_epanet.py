"""Pressures' answers to leaks in the middle of pipes, by the adjoint, against EPANET with the pipe cut there.

The village has all that bounds an answer: a running pump, tanks, valves that hold pressure or flow, closed
links, a check valve that is shut. Each pipe in turn leaks, in EPANET at a junction put in its middle.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from epanet import toolkit

from analytics.sensitivity import head_response, leak_response
from twuin.monitor.locate import linearise
from waterworks.epanet_file import opened, read_network
from waterworks.hydraulics import Status, steady_states
from waterworks.network import LinkKind, NodeKind

LEAK_M3H = 0.02
"""Small against what flows anywhere (0.5 m3/h and more): the adjoint is the answer to a vanishing leak."""

JUNCTIONS = {  # elevation [m], demand [m3/h]
    "A": (10, 3), "B": (12, 4), "C": (8, 5), "D": (9, 4),  # the loop that pump and tank feed
    "E": (5, 3), "F": (6, 4), "G": (4, 5), "H": (5, 2),  # behind a pressure reducing valve
    "J": (10, 3), "K": (12, 4), "L": (11, 2),  # with a tank of their own, behind a flow control valve
    "M": (9, 3), "N": (9, 2),  # behind a pressure sustaining valve
    "X": (7, 0),  # cut off
}  # fmt: skip
PIPES = {  # from, to, length [m], diameter [mm], status
    "AT": ("T", "A", 300, 200, "Open"), "AB": ("A", "B", 400, 150, "Open"),
    "BC": ("B", "C", 350, 100, "Open"), "CD": ("C", "D", 300, 100, "Open"),
    "DA": ("D", "A", 450, 100, "Open"),
    "EF": ("E", "F", 250, 100, "Open"), "FG": ("F", "G", 300, 80, "Open"), "GE": ("G", "E", 200, 80, "Open"),
    "GH": ("G", "H", 150, 80, "Open"), "DF": ("D", "F", 300, 100, "Closed"),
    "HX": ("H", "X", 100, 80, "Closed"),
    "JS": ("S", "J", 200, 100, "Open"), "JK": ("J", "K", 250, 80, "Open"), "KL": ("K", "L", 200, 80, "Open"),
    "EL": ("E", "L", 300, 80, "CV"), "MN": ("M", "N", 300, 80, "Open"), "NW": ("N", "W", 300, 80, "Open"),
}  # fmt: skip
ROUGHNESS = {"H-W": 110.0, "C-M": 0.012, "D-W": 0.5}
TOLERANCE = {"H-W": 0.01, "C-M": 0.01, "D-W": 0.10}
"""Of the largest answer to the same leak. Darcy-Weisbach's friction factor is taken for constant."""

FLOOR_M = 2e-6
"""What EPANET's own accuracy leaves [m]."""


def village(headloss: str, *, cut: bool = False, curve: str = "LIFT 30 45") -> str:
    """The EPANET file; ``cut``: with a junction PIPE/2 in the middle of each pipe."""
    nodes = [f"{name} {height} {demand}" for name, (height, demand) in JUNCTIONS.items()]
    heights = {**{name: height for name, (height, _) in JUNCTIONS.items()}, "T": 50, "S": 36, "W": 36}
    pipes = []
    for name, (a, b, length, diameter, status) in PIPES.items():
        rough = ROUGHNESS[headloss]
        if cut:
            nodes.append(f"{name}/2 {(heights[a] + heights[b]) / 2} 0")
            # What shuts is the second half, so that the leak is on the side of the pipe's start.
            first = "Open" if status == "Open" else status
            pipes.append(f"{name} {a} {name}/2 {length / 2} {diameter} {rough} 0 {first}")
            pipes.append(f"{name}/b {name}/2 {b} {length / 2} {diameter} {rough} 0 {status}")
        else:
            pipes.append(f"{name} {a} {b} {length} {diameter} {rough} 0 {status}")
    parts = {
        "JUNCTIONS": nodes,
        "RESERVOIRS": ["R 20"],
        "TANKS": ["T 50 3 0 5 9 0", "S 36 2 0 4 8 0", "W 36 2 0 4 8 0"],
        "PIPES": pipes,
        "PUMPS": ["PU R A HEAD LIFT"],
        "VALVES": ["PRV C E 100 PRV 25 0", "FCV B J 100 FCV 4 0", "PSV D M 100 PSV 40 0"],
        "CURVES": curve.split(";"),
        "OPTIONS": ["Units CMH", f"Headloss {headloss}", "Accuracy 0.00001", "Trials 200"],
    }
    return "".join(f"[{name}]\n" + "\n".join(rows) + "\n" for name, rows in parts.items()) + "[END]\n"


class Answers(NamedTuple):
    """Ours and EPANET's, (M, P) [m], of sensors at all junctions to leaks in all open pipes."""

    ours: np.ndarray
    theirs: np.ndarray
    sensors: list[str]
    pipes: list[str]

    def of(self, sensor: str, pipe: str) -> tuple[float, float]:
        row, column = self.sensors.index(sensor), self.pipes.index(pipe)
        return float(self.ours[row, column]), float(self.theirs[row, column])


def answers(folder: Path, headloss: str, curve: str = "LIFT 30 45", leak_m3h: float = LEAK_M3H) -> Answers:
    whole, cut = folder / "whole.inp", folder / "cut.inp"
    whole.write_text(village(headloss, curve=curve))
    cut.write_text(village(headloss, cut=True, curve=curve))
    network = read_network(whole)
    states = steady_states(whole, [0])
    state = linearise(network, states.head[0], states.flow[0], states.status[0])
    start, end = network.start.astype(np.int64), network.end.astype(np.int64)
    fixed = np.asarray(network.node_kind != NodeKind.JUNCTION)
    # EPANET keeps a trace of flow in closed links, and so gives the node that is cut off a head.
    sensors = np.array([i for i in np.flatnonzero(~fixed) if network.node_ids[i] != "X"])
    pipes = [p for p, row in PIPES.items() if row[4] == "Open"]
    response = head_response(state.linear, start, end, fixed, sensors)
    ours = leak_response(response, start, end, np.array([network.link_index[p] for p in pipes]))
    names = [network.node_ids[i] for i in sensors]
    theirs = by_epanet(cut, names, [f"{p}/2" for p in pipes], leak_m3h)
    return Answers(ours * leak_m3h / 3600, theirs, names, pipes)


def by_epanet(path: Path, sensors: list[str], leaks: list[str], leak_m3h: float) -> np.ndarray:
    """Change of head (M, P) [m] at sensors when water leaves at each of ``leaks``, one solution a leak."""
    with opened(path) as p, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the node that is cut off has no pressure
        toolkit.setoption(p, toolkit.HEADERROR, 1e-8)
        toolkit.setoption(p, toolkit.FLOWCHANGE, 1e-7)
        rows = [toolkit.getnodeindex(p, name) for name in sensors]

        def heads() -> np.ndarray:
            toolkit.openH(p)
            toolkit.initH(p, toolkit.INITFLOW)
            toolkit.runH(p)
            found = np.array([toolkit.getnodevalue(p, row, toolkit.HEAD) for row in rows])
            toolkit.closeH(p)
            return found

        before = heads()
        columns = []
        for name in leaks:
            node = toolkit.getnodeindex(p, name)
            toolkit.setbasedemand(p, node, 1, leak_m3h)
            columns.append(heads() - before)
            toolkit.setbasedemand(p, node, 1, 0.0)
        return np.column_stack(columns)


def test_the_village_is_in_the_state_that_it_is_made_for(tmp_path: Path) -> None:
    path = tmp_path / "whole.inp"
    path.write_text(village("H-W"))
    network, states = read_network(path), steady_states(path, [0])
    status = dict(zip(network.link_ids, states.status[0].tolist(), strict=True))
    flow = dict(zip(network.link_ids, (states.flow[0] * 3600).tolist(), strict=True))
    assert {status[v] for v in ("PRV", "FCV", "PSV")} == {Status.ACTIVE}
    assert {status[p] for p in ("DF", "HX", "EL")} == {Status.CLOSED}
    assert network.link_kind[network.link_index["EL"]] == LinkKind.CVPIPE
    assert flow["PU"] > 1
    assert all(abs(flow[p]) > 0.5 for p, row in PIPES.items() if row[4] == "Open")


@pytest.mark.parametrize("headloss", ["H-W", "C-M", "D-W"])
def test_every_pressure_answers_to_a_small_leak_in_every_pipe_as_in_epanet(
    tmp_path: Path, headloss: str
) -> None:
    found = answers(tmp_path, headloss)
    allowed = TOLERANCE[headloss] * np.abs(found.theirs).max(axis=0) + FLOOR_M
    worst = np.abs(found.ours - found.theirs) / allowed
    at = np.unravel_index(worst.argmax(), worst.shape)
    assert worst.max() < 1, f"{worst.max():.2f} times: {found.sensors[at[0]]} to {found.pipes[at[1]]}"


def test_boundaries_pass_or_stop_an_answer_as_they_do_water(tmp_path: Path) -> None:
    found = answers(tmp_path, "H-W")
    size = np.abs(found.theirs).max()
    for sensor, pipe, felt in (
        ("C", "FG", True),  # what a leak behind the reducing valve takes passes through the loop
        ("G", "BC", False),  # but the valve holds the pressure behind it
        ("E", "FG", False),
        ("H", "FG", True),
        ("F", "CD", False),  # past the closed pipe
        ("B", "JK", False),  # the flow control valve lets pass what it did,
        ("K", "BC", False),
        ("K", "JK", True),
        ("L", "EF", False),  # the check valve is shut
        ("A", "AB", True),  # the pump and the tank give way a little
    ):
        ours, theirs = found.of(sensor, pipe)
        assert (abs(ours) > 1e-3 * size, abs(theirs) > 1e-3 * size) == (felt, felt), (sensor, pipe)


@pytest.mark.parametrize("curve", ["40 45", "0 70;30 55;60 20", "0 70;20 60;30 55;60 20"])
def test_what_a_pump_alone_feeds_answers_by_its_curve(tmp_path: Path, curve: str) -> None:
    points = "\n".join(f"LIFT {point}" for point in curve.split(";"))
    path = tmp_path / "pumped.inp"
    path.write_text(
        "[JUNCTIONS]\nA 10 0\nB 8 35\n[RESERVOIRS]\nR 20\n[PIPES]\nAB A B 100 200 110 0 Open\n"
        f"[PUMPS]\nPU R A HEAD LIFT\n[CURVES]\n{points}\n[OPTIONS]\nUnits CMH\nHeadloss H-W\n[END]\n"
    )
    theirs = by_epanet(path, ["A", "B"], ["A"], LEAK_M3H)[:, 0]
    network, states = read_network(path), steady_states(path, [0])
    state = linearise(network, states.head[0], states.flow[0], states.status[0])
    start, end = network.start.astype(np.int64), network.end.astype(np.int64)
    fixed = np.asarray(network.node_kind != NodeKind.JUNCTION)
    ours = head_response(state.linear, start, end, fixed, np.array([0, 1]))[:, 0] * LEAK_M3H / 3600
    assert ours == pytest.approx(theirs, rel=0.01)


def test_answers_to_several_small_leaks_add_up(tmp_path: Path) -> None:
    one, two = answers(tmp_path, "H-W"), answers(tmp_path, "H-W", leak_m3h=2 * LEAK_M3H)
    assert two.ours == pytest.approx(2 * one.ours)
    allowed = 0.02 * np.abs(two.theirs).max(axis=0) + FLOOR_M
    assert (np.abs(two.theirs - 2 * one.theirs) < allowed).all()
