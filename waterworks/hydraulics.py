"""The nominal model solved by EPANET: heads and flows at chosen hours of its first day."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from epanet import toolkit
from numpy.typing import NDArray

from waterworks.epanet_file import (
    Factors,
    Project,
    factors,
    link_values,
    node_values,
    opened,
)
from waterworks.errors import NetworkError, Problem
from waterworks.network import Floats, LinkKind

DAY = 86400
ACCURACY = 1e-5
"""Sum of flow changes over sum of flows at which EPANET's solver may stop; 1e-5 is the least it takes."""
_HOLDS = 0.01  # m: how near a PRV's own end must be to its setting to count as holding it


class Status(IntEnum):
    """What a link does at an hour. Anything but CLOSED lets water through."""

    CLOSED = 0
    OPEN = 1
    ACTIVE = 2  # a PRV or PSV that holds its set pressure, an FCV that holds its set flow


@dataclass(frozen=True, eq=False)
class States:
    """K states of a network of N nodes and L links, SI.

    hours (K,): as asked for. head (K, N) [m]. flow (K, L) [m3/s], positive from a link's start to its end.
    demand (K, N) [m3/s]: what leaves at a junction; of reservoirs and tanks what enters them.
    status (K, L): ``Status``. balanced (K,): whether EPANET's solver met ``ACCURACY``.
    """

    hours: Floats
    head: Floats
    flow: Floats
    demand: Floats
    status: NDArray[np.int8]
    balanced: NDArray[np.bool_]


def steady_states(
    path: Path, hours: Sequence[float], settings: Mapping[int, Sequence[float]] | None = None
) -> States:
    """The model of the EPANET file ``path`` at given hours of the day, in the order asked for.

    Hours are clock time [0, 24), to the minute; the run begins at the file's start clock time with its
    initial tank levels and goes on, tanks, controls and all, through the hours asked for.

    settings: index of a reducing valve -> its set pressure [m] in each of the 24 hours of the day, whatever
    the file's own setting, controls and rules say of that valve.

    Raises NetworkError when the file cannot be read or EPANET cannot solve it, ValueError for hours
    beyond a day.
    """
    asked = np.asarray(hours, np.float64).reshape(-1)
    if not (np.isfinite(asked).all() and (asked >= 0).all() and (asked < 24).all()):
        raise ValueError(f"hours {list(hours)} are not all within a day [0, 24)")
    path = Path(path)
    with opened(path) as project:
        n = toolkit.getcount(project, toolkit.NODECOUNT)
        m = toolkit.getcount(project, toolkit.LINKCOUNT)
        start = int(toolkit.gettimeparam(project, toolkit.STARTTIME))
        at = (np.round(asked * 60).astype(np.int64) * 60 - start) % DAY
        _time(project, at)
        # Files are often loose (0.01: flows off by a percent); differences between states need better.
        accuracy = min(float(toolkit.getoption(project, toolkit.ACCURACY)), ACCURACY)
        toolkit.setoption(project, toolkit.ACCURACY, accuracy)
        toolkit.setoption(project, toolkit.TRIALS, max(toolkit.getoption(project, toolkit.TRIALS), 200))
        reader = _Reader(project, n, m)
        _free(project, settings or {})
        taken = {}
        toolkit.openH(project)
        toolkit.initH(project, 0)
        wanted = set(at.tolist())
        try:
            while wanted:
                hour = (int(toolkit.gettimeparam(project, toolkit.HTIME)) + start) % DAY // 3600
                for link, by_hour in (settings or {}).items():
                    setting = float(by_hour[hour]) / reader.factors.pressure
                    toolkit.setlinkvalue(project, link + 1, toolkit.SETTING, setting)
                now = _run(project, path)
                if now in wanted:
                    taken[now] = reader.read()
                    wanted.discard(now)
                if wanted and toolkit.nextH(project) == 0:
                    break
        finally:
            toolkit.closeH(project)
        if wanted:
            raise NetworkError([Problem(path.name, None, f"EPANET stopped before {min(wanted) / 3600:g} h")])
    rows = [taken[int(t)] for t in at]
    return States(
        hours=asked,
        head=np.array([r[0] for r in rows]).reshape(len(rows), n),
        flow=np.array([r[1] for r in rows]).reshape(len(rows), m),
        demand=np.array([r[2] for r in rows]).reshape(len(rows), n),
        status=np.array([r[3] for r in rows], np.int8).reshape(len(rows), m),
        balanced=np.array([r[4] for r in rows], bool),
    )


def _time(project: Project, at: NDArray[np.int64]) -> None:
    """Steps that meet every instant in ``at`` [s since the run's start]."""
    step = math.gcd(3600, *(int(t) for t in at))
    toolkit.settimeparam(project, toolkit.DURATION, int(at.max(initial=0)))
    hydraulic = int(toolkit.gettimeparam(project, toolkit.HYDSTEP))
    # EPANET never steps over a report time; its own step stays what the file says.
    toolkit.settimeparam(project, toolkit.REPORTSTART, 0)
    toolkit.settimeparam(project, toolkit.REPORTSTEP, step)
    toolkit.settimeparam(project, toolkit.HYDSTEP, min(hydraulic, step))
    toolkit.setstatusreport(project, toolkit.NO_REPORT)


def _free(project: Project, settings: Mapping[int, Sequence[float]]) -> None:
    """Put aside the controls and rules that would set these links."""
    links = {link + 1 for link in settings}
    for k in range(toolkit.getcount(project, toolkit.CONTROLCOUNT), 0, -1):
        if toolkit.getcontrol(project, k)[1] in links:
            toolkit.deletecontrol(project, k)
    for k in range(toolkit.getcount(project, toolkit.RULECOUNT), 0, -1):
        _, then, otherwise, _ = toolkit.getrule(project, k)
        acts = [toolkit.getthenaction(project, k, i + 1)[0] for i in range(then)]
        acts += [toolkit.getelseaction(project, k, i + 1)[0] for i in range(otherwise)]
        if links.intersection(acts):
            toolkit.deleterule(project, k)


def _run(project: Project, path: Path) -> int:
    """Solve the present instant and say which it is [s]."""
    with warnings.catch_warnings():
        # EPANET's warnings (negative pressures and the like) come without saying which; what matters
        # of them, the balance, is asked for by itself.
        warnings.simplefilter("ignore")
        try:
            return int(toolkit.runH(project))
        except Exception as e:
            hour = toolkit.gettimeparam(project, toolkit.HTIME) / 3600
            raise NetworkError(
                [Problem(path.name, None, f"EPANET cannot solve it at {hour:g} h: {e}")]
            ) from None


class _Reader:
    """Takes the present state out of a running project."""

    def __init__(self, project: Project, n: int, m: int) -> None:
        self.project, self.n, self.m = project, n, m
        self.factors: Factors = factors(project)
        self.kind = np.array([toolkit.getlinktype(project, i) for i in range(1, m + 1)], np.int32)
        ends = [toolkit.getlinknodes(project, i) for i in range(1, m + 1)]
        self.ends = np.array(ends, np.int32).reshape(m, 2) - 1
        self.elevation = node_values(project, toolkit.ELEVATION, n) * self.factors.length
        self.accuracy = float(toolkit.getoption(project, toolkit.ACCURACY))

    def read(self) -> tuple[Floats, Floats, Floats, NDArray[np.int8], bool]:
        p, f = self.project, self.factors
        head = node_values(p, toolkit.HEAD, self.n) * f.length
        flow = link_values(p, toolkit.FLOW, self.m) * f.flow
        demand = node_values(p, toolkit.DEMAND, self.n) * f.flow
        status = self._status(head, flow, link_values(p, toolkit.STATUS, self.m))
        balanced = float(toolkit.getstatistic(p, toolkit.RELATIVEERROR)) <= self.accuracy
        return head, flow, demand, status, balanced

    def _status(self, head: Floats, flow: Floats, said: Floats) -> NDArray[np.int8]:
        """EPANET says open or closed only; whether a valve holds its setting is seen from what it does."""
        status = np.where(said != 0, Status.OPEN, Status.CLOSED).astype(np.int8)
        setting = link_values(self.project, toolkit.SETTING, self.m)
        for kind, end in ((LinkKind.PRV, 1), (LinkKind.PSV, 0)):
            valves = np.flatnonzero((self.kind == kind) & (status == Status.OPEN) & (setting > 0))
            node = self.ends[valves, end]
            target = self.elevation[node] + setting[valves] * self.factors.pressure
            loss = head[self.ends[valves, 0]] - head[self.ends[valves, 1]]
            held = (np.abs(head[node] - target) < _HOLDS) & (loss > _HOLDS)
            status[valves[held]] = Status.ACTIVE
        valves = np.flatnonzero((self.kind == LinkKind.FCV) & (status == Status.OPEN) & (setting > 0))
        target = setting[valves] * self.factors.flow
        status[valves[np.abs(flow[valves] - target) < 1e-3 * target]] = Status.ACTIVE
        return status
