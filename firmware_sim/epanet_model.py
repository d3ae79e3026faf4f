"""EPANET as the simulator uses it: one open project in metres and m3/h, with holes where pipes will leak.

Everything is called through arrays where the toolkit has array calls: demands go in as one pattern a
junction for a whole stretch of steps, heads and flows come out as whole vectors.
"""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from epanet import toolkit
from numpy.typing import NDArray

from firmware_sim.holes import Hole, drill, free_name
from firmware_sim.model_errors import disturb
from firmware_sim.scenario_model import ModelOptions
from waterworks.epanet_file import opened
from waterworks.errors import NetworkError, Problem

Floats = NDArray[np.float64]

NO_EMITTER = 1e-4
"""Emitter coefficient [m3/h/m^n] of a repaired hole: EPANET keeps the last flow of one that is set to 0."""

ACCURACY = 1e-3
"""Flow change [-] at which EPANET's iterations may end; files often ask for less than a meter resolves."""

REQUIRED_M = 10.0
"""Pressure [m] from which on customers get all they want where supply may be cut off; below it with its
square root, at 0 nothing (Wagner, Shamir & Marks 1988, J. Water Resour. Plann. Manage. 114(3), 276-294). By
EPANET's own way, demand whatever the pressure, water comes through shut valves at minus millions of m."""

_SECONDS_FOR_EVER = 2_000_000_000
_CLOSED, _OPEN = 0.0, 1.0
_PUMP_CLOSED = 2.0  # EN_PUMP_CLOSED; a pump that cannot deliver its head (0) is on all the same


NOMINAL = ModelOptions()
"""Pipes as the file has them."""


class Category(NamedTuple):
    """One demand category of a junction: base demand [m3/h] and pattern index (0: none)."""

    base: float
    pattern: int


class Vector:
    """A C array of doubles that NumPy sees without copying."""

    def __init__(self, size: int) -> None:
        self._owner = toolkit.doubleArray(max(size, 1))
        self.pointer: Any = self._owner.cast()
        memory = (ctypes.c_double * max(size, 1)).from_address(int(self.pointer))
        self.values: Floats = np.ctypeslib.as_array(memory)[:size]


class EpanetModel:
    """An EPANET file, opened for stepping. Close it, or use it as a context.

    nodes, links: index (from 0) of every name. holes: node index of each hole, in the order given.
    errors, seed: how the pipes differ from the file's. cuts: parts may be cut off from all water, so that
    demand depends on pressure (``REQUIRED_M``) if it does not in the file.
    Raises NetworkError for a file that EPANET cannot read.
    """

    def __init__(
        self,
        file: Path,
        holes: Sequence[Hole],
        step_s: int,
        errors: ModelOptions = NOMINAL,
        seed: int = 0,
        *,
        cuts: bool = False,
    ) -> None:
        self._stack = ExitStack()
        try:
            self.project = self._stack.enter_context(opened(file))
            disturb(self.project, errors, seed)
            self._load(file, holes, step_s, cuts)
        except BaseException:
            self._stack.close()
            raise

    def _load(self, file: Path, holes: Sequence[Hole], step_s: int, cuts: bool) -> None:
        p = self.project
        toolkit.setflowunits(p, toolkit.CMH)
        toolkit.setoption(p, toolkit.PRESS_UNITS, toolkit.METERS)
        if cuts and toolkit.getdemandmodel(p)[0] == toolkit.DDA:
            toolkit.setdemandmodel(p, toolkit.PDA, 0.0, REQUIRED_M, 0.5)
        toolkit.setoption(p, toolkit.EMITBACKFLOW, 0)
        # Left to "stop", EPANET ends for good at the first step it cannot balance, such as a full tank's.
        toolkit.setoption(p, toolkit.UNBALANCED, max(toolkit.getoption(p, toolkit.UNBALANCED), 10))
        toolkit.setoption(p, toolkit.ACCURACY, min(toolkit.getoption(p, toolkit.ACCURACY), ACCURACY))
        self.file, self.step_s = file, step_s
        self.pattern_step_s: int = toolkit.gettimeparam(p, toolkit.PATTERNSTEP)
        self.pattern_start_s: int = toolkit.gettimeparam(p, toolkit.PATTERNSTART)
        self.multiplier: float = toolkit.getoption(p, toolkit.DEMANDMULT)
        self.exponent: float = toolkit.getoption(p, toolkit.EMITEXPON)
        self.patterns: list[Floats] = [self._pattern(k) for k in range(1, self._count(toolkit.PATCOUNT) + 1)]
        self.holes = drill(p, holes)
        n, m = self._count(toolkit.NODECOUNT), self._count(toolkit.LINKCOUNT)
        self.nodes: dict[str, int] = {toolkit.getnodeid(p, i + 1): i for i in range(n)}
        self.links: dict[str, int] = {toolkit.getlinkid(p, i + 1): i for i in range(m)}
        self.ends: list[tuple[int, int]] = [self._link_ends(i) for i in range(m)]
        self.node_kind = np.array([toolkit.getnodetype(p, i + 1) for i in range(n)])
        self.link_kind = np.array([toolkit.getlinktype(p, i + 1) for i in range(m)])
        self._node, self._link = Vector(n), Vector(m)
        self.elevation = self.node_values(toolkit.ELEVATION).copy()
        self.tanks: list[int] = [i for i in range(n) if self.node_kind[i] == toolkit.TANK]
        self._own_demands()
        self._set_times()
        toolkit.openH(p)
        self._stack.callback(toolkit.closeH, p)

    def _count(self, what: int) -> int:
        return int(toolkit.getcount(self.project, what))

    def _pattern(self, index: int) -> Floats:
        length = toolkit.getpatternlen(self.project, index)
        return np.array([toolkit.getpatternvalue(self.project, index, k + 1) for k in range(length)])

    def _link_ends(self, link: int) -> tuple[int, int]:
        start, end = toolkit.getlinknodes(self.project, link + 1)
        return start - 1, end - 1

    # -- loading ------------------------------------------------------------------------------------

    def _own_demands(self) -> None:
        """Give each junction with demand one category of base 1 and a pattern of its own."""
        p = self.project
        toolkit.setoption(p, toolkit.DEMANDMULT, 1.0)
        categories: list[tuple[int, Category]] = []
        self.drawing: list[int] = []
        self._own_pattern: dict[int, int] = {}
        for node in np.flatnonzero(self.node_kind == toolkit.JUNCTION).tolist():
            index = node + 1
            count = toolkit.getnumdemands(p, index)
            own = [
                Category(toolkit.getbasedemand(p, index, k), toolkit.getdemandpattern(p, index, k))
                for k in range(1, count + 1)
            ]
            used = [c for c in own if c.base != 0.0]
            if not used:
                continue
            categories.extend((node, c) for c in used)
            self.drawing.append(node)
            self._take_over(node, count)
        self.categories = categories

    def _take_over(self, node: int, count: int) -> None:
        p = self.project
        for k in range(count, 1, -1):
            toolkit.deletedemand(p, node + 1, k)
        name = free_name(f"n{node}", lambda n: toolkit.getpatternindex(p, n))
        toolkit.addpattern(p, name)
        pattern = toolkit.getpatternindex(p, name)
        if count:
            toolkit.setbasedemand(p, node + 1, 1, 1.0)
        else:
            toolkit.adddemand(p, node + 1, 1.0, name, "")
        toolkit.setdemandpattern(p, node + 1, 1, pattern)
        self._own_pattern[node] = pattern

    def draw_at(self, node: int) -> None:
        """Prepare a junction without demand of its own for having some."""
        if node not in self._own_pattern:
            self._take_over(node, toolkit.getnumdemands(self.project, node + 1))
            self.drawing.append(node)

    def _set_times(self) -> None:
        p = self.project
        for what, value in (
            (toolkit.DURATION, _SECONDS_FOR_EVER),
            (toolkit.HYDSTEP, self.step_s),
            (toolkit.PATTERNSTEP, self.step_s),
            (toolkit.PATTERNSTART, 0),
            (toolkit.REPORTSTEP, self.step_s),
            (toolkit.REPORTSTART, 0),
        ):
            toolkit.settimeparam(p, what, value)
        toolkit.setstatusreport(p, toolkit.NO_REPORT)
        toolkit.setreport(p, "MESSAGES NO")

    def used_patterns(self) -> set[int]:
        """Patterns of the file that reservoirs' heads and pumps' speeds follow."""
        p = self.project
        heads = [
            int(toolkit.getnodevalue(p, i + 1, toolkit.PATTERN))
            for i in np.flatnonzero(self.node_kind == toolkit.RESERVOIR).tolist()
        ]
        speeds = [
            int(toolkit.getlinkvalue(p, i + 1, toolkit.LINKPATTERN))
            for i in np.flatnonzero(self.link_kind == toolkit.PUMP).tolist()
        ]
        return {k for k in heads + speeds if k > 0}

    # -- stepping -----------------------------------------------------------------------------------

    def set_demands(self, demands: Floats) -> None:
        """Demands (T, D) [m3/h] of the ``drawing`` junctions for T steps from the next ``begin`` on."""
        steps = len(demands)
        vector = Vector(steps)
        for column, node in enumerate(self.drawing):
            vector.values[:] = demands[:, column]
            toolkit.setpattern(self.project, self._own_pattern[node], vector.pointer, steps)

    def set_pattern(self, index: int, values: Floats) -> None:
        """Values (T,) of a file's pattern for T steps from the next ``begin`` on."""
        vector = Vector(len(values))
        vector.values[:] = values
        toolkit.setpattern(self.project, index, vector.pointer, len(values))

    def begin(
        self, levels: Mapping[int, float], links: Mapping[int, tuple[float, float]], clock_s: int
    ) -> None:
        """Start anew: tank levels [m], status and setting of links, local time of day [s]."""
        p = self.project
        toolkit.settimeparam(p, toolkit.STARTTIME, clock_s)
        for tank, level in levels.items():
            low = toolkit.getnodevalue(p, tank + 1, toolkit.MINLEVEL)
            high = toolkit.getnodevalue(p, tank + 1, toolkit.MAXLEVEL)
            toolkit.setnodevalue(p, tank + 1, toolkit.TANKLEVEL, min(max(level, low), high))
        toolkit.initH(p, toolkit.INITFLOW)
        for link, (status, setting) in links.items():
            if self.link_kind[link] == toolkit.PUMP and status == _OPEN:
                toolkit.setlinkvalue(p, link + 1, toolkit.SETTING, setting)
            toolkit.setlinkvalue(p, link + 1, toolkit.STATUS, status)

    def solve(self, at: str) -> None:
        """Compute heads and flows of the present instant; ``at`` is what an error calls it.

        EPANET's warnings (pressures below zero, pumps beyond their curve) are states of the network like
        others here and are not passed on.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                toolkit.runH(self.project)
        except Exception as error:
            message = f"EPANET cannot solve the network at {at}: {error}"
            raise NetworkError([Problem(self.file.name, None, message)]) from None

    def next(self) -> int:
        """Go on by at most one step; how far [s] (less where a tank or a control asks for it)."""
        done = int(toolkit.nextH(self.project))
        if done <= 0:
            message = "EPANET stands still: the network cannot be solved"
            raise NetworkError([Problem(self.file.name, None, message)])
        return done

    def node_values(self, what: int) -> Floats:
        """A property of all nodes; the array is overwritten by the next call."""
        toolkit.getnodevalues(self.project, what, self._node.pointer)
        return self._node.values

    def link_values(self, what: int) -> Floats:
        """A property of all links; the array is overwritten by the next call."""
        toolkit.getlinkvalues(self.project, what, self._link.pointer)
        return self._link.values

    def set_emitter(self, node: int, coefficient: float) -> None:
        """Emitter coefficient [m3/h/m^n]; call between ``next`` and ``solve``."""
        toolkit.setnodevalue(self.project, node + 1, toolkit.EMITTER, coefficient)

    def emitted(self, node: int) -> float:
        """Outflow of a hole [m3/h]."""
        return float(toolkit.getnodevalue(self.project, node + 1, toolkit.EMITTERFLOW))

    def pressure(self, node: int) -> float:
        """Pressure [m] at a node."""
        return float(toolkit.getnodevalue(self.project, node + 1, toolkit.HEAD) - self.elevation[node])

    def levels(self) -> dict[int, float]:
        """Present level [m] of every tank."""
        p = self.project
        return {
            t: float(toolkit.getnodevalue(p, t + 1, toolkit.HEAD) - self.elevation[t]) for t in self.tanks
        }

    def initial(self, link: int) -> tuple[bool, float]:
        """Whether the file opens a link at the start, and its setting there."""
        p = self.project
        on = toolkit.getlinkvalue(p, link + 1, toolkit.INITSTATUS) != _CLOSED
        return on, float(toolkit.getlinkvalue(p, link + 1, toolkit.INITSETTING))

    def link_state(self, link: int) -> tuple[float, float]:
        """Whether a link is on (1.0 or 0.0), and its setting."""
        p = self.project
        setting = float(toolkit.getlinkvalue(p, link + 1, toolkit.SETTING))
        if self.link_kind[link] == toolkit.PUMP:
            on = toolkit.getlinkvalue(p, link + 1, toolkit.PUMP_STATE) != _PUMP_CLOSED
            return (_OPEN, setting) if on else (_CLOSED, setting)
        return float(toolkit.getlinkvalue(p, link + 1, toolkit.STATUS)), setting

    def set_status(self, link: int, on: bool) -> None:
        """Open or shut a link; call between ``next`` and ``solve``."""
        toolkit.setlinkvalue(self.project, link + 1, toolkit.STATUS, _OPEN if on else _CLOSED)

    def set_setting(self, link: int, setting: float) -> None:
        """A valve's setting [m] or [m3/h], or a pump's relative speed; likewise."""
        toolkit.setlinkvalue(self.project, link + 1, toolkit.SETTING, setting)

    def set_controls(self, link: int, enabled: bool) -> None:
        """Let the file's controls and rules act on a link, or not."""
        p = self.project
        for k in self._controls().get(link, ()):
            toolkit.setcontrolenabled(p, k, int(enabled))
        for k in self._rules().get(link, ()):
            toolkit.setruleenabled(p, k, int(enabled))

    def controlled(self) -> set[int]:
        """Links on which controls or rules of the file act."""
        return set(self._controls()) | set(self._rules())

    def _controls(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for k in range(1, self._count(toolkit.CONTROLCOUNT) + 1):
            link = toolkit.getcontrol(self.project, k)[1]
            found.setdefault(link - 1, []).append(k)
        return found

    def _rules(self) -> dict[int, list[int]]:
        p = self.project
        found: dict[int, list[int]] = {}
        for k in range(1, self._count(toolkit.RULECOUNT) + 1):
            _, then, other, _ = toolkit.getrule(p, k)
            links = {toolkit.getthenaction(p, k, a)[0] for a in range(1, then + 1)}
            links |= {toolkit.getelseaction(p, k, a)[0] for a in range(1, other + 1)}
            for link in links:
                found.setdefault(link - 1, []).append(k)
        return found

    def close(self) -> None:
        """Release EPANET and its scratch files."""
        self._stack.close()

    def __enter__(self) -> EpanetModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
