"""A network with its meters: how what they measured becomes a day for the tracker of leaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.model.demand import SCALED
from analytics.model.layout import Hours, Layout, members
from analytics.radius import pipe_distances
from twuin.monitor.dry import dry_hours
from twuin.monitor.reliance import Bounds, Reliance
from twuin.monitor.through import Source, flow_sources, held, imposable
from waterworks.controls import controlled_links
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.steady import WEEK_HOURS, SteadySolver
from waterworks.zones import components

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

REACH_M = 1000.0
"""Distances along the pipes are worked out so far."""

IDLE = 0.02
"""A pump stands that moves no more than this share of the most that it can: meters at rest creep."""

HEARD = 0.8
"""A zone's consumption is measured while meters of this share of it speak; the rest is filled in."""


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
    """One network and its meters. Holds an EPANET project: to be closed. Raises NetworkError.

    Pumps, and whatever else the file's controls switch, carry the flow that meters and tanks say they carry:
    it is imposed on the model, in which they are shut. Where shutting them would leave junctions without a
    reservoir or a tank they work as the file describes them, on or off as their flow says. Of those whose
    flow nobody knows no state is made up (``unmetered_pumps`` names the pumps): pressures that rest on one
    are left out, and so are those that rest on a meter or a level while it is silent.
    """

    def __init__(self, network: Network, path: Path, points: Points) -> None:
        self.network, self.points = network, points
        n = network
        controlled = controlled_links(path)
        self._conducts = n.open | (n.link_kind > LinkKind.PIPE)
        self._conducts[list(controlled.links)] = True
        pumps = np.flatnonzero(
            (n.link_kind == LinkKind.PUMP) & (n.open | np.isin(np.arange(len(n.open)), points.flow))
        )
        changing = sorted(controlled.links | set(pumps.tolist()))
        sources = flow_sources(n, changing, points.flow, points.level, self._conducts)
        imposed = imposable(n, [k for k in changing if k in sources], self._conducts)
        switched = [k for k in changing if k not in imposed]
        told = [k for k in switched if k in sources and k not in controlled.throttled]
        self.unmetered_pumps = [
            n.link_ids[k] for k in switched if k not in told and n.link_kind[k] == LinkKind.PUMP
        ]
        self.solver = SteadySolver(path, imposed, switched)
        self._imposed = [sources[k] for k in imposed]
        self._told = [(switched.index(k), sources[k], IDLE * self._most(k)) for k in told]
        self._start = np.where(n.open[switched], 1.0, 0.0)
        fixed = n.node_kind != NodeKind.JUNCTION
        zone, zones, self._signs, self._balanced = self._zones()
        self._tank_zone = np.zeros((len(points.level), zones))
        self._tank_zone[np.arange(len(points.level)), zone[points.level]] = 1.0
        zone = np.where(fixed, -1, zone)
        self._member = members(zone, zones)
        self._sensor_zone = zone[points.pressure]
        self._zone_demand = n.base_demand @ self._member
        self._usual = n.base_demand[points.consumption]
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
        bounds = Bounds(
            np.array(switched, np.int64),
            self.layout.imposed,
            np.array([self._most(k) for k in imposed]),
            self.layout.zone,
            self._conducts,
        )
        self._reliance = Reliance(n, self.solver, points.pressure, bounds)
        self.pipe_ids = [n.link_ids[int(i)] for i in pipes]
        self.pipe_index = {name: k for k, name in enumerate(self.pipe_ids)}

    def _most(self, link: int) -> float:
        """As much as may flow through a link [m3/s]: to the end of a pump's curve, else all that is used."""
        curve = self.network.pump_curves.get(link)
        used = float(self.network.base_demand.sum())
        return used if curve is None else float(curve[:, 0].max())

    def close(self) -> None:
        self.solver.close()

    def _zones(self) -> tuple[Ints, int, Floats, Bools]:
        """Parts between flow meters: zone (N,), how many, signs (F, Z) of meters, whether balanced (Z,).

        Reservoirs, and tanks whose level nobody measures, are in no part; a part that water can enter from
        them unmetered has no balance.
        """
        n, meters = self.network, self.points.flow
        measured = np.zeros(len(n.node_ids), bool)
        measured[self.points.level] = True
        outside = (n.node_kind != NodeKind.JUNCTION) & ~measured
        joined = self._conducts.copy()
        joined[meters] = False
        part = components(n, ~joined | outside[n.start] | outside[n.end])
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
        """One local day: its hours (H,), 0 to 23, have the rows between ``edges`` (H + 1,).

        weekday: 0 is Monday. Values within an hour are averaged; hours without any are NaN. The row before
        the first edge, where there is one, says from which level tanks set out.
        """
        n, points = self.network, self.points
        step = float(np.median(np.diff(rows.seconds))) if len(rows.seconds) > 1 else 3600.0
        area = np.pi * n.tank_diameter[points.level] ** 2 / 4
        rate = np.full(rows.level.shape, np.nan)
        rate[1:] = np.diff(rows.level, axis=0) / np.diff(rows.seconds)[:, None] * area
        net = total(rows.flow, self._signs)
        if rows.level.size:
            net = net - total(rate, self._tank_zone)
            net[0] = np.nan  # no rise of tanks is known there
        net[:, ~self._balanced] = np.nan
        inflow, consumption = hourly(net, edges), hourly(rows.consumption, edges)
        inflow[self._unheard(consumption)] = np.nan
        nominal = self.solver.weekly[(weekday * 24 + hour) % WEEK_HOURS]
        still = np.where(self._tank_zone.any(0), np.nan, net)  # what a tank gives does not flow in
        dry = dry_hours(rows.pressure, self._sensor_zone, still, nominal @ self._member, edges)
        inflow[dry] = np.nan
        imposed = hourly(self._through(rows.flow, rate, self._imposed), edges)
        bounds, silent = self._levels(hourly(rows.level, edges))
        states, unsure = self._states(rows.flow, rate, edges)
        head = hourly(rows.pressure, edges) + n.elevation[points.pressure]
        head[(dry @ self._member[points.pressure].T) > 0] = np.nan
        for what, missing in (
            ("level", silent),
            ("switch", unsure),
            ("imposed", ~np.isfinite(imposed)),
            ("zone", ~np.isfinite(inflow) & self._balanced),
        ):
            for k in np.flatnonzero(missing.any(0)).tolist():
                head[np.ix_(missing[:, k], self._reliance.on(what, k))] = np.nan
        error = reading_error(rows.pressure[edges[0] : edges[-1]])
        return Hours(
            hour,
            head,
            np.tile(error / np.sqrt(3600 / step), (len(hour), 1)),
            inflow,
            consumption,
            np.where(np.isfinite(imposed), imposed, 0.0),
            np.hstack([bounds, states]),
            nominal,
            weekday,
        )

    def _levels(self, level: Floats) -> tuple[Floats, Bools]:
        """Heads (H, F) of the solver's fixed nodes from levels (H, K), and where they are not known."""
        n, fixed = self.network, self.solver.fixed
        head = np.tile(n.elevation[fixed], (len(level), 1))
        silent = np.zeros(head.shape, bool)
        for j, node in enumerate(fixed.tolist()):
            here = np.flatnonzero(self.points.level == node)
            if not len(here) and n.node_kind[node] != NodeKind.TANK:
                continue
            measured = level[:, here[0]] if len(here) else np.full(len(level), np.nan)
            silent[:, j] = ~np.isfinite(measured)
            usual = n.tank_init[node] if n.node_kind[node] == NodeKind.TANK else 0.0
            head[:, j] += np.where(silent[:, j], usual, measured)
        return head, silent

    def _through(self, flow: Floats, rate: Floats, sources: Sequence[Source]) -> Floats:
        """Flows (T, S) [m3/s] of links from those of meters and the rise of tanks."""
        out = np.empty((len(flow), len(sources)))
        for k, (meters, tanks) in enumerate(sources):
            out[:, k] = total(flow, meters[:, None])[:, 0]
            if tanks.any():
                out[:, k] += total(rate, tanks[:, None])[:, 0]
        return out

    def _states(self, flow: Floats, rate: Floats, edges: Ints) -> tuple[Floats, Bools]:
        """Of switched links (H, S): 1 where on, 0 where off, and where that is not known for the hour."""
        states = np.tile(self._start, (len(edges) - 1, 1))
        unsure = np.ones(states.shape, bool)
        through = self._through(flow, rate, [source for _, source, _ in self._told])
        for k, (column, _, idle) in enumerate(self._told):
            q = through[:, k : k + 1]
            share = hourly(np.where(np.isfinite(q), q > idle, np.nan), edges)[:, 0]
            states[:, column] = share > 0.5
            unsure[:, column] = ~((share == 0) | (share == 1))
        for on in np.unique(states, axis=0):
            cut = self._cut_off(on)
            same = (states == on).all(1)
            states[np.ix_(same, cut)], unsure[np.ix_(same, cut)] = 1.0, True
        return states, unsure

    def _cut_off(self, on: Floats) -> Bools:
        """Links (S,) whose being off leaves a part without a reservoir or a tank: nothing says its heads."""
        n, switched = self.network, self.solver.switched
        joined = self._conducts.copy()
        joined[self.solver.shut] = False
        joined[switched[on < 0.5]] = False
        safe = held(n, joined)
        return np.asarray((on < 0.5) & ~(safe[n.start[switched]] & safe[n.end[switched]]))

    def _unheard(self, consumption: Floats) -> Bools:
        """Zones (H, Z) most of whose customers are metered, where too few of these meters are heard."""
        used = np.where(np.isfinite(consumption), self._usual, 0.0) @ self._member[self.points.consumption]
        metered = self._usual @ self._member[self.points.consumption]
        return np.asarray((metered > SCALED * self._zone_demand) & (used < HEARD * metered))


def total(values: Floats, factors: Floats) -> Floats:
    """Sums (T, Z) of columns of values (T, S) times factors (S, Z), NaN where one that counts is NaN."""
    heard = np.isfinite(values)
    out: Floats = np.where(heard, values, 0.0) @ factors
    if not heard.all():
        out[(~heard).astype(float) @ (factors != 0) > 0] = np.nan
    return out


def hourly(values: Floats, edges: Ints) -> Floats:
    """Means of what is there between edges (H + 1,) of rows, (H, S), NaN where nothing is."""
    out = np.full((len(edges) - 1, values.shape[1]), np.nan)
    full = np.flatnonzero(np.diff(edges) > 0)
    if not len(full) or not values.shape[1]:
        return out
    values = values[: edges[-1]]
    ok = np.isfinite(values)
    added = np.add.reduceat(np.where(ok, values, 0.0), edges[full], axis=0)
    count = np.add.reduceat(ok.astype(np.float64), edges[full], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        out[full] = np.where(count > 0, added / count, np.nan)
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
