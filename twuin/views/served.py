"""How a DMA's service connections lie along its network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waterworks.network import Network, NodeKind
from waterworks.site import Site


def connections_of(site: Site, network: Network) -> NDArray[np.float64]:
    """(N,) service connections: those of a DMA shared out by mean demand, evenly where it has none."""
    out = np.zeros(len(network.node_ids))
    of = np.array([site.node_dma.get(n, "") for n in network.node_ids])
    for dma in site.dmas:
        inside = (of == dma.id) & (network.node_kind == NodeKind.JUNCTION)
        demand = np.where(inside, np.maximum(network.base_demand, 0), 0)
        share = demand if demand.sum() > 0 else inside.astype(np.float64)
        if share.sum() > 0:
            out += dma.connections * share / share.sum()
    return out
