"""Read model: which valves to shut before a pipe is dug up, and who has no water then."""

from __future__ import annotations

from collections import Counter
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from analytics.isolate import Segments
from twuin.views.models import Model
from twuin.views.served import connections_of
from waterworks.errors import NotFound
from waterworks.geo import Lines
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.site import Site, StopValve, ValveState
from waterworks.zones import link_dma, shut

MOST_PIPES = 2000
"""Pipes without supply that one answer names."""

KEPT = 200
"""Pipes whose answers are kept: an alert's page asks for the same one at each look."""


class ToShut(Model):
    """A valve to shut: one of the site's list, a valve or pump of the model, or a pipe that must have one."""

    id: str = Field(description="Of valves.csv; else the link's")
    pipe: str = Field(description="The link in which it is, or which it is")
    node: str = Field(description="Near which end of it")
    name: str = ""
    lon: float | None
    lat: float | None


class DryDma(Model):
    dma: str
    connections: int


class IsolationOut(Model):
    """How to take a pipe out of service."""

    pipe: str
    possible: bool = Field(description="False: water reaches it from a source without passing any valve")
    assumed: bool = Field(
        description="The site lists no valves: each pipe is taken to have one at either end but this one"
    )
    shut: list[ToShut] = Field(description="Few valves that leave few connections without water")
    connections: int = Field(
        description="Service connections without water then, by their share of the DMA's demand"
    )
    dmas: list[DryDma]
    pipes: list[str] = Field(description=f"Without supply then, this one among them; at most {MOST_PIPES}")
    length_m: float = Field(description="Of all pipes without supply")


class Isolations:
    """Isolation of the pipes of ``site``. network: None where it has no model.

    only: DMAs whose pipes may be asked for, None: all. What isolates them may lie beyond.
    """

    def __init__(self, site: Site, network: Network | None, only: frozenset[str] | None = None) -> None:
        self._site = site
        self._network = network
        self._only = only
        self._kept = lru_cache(KEPT)(self._isolate)

    def limited_to(self, dmas: frozenset[str]) -> Isolations:
        """Isolation of the pipes of these DMAs alone."""
        limited = Isolations(self._site, self._network, dmas)
        limited._kept = self._kept  # the answer is the same, whoever may ask for it
        return limited

    def of(self, pipe: str) -> IsolationOut:
        """How to take ``pipe`` out of service. Raises NotFound."""
        network = self._network
        if network is None:
            raise NotFound(
                f"site {self._site.id} has no network model: which valves isolate a pipe is not known"
            )
        link = network.link_index.get(pipe)
        if link is not None and self._only is not None:
            link = link if link_dma(network, self._site.node_dma)[link] in self._only else None
        if link is None:
            raise NotFound(f"no pipe {pipe[:40]!r} at site {self._site.id}")
        return self._kept(link)

    def _isolate(self, link: int) -> IsolationOut:
        network = self._network
        assert network is not None
        gates, valves = self._gates(network, link)
        found = Segments(
            np.column_stack([network.start, network.end]),
            ~shut(network),
            gates,
            network.node_kind != NodeKind.JUNCTION,
            self._connections,
            [v is not None and v.state is ValveState.SHUT for v in valves],
        ).isolate(link)
        dry = Counter[str]()
        for node in np.flatnonzero(found.dry).tolist():
            dry[self._site.node_dma.get(network.node_ids[node], "")] += self._connections[node]
        pipes = np.flatnonzero(found.pipes)
        return IsolationOut(
            pipe=network.link_ids[link],
            possible=found.gates is not None,
            assumed=not self._site.valves,
            shut=[
                self._to_shut(network, gates[g], valves[g])
                for g in ([] if found.gates is None else found.gates.tolist())
            ],
            connections=round(found.weight),
            dmas=[DryDma(dma=d, connections=round(n)) for d, n in dry.most_common() if d and round(n)],
            pipes=[network.link_ids[i] for i in pipes[:MOST_PIPES].tolist()],
            length_m=round(float(network.length[pipes].sum()), 1),
        )

    def _gates(self, network: Network, pipe: int) -> tuple[NDArray[np.int64], list[StopValve | None]]:
        """(G, 2) link and end of what can be shut, and which valve of the site's list each is."""
        if not self._site.valves:
            others = np.setdiff1d(np.arange(len(network.link_ids)), [pipe])
            gates = np.column_stack([np.repeat(others, 2), np.tile([0, 1], len(others))])
            return gates, [None] * len(gates)
        rows: list[tuple[int, int]] = []
        valves: list[StopValve | None] = []
        for valve in self._site.valves:
            if valve.state is not ValveState.STUCK:
                link = network.link_index[valve.pipe]
                rows.append((link, int(network.node_ids[network.start[link]] != valve.node)))
                valves.append(valve)
        listed = set(rows)
        for link in np.flatnonzero(network.link_kind > LinkKind.PIPE).tolist():
            fresh = [(link, end) for end in (0, 1) if (link, end) not in listed and link != pipe]
            rows += fresh
            valves += [None] * len(fresh)
        return np.array(rows, np.int64).reshape(-1, 2), valves

    def _to_shut(self, network: Network, gate: NDArray[np.int64], valve: StopValve | None) -> ToShut:
        return to_shut(network, gate, valve, self._lonlat if self._site.crs else None)

    @cached_property
    def _lonlat(self) -> NDArray[np.float64]:
        assert self._network is not None
        return Lines(self._site, self._network).nodes

    @cached_property
    def _connections(self) -> NDArray[np.float64]:
        assert self._network is not None
        return connections_of(self._site, self._network)


def to_shut(
    network: Network, gate: NDArray[np.int64], valve: StopValve | None, lonlat: NDArray[np.float64] | None
) -> ToShut:
    """A valve as it is shown. gate (2,): its link and end; valve: None where the site does not list it.
    lonlat (N, 2): of the nodes, None where the network has no geographic frame."""
    link, end = gate.tolist()
    node = int((network.start, network.end)[end][link])
    lon, lat = (np.nan, np.nan) if lonlat is None else lonlat[node].tolist()
    return ToShut(
        id=network.link_ids[link] if valve is None else valve.id,
        pipe=network.link_ids[link],
        node=network.node_ids[node],
        name="" if valve is None else valve.name,
        lon=round(lon, 7) if np.isfinite(lon) else None,
        lat=round(lat, 7) if np.isfinite(lat) else None,
    )


__all__ = ["DryDma", "IsolationOut", "Isolations", "ToShut", "to_shut"]
