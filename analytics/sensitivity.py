"""How pressures answer to a leak: heads linearised around a solved state, by the adjoint.

At a solved state every link follows dq = dh / g, with g = dh/dq the slope of its head loss, and flows
balance at every junction. One sparse factorisation of these equations and one back-solve a sensor give the
response of that sensor to a unit leak at every junction: the system is solved transposed, for the sensor,
not once per leak. (Kapelan, Savic & Walters 2003, J. Hydraul. Res. 41(5), on adjoint sensitivities of
pipe networks; the equations are EPANET's own, Rossman et al. 2020, EPANET 2.2 User Manual, ch. 12.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csc_matrix
from scipy.sparse.linalg import splu

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HAZEN_WILLIAMS = 10.667
"""h = 10.667 L q|q|^0.852 / (C^1.852 d^4.871) in SI units (EPANET manual, table 3.1, 4.727 in feet)."""

CHEZY_MANNING = 10.294
"""h = 10.294 n^2 L q|q| / d^(16/3) in SI units."""

GRAVITY = 9.80665
"""[m/s2]"""

LEAST_FLOW = 1e-6
"""Slopes are not taken at less flow than this [m3/s]: heads there hardly depend on it."""

TRACE = 1e-9
"""Conductance of every junction to the ground [m3/s per m of head]."""

CUT_OFF = 1e8
"""A response beyond this [m per m3/s] belongs to a node that nothing but ``TRACE`` holds."""

LEAST_SLOPE = 1e-2
"""Slope of head loss below which a link is taken for a connection without resistance [m per m3/s]."""


class Linear(NamedTuple):
    """Links that conduct and nodes that are held, at one state.

    slope (L,) [s/m2]: dh/dq, inf where a link carries no change (closed, flow control, constant flow).
    held (L,): the link holds the head of its downstream (+1, PRV) or upstream node (-1, PSV) and lets
    pass whatever flow that takes; 0 otherwise.
    """

    slope: Floats
    held: Ints


def pipe_law(
    flow: Floats, length: Floats, diameter: Floats, roughness: Floats, minor: Floats, loss: Floats, law: str
) -> Law:
    """Head loss of pipes, (L,), as EPANET has it.

    flow [m3/s] and loss [m] at the state, length, diameter [m], roughness as ``law`` has it ("H-W", "D-W" or
    "C-M"), minor loss [-]. For D-W, whose friction factor falls with flow, friction is what it is at the
    state with exponent 2: up to 10 % too steep in smooth pipes. NaN where the diameter is 0.
    """
    d = np.where(diameter > 0, diameter, np.nan)
    local = minor * 8 / (np.pi**2 * GRAVITY * d**4)
    if law == "H-W":
        return Law(HAZEN_WILLIAMS * length / (roughness**1.852 * d**4.871), local, 1.852)
    if law == "C-M":
        return Law(CHEZY_MANNING * roughness**2 * length / d ** (16 / 3), local, 2.0)
    q2 = np.maximum(np.abs(flow), LEAST_FLOW) ** 2
    return Law(np.where(np.isfinite(d), np.maximum(np.abs(loss) / q2 - local, 0.0), np.nan), local, 2.0)


def pipe_slope(law: Law, flow: Floats) -> Floats:
    """dh/dq of pipes at a flow [s/m2], (L,); 0 for no pipe. Taken at 1e-6 m3/s where less flows."""
    q = np.maximum(np.abs(flow), LEAST_FLOW)
    slope = law.exponent * law.friction * q ** (law.exponent - 1) + 2 * law.local * q
    result: Floats = np.maximum(np.nan_to_num(slope), LEAST_SLOPE)
    return result


def pump_slope(points: Floats, flow: float, speed: float = 1.0) -> tuple[float, float]:
    """Head that a pump adds at a flow [m], and how fast it falls with flow [s/m2], at a relative speed.

    points (K, 2): flow [m3/s] and head [m] of its curve at full speed. One point (Q, H) stands for
    h = 4/3 H - H/3 (q/Q)^2; three from zero flow on for h = A - B q^C; more for straight lines between them
    (EPANET manual, ch. 3.1); another speed w for w^2 h(q/w).
    """
    q = max(flow, LEAST_FLOW) / speed
    flows, heads = points[:, 0], points[:, 1]
    if len(points) == 1:
        shutoff, fall, power = 4 / 3 * heads[0], heads[0] / 3 / flows[0] ** 2, 2.0
    elif len(points) == 3 and flows[0] == 0:
        shutoff = heads[0]
        power = np.log((heads[0] - heads[2]) / (heads[0] - heads[1])) / np.log(flows[2] / flows[1])
        fall = (heads[0] - heads[1]) / flows[1] ** power
    else:
        k = int(np.clip(np.searchsorted(flows, q, "right") - 1, 0, len(flows) - 2))
        steep = float((heads[k] - heads[k + 1]) / (flows[k + 1] - flows[k]))
        return float(speed**2 * (heads[k] - steep * (q - flows[k]))), speed * steep
    head, slope = shutoff - fall * q**power, fall * power * q ** (power - 1)
    return float(speed**2 * head), float(speed * slope)


def head_response(linear: Linear, start: Ints, end: Ints, fixed: Bools, sensors: Ints) -> Floats:
    """Change of head at sensors per unit of water taken at each node [m per m3/s], (M, N), mostly negative.

    start, end (L,): node indices of links in their flow direction; fixed (N,): reservoirs and tanks, whose
    head does not change; sensors (M,): node indices. Columns of fixed nodes are 0.
    A node without any conducting way to a fixed or held head is cut off: its column and row are 0.
    """
    n = len(fixed)
    system = _system(linear, start, end, fixed)
    unit = np.zeros((system.shape[0], len(sensors)))
    unit[sensors, np.arange(len(sensors))] = 1.0
    adjoint = _factor(system).solve(unit, trans="T")
    response: Floats = -adjoint[:n].T
    response[:, fixed] = 0.0
    response[np.abs(response) > CUT_OFF] = 0.0
    return response


class _Entries(NamedTuple):
    """Balance of every node as a sparse matrix. Unknowns: N heads, then flow changes of holding links.

    Each entry (E,) is its value times the conductance of its link, or its value alone where link is -1.
    """

    size: int
    row: Ints
    col: Ints
    link: Ints
    value: Floats

    def at(self, slope: Floats) -> Floats:
        """Entries (E,) where links have ``slope`` (L,) [s/m2]."""
        result: Floats = self.value * np.append(1.0 / slope, 1.0)[self.link]
        return result


def _entries(linear: Linear, start: Ints, end: Ints, fixed: Bools) -> _Entries:
    n = len(fixed)
    links = np.flatnonzero(np.isfinite(linear.slope) & (linear.held == 0))
    holding = np.flatnonzero(linear.held != 0)
    a, b, one = start[links], end[links], np.ones(len(links))
    rows, cols, of = [a, b, a, b], [a, b, b, a], [links] * 4
    values = [one, one, -one, -one]
    for k, link in enumerate(holding):
        up, down = int(start[link]), int(end[link])
        node = down if linear.held[link] > 0 else up
        rows += [np.array([up, down, n + k])]
        cols += [np.array([n + k, n + k, node])]
        of += [np.full(3, -1)]
        values += [np.array([1.0, -1.0, 1.0])]
    row, col = np.concatenate(rows), np.concatenate(cols)
    keep = ~fixed[np.minimum(row, n - 1)] | (row >= n)
    # Junctions joined to nothing would make the equations singular: a trace of conductance to ground
    # decides their heads and moves no other by anything that matters.
    own = np.arange(n)
    return _Entries(
        n + len(holding),
        np.concatenate([row[keep], own]),
        np.concatenate([col[keep], own]),
        np.concatenate([np.concatenate(of)[keep], np.full(n, -1)]),
        np.concatenate([np.concatenate(values)[keep], np.where(fixed, 1.0, TRACE)]),
    )


def _system(linear: Linear, start: Ints, end: Ints, fixed: Bools) -> Any:
    e = _entries(linear, start, end, fixed)
    return coo_matrix((e.at(linear.slope), (e.row, e.col)), shape=(e.size, e.size)).tocsc()


SYMMETRIC = {"SymmetricMode": True}
"""SuperLU's option to take pivots from the diagonal where they are not small."""


def _factor(system: Any) -> Any:
    """LU factors. But for the rows of holding links the system is symmetric and dominated by its diagonal,
    which the ordering makes use of; these rows, 0 on the diagonal, are pivoted."""
    return splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.01, options=SYMMETRIC)


class Law(NamedTuple):
    """Head loss of pipes, friction * q|q|^(exponent-1) + local * q|q| [m], (L,); NaN friction: no pipe."""

    friction: Floats
    local: Floats
    exponent: float

    def loss(self, flow: Floats) -> Floats:
        """Head loss (.., L) [m] at flows (.., L) [m3/s], with the sign of the flow; NaN: no pipe."""
        size = np.abs(flow)
        result: Floats = np.sign(flow) * (self.friction * size**self.exponent + self.local * size**2)
        return result


class Finite:
    """Answers of one state to leaks that are not small against the flow in the pipes that feed them.

    Where the unknowns stand in the matrix is found once and serves every leak: that took more time than the
    factors themselves. linear, flow (L,): the state; law: of the links; start, end (L,), fixed (N,): as for
    ``head_response``.
    """

    def __init__(self, linear: Linear, law: Law, flow: Floats, start: Ints, end: Ints, fixed: Bools) -> None:
        self._slope, self._law, self._flow = linear.slope, law, flow
        self._start, self._end, self._fixed = start, end, fixed
        self._pipe = np.isfinite(law.friction) & np.isfinite(linear.slope) & (linear.held == 0)
        self._at_state = np.where(self._pipe, law.loss(flow), 0.0)
        self._entries = e = _entries(linear, start, end, fixed)
        self._base = _factor(_system(linear, start, end, fixed))
        self._place = self._base.perm_c.astype(np.int64)
        keys, self._slot = np.unique(self._place[e.col] * e.size + self._place[e.row], return_inverse=True)
        column = np.searchsorted(keys, np.arange(e.size + 1) * e.size)
        shape = (e.size, e.size)
        self._matrix = csc_matrix((np.zeros(len(keys)), keys % e.size, column), shape=shape)

    def response(self, sensors: Ints, nodes: Ints, taken: float, rounds: int = 2) -> Floats:
        """Change of head at sensors when ``taken`` [m3/s] leaves at each of ``nodes``, (M, K) [m].

        Each round replaces a pipe's slope by the secant of its head loss over the change of flow found before
        (0 rounds: the linear answer); with ``taken`` twice a district's inflow two rounds are within a few
        percent of EPANET. Other links keep their slope, valves what they do.
        """
        n, start, end = len(self._fixed), self._start, self._end
        out = np.zeros((len(sensors), len(nodes)))
        loads = np.zeros((self._entries.size, len(nodes)))
        loads[nodes, np.arange(len(nodes))] = -taken
        for k, change in enumerate(self._base.solve(loads).T):
            if self._fixed[nodes[k]]:
                continue
            slope = self._slope
            for _ in range(rounds):
                if np.abs(change[:n]).max() > CUT_OFF * abs(taken):
                    break
                dq = (change[start] - change[end]) / slope
                moved = self._pipe & (np.abs(dq) > 1e-7)
                with np.errstate(invalid="ignore", divide="ignore"):
                    secant = (self._law.loss(self._flow + dq) - self._at_state) / dq
                slope = np.where(moved, np.maximum(secant, LEAST_SLOPE), self._slope)
                change = self._solve(slope, loads[:, k])
            answer = change[sensors]
            out[:, k] = np.where(np.abs(answer) > CUT_OFF * abs(taken), 0.0, answer)
        return out

    def _solve(self, slope: Floats, load: Floats) -> Floats:
        """Changes of the unknowns by ``load`` where links have ``slope`` (L,)."""
        count = len(self._matrix.data)
        self._matrix.data = np.bincount(self._slot, self._entries.at(slope), count)
        # Supernodes and panels, made for factors with long columns, only cost time in those of networks.
        factors = splu(
            self._matrix,
            permc_spec="NATURAL",
            diag_pivot_thresh=0.01,
            relax=1,
            panel_size=1,
            options=SYMMETRIC,
        )
        placed = np.empty_like(load)
        placed[self._place] = load
        result: Floats = factors.solve(placed)[self._place]
        return result


def leak_response(response: Floats, start: Ints, end: Ints, pipes: Ints) -> Floats:
    """Response of sensors to a unit leak in the middle of pipes [m per m3/s], (M, P), from nodes' (M, N)."""
    return 0.5 * (response[:, start[pipes]] + response[:, end[pipes]])
