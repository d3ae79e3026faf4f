"""The network of an EPANET file solved again and again, for demands and heads that somebody measured."""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from epanet import toolkit
from numpy.typing import NDArray

from waterworks.epanet_file import factors, opened
from waterworks.hydraulics import ACCURACY
from waterworks.network import Floats, LinkKind, NodeKind

WEEK_HOURS = 168

AT_END_M = 0.02
"""A tank so near to its highest or lowest level is full or empty [m]: a level's reading is off by as much."""


class SteadySolver:
    """Steady states of one network. To be closed, or used in a ``with``.

    Patterns, controls and rules of the file are put aside: demands and the heads of reservoirs and tanks are
    given with each state. ``shut``: indices of links that let nothing pass (their flow is given as demand).
    ``switched``: indices of pumps, valves and pipes that are on or off in each state as it says. Others
    are in the state in which the file starts.

    ``fixed``: indices of reservoirs and tanks in the order in which their heads are given.
    ``weekly`` (168, N): demand of each junction by hour of the week as the file has it [m3/s], hour 0 being
    Monday 00:00 where the file's patterns begin; patterns shorter than a week repeat.
    Raises NetworkError for a file that EPANET cannot read.
    """

    def __init__(self, path: Path, shut: Sequence[int] = (), switched: Sequence[int] = ()) -> None:
        self.path = Path(path)
        self._held = ExitStack()
        p = self._project = self._held.enter_context(opened(self.path))
        self._n, self._m = toolkit.getcount(p, toolkit.NODECOUNT), toolkit.getcount(p, toolkit.LINKCOUNT)
        self._factors = factors(p)
        kind = [toolkit.getnodetype(p, i + 1) for i in range(self._n)]
        self.fixed = np.array([i for i, k in enumerate(kind) if k != NodeKind.JUNCTION], np.int64)
        self._tank = np.array([kind[i] == NodeKind.TANK for i in self.fixed], bool)
        self._junctions = [i for i, k in enumerate(kind) if k == NodeKind.JUNCTION]
        self._bottom = np.array([toolkit.getnodevalue(p, int(i) + 1, toolkit.ELEVATION) for i in self.fixed])
        self._lowest = np.array(
            [
                toolkit.getnodevalue(p, int(i) + 1, toolkit.MINLEVEL) if t else 0.0
                for i, t in self._fixed_kind()
            ]
        )
        self._highest = np.array(
            [
                toolkit.getnodevalue(p, int(i) + 1, toolkit.MAXLEVEL) if t else 0.0
                for i, t in self._fixed_kind()
            ]
        )
        self.weekly = self._weekly()
        self.shut, self.switched = np.array(shut, np.int64), np.array(switched, np.int64)
        self._put_aside(shut)
        self._switched = [(int(i) + 1, self._turned_on(int(i) + 1)) for i in switched]
        self._nodes = _Values(self._n)
        self._links = _Values(self._m)
        toolkit.openH(p)
        self._held.callback(toolkit.closeH, p)

    def _fixed_kind(self) -> list[tuple[int, bool]]:
        return list(zip(self.fixed.tolist(), self._tank.tolist(), strict=True))

    def __enter__(self) -> SteadySolver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._held.close()

    def _weekly(self) -> Floats:
        p = self._project
        step = int(toolkit.gettimeparam(p, toolkit.PATTERNSTEP))
        begin = int(toolkit.gettimeparam(p, toolkit.PATTERNSTART))
        seconds = (np.arange(WEEK_HOURS * 12) * 300 + begin) // step
        patterns = [np.ones(WEEK_HOURS)]
        for k in range(1, toolkit.getcount(p, toolkit.PATCOUNT) + 1):
            length = toolkit.getpatternlen(p, k)
            values = np.array([toolkit.getpatternvalue(p, k, j + 1) for j in range(length)])
            patterns.append(values[seconds % length].reshape(WEEK_HOURS, 12).mean(1))
        out = np.zeros((WEEK_HOURS, self._n))
        for i in self._junctions:
            for c in range(1, toolkit.getnumdemands(p, i + 1) + 1):
                base = toolkit.getbasedemand(p, i + 1, c)
                if base:
                    out[:, i] += base * patterns[toolkit.getdemandpattern(p, i + 1, c)]
        return out * float(toolkit.getoption(p, toolkit.DEMANDMULT)) * self._factors.flow

    def _put_aside(self, shut: Sequence[int]) -> None:
        p = self._project
        for k in range(toolkit.getcount(p, toolkit.CONTROLCOUNT), 0, -1):
            toolkit.deletecontrol(p, k)
        for k in range(toolkit.getcount(p, toolkit.RULECOUNT), 0, -1):
            toolkit.deleterule(p, k)
        for i in self._junctions:
            for c in range(toolkit.getnumdemands(p, i + 1), 1, -1):
                toolkit.deletedemand(p, i + 1, c)
            toolkit.setdemandpattern(p, i + 1, 1, 0)
        for link in shut:
            toolkit.setlinkvalue(p, int(link) + 1, toolkit.INITSTATUS, 0)
            if toolkit.getlinktype(p, int(link) + 1) == LinkKind.PUMP:
                toolkit.setlinkvalue(p, int(link) + 1, toolkit.INITSETTING, 0)
        toolkit.setoption(p, toolkit.DEMANDPATTERN, 0)
        toolkit.setoption(p, toolkit.DEMANDMULT, 1.0)
        accuracy = min(float(toolkit.getoption(p, toolkit.ACCURACY)), ACCURACY)
        toolkit.setoption(p, toolkit.ACCURACY, accuracy)
        toolkit.setoption(p, toolkit.TRIALS, max(toolkit.getoption(p, toolkit.TRIALS), 200))
        toolkit.settimeparam(p, toolkit.DURATION, 0)
        toolkit.setstatusreport(p, toolkit.NO_REPORT)

    def _turned_on(self, link: int) -> float | None:
        """Setting that a link has when it is on; None where that goes without saying."""
        p = self._project
        kind = toolkit.getlinktype(p, link)
        if kind <= LinkKind.PIPE:
            return None
        setting = float(toolkit.getlinkvalue(p, link, toolkit.INITSETTING))
        if setting > 0:
            return setting
        return 1.0 if kind == LinkKind.PUMP else None

    def solve(self, demand: Floats, fixed: Floats) -> tuple[Floats, Floats]:
        """Heads (H, N) [m] and flows (H, L) [m3/s] for demands (H, N) [m3/s] and what bounds the network
        (H, F + S): heads of ``fixed`` [m], then 1 or 0 for each of ``switched``: on or off.

        A tank within ``AT_END_M`` of its highest level takes no more water, and one so near to its lowest
        gives none. Rows that EPANET cannot solve are NaN.
        """
        p, f = self._project, self._factors
        heads, flows = np.full((len(demand), self._n), np.nan), np.full((len(demand), self._m), np.nan)
        if demand.shape != (len(fixed), self._n) or fixed.shape[1] != len(self.fixed) + len(self._switched):
            raise ValueError(
                f"demand {demand.shape} and bounds {fixed.shape} do not fit {self._n} nodes of which "
                f"{len(self.fixed)} are fixed, and {len(self._switched)} switched links"
            )
        taken = demand / f.flow
        put, base = toolkit.setnodevalue, toolkit.BASEDEMAND
        with warnings.catch_warnings():
            # Negative pressures and the like come as warnings without a name; the caller judges the heads.
            warnings.simplefilter("ignore")
            for k in range(len(demand)):
                row = taken[k].tolist()
                for i in self._junctions:
                    put(p, i + 1, base, row[i])
                self._hold(fixed[k, : len(self.fixed)] / f.length)
                self._switch(fixed[k, len(self.fixed) :])
                try:
                    # From the flows of the row before; the first row owes nothing to what was solved earlier.
                    toolkit.initH(p, toolkit.NOSAVE if k else toolkit.INITFLOW)
                    toolkit.runH(p)
                except Exception:  # the toolkit raises nothing more precise
                    continue
                toolkit.getnodevalues(p, toolkit.HEAD, self._nodes.array)
                toolkit.getlinkvalues(p, toolkit.FLOW, self._links.array)
                heads[k] = self._nodes.values * f.length
                flows[k] = self._links.values * f.flow
        return heads, flows

    def _hold(self, head: Floats) -> None:
        p = self._project
        for j, (i, tank) in enumerate(self._fixed_kind()):
            if tank:
                # At its very end EPANET shuts a tank's pipe for flow that would go beyond it.
                low, high, level = self._lowest[j], self._highest[j], head[j] - self._bottom[j]
                room = 0.01 * (high - low)
                at_end = AT_END_M / self._factors.length
                if level >= high - at_end:
                    level = high
                elif level <= low + at_end:
                    level = low
                else:
                    level = min(max(level, low + room), high - room)
                toolkit.setnodevalue(p, i + 1, toolkit.TANKLEVEL, level)
            else:
                toolkit.setnodevalue(p, i + 1, toolkit.ELEVATION, head[j])

    def _switch(self, on: Floats) -> None:
        p = self._project
        for (link, setting), state in zip(self._switched, on.tolist(), strict=True):
            if state <= 0.5:
                toolkit.setlinkvalue(p, link, toolkit.INITSTATUS, 0)
                continue
            toolkit.setlinkvalue(p, link, toolkit.INITSTATUS, 1)
            if setting is not None:
                toolkit.setlinkvalue(p, link, toolkit.INITSETTING, setting)


class _Values:
    """Numbers that EPANET writes and NumPy reads, in one place of memory."""

    def __init__(self, count: int) -> None:
        self.array: Any = toolkit.doubleArray(max(count, 1))
        place = (ctypes.c_double * count).from_address(int(self.array.cast()))
        self.values: NDArray[np.float64] = np.ctypeslib.as_array(place)
