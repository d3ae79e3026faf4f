"""A DMA as a step test sees it: what each valve parts, what each part uses, and where the leak may be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from analytics.isolate import Segments
from analytics.losses.babe import (
    UARL_CONNECTION_L_DAY_M,
    UARL_MAINS_L_KM_DAY_M,
    background_leakage,
)
from twuin.views.served import connections_of
from waterworks.errors import NotFound, WrongInput
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.site import Dma, Site, StopValve, ValveState
from waterworks.zones import shut

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class StepNetwork:
    """The valves and segments of a site's network, for tests in any of its DMAs.

    Where the site lists no valves (``assumed``), each pipe is taken to have one near its first node. Valves
    and pumps of the model can be shut without being listed.
    """

    def __init__(self, site: Site, network: Network) -> None:
        self.site, self.network = site, network
        self.assumed = not site.valves
        self.valves: list[StopValve | None] = []
        rows: list[tuple[int, int]] = []
        self.by_id: dict[str, list[int]] = {}
        for valve in site.valves:
            if valve.state is ValveState.STUCK:
                continue
            link = network.link_index[valve.pipe]
            end = int(network.node_ids[network.start[link]] != valve.node)
            self._add(rows, (link, end), valve.id, valve)
        listed = set(rows)
        of_model = np.arange(len(network.link_ids)) if self.assumed else _no_pipes(network)
        for link in of_model.tolist():
            if (link, 0) not in listed:
                self._add(rows, (link, 0), network.link_ids[link], None)
        self.gates = np.array(rows, np.int64).reshape(-1, 2)
        self.connections = connections_of(site, network)
        self.segments = Segments(
            np.column_stack([network.start, network.end]),
            ~shut(network),
            self.gates,
            network.node_kind != NodeKind.JUNCTION,
            self.connections,
            [v is not None and v.state is ValveState.SHUT for v in self.valves],
        )
        self.node_dma = np.array([site.node_dma.get(n, "") for n in network.node_ids], dtype=object)
        self.pipe = network.link_kind <= LinkKind.PIPE

    def _add(
        self, rows: list[tuple[int, int]], place: tuple[int, int], id: str, valve: StopValve | None
    ) -> None:
        self.by_id.setdefault(id, []).append(len(rows))
        rows.append(place)
        self.valves.append(valve)

    def inside(self, dma: str) -> tuple[Bools, Bools]:
        """(N,) the junctions of a DMA, (L,) the links with both ends among them."""
        n = self.network
        nodes = (self.node_dma == dma) & (n.node_kind == NodeKind.JUNCTION)
        return nodes, nodes[n.start] & nodes[n.end]

    def prior(self, dma: Dma, suspects: dict[str, float]) -> tuple[Floats, float]:
        """(count,) probability of the leak in each segment, adding up to 1, and what ``suspects`` lays
        elsewhere.

        suspects: probability by pipe, what is missing to 1 being anywhere in the DMA: there by the components
        of unavoidable real losses, 18 l/km/day of mains and 0.8 l/day a connection (Lambert et al. 1999).
        """
        nodes, links = self.inside(dma.id)
        links &= self.pipe
        base = self._by_segment(
            np.where(links, self.network.length, 0) * UARL_MAINS_L_KM_DAY_M / 1e3,
            np.where(nodes, self.connections, 0) * UARL_CONNECTION_L_DAY_M,
        )
        if base.sum() <= 0:
            raise NotFound(
                f"no pipe of the network lies in DMA {dma.id}: a step test has nothing to shut off"
            )
        out = np.zeros(len(base))
        elsewhere = known = 0.0
        for pipe, share in suspects.items():
            link = self.network.link_index.get(pipe)
            known += share
            touches = link is not None and bool(
                nodes[self.network.start[link]] or nodes[self.network.end[link]]
            )
            if link is None or not touches:
                elsewhere += share
            else:
                out[self.segments.of_link[link]] += share
        out += base / base.sum() * max(1.0 - known, 0.05)
        return out / out.sum(), min(elsewhere, 1.0)

    def graph(self, dma: str, spared: Ints) -> tuple[Ints, Ints, Bools, Bools]:
        """What ``analytics.step_plan`` takes: (count,) the point of each segment, (E, 2) points on either
        side of each useful valve, and (P,) which points are water's source and which must keep it. spared:
        nodes that must.

        All that lies outside the DMA and has water without it is one point; other DMAs behind it are one
        each."""
        s = self.segments
        nodes, links = self.inside(dma)
        foreign = np.zeros(s.count, np.bool_)
        foreign[s.of_node[~nodes]] = True
        foreign[s.of_link[~links]] = True
        one, other = s.between.T
        both = foreign[one] & foreign[other]
        joined = csr_array(
            (np.ones(int(both.sum()), np.int8), (one[both], other[both])), shape=(s.count, s.count)
        )
        label = connected_components(joined, directed=False)[1].astype(np.int64)
        fed = np.isin(label, label[s.of_node[self.network.node_kind != NodeKind.JUNCTION]]) & foreign
        label[fed] = s.count  # one point
        names, point = np.unique(label, return_inverse=True)
        root, kept = np.zeros(len(names), np.bool_), np.zeros(len(names), np.bool_)
        root[point[fed]] = True
        beyond = foreign & ~fed & (np.bincount(s.of_node, self.connections, s.count) > 0)
        kept[point[beyond]] = True
        kept[point[s.of_node[spared]]] = True
        return point, point[s.between], root, kept

    def use(self, dma: Dma, area: Ints, areas: int, pressure_m: float) -> tuple[Floats, Floats]:
        """(areas,) legitimate night use and background leakage [m3/s] of each area of segments, and the
        length of its mains [m]. area (count,): number of each segment's area, other numbers do not
        count."""
        nodes, links = self.inside(dma.id)
        inner = self._within(area, areas, self.segments.of_node, np.where(nodes, self.connections, 0.0))
        mains = self._within(
            area, areas, self.segments.of_link, np.where(links & self.pipe, self.network.length, 0.0)
        )
        share = inner / max(float(inner.sum()), 1e-9)
        used = inner * dma.night_use_m3s_per_connection + share * dma.large_night_m3s
        return used + background_leakage(mains, inner, share * dma.service_m, pressure_m, dma.icf), mains

    def served(self, dma: str, area: Ints, areas: int) -> Floats:
        """(areas,) connections of the DMA in each area."""
        nodes, _ = self.inside(dma)
        return self._within(area, areas, self.segments.of_node, np.where(nodes, self.connections, 0.0))

    def pipes_in(self, dma: str, area: Ints, number: int) -> list[str]:
        """The DMA's pipes in an area."""
        _, links = self.inside(dma)
        chosen = links & self.pipe & (area[self.segments.of_link] == number)
        return [self.network.link_ids[i] for i in np.flatnonzero(chosen).tolist()]

    def gates_of(self, names: Sequence[str], step: int) -> list[int]:
        """Valves by id. Raises WrongInput."""
        found = []
        for name in names:
            if name not in self.by_id:
                what = "the site's valves.csv" if not self.assumed else "the network"
                raise WrongInput(
                    f"step {step}: no valve {name[:40]!r} in {what} that can be shut",
                    "no_valve", step=step, valve=name[:40],
                )  # fmt: skip
            found += self.by_id[name]
        return found

    def _by_segment(self, of_link: Floats, of_node: Floats) -> Floats:
        s = self.segments
        total = np.bincount(s.of_link, of_link, s.count) + np.bincount(s.of_node, of_node, s.count)
        return total.astype(np.float64)

    @staticmethod
    def _within(area: Ints, areas: int, of: Ints, weight: Floats) -> Floats:
        number = area[of]
        known = (number >= 0) & (number < areas)
        return np.bincount(number[known], weight[known], minlength=areas).astype(np.float64)


def _no_pipes(network: Network) -> Ints:
    return np.flatnonzero(network.link_kind > LinkKind.PIPE)
