"""Which junction lies in which DMA, inferred from where the inlet meters stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from waterworks.network import LinkKind, Network, NodeKind
from waterworks.site import Role, Sensor

Labels = NDArray[np.int32]


class Clash(NamedTuple):
    """Why no assignment fits: ``sensor`` is the meter at which it shows."""

    sensor: str
    message: str


class Zones(NamedTuple):
    """node_dma: junctions, tanks and reservoirs by DMA, those outside any left out."""

    node_dma: dict[str, str]
    clashes: list[Clash]


def components(network: Network, cut: NDArray[np.bool_]) -> Labels:
    """(N,) number of the connected part that each node is in once the links in ``cut`` (L,) are gone."""
    keep = ~cut
    n = len(network.node_ids)
    graph = coo_array((np.ones(keep.sum()), (network.start[keep], network.end[keep])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int32)


def shut(network: Network) -> NDArray[np.bool_]:
    """(L,) whether a pipe or valve is closed in the file. A pump at rest still joins its two sides."""
    return np.asarray(~network.open & (network.link_kind != LinkKind.PUMP))


def infer(network: Network, sensors: Sequence[Sensor]) -> Zones:
    """Cut the network at its inlet meters and closed links; a part belongs to the DMA whose meters face it.

    A meter's positive flow runs as the network file draws its link: the end node is on the side of ``dma``,
    the start node on that of ``from_dma``. Parts that no meter faces belong to no DMA.
    """
    meters = [s for s in sensors if s.role is Role.INLET and s.element in network.link_index]
    cut = shut(network)
    link = {s.id: network.link_index[s.element] for s in meters}
    cut[list(link.values())] = True
    label = components(network, cut)

    faced: dict[int, dict[str, str]] = {}  # part -> DMA ("": none) -> the meter that says so
    for s in meters:
        i = link[s.id]
        for node, dma in ((network.end[i], s.dma), (network.start[i], s.from_dma)):
            faced.setdefault(int(label[node]), {}).setdefault(dma, s.id)

    owner: dict[int, str] = {}
    clashes = []
    for part, by in faced.items():
        named = [d for d in by if d]
        if len(by) == 1:
            owner[part] = next(iter(by))
            continue
        if len(named) == 1:
            # A meter that names no DMA on this side, at a part that another meter gives to one.
            clashes.append(_open_side(network, cut, label, meters, link, part, by, named[0]))
            owner[part] = named[0]
        else:
            clashes.append(_joined(network, cut, meters, link, by, named, label, part))
    node_dma = {
        name: owner[int(part)]
        for name, part in zip(network.node_ids, label, strict=True)
        if owner.get(int(part))
    }
    return Zones(node_dma, clashes)


def _open_side(
    network: Network,
    cut: NDArray[np.bool_],
    label: Labels,
    meters: list[Sensor],
    link: dict[str, int],
    part: int,
    by: dict[str, str],
    dma: str,
) -> Clash:
    meter = next(s for s in meters if s.id == by[""])
    i = link[meter.id]
    inside, outside = (network.end[i], network.start[i])
    if label[inside] == label[outside]:
        way = _way(network, cut, int(inside), int(outside))
        return Clash(
            meter.id,
            f"link {meter.element} does not bound {dma}: water also gets round it by {way}; every open link "
            f"across the border needs an inlet meter, or list the nodes of each DMA in nodes.csv",
        )
    if meter.from_dma == "" and label[outside] == part:
        return Clash(
            meter.id,
            f"link {meter.element} starts at node {network.node_ids[outside]}, which {by[dma]} puts into "
            f"{dma}: set from_dma to {dma}, or, if water enters {meter.dma} against the direction in which "
            f"the file draws the link, swap dma and from_dma (positive is from its start to its end node)",
        )
    return Clash(
        meter.id,
        f"link {meter.element} ends at node {network.node_ids[inside]}, which {by[dma]} puts into {dma}: "
        f"set dma to {dma} (positive is from the link's start to its end node)",
    )


def _joined(
    network: Network,
    cut: NDArray[np.bool_],
    meters: list[Sensor],
    link: dict[str, int],
    by: dict[str, str],
    named: list[str],
    label: Labels,
    part: int,
) -> Clash:
    one, two = named[:2]
    a, b = by[one], by[two]
    ends = []
    for sensor, dma in ((a, one), (b, two)):
        s = next(m for m in meters if m.id == sensor)
        i = link[sensor]
        at_end = s.dma == dma and label[network.end[i]] == part
        ends.append(int(network.end[i] if at_end else network.start[i]))
    way = _way(network, cut, ends[0], ends[1])
    return Clash(
        b,
        f"{one} and {two} are one piece of network: from {a} to {b} water runs without a meter by {way}; "
        f"every open link across their border needs an inlet meter (positive is from the link's start to "
        f"its end node), or list the nodes of each DMA in nodes.csv",
    )


def _way(network: Network, cut: NDArray[np.bool_], start: int, end: int, longest: int = 6) -> str:
    """The shortest way between two nodes along open links, shortened in the middle."""
    if start == end:
        return f"node {network.node_ids[start]}"
    n = len(network.node_ids)
    keep = np.flatnonzero(~cut)
    graph: Any = coo_array(
        (np.ones(len(keep)), (network.start[keep], network.end[keep])), shape=(n, n)
    ).tocsr()
    _, before = breadth_first_order(graph, start, directed=False)
    by_ends = {frozenset((int(network.start[i]), int(network.end[i]))): network.link_ids[i] for i in keep}
    links = []
    node = end
    while node != start and before[node] >= 0:
        links.append(by_ends[frozenset((int(before[node]), node))])
        node = int(before[node])
    links.reverse()
    if len(links) > longest:
        links = [*links[: longest // 2], "...", *links[-(longest // 2) :]]
    return "links " + ", ".join(links)


def junctions(network: Network, node_dma: dict[str, str]) -> dict[str, str]:
    """The part of ``node_dma`` that speaks of junctions."""
    kind = dict(zip(network.node_ids, network.node_kind, strict=True))
    return {n: d for n, d in node_dma.items() if kind[n] == NodeKind.JUNCTION}


def link_dma(network: Network, node_dma: dict[str, str]) -> tuple[str, ...]:
    """(L,) the DMA that each link serves, "" outside all: its end node's, else its start node's."""
    at = [node_dma.get(n, "") for n in network.node_ids]
    return tuple(at[e] or at[s] for s, e in zip(network.start, network.end, strict=True))
