"""The sensors of a labelled year: those of an example folder, or a plausible set for any network."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from waterworks.epanet_file import read_network
from waterworks.errors import Problem, SiteError
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.site import Dma, Role, Sensor, Site
from waterworks.units import Quantity
from waterworks.zones import components

KINDS = ("Pressures", "Flows", "Levels", "Demands")

PRESSURES_PER_JUNCTION = 33 / 782
"""Loggers as in L-TOWN (Vrachimis et al. 2022, J. Water Resour. Plann. Manage. 148(12)); at least 6."""

METERS_PER_JUNCTION = 82 / 782
"""As many consumption meters, likewise."""


def battle_site(network_file: Path, like: Path | None = None) -> Site:
    """A site for ``network_file`` in UTC with sensors that sample each 5 minutes.

    like: a folder in the battle format whose columns name the sensors. None: the flow at every reservoir and
    pump, every tank's level, and pressures and consumption spread over the network, in the numbers of L-TOWN.
    DMAs are the zones between valves, pumps, tanks and reservoirs.
    Raises SiteError where a column names nothing of the network, NetworkError.
    """
    network = read_network(network_file)
    names = columns_of(like) if like is not None else spread(network)
    _check(network, names, like)
    label = zones(network)
    present = sorted({int(z) for z in label if z >= 0})
    node_dma = {name: f"Z{z + 1}" for name, z in zip(network.node_ids, label.tolist(), strict=True) if z >= 0}
    sensors = [
        *(_sensor("P", Quantity.PRESSURE, "m", node) for node in names["Pressures"]),
        *(_sensor("F", Quantity.FLOW, "m3/h", link) for link in names["Flows"]),
        *(_sensor("L", Quantity.LEVEL, "m", tank) for tank in names["Levels"]),
        *(_sensor("D", Quantity.FLOW, "L/h", node, Role.CONSUMPTION) for node in names["Demands"]),
    ]
    dmas = tuple(Dma(f"Z{z + 1}", f"Zone {z + 1}", 0) for z in present)
    return Site(
        id=network_file.parent.name or "network",
        name=network_file.parent.name,
        timezone=ZoneInfo("UTC"),
        dmas=dmas,
        sensors=tuple(sensors),
        folder=network_file.parent,
        network_file=network_file,
        node_dma=node_dma,
    )


def _sensor(letter: str, quantity: Quantity, unit: str, element: str, role: Role = Role.MONITOR) -> Sensor:
    name = f"{letter}-{element}"
    return Sensor(name, quantity, unit, "", name, role, element=element, interval_s=300.0)


def columns_of(folder: Path) -> dict[str, list[str]]:
    """The columns of the first year's files in a folder of the battle format, by kind."""
    found: dict[str, list[str]] = {}
    for kind in KINDS:
        files = sorted(folder.glob(f"*_SCADA_{kind}.csv.gz"))
        if not files:
            found[kind] = []
            continue
        with gzip.open(files[0], "rt", encoding="utf-8-sig") as file:
            found[kind] = file.readline().strip().split(";")[1:]
    if not any(found.values()):
        raise SiteError([Problem(str(folder), None, "has no YEAR_SCADA_*.csv.gz to take sensors from")])
    return found


def _check(network: Network, names: dict[str, list[str]], like: Path | None) -> None:
    problems = []
    for kind, columns in names.items():
        known = network.link_index if kind == "Flows" else network.node_index
        what = "link" if kind == "Flows" else "node"
        problems += [
            Problem(str(like), None, f"column {name!r} of {kind} is no {what} of the network")
            for name in columns
            if name not in known
        ]
    if problems:
        raise SiteError(problems)


def zones(network: Network) -> NDArray[np.int64]:
    """Number of the zone of each node (N,), the one with most demand first; -1 for tanks and reservoirs.

    A zone is what pipes join once valves, pumps, tanks, reservoirs and closed links are taken out.
    """
    junction = network.node_kind == NodeKind.JUNCTION
    keep = (network.link_kind <= LinkKind.PIPE) & network.open
    keep &= junction[network.start] & junction[network.end]
    label = components(network, ~keep)
    parts = sorted(
        {int(x) for x in label[junction]}, key=lambda z: (-network.base_demand[label == z].sum(), z)
    )
    rank = {z: i for i, z in enumerate(parts)}
    return np.array([rank[int(z)] if j else -1 for z, j in zip(label, junction, strict=True)], np.int64)


def spread(network: Network) -> dict[str, list[str]]:
    """Sensors for any network, by kind; the same network gives the same ones."""
    links, kinds = network.link_ids, network.node_kind
    source = np.isin(np.arange(len(kinds)), np.flatnonzero(kinds == NodeKind.RESERVOIR))
    at_source = source[network.start] | source[network.end]
    flows = np.flatnonzero(at_source | (network.link_kind == LinkKind.PUMP))
    drawing = np.flatnonzero((kinds == NodeKind.JUNCTION) & (network.base_demand > 0))
    pressures = _far_apart(network, drawing, max(6, round(PRESSURES_PER_JUNCTION * len(drawing))))
    meters = np.linspace(0, len(drawing) - 1, max(3, round(METERS_PER_JUNCTION * len(drawing))))
    return {
        "Pressures": [network.node_ids[i] for i in pressures],
        "Flows": [links[i] for i in flows],
        "Levels": [network.node_ids[i] for i in np.flatnonzero(kinds == NodeKind.TANK)],
        "Demands": [network.node_ids[drawing[i]] for i in sorted({round(float(m)) for m in meters})],
    }


def _far_apart(network: Network, among: NDArray[np.intp], count: int) -> Sequence[int]:
    """Up to ``count`` nodes, each as far as can be from those before, by pipe length (Gonzalez 1985)."""
    n = len(network.node_ids)
    length = np.maximum(network.length, 1.0)
    graph = coo_array((length, (network.start, network.end)), shape=(n, n)).tocsr()
    sources = np.flatnonzero(network.node_kind == NodeKind.RESERVOIR)
    start = sources if len(sources) else among[:1]
    away = np.min(np.atleast_2d(dijkstra(graph, directed=False, indices=start)), axis=0)
    away[~np.isfinite(away)] = 0.0
    chosen: list[int] = []
    for _ in range(min(count, len(among))):
        node = int(among[np.argmax(away[among])])
        chosen.append(node)
        away = np.minimum(away, dijkstra(graph, directed=False, indices=node))
    return sorted(chosen)
