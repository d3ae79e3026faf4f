"""A folder of the Battle of the Leakage Detection and Isolation Methods 2020, without its truth.

Read are ``network.inp``, ``YEAR_SCADA_{Pressures,Flows,Levels,Demands}.csv.gz`` and ``YEAR_repairs.txt``;
nothing else, whatever lies beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from analytics.model.layout import Hours, Layout
from analytics.radius import pipe_distances
from waterworks.epanet_file import read_network
from waterworks.errors import BenchmarkError
from waterworks.network import LinkKind, NodeKind
from waterworks.steady import WEEK_HOURS, SteadySolver

Floats = NDArray[np.float64]

M3H = 1 / 3600
LITRES_H = 1e-3 / 3600
REACH_M = 1000.0
"""Distances along the pipes are worked out so far."""

KINDS = ("Pressures", "Flows", "Levels", "Demands")


class Repair(NamedTuple):
    pipe: str
    when: datetime


class Scada(NamedTuple):
    """Measurements of one year, 5-minute or other even steps. times (T,) datetime64[s]; pressure (T, M) [m],
    flow (T, F), consumption (T, C) [m3/s], level (T, K) [m]; names of the columns."""

    times: NDArray[np.datetime64]
    pressure: Floats
    flow: Floats
    level: Floats
    consumption: Floats
    names: dict[str, tuple[str, ...]]


def local_instant(text: str) -> datetime:
    """A local time of the data, which name no zone."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M")  # noqa: DTZ007


def years(folder: Path) -> list[int]:
    found = sorted(int(p.name[:4]) for p in folder.glob("[0-9][0-9][0-9][0-9]_SCADA_Pressures.csv*"))
    if not found:
        raise BenchmarkError(f"{folder}: no YEAR_SCADA_Pressures.csv.gz there; give the battle's folder")
    return found


def _table(
    folder: Path, year: int, kind: str
) -> tuple[NDArray[np.datetime64], Floats, tuple[str, ...]] | None:
    for path in (folder / f"{year}_SCADA_{kind}.csv.gz", folder / f"{year}_SCADA_{kind}.csv"):
        if path.is_file():
            break
    else:
        return None
    try:
        with pa.input_stream(path, compression="detect") as stream:
            table = pacsv.read_csv(
                stream,
                parse_options=pacsv.ParseOptions(delimiter=";"),
                convert_options=pacsv.ConvertOptions(decimal_point=",", null_values=["", "NaN", "nan"]),
            )
    except (pa.ArrowException, OSError) as e:
        raise BenchmarkError(f"{path.name}: cannot be read: {e}") from None
    try:
        times = table.column(0).cast(pa.timestamp("s")).to_numpy().astype("datetime64[s]")
        values = np.column_stack(
            [c.cast(pa.float64()).to_numpy(zero_copy_only=False) for c in table.columns[1:]]
        )
    except (pa.ArrowException, ValueError) as e:
        raise BenchmarkError(
            f"{path.name}: times in the first column and numbers in the others: {e}"
        ) from None
    if len(times) < 2 or not (np.diff(times) > np.timedelta64(0)).all():
        raise BenchmarkError(f"{path.name}: times must rise from line to line")
    return times, values, tuple(table.column_names[1:])


def read_scada(folder: Path, year: int) -> Scada:
    """Raises BenchmarkError naming file and what is wrong."""
    tables = {kind: _table(folder, year, kind) for kind in KINDS}
    pressure = tables["Pressures"]
    if pressure is None:
        raise BenchmarkError(f"{folder}: no {year}_SCADA_Pressures.csv.gz there")
    times = pressure[0]
    out: dict[str, Floats] = {}
    names: dict[str, tuple[str, ...]] = {}
    for kind, table in tables.items():
        if table is None:
            out[kind], names[kind] = np.empty((len(times), 0)), ()
            continue
        if len(table[0]) != len(times) or (table[0] != times).any():
            raise BenchmarkError(f"{year}_SCADA_{kind}: its times are not those of {year}_SCADA_Pressures")
        out[kind], names[kind] = table[1], table[2]
    return Scada(
        times,
        out["Pressures"],
        out["Flows"] * M3H,
        out["Levels"],
        out["Demands"] * LITRES_H,
        names,
    )


def read_repairs(folder: Path, year: int) -> list[Repair]:
    path = folder / f"{year}_repairs.txt"
    if not path.is_file():
        return []
    out = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        try:
            pipe, when = (x.strip() for x in text.split(","))
            out.append(Repair(pipe, local_instant(when)))
        except ValueError:
            raise BenchmarkError(
                f"{path.name}, line {number}: '{text}' is not 'pipe, YYYY-MM-DD HH:MM'"
            ) from None
    return out


class Plant:
    """The network with its meters: how the columns of the measurements become a day for the tracker."""

    def __init__(self, folder: Path, names: dict[str, tuple[str, ...]]) -> None:
        path = folder / "network.inp"
        self.network = n = read_network(path)
        self._meters = self._links(names["Flows"], "Flows")
        imposed = [i for i in self._meters.tolist() if n.link_kind[i] == LinkKind.PUMP]
        pumps = np.flatnonzero((n.link_kind == LinkKind.PUMP) & n.open).tolist()
        self.unmetered_pumps = [n.link_ids[i] for i in pumps if i not in imposed]
        self.solver = SteadySolver(path, imposed)
        self._imposed = np.array([self._meters.tolist().index(i) for i in imposed], np.int64)
        fixed = n.node_kind != NodeKind.JUNCTION
        self._sensors = self._nodes(names["Pressures"], "Pressures")
        self._customers = self._nodes(names["Demands"], "Demands")
        tanks = self._nodes(names["Levels"], "Levels")
        self._tanks = tanks
        zone, zones, self._signs, self._balanced = self._zones(tanks)
        self._tank_zone = np.zeros((len(tanks), zones))
        self._tank_zone[np.arange(len(tanks)), self._zone_of_tank(tanks, zone)] = 1.0
        zone = np.where(fixed, -1, zone)
        pipes = np.flatnonzero((n.link_kind <= LinkKind.PIPE) & n.open & (n.length > 0))
        near = pipe_distances(
            n.start[pipes].astype(np.int64),
            n.end[pipes].astype(np.int64),
            n.length[pipes],
            len(n.node_ids),
            REACH_M,
        )
        self.layout = Layout(
            n.start.astype(np.int64),
            n.end.astype(np.int64),
            pipes.astype(np.int64),
            n.length[pipes],
            np.unique(n.roughness[pipes], return_inverse=True)[1].astype(np.int64),
            near.dense(),
            fixed,
            zone.astype(np.int64),
            zones,
            self._sensors,
            self._customers,
            np.array(imposed, np.int64),
        )
        self.pipe_index = {n.link_ids[int(i)]: k for k, i in enumerate(pipes)}
        self.pipe_ids = [n.link_ids[int(i)] for i in pipes]

    def _nodes(self, names: tuple[str, ...], what: str) -> NDArray[np.int64]:
        for name in names:
            if name not in self.network.node_index:
                raise BenchmarkError(f"SCADA_{what}: column {name} is no node of network.inp")
        return np.array([self.network.node_index[x] for x in names], np.int64)

    def _links(self, names: tuple[str, ...], what: str) -> NDArray[np.int64]:
        for name in names:
            if name not in self.network.link_index:
                raise BenchmarkError(f"SCADA_{what}: column {name} is no link of network.inp")
        return np.array([self.network.link_index[x] for x in names], np.int64)

    def _zones(self, tanks: NDArray[np.int64]) -> tuple[NDArray[np.int64], int, Floats, NDArray[np.bool_]]:
        """Parts between flow meters: zone (N,), how many, signs (F, Z) of meters, whether balanced (Z,).

        Reservoirs, and tanks whose level nobody measures, are in no part; a part that water can enter from
        them unmetered has no balance.
        """
        n = self.network
        count = len(n.node_ids)
        measured = np.zeros(count, bool)
        measured[tanks] = True
        outside = (n.node_kind != NodeKind.JUNCTION) & ~measured
        joined = np.ones(len(n.link_ids), bool)
        joined[self._meters] = False
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
        signs = np.zeros((len(self._meters), len(used)))
        for row, link in enumerate(self._meters.tolist()):
            into, out_of = zone[n.end[link]], zone[n.start[link]]
            if into >= 0:
                signs[row, into] += 1
            if out_of >= 0:
                signs[row, out_of] -= 1
        return zone, len(used), signs, balanced

    def _zone_of_tank(self, tanks: NDArray[np.int64], zone: NDArray[np.int64]) -> NDArray[np.int64]:
        return zone[tanks]

    def days(self, scada: Scada) -> Iterator[tuple[datetime, Hours]]:
        """Whole days in their order. Values within an hour are averaged; hours without any are NaN."""
        n = self.network
        t = scada.times.astype(np.int64)
        step = int(np.median(np.diff(t)))
        first = t[0] // 86400
        count = int(t[-1] // 86400 - first) + 1
        area = np.pi * n.tank_diameter[self._tanks] ** 2 / 4
        rate = np.full(scada.level.shape, np.nan)
        rate[1:] = np.diff(scada.level, axis=0) / np.diff(t)[:, None] * area
        net = (
            scada.flow @ self._signs - rate @ self._tank_zone
            if scada.level.size
            else scada.flow @ self._signs
        )
        net[:, ~self._balanced] = np.nan
        slot = ((t - first * 86400) // 3600).astype(np.int64)
        edges = np.searchsorted(slot, np.arange(count * 24 + 1))
        head = _hourly(scada.pressure, edges) + n.elevation[self._sensors]
        per_hour = 3600 / step
        flow = _hourly(scada.flow, edges)
        inflow = _hourly(net, edges)
        used = _hourly(scada.consumption, edges)
        level = _hourly(scada.level, edges)
        heads = np.tile(n.elevation[self.solver.fixed], (count * 24, 1))
        for j, node in enumerate(self.solver.fixed.tolist()):
            here = np.flatnonzero(self._tanks == node)
            if len(here):
                heads[:, j] = n.elevation[node] + level[:, here[0]]
            elif n.node_kind[node] == NodeKind.TANK:
                heads[:, j] = n.elevation[node] + n.tank_init[node]
        for d in range(count):
            rows = slice(24 * d, 24 * d + 24)
            of_day = scada.pressure[edges[24 * d] : edges[24 * d + 24]]
            error = _reading_error(of_day)
            when = datetime(1970, 1, 1) + timedelta(days=int(first) + d)  # noqa: DTZ001 - local time, no zone
            week = (when.weekday() * 24 + np.arange(24)) % WEEK_HOURS
            yield (
                when,
                Hours(
                    np.arange(24),
                    head[rows],
                    np.tile(error / np.sqrt(per_hour), (24, 1)),
                    inflow[rows],
                    used[rows],
                    flow[rows][:, self._imposed],
                    heads[rows],
                    self.solver.weekly[week],
                    when.weekday(),
                ),
            )


def _hourly(values: Floats, edges: NDArray[np.int64]) -> Floats:
    """Means of what is there between edges (H + 1,) of rows, (H, S), NaN where nothing is."""
    out = np.full((len(edges) - 1, values.shape[1]), np.nan)
    full = np.flatnonzero(np.diff(edges) > 0)
    if not len(full) or not values.shape[1]:
        return out
    ok = np.isfinite(values)
    total = np.add.reduceat(np.where(ok, values, 0.0), edges[full], axis=0)
    count = np.add.reduceat(ok.astype(np.float64), edges[full], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        out[full] = np.where(count > 0, total / count, np.nan)
    return out


def _reading_error(pressure: Floats) -> Floats:
    """Standard error of single readings of a day (T, M), (M,) [m], from the curvature of three in a row.

    For white noise of deviation s, p(t-1) - 2 p(t) + p(t+1) has deviation s * sqrt(6). 0 where too few are
    there.
    """
    curve = np.abs(pressure[2:] - 2 * pressure[1:-1] + pressure[:-2])
    typical = [np.median(c[ok]) if (ok := np.isfinite(c)).any() else 0.0 for c in curve.T]
    error: Floats = 1.4826 * np.array(typical) / np.sqrt(6)
    return error
