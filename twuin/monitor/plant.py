"""A network with its meters: how what they measured becomes a day for the tracker of leaks."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from analytics.model.layout import Hours, Layout
from analytics.radius import pipe_distances
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.steady import WEEK_HOURS, SteadySolver

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

REACH_M = 1000.0
"""Distances along the pipes are worked out so far."""


class Points(NamedTuple):
    """Where is measured: pressure (M,), level (K,) and consumption (C,) at nodes, flow (F,) in links."""

    pressure: Ints
    flow: Ints
    level: Ints
    consumption: Ints


class Rows(NamedTuple):
    """Readings in even steps, columns as ``Points``. seconds (T,); pressure (T, M) [m], flow (T, F) [m3/s],
    level (T, K) [m], consumption (T, C) [m3/s]. NaN: none."""

    seconds: Ints
    pressure: Floats
    flow: Floats
    level: Floats
    consumption: Floats


class Plant:
    """One network and its meters. Holds an EPANET project: to be closed. Raises NetworkError."""

    def __init__(self, network: Network, path: Path, points: Points) -> None:
        self.network, self.points = network, points
        n, meters = network, points.flow.tolist()
        imposed = [i for i in meters if n.link_kind[i] == LinkKind.PUMP]
        pumps = np.flatnonzero((n.link_kind == LinkKind.PUMP) & n.open).tolist()
        self.unmetered_pumps = [n.link_ids[i] for i in pumps if i not in imposed]
        self.solver = SteadySolver(path, imposed)
        self._imposed = np.array([meters.index(i) for i in imposed], np.int64)
        fixed = n.node_kind != NodeKind.JUNCTION
        zone, zones, self._signs, self._balanced = self._zones()
        self._tank_zone = np.zeros((len(points.level), zones))
        self._tank_zone[np.arange(len(points.level)), zone[points.level]] = 1.0
        zone = np.where(fixed, -1, zone)
        self.pipes: Ints = np.flatnonzero((n.link_kind <= LinkKind.PIPE) & n.open & (n.length > 0)).astype(
            np.int64
        )
        pipes = self.pipes
        start, end = n.start.astype(np.int64), n.end.astype(np.int64)
        near = pipe_distances(start[pipes], end[pipes], n.length[pipes], len(n.node_ids), REACH_M)
        self.layout = Layout(
            start,
            end,
            pipes,
            n.length[pipes],
            np.unique(n.roughness[pipes], return_inverse=True)[1].astype(np.int64),
            near.dense(),
            fixed,
            zone.astype(np.int64),
            zones,
            points.pressure,
            points.consumption,
            np.array(imposed, np.int64),
        )
        self.pipe_ids = [n.link_ids[int(i)] for i in pipes]
        self.pipe_index = {name: k for k, name in enumerate(self.pipe_ids)}

    def close(self) -> None:
        self.solver.close()

    def _zones(self) -> tuple[Ints, int, Floats, Bools]:
        """Parts between flow meters: zone (N,), how many, signs (F, Z) of meters, whether balanced (Z,).

        Reservoirs, and tanks whose level nobody measures, are in no part; a part that water can enter from
        them unmetered has no balance.
        """
        n, meters = self.network, self.points.flow
        count = len(n.node_ids)
        measured = np.zeros(count, bool)
        measured[self.points.level] = True
        outside = (n.node_kind != NodeKind.JUNCTION) & ~measured
        joined = np.ones(len(n.link_ids), bool)
        joined[meters] = False
        joined &= n.open | (n.link_kind > LinkKind.PIPE)
        inner = joined & ~outside[n.start] & ~outside[n.end]
        graph = coo_matrix((np.ones(inner.sum()), (n.start[inner], n.end[inner])), shape=(count, count))
        _, part = connected_components(graph, directed=False)
        used = np.unique(part[~outside])
        zone = np.searchsorted(used, part)
        zone = np.where(outside, -1, zone)
        balanced = np.ones(len(used), bool)
        for a, b in ((n.start, n.end), (n.end, n.start)):
            leaky = joined & outside[a] & ~outside[b]
            balanced[zone[b[leaky]]] = False
        signs = np.zeros((len(meters), len(used)))
        for row, link in enumerate(meters.tolist()):
            into, out_of = zone[n.end[link]], zone[n.start[link]]
            if into >= 0:
                signs[row, into] += 1
            if out_of >= 0:
                signs[row, out_of] -= 1
        return zone.astype(np.int64), len(used), signs, balanced

    def day(self, rows: Rows, edges: Ints, hour: Ints, weekday: int) -> Hours:
        """One local day: its hours (H,), 0 to 23, have the rows between ``edges`` (H + 1,); weekday 0: Monday.

        Values within an hour are averaged; hours without any are NaN. The row before the first edge, where
        there is one, says from which level tanks set out.
        """
        n, points = self.network, self.points
        step = float(np.median(np.diff(rows.seconds))) if len(rows.seconds) > 1 else 3600.0
        area = np.pi * n.tank_diameter[points.level] ** 2 / 4
        rate = np.full(rows.level.shape, np.nan)
        rate[1:] = np.diff(rows.level, axis=0) / np.diff(rows.seconds)[:, None] * area
        net = rows.flow @ self._signs
        if rows.level.size:
            net = net - rate @ self._tank_zone
        net[:, ~self._balanced] = np.nan
        flow, level = hourly(rows.flow, edges), hourly(rows.level, edges)
        fixed = np.tile(n.elevation[self.solver.fixed], (len(hour), 1))
        for j, node in enumerate(self.solver.fixed.tolist()):
            here = np.flatnonzero(points.level == node)
            if len(here):
                fixed[:, j] = n.elevation[node] + level[:, here[0]]
            elif n.node_kind[node] == NodeKind.TANK:
                fixed[:, j] = n.elevation[node] + n.tank_init[node]
        error = reading_error(rows.pressure[edges[0] : edges[-1]])
        return Hours(
            hour,
            hourly(rows.pressure, edges) + n.elevation[points.pressure],
            np.tile(error / np.sqrt(3600 / step), (len(hour), 1)),
            hourly(net, edges),
            hourly(rows.consumption, edges),
            flow[:, self._imposed],
            fixed,
            self.solver.weekly[(weekday * 24 + hour) % WEEK_HOURS],
            weekday,
        )


def hourly(values: Floats, edges: Ints) -> Floats:
    """Means of what is there between edges (H + 1,) of rows, (H, S), NaN where nothing is."""
    out = np.full((len(edges) - 1, values.shape[1]), np.nan)
    full = np.flatnonzero(np.diff(edges) > 0)
    if not len(full) or not values.shape[1]:
        return out
    values = values[: edges[-1]]
    ok = np.isfinite(values)
    total = np.add.reduceat(np.where(ok, values, 0.0), edges[full], axis=0)
    count = np.add.reduceat(ok.astype(np.float64), edges[full], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        out[full] = np.where(count > 0, total / count, np.nan)
    return out


def reading_error(pressure: Floats) -> Floats:
    """Standard error of single readings of a day (T, M), (M,) [m], from the curvature of three in a row.

    For white noise of deviation s, p(t-1) - 2 p(t) + p(t+1) has deviation s * sqrt(6). 0 where too few are
    there.
    """
    curve = np.abs(pressure[2:] - 2 * pressure[1:-1] + pressure[:-2])
    typical = [np.median(c[ok]) if (ok := np.isfinite(c)).any() else 0.0 for c in curve.T]
    error: Floats = 1.4826 * np.array(typical) / np.sqrt(6)
    return error
