"""How fast and how true answers to leaks are: the adjoint against brute force, one EPANET solution a pipe.

    python tests/bench/sensitivity.py NETWORK.inp ... [--like FOLDER] [--leaks 0.0005 0.01] [--runs 21]

For each network, at its file's first instant, every pipe leaks in turn, in its middle (half at each end), by
a share of the network's demand. Sensors are the columns of FOLDER (as L-TOWN's data have them) where all of
them are nodes of the network, else loggers spread over it.

Times are CPU time, medians of runs. The adjoint's is from a solved state to the answers of all sensors to
leaks in all pipes. Brute force has its file open; "cold" each solution begins as every EPANET run does,
"warm" from the flows of the one before. "Secant": answers to a leak of that size (``Finite``).
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from epanet import toolkit

from analytics.sensitivity import Finite, head_response, leak_response
from firmware_sim.battle_site import columns_of, spread
from firmware_sim.epanet_model import Vector
from twuin.monitor.locate import linearise
from waterworks.epanet_file import opened, read_network
from waterworks.hydraulics import States, steady_states
from waterworks.network import LinkKind, Network, NodeKind

TIGHT = ((toolkit.ACCURACY, 1e-5), (toolkit.HEADERROR, 1e-7), (toolkit.FLOWCHANGE, 1e-6))
"""For what is compared with: differences of heads need more than a run does."""

TIMED = ((toolkit.ACCURACY, 1e-5),)
"""With less, answers from a warm start are off by up to several times their size (L-TOWN, 0.1 m3/h)."""

KEEP_FLOWS = 0
"""Of ``initH``: begin with the flows of the last solution, nothing saved to a file."""


class BruteForce:
    """A network at one instant, solved with a leak at one pipe after the other."""

    def __init__(
        self, project: Any, pipes: list[tuple[int, int]], sensors: np.ndarray, *, warm: bool
    ) -> None:
        self._p, self._pipes, self._sensors, self._warm = project, pipes, sensors, warm
        self._leak_unit = 1 / toolkit.getoption(project, toolkit.DEMANDMULT)
        self._heads = Vector(toolkit.getcount(project, toolkit.NODECOUNT))

    def solve(self) -> np.ndarray:
        toolkit.initH(self._p, KEEP_FLOWS if self._warm else toolkit.INITFLOW)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            toolkit.runH(self._p)
        toolkit.getnodevalues(self._p, toolkit.HEAD, self._heads.pointer)
        return self._heads.values[self._sensors].copy()

    def answers(self, leak: float) -> np.ndarray:
        """Change of head (M, P) [m] to ``leak`` [m3/h]."""
        before = self.solve()
        found = np.empty((len(self._sensors), len(self._pipes)))
        for column, ends in enumerate(self._pipes):
            at = [node for node in ends if toolkit.getnodetype(self._p, node) == toolkit.JUNCTION]
            for node in at:
                toolkit.adddemand(self._p, node, leak / 2 * self._leak_unit, "steady", "")
            found[:, column] = self.solve() - before
            for node in at:
                toolkit.deletedemand(self._p, node, toolkit.getnumdemands(self._p, node))
        return found


@contextmanager
def ready(path: Path, accuracy: tuple[tuple[int, float], ...]) -> Iterator[Any]:
    """A project in m3/h and m, open for solving."""
    with opened(path) as p:
        toolkit.setflowunits(p, toolkit.CMH)
        toolkit.setoption(p, toolkit.PRESS_UNITS, toolkit.METERS)
        for what, value in accuracy:
            toolkit.setoption(p, what, value)
        toolkit.setoption(p, toolkit.TRIALS, 60)
        toolkit.setoption(p, toolkit.UNBALANCED, 10)
        toolkit.setstatusreport(p, toolkit.NO_REPORT)
        toolkit.addpattern(p, "steady")
        toolkit.openH(p)
        try:
            yield p
        finally:
            toolkit.closeH(p)


def median_s(work: Callable[[], object], runs: int) -> float:
    """Median CPU time [s] of ``runs`` runs after one that is not counted."""
    work()
    took = []
    gc.disable()
    for _ in range(runs):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    gc.enable()
    return statistics.median(took)


class Adjoint:
    """The same by one factorisation and a back-solve a sensor."""

    def __init__(self, path: Path, network: Network, sensors: np.ndarray, pipes: np.ndarray) -> None:
        with opened(path) as p:
            first = toolkit.gettimeparam(p, toolkit.STARTTIME) / 3600
        self._states: States = steady_states(path, [first])
        self._network, self._sensors, self._pipes = network, sensors, pipes
        self._start, self._end = network.start.astype(np.int64), network.end.astype(np.int64)
        self._fixed = np.asarray(network.node_kind != NodeKind.JUNCTION)

    def answers(self) -> np.ndarray:
        """Change of head (M, P) [m] for 1 m3/h."""
        states = self._states
        state = linearise(self._network, states.head[0], states.flow[0], states.status[0])
        response = head_response(state.linear, self._start, self._end, self._fixed, self._sensors)
        return leak_response(response, self._start, self._end, self._pipes) / 3600

    def secant(self, leak: float) -> np.ndarray:
        """Change of head (M, P) [m] to ``leak`` [m3/h], which need not be small."""
        states, nodes = self._states, np.arange(len(self._fixed))
        state = linearise(self._network, states.head[0], states.flow[0], states.status[0])
        links = self._start, self._end, self._fixed
        finite = Finite(state.linear, state.law, state.flow, *links)
        found = finite.response(self._sensors, nodes, leak / 3600)
        return leak_response(found, self._start, self._end, self._pipes)


def sensors_of(network: Network, like: Path | None) -> list[str]:
    if like is not None:
        named = columns_of(like)["Pressures"]
        if all(name in network.node_index for name in named):
            return named
    return spread(network)["Pressures"]


def measure(path: Path, like: Path | None, shares: list[float], runs: int) -> None:
    network = read_network(path)
    sensors = np.array([network.node_index[name] for name in sensors_of(network, like)])
    pipes = np.flatnonzero((network.link_kind <= LinkKind.PIPE) & network.open)
    ends = [(int(network.start[i]) + 1, int(network.end[i]) + 1) for i in pipes]
    adjoint = Adjoint(path, network, sensors, pipes)
    ours_s = median_s(adjoint.answers, runs)
    unit = adjoint.answers()
    print(
        f"{path.parent.name}/{path.name}: {len(network.node_ids)} nodes, {len(pipes)} pipes, "
        f"{len(sensors)} sensors; adjoint {ours_s * 1e3:.2f} ms"
    )
    for share in shares:
        leak = share * float(network.base_demand.sum()) * 3600
        theirs_s = {}
        for warm in (True, False):
            with ready(path, TIMED) as p:
                brute = BruteForce(p, ends, sensors, warm=warm)
                theirs_s[warm] = median_s(partial(brute.answers, leak), max(3, runs // 5))
        with ready(path, TIGHT) as p:
            theirs = BruteForce(p, ends, sensors, warm=False).answers(leak)
        largest = np.abs(theirs).max(axis=0)
        felt = largest > FELT_M
        off = {
            name: (np.abs(ours - theirs).max(axis=0) / largest)[felt]
            for name, ours in (("adjoint", unit * leak), ("secant", adjoint.secant(leak)))
        }
        print(
            f"  leak {leak:.3g} m3/h: EPANET cold {theirs_s[False] * 1e3:.0f} ms, "
            f"{theirs_s[False] / ours_s:.0f} times the adjoint's; warm {theirs_s[True] * 1e3:.0f} ms, "
            f"{theirs_s[True] / ours_s:.0f} times"
        )
        for name, error in off.items():
            print(
                f"    {name}: worst sensor's error, share of the largest answer: half of pipes "
                f"{np.median(error):.2%}, 95 % {np.quantile(error, 0.95):.1%}, all {error.max():.1%} "
                f"({felt.sum()} pipes move a sensor by {FELT_M * 1e3:g} mm)"
            )


FELT_M = 1e-4
"""Answers below this [m] are within what EPANET's iterations leave."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", type=Path, nargs="+")
    parser.add_argument("--like", type=Path)
    parser.add_argument("--leaks", type=float, nargs="+", default=[5e-4, 1e-2])
    parser.add_argument("--runs", type=int, default=21)
    options = parser.parse_args()
    for path in options.networks:
        measure(path, options.like, options.leaks, options.runs)


if __name__ == "__main__":
    main()
