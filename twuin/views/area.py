"""Which pipes lie within the distances that a search of an alert's leak takes."""

from __future__ import annotations

import numpy as np

from analytics.radius import walk
from twuin.alerts.model import Finding
from twuin.views.models import AreaPipe
from waterworks.network import LinkKind, Network


def area_pipes(network: Network | None, finding: Finding) -> list[AreaPipe]:
    """Pipes of which some part lies within the radius of 50 or else of 90 %, nearest first; [] without one.

    A pipe of which only a part lies within counts whole: one walks it to its end.
    """
    if network is None or finding.centre not in network.link_index or finding.radius_50_m is None:
        return []
    pipes = np.flatnonzero(network.link_kind <= LinkKind.PIPE)
    others = np.flatnonzero(network.link_kind > LinkKind.PIPE)
    at = np.flatnonzero(pipes == network.link_index[finding.centre])
    if not len(at):
        return []
    start, end = network.start.astype(np.int64), network.end.astype(np.int64)
    near, far = walk(
        int(at[0]),
        start[pipes],
        end[pipes],
        network.length[pipes],
        len(network.node_ids),
        np.stack([start[others], end[others]], axis=1),
    )
    # Touched by the very end of the way is not searched.
    half, most = finding.radius_50_m, finding.radius_90_m or finding.radius_50_m
    order = [int(i) for i in np.argsort(near, kind="stable") if near[i] < most]
    return [
        AreaPipe(
            pipe=network.link_ids[int(pipes[i])],
            share=50 if near[i] < half else 90,
            near_m=round(float(near[i]), 1),
            far_m=round(float(far[i]), 1),
        )
        for i in order
    ]
