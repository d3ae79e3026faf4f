"""A site in parts that can be watched each on its own; cut by the site alone, whoever does the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from waterworks.losses import Bill
from waterworks.site import Site


def cut(site: Site, most: int) -> list[Site]:
    """Parts of up to ``most`` DMAs, in the order of the site.

    DMAs that a meter joins stay together, in a part that may so become larger: what is wrong with that meter
    concerns both. A zone that is cut is none in the parts, as its sum would be taken for the zone's. A site
    with a hydraulic model is one part: its pressures are those of one network.
    Sensors in no DMA go with the first.
    """
    if site.network_file is not None or len(site.dmas) <= most:
        return [site]
    groups = _packed(_joined(site), most)
    if len(groups) == 1:
        return [site]
    of = {site.dmas[k].id: number for number, group in enumerate(groups) for k in group}
    sensors: list[list[int]] = [[] for _ in groups]
    for i, s in enumerate(site.sensors):
        sensors[of.get(s.dma, of.get(s.from_dma, 0))].append(i)
    split = {name for name, dmas in site.zones.items() if len({of[d.id] for d in dmas}) > 1}
    bills: list[list[Bill]] = [[] for _ in groups]
    for bill in site.billing:
        bills[of.get(bill.dma, 0)].append(bill)
    return [
        replace(
            site,
            dmas=tuple(replace(d, zone="") if d.zone in split else d for d in (site.dmas[k] for k in group)),
            sensors=tuple(site.sensors[i] for i in sensors[number]),
            billing=tuple(bills[number]),
        )
        for number, group in enumerate(groups)
    ]


def _joined(site: Site) -> list[list[int]]:
    """Columns of DMAs that sensors join, each list in order, by their first."""
    column = {d.id: k for k, d in enumerate(site.dmas)}
    pairs = [
        (column[s.dma], column[s.from_dma]) for s in site.sensors if s.dma in column and s.from_dma in column
    ]
    ends = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    meters = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(column), len(column)))
    _, group = connected_components(meters, directed=False)
    found: dict[int, list[int]] = {}
    for k, number in enumerate(group.tolist()):
        found.setdefault(number, []).append(k)
    return list(found.values())


def _packed(groups: Sequence[list[int]], most: int) -> list[list[int]]:
    out: list[list[int]] = []
    for group in groups:
        if out and len(out[-1]) + len(group) <= most:
            out[-1] += group
        else:
            out.append(list(group))
    return [sorted(group) for group in out]
