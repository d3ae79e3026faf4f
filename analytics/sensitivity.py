"""How pressures answer to a leak: heads linearised around a solved state, by the adjoint.

At a solved state every link follows dq = dh / g, with g = dh/dq the slope of its head loss, and flows
balance at every junction. One sparse factorisation of these equations and one back-solve a sensor give the
response of that sensor to a unit leak at every junction: the system is solved transposed, for the sensor,
not once per leak. (Kapelan, Savic & Walters 2003, J. Hydraul. Res. 41(5), on adjoint sensitivities of
pipe networks; the equations are EPANET's own, Rossman et al. 2020, EPANET 2.2 User Manual, ch. 12.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HAZEN_WILLIAMS = 10.667
"""h = 10.667 L q|q|^0.852 / (C^1.852 d^4.871) in SI units (EPANET manual, table 3.1, 4.727 in feet)."""

CHEZY_MANNING = 10.294
"""h = 10.294 n^2 L q|q| / d^(16/3) in SI units."""

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


def pipe_slope(
    flow: Floats, length: Floats, diameter: Floats, roughness: Floats, minor: Floats, loss: Floats, law: str
) -> Floats:
    """dh/dq of pipes [s/m2], (L,).

    flow [m3/s], length, diameter [m], roughness as the law has it, minor loss [-], loss: head loss at the
    state [m]. law "H-W", "D-W" or "C-M". Friction and minor losses are differentiated exactly for H-W and
    C-M; for D-W (whose friction factor falls with flow) 2 loss / flow is used, up to 10 % too much in
    smooth pipes. At zero flow the slope is taken at 1e-6 m3/s, as heads there hardly depend on it.
    """
    q = np.maximum(np.abs(flow), 1e-6)
    d = np.where(diameter > 0, diameter, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        local = 2 * minor * 8 / (np.pi**2 * 9.80665 * d**4) * q
        if law == "H-W":
            friction = 1.852 * HAZEN_WILLIAMS * length / (roughness**1.852 * d**4.871) * q**0.852
        elif law == "C-M":
            friction = 2 * CHEZY_MANNING * roughness**2 * length / d ** (16 / 3) * q
        else:
            friction = np.maximum(2 * np.abs(loss) / q - local, 0.0)
    slope: Floats = np.maximum(np.nan_to_num(friction + local), LEAST_SLOPE)
    return slope


def head_response(linear: Linear, start: Ints, end: Ints, fixed: Bools, sensors: Ints) -> Floats:
    """Change of head at sensors per unit of water taken at each node [m per m3/s], (M, N), mostly negative.

    start, end (L,): node indices of links in their flow direction; fixed (N,): reservoirs and tanks, whose
    head does not change; sensors (M,): node indices. Columns of fixed nodes are 0.
    A node without any conducting way to a fixed or held head is cut off: it gives zeros, it takes none.
    """
    n = len(fixed)
    conducting = np.isfinite(linear.slope) & (linear.held == 0)
    holding = np.flatnonzero(linear.held != 0)
    g = np.where(conducting, 1.0 / linear.slope, 0.0)
    a, b = start[conducting], end[conducting]
    w = g[conducting]
    # Unknowns: N heads, then the flow change through each holding link.
    rows = [a, b, a, b]
    cols = [a, b, b, a]
    vals = [w, w, -w, -w]
    for k, link in enumerate(holding):
        up, down = int(start[link]), int(end[link])
        node = down if linear.held[link] > 0 else up
        rows += [np.array([up, down, n + k])]
        cols += [np.array([n + k, n + k, node])]
        vals += [np.array([1.0, -1.0, 1.0])]
    row, col, val = np.concatenate(rows), np.concatenate(cols), np.concatenate(vals)
    keep = ~fixed[np.minimum(row, n - 1)] | (row >= n)
    row, col, val = row[keep], col[keep], val[keep]
    known = np.flatnonzero(fixed)
    # Junctions joined to nothing would make the equations singular; a trace of conductance to ground
    # (1e-9 m3/s per m of head) decides their heads and moves no other by anything that matters.
    free = np.flatnonzero(~fixed)
    row = np.concatenate([row, known, free])
    col = np.concatenate([col, known, free])
    val = np.concatenate([val, np.ones(len(known)), np.full(len(free), 1e-9)])
    size = n + len(holding)
    system = coo_matrix((val, (row, col)), shape=(size, size)).tocsc()
    unit = np.zeros((size, len(sensors)))
    unit[sensors, np.arange(len(sensors))] = 1.0
    adjoint = splu(system).solve(unit, trans="T")
    response: Floats = -adjoint[:n].T
    response[:, fixed] = 0.0
    response[np.abs(response) > 1e8] = 0.0  # cut off: only the trace conductance holds it
    return response


def leak_response(response: Floats, start: Ints, end: Ints, pipes: Ints) -> Floats:
    """Response of sensors to a unit leak in the middle of pipes [m per m3/s], (M, P), from nodes' (M, N)."""
    return 0.5 * (response[:, start[pipes]] + response[:, end[pipes]])
