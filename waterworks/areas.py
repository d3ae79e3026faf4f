"""A first guess at the DMAs of a network that nobody has divided yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from waterworks.network import LinkKind, Network, NodeKind
from waterworks.zones import components, shut

Labels = NDArray[np.int64]
OUTSIDE = -1

_BORDERS = (LinkKind.PUMP, LinkKind.PRV, LinkKind.PSV, LinkKind.FCV)


class Areas(NamedTuple):
    """label (N,): number of the DMA of each node, OUTSIDE for sources and mains that serve nobody.

    names: one for each DMA. how: what the guess rests on, to tell the user.
    """

    label: Labels
    names: tuple[str, ...]
    how: str


def guess(network: Network, tags: Mapping[str, str]) -> Areas:
    """DMAs from the nodes' tags where these divide the network into districts, else from its hydraulics."""
    return _fed(network, from_tags(network, tags) or from_borders(network))


def _fed(network: Network, areas: Areas) -> Areas:
    """Areas that no open link enters get their tanks as sources; one without any is no DMA."""
    label = areas.label.copy()
    for k in range(len(areas.names)):
        if not len(_beside(network, label, k)):
            label[(label == k) & (network.node_kind == NodeKind.TANK)] = OUTSIDE
        if not len(_beside(network, label, k)):
            label[label == k] = OUTSIDE
    kept = [k for k in range(len(areas.names)) if (label == k).any()]
    order = {k: i for i, k in enumerate(kept)}
    label = np.array([order.get(int(k), OUTSIDE) for k in label], np.int64)
    return Areas(label, tuple(areas.names[k] for k in kept), areas.how)


def borders(network: Network, label: Labels) -> NDArray[np.int64]:
    """Links through which water can pass from one area to another, or to and from the outside."""
    different = label[network.start] != label[network.end]
    return np.flatnonzero(different & ~shut(network))


def from_tags(network: Network, tags: Mapping[str, str]) -> Areas | None:
    """Tags are taken for districts when most junctions have one and few links join different ones."""
    junction = network.node_kind == NodeKind.JUNCTION
    said = np.array([tags.get(n, "") for n in network.node_ids], object)
    tagged = junction & (said != "")
    if tagged.sum() < 0.5 * junction.sum():
        return None
    names = [name for name, _ in Counter(said[tagged]).most_common()]
    number = {name: k for k, name in enumerate(names)}
    label = np.array([number.get(s, OUTSIDE) for s in said], np.int64)
    label[network.node_kind == NodeKind.RESERVOIR] = OUTSIDE
    label = _adopted(network, label)
    crossings = len(borders(network, label))
    if len(names) > 300 or tagged.sum() < 5 * len(names) or crossings > 6 * len(names):
        return None  # materials, pressure classes, street names, ...: not districts
    return Areas(label, tuple(names), f"the tags of {tagged.sum()} nodes")


def _adopted(network: Network, label: Labels) -> Labels:
    """Untagged pieces that hang on one area alone become part of it."""
    inner = (label[network.start] == OUTSIDE) & (label[network.end] == OUTSIDE) & ~shut(network)
    piece = components(network, ~inner)
    out = label.copy()
    around: dict[int, set[int]] = {}
    for a, b in ((network.start, network.end), (network.end, network.start)):
        for i in np.flatnonzero((label[a] == OUTSIDE) & (label[b] != OUTSIDE) & ~shut(network)):
            around.setdefault(int(piece[a[i]]), set()).add(int(label[b[i]]))
    sources = set(piece[network.node_kind == NodeKind.RESERVOIR].tolist())
    for k, beside in around.items():
        if len(beside) == 1 and k not in sources:
            out[(piece == k) & (label == OUTSIDE)] = beside.pop()
    return out


def from_borders(network: Network) -> Areas:
    """Parts between pumps, reducing valves and sources; small ones go to the neighbour that is largest."""
    kind = network.link_kind
    at_source = (network.node_kind[network.start] != NodeKind.JUNCTION) | (
        network.node_kind[network.end] != NodeKind.JUNCTION
    )
    cut = np.isin(kind, _BORDERS) | at_source | shut(network)
    label = components(network, cut).astype(np.int64)
    junction = network.node_kind == NodeKind.JUNCTION
    label[network.node_kind == NodeKind.RESERVOIR] = OUTSIDE
    label = _merged(network, label, least=max(5, round(0.02 * junction.sum())))

    demand = {int(k): float(network.base_demand[label == k].sum()) for k in np.unique(label[label >= 0])}
    if any(v > 0 for v in demand.values()):
        for k, v in demand.items():
            if v <= 0 and len(_beside(network, label, k)):
                label[label == k] = OUTSIDE  # a main that serves nobody
    kept = sorted((k for k in demand if (label == k).any()), key=lambda k: -demand[k])
    order = {k: i for i, k in enumerate(kept)}
    label = np.array([order.get(int(k), OUTSIDE) for k in label], np.int64)
    names = tuple(f"Zone {i + 1}" for i in range(len(kept)))
    how = "its pumps, pressure reducing valves and sources" if len(kept) > 1 else "the whole network"
    return Areas(label, names, how)


def _beside(network: Network, label: Labels, k: int) -> NDArray[np.int64]:
    """Links from area ``k`` to other areas, open ones."""
    across = (label[network.start] == k) != (label[network.end] == k)
    return np.flatnonzero(across & ~shut(network))


def _merged(network: Network, label: Labels, least: int) -> Labels:
    """Areas of fewer than ``least`` junctions joined to a neighbour, by pipe rather than by pump or valve."""
    out = label.copy()
    junction = network.node_kind == NodeKind.JUNCTION
    closed = shut(network)
    stuck: set[int] = set()
    while True:
        size = Counter(out[junction & (out >= 0)].tolist())
        for k in np.unique(out[out >= 0]).tolist():
            size.setdefault(k, 0)
        small = sorted((n, k) for k, n in size.items() if n < least and k not in stuck)
        if not small or len(size) == 1:
            return out
        k = small[0][1]
        across = np.flatnonzero((out[network.start] == k) != (out[network.end] == k))
        best: tuple[tuple[bool, bool, int, int], int] | None = None
        for i in across.tolist():
            a, b = int(out[network.start[i]]), int(out[network.end[i]])
            other = b if a == k else a
            if other < 0:
                continue
            pipe = network.link_kind[i] <= LinkKind.PIPE
            rank = (not bool(closed[i]), bool(pipe), size[other], -other)
            if best is None or rank > best[0]:
                best = (rank, other)
        if best is None:
            stuck.add(k)
        else:
            out[out == k] = best[1]
