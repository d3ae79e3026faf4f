"""Where to put sensors when nobody has said: spread out along the pipes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from waterworks.network import Network

Floats = NDArray[np.float64]


def distances(network: Network, sources: Sequence[int], cut: NDArray[np.bool_] | None = None) -> Floats:
    """(len(sources), N) shortest distance along the links [m], inf where there is no way.

    ``cut`` (L,): links that do not count. Valves and pumps count as 1 m.
    """
    keep = np.ones(len(network.link_ids), bool) if cut is None else ~cut
    n = len(network.node_ids)
    length = np.maximum(network.length[keep], 1.0)
    a, b = network.start[keep], network.end[keep]
    low, high = np.minimum(a, b), np.maximum(a, b)
    # Parallel links: the shortest counts (a sparse matrix would add them up).
    order = np.lexsort((length, high, low))
    low, high, length = low[order], high[order], length[order]
    first = np.ones(len(low), bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    graph = coo_array((length[first], (low[first], high[first])), shape=(n, n)).tocsr()
    return np.asarray(dijkstra(graph, directed=False, indices=list(sources)).reshape(len(sources), n))


def spread(
    network: Network,
    candidates: Sequence[int],
    count: int,
    *,
    begin: Sequence[int] = (),
    cut: NDArray[np.bool_] | None = None,
) -> list[int]:
    """Up to ``count`` of the nodes ``candidates``, each as far along the pipes as can be from those before.

    Farthest-point choice (Gonzalez 1985), away from the nodes ``begin``, or where there are none begun at
    the candidate nearest to the middle of them all. Ties go to the earlier candidate.
    """
    pick = np.asarray(candidates, np.int64)
    if not len(pick) or count <= 0:
        return []
    far = 1e9  # stands for "no way there"
    chosen: list[int] = []
    if len(begin):
        nearest = distances(network, begin, cut)[:, pick].min(axis=0)
    else:
        # Among a sample, to stay fast on cities.
        sample = pick[:: max(1, len(pick) // 64)]
        reach = np.minimum(distances(network, [int(i) for i in sample], cut)[:, pick], far)
        chosen.append(int(sample[int(np.argmin(reach.max(axis=1)))]))
        nearest = distances(network, chosen, cut)[0, pick]
    while len(chosen) < count:
        nearest = np.minimum(nearest, far)
        best = int(np.argmax(nearest))
        if nearest[best] <= 0:
            break
        chosen.append(int(pick[best]))
        nearest = np.minimum(nearest, distances(network, [int(pick[best])], cut)[0, pick])
    return chosen
