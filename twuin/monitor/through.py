"""What flows through pumps and valves that are switched: what meters and tanks around them say of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from waterworks.network import Network, NodeKind
from waterworks.zones import components

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Source = tuple[Floats, Floats]
"""How a link's flow follows from readings: factors (F,) of flow meters and (K,) of the water that measured
tanks take in [m3/s]."""


def held(network: Network, joined: Bools) -> Bools:
    """Nodes (N,) that the links ``joined`` (L,) join to a reservoir or a tank, without which heads float."""
    part = components(network, ~joined)
    return np.isin(part, part[network.node_kind != NodeKind.JUNCTION])


def flow_sources(
    network: Network, links: Sequence[int], meters: Ints, levels: Ints, conducts: Bools
) -> dict[int, Source]:
    """How the flow of ``links`` follows from what is measured. Links of which nothing tells are left out.

    A link's own meter tells, or what goes in and out beside it: of a part of the network in which nobody
    takes water, whose other borders are all metered and whose tanks' levels are known. A meter in line
    with a pump is the plainest case. conducts (L,): links that may let water pass.
    """
    n, meter_list = network, meters.tolist()
    known = np.zeros(len(n.node_ids), bool)
    known[levels] = True
    uses = (n.base_demand != 0) | ((n.node_kind != NodeKind.JUNCTION) & ~known)
    joined = conducts.copy()
    joined[meters] = False
    joined[list(links)] = False
    part = components(n, ~joined)
    dry = ~np.isin(part, part[uses])
    out: dict[int, Source] = {}
    unmetered = [k for k in links if k not in meter_list]
    for link in links:
        if link in meter_list:
            out[link] = ((np.arange(len(meters)) == meter_list.index(link)).astype(float), _no(levels))
            continue
        best: Source | None = None
        for node, sign in ((n.start[link], -1.0), (n.end[link], 1.0)):
            here = part[node]
            touching = [k for k in unmetered if here in (part[n.start[k]], part[n.end[k]])]
            if not dry[node] or touching != [link] or part[n.start[link]] == part[n.end[link]]:
                continue
            leaving = (part[n.start[meters]] == here).astype(float) - (part[n.end[meters]] == here)
            stays = (part[levels] == here).astype(float)
            if (
                best is None
                or np.abs(leaving).sum() + stays.sum() < np.abs(best[0]).sum() + np.abs(best[1]).sum()
            ):
                best = (sign * leaving, sign * stays)
        if best is not None:
            out[link] = best
    return out


def _no(levels: Ints) -> Floats:
    return np.zeros(len(levels))


def imposable(network: Network, links: Sequence[int], conducts: Bools) -> list[int]:
    """Those of ``links`` that can be shut in a model, all at once, with their flow given as demand: each
    junction beside one stays joined to a reservoir or a tank, without which heads would float."""
    n, out = network, list(links)
    while out:
        joined = conducts.copy()
        joined[out] = False
        safe = held(n, joined)
        floating = [k for k in out if not (safe[n.start[k]] and safe[n.end[k]])]
        if not floating:
            break
        part = components(n, ~joined)
        # Pumps side by side stay side by side.
        ends = {part[n.start[floating[0]]], part[n.end[floating[0]]]}
        out = [k for k in out if {part[n.start[k]], part[n.end[k]]} != ends]
    return out
