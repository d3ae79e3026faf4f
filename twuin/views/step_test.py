"""Read model: step tests, planned for a DMA and judged by the flows that were read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.losses.babe import STANDARD_PRESSURE_M
from analytics.step_evidence import CONFIDENCE_Z, step_evidence, tellable
from analytics.step_plan import step_plan
from twuin.views.convert import M3H
from twuin.views.isolation import MOST_PIPES, ToShut, to_shut
from twuin.views.models import AlertDetail
from twuin.views.step_models import AreaOut, FlowOut, LastArea, StepOut, StepResultOut, StepTestOut
from twuin.views.step_network import StepNetwork
from twuin.views.step_readings import StepReadings, spans
from waterworks.errors import NotFound, WrongInput
from waterworks.geo import Lines
from waterworks.network import Network, NodeKind
from waterworks.ports import ReadingStore
from waterworks.site import Dma, Site

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DWELL_MIN = 20.0
STEPS = 6
SURE = 0.9
"""From which probability on a verdict is given."""
KEPT_PLANS = 32
HIDDEN = "?"
"""Instead of the name of a DMA or customer that whoever asks may not see: that there is one is told."""


class StepDone(NamedTuple):
    """A step as it was made: valves by id, when [UTC], and the flow after it [m3/s] where it was read by
    hand."""

    shut: tuple[str, ...]
    at: datetime | None = None
    flow: float | None = None


class Drawing(NamedTuple):
    """The pipes of a DMA as lines (V, 2) in the network's own coordinates, by the number of their area
    (0: what keeps its water), and where each step's valves stand. size (4,): west, south, east, north."""

    lines: dict[int, list[Floats]]
    valves: list[tuple[int, str, float, float]]
    size: tuple[float, float, float, float]


class _Areas(NamedTuple):
    """area (count,) of each segment, from 0; the last of ``use`` is what keeps its water."""

    area: Ints
    use: Floats
    mains: Floats
    connections: Floats
    prior: Floats


class StepTests:
    """Step tests at ``site``. night_pressure: (m, source) of a DMA's measured night pressure, None where
    there is none; alert: an alert by its id, NotFound; now: the present. only: DMAs that may be asked for,
    None: all."""

    def __init__(
        self,
        site: Site,
        network: Network | None,
        store: ReadingStore,
        *,
        night_pressure: Callable[[str], float | None],
        alert: Callable[[str], AlertDetail],
        now: Callable[[], datetime],
        only: frozenset[str] | None = None,
        shared: StepTests | None = None,
    ) -> None:
        self._site, self._network, self._store = site, network, store
        self._night_pressure, self._alert, self._now, self._only = night_pressure, alert, now, only
        self._shared = shared
        self._lock = threading.Lock()
        self._plans: OrderedDict[tuple[object, ...], tuple[Ints, int, int, float, float]] = OrderedDict()

    def dmas(self) -> list[Dma]:
        """DMAs for which a test can be planned; [] without a network model."""
        if self._network is None:
            return []
        mapped = set(self._site.node_dma.values())
        return [d for d in self._site.dmas if d.id in mapped and (self._only is None or d.id in self._only)]

    def plan(
        self,
        dma: str,
        *,
        alert: str = "",
        steps: int = STEPS,
        dwell_min: float = DWELL_MIN,
        spare: bool = True,
    ) -> StepTestOut:
        """Which valves to shut in which order. spare: critical customers keep their water. Raises
        NotFound."""
        found = self._dma(dma)
        cause = self._of(alert, dma)
        net = self._net
        n = net.network
        prior, outside = net.prior(found, _suspects(cause))
        critical = [c for c in self._site.critical if c.dma == dma]
        placed = [c for c in self._site.critical if c.node]
        spared = np.array([n.node_index[c.node] for c in placed], np.int64)
        area, count, valves, information, score = self._planned(
            dma, prior, spared if spare else spared[:0], steps
        )
        pressure, source = self._pressure(found)
        areas = self._areas(found, area, count, prior, pressure)
        noise = self._readings.noise(dma, dwell_min * 60, self._now(), float(areas.use.sum()))
        tells = tellable(areas.use, noise.error)
        shut: list[int] = []
        out = []
        dry_before: set[str] = set()
        for step in range(count):
            one, other = area[net.segments.between].T
            now = net.segments.useful[
                (np.minimum(one, other) == step) & (one != other) & (one >= 0) & (other >= 0)
            ]
            shut += now.tolist()
            after = net.segments.shutting(shut)
            others = {str(d) for d in net.node_dma[after.dry & (net.connections > 0)]} - {dma, ""}
            elsewhere = {d if self._named(d) else HIDDEN for d in others}
            dry = {
                c.name if self._named(c.dma) else HIDDEN
                for c, node in zip(placed, spared.tolist(), strict=True)
                if after.dry[node]
            }
            out.append(
                StepOut(
                    step=step + 1,
                    shut=[self._valve(g) for g in sorted(set(now.tolist()), key=self._order)],
                    share=_round(areas.prior[step]),
                    connections=round(float(areas.connections[step])),
                    connections_dry=round(float(after.weight)),
                    elsewhere=sorted(elsewhere),
                    critical=sorted(dry - dry_before),
                    length_m=round(float(areas.mains[step]), 1),
                    pipes=net.pipes_in(dma, area, step)[:MOST_PIPES],
                    drop_m3h=_m3h(areas.use[step]),
                    tells_m3h=_m3h(tells[step]),
                )
            )
            dry_before |= dry
        nodes, _ = net.inside(dma)
        tanks = (n.node_kind != NodeKind.JUNCTION) & _touches(n, nodes)
        return StepTestOut(
            dma=dma,
            dma_name=found.name,
            alert="" if cause is None else cause.id,
            leak_m3h=None if cause is None else round(cause.flow_m3h, 3),
            outside_share=_round(outside),
            assumed=net.assumed,
            steps=out,
            last=LastArea(
                share=_round(areas.prior[count]),
                connections=round(float(areas.connections[count])),
                length_m=round(float(areas.mains[count]), 1),
                pipes=net.pipes_in(dma, area, count)[:MOST_PIPES],
                drop_m3h=_m3h(areas.use[count]),
                tells_m3h=_m3h(tells[count]),
            ),
            valves=valves,
            information_bits=round(information, 4),
            score_bits=round(score, 4),
            dwell_min=noise.dwell_s / 60,
            duration_min=noise.dwell_s / 60 * (count + 1),
            inflow_m3h=_m3h(areas.use.sum()),
            noise_m3h=round(noise.error * M3H, 4),
            noise_source=noise.source,
            pressure_m=round(pressure, 1),
            pressure_source=source,
            tanks=[n.node_ids[i] for i in np.flatnonzero(tanks).tolist()],
            unplaced=[c.name for c in critical if not c.node],
            critical_dry=sorted(dry_before),
        )

    def evaluate(
        self,
        dma: str,
        steps: Sequence[StepDone],
        *,
        alert: str = "",
        before: float | None = None,
        dwell_min: float = DWELL_MIN,
    ) -> StepResultOut:
        """What the flows say. before: with all valves open [m3/s], None: read from the meters before the
        first step.

        Raises NotFound, and WrongInput for valves that there are not, steps without a flow or a time,
        times at which nothing was read, and an inflow that fell although by the model a step took the water
        from nothing.
        """
        found = self._dma(dma)
        cause = self._of(alert, dma)
        if not steps:
            raise WrongInput("no step: enter at least one, with the valves that were shut", "no_step")
        net = self._net
        area = self._made(dma, steps)
        prior, _ = net.prior(found, _suspects(cause))
        areas = self._areas(found, area, len(steps), prior, self._pressure(found)[0])
        flows = self._flows(dma, steps, before, timedelta(minutes=dwell_min))
        noise = self._readings.noise(dma, dwell_min * 60, self._now(), float(areas.use.sum()))
        size = None
        if cause is not None and cause.flow_m3h > 0:
            size = (cause.flow_m3h / M3H, cause.flow_low_m3h / M3H, cause.flow_high_m3h / M3H)
        e = step_evidence(
            [f.flow_m3h / M3H for f in flows], areas.use, np.maximum(areas.prior, 0), noise.error, size=size
        )
        count = len(steps)
        for k in range(count):
            if not np.any(area == k) and e.excess[k] > 2 * CONFIDENCE_Z * e.sd[k]:
                raise WrongInput(
                    f"step {k + 1}: the inflow fell by {_m3h(e.drop[k]):g} m3/h, but by the model its valves "
                    "take the water from nothing: name all valves that were shut",
                    "nothing_more", step=k + 1, drop=_m3h(e.drop[k]),
                )  # fmt: skip
        judged = [
            AreaOut(
                step=k + 1 if k < count else 0,
                probability=_round(e.probability[k]),
                drop_m3h=_m3h(e.drop[k]),
                expected_m3h=_m3h(areas.use[k]),
                excess_m3h=_m3h(e.excess[k]),
                low_m3h=_m3h(e.excess[k] - 1.96 * e.sd[k]),
                high_m3h=_m3h(e.excess[k] + 1.96 * e.sd[k]),
                leak_m3h=_known(e.leak[k]),
                leak_low_m3h=_known(e.low[k]),
                leak_high_m3h=_known(e.high[k]),
                decibans=round(float(e.against[k]), 2) if np.isfinite(e.against[k]) else 0.0,
                passing=bool(e.excess[k] < -2 * CONFIDENCE_Z * e.sd[k]),
                connections=round(float(areas.connections[k])),
                length_m=round(float(areas.mains[k]), 1),
                pipes=net.pipes_in(dma, area, k)[:MOST_PIPES],
            )
            for k in range(count + 1)
        ]
        verdict, named = _verdict(judged, e.none)
        return StepResultOut(
            dma=dma,
            alert="" if cause is None else cause.id,
            flows=flows,
            areas=judged,
            none=_round(e.none),
            verdict=verdict,
            verdict_steps=named,
            noise_m3h=round(noise.error * M3H, 4),
        )

    def drawing(
        self, dma: str, areas: Sequence[Sequence[str]], shut: Sequence[Sequence[ToShut]]
    ) -> Drawing | None:
        """The DMA with its areas: pipes of each step, those that keep their water last. None without
        positions."""
        n = self._net.network
        _, links = self._net.inside(self._dma(dma).id)
        number = {pipe: k + 1 if k < len(areas) - 1 else 0 for k, pipes in enumerate(areas) for pipe in pipes}
        lines: dict[int, list[Floats]] = {}
        points = []
        for link in np.flatnonzero(links).tolist():
            ends = n.xy[[n.start[link], n.end[link]]]
            line = np.concatenate([ends[:1], n.vertices.get(link, np.empty((0, 2))), ends[1:]])
            if np.isfinite(line).all():
                lines.setdefault(number.get(n.link_ids[link], 0), []).append(line)
                points.append(line)
        if not points:
            return None
        marks = []
        for step, valves in enumerate(shut, 1):
            for v in valves:
                link = n.link_index[v.pipe]
                near = n.node_index[v.node]
                far = int(n.end[link]) if int(n.start[link]) == near else int(n.start[link])
                at = 0.8 * n.xy[near] + 0.2 * n.xy[far]
                if np.isfinite(at).all():
                    marks.append((step, v.id, float(at[0]), float(at[1])))
        every = np.concatenate(points)
        (west, south), (east, north) = every.min(axis=0).tolist(), every.max(axis=0).tolist()
        return Drawing(lines, marks, (west, south, east, north))

    # What both rest on

    @cached_property
    def _own_net(self) -> StepNetwork:
        if self._network is None:
            raise NotFound(f"site {self._site.id} has no network model: which valves part a DMA is not known")
        return StepNetwork(self._site, self._network)

    @property
    def _net(self) -> StepNetwork:
        return self._own_net if self._shared is None else self._shared._own_net

    @cached_property
    def _readings(self) -> StepReadings:
        return StepReadings(self._site, self._network, self._store)

    @cached_property
    def _lonlat(self) -> Floats | None:
        return Lines(self._site, self._net.network).nodes if self._site.crs else None

    def _dma(self, id: str) -> Dma:
        found = self._site.dma.get(id)
        if found is None or (self._only is not None and id not in self._only):
            raise NotFound(f"no DMA {id[:40]!r} at site {self._site.id}")
        return found

    def _named(self, dma: str) -> bool:
        return self._only is None or dma in self._only

    def _of(self, alert: str, dma: str) -> AlertDetail | None:
        if not alert:
            return None
        found = self._alert(alert)
        if found.dma != dma:
            raise WrongInput(
                f"alert {found.id} is of DMA {found.dma or '-'}, not of {dma}", "other_dma", alert=found.id
            )
        return found

    def _pressure(self, dma: Dma) -> tuple[float, str]:
        """Zone pressure at night [m] and whether it is measured, given, or assumed."""
        measured = self._night_pressure(dma.id)
        if measured is not None:
            return measured, "measured"
        if dma.pressure_m is not None:
            return dma.pressure_m, "given"
        return STANDARD_PRESSURE_M, "assumed"

    def _planned(
        self, dma: str, prior: Floats, spared: Ints, steps: int
    ) -> tuple[Ints, int, int, float, float]:
        key = (dma, prior.round(6).tobytes(), spared.tobytes(), steps)
        keeper = self._shared or self
        with keeper._lock:
            if key in keeper._plans:
                keeper._plans.move_to_end(key)
                return keeper._plans[key]
            point, between, root, kept = self._net.graph(dma, spared)
            if not root.any():
                raise NotFound(
                    f"no water comes to DMA {dma} in the network model: a step test shuts nothing off"
                )
            mass = np.bincount(point, prior, minlength=len(root))
            found = step_plan(between, mass, root, kept, steps=steps)
            plan = found.area[point], found.steps, found.valves, found.information, found.score
            keeper._plans[key] = plan
            while len(keeper._plans) > KEPT_PLANS:
                keeper._plans.popitem(last=False)
            return plan

    def _areas(self, dma: Dma, area: Ints, steps: int, prior: Floats, pressure: float) -> _Areas:
        use, mains = self._net.use(dma, area, steps + 1, pressure)
        known = area >= 0
        mass = np.bincount(area[known], prior[known], minlength=steps + 1).astype(np.float64)
        return _Areas(area, use, mains, self._net.served(dma.id, area, steps + 1), mass)

    def _made(self, dma: str, steps: Sequence[StepDone]) -> Ints:
        """(count,) the step at which each segment lost its water, len(steps) for those that kept it."""
        s = self._net.segments
        area = np.full(s.count, len(steps), np.int64)
        shut: list[int] = []
        for number, step in enumerate(steps, 1):
            if not step.shut:
                raise WrongInput(
                    f"step {number}: no valve: name those that were shut", "nothing_shut", step=number
                )
            shut += self._net.gates_of(step.shut, number)
            after = s.shutting(shut)
            dry = np.zeros(s.count, np.bool_)
            dry[s.of_node[after.dry]] = True
            dry[s.of_link[after.pipes & self._wet_links]] = True
            area[dry & (area == len(steps))] = number - 1
        nodes, links = self._net.inside(dma)
        own = np.zeros(s.count, np.bool_)
        own[s.of_node[nodes]] = own[s.of_link[links]] = True
        if not np.any(own & (area < len(steps))):
            raise WrongInput(
                f"by the model these valves take the water from no part of DMA {dma}", "nothing_dry"
            )
        return area

    @cached_property
    def _wet_links(self) -> NDArray[np.bool_]:
        return ~self._net.segments.shutting([]).pipes

    def _flows(
        self, dma: str, steps: Sequence[StepDone], before: float | None, dwell: timedelta
    ) -> list[FlowOut]:
        given = [before, *(s.flow for s in steps)]
        times = [s.at for s in steps]
        when: list[tuple[datetime, datetime] | None] = [None] * len(given)
        if any(f is None for f in given):
            known = [t for t in times if t is not None]
            if len(known) < len(times):
                missing = next(i for i, t in enumerate(times, 1) if t is None)
                raise WrongInput(
                    f"step {missing}: neither a flow nor a time at which its valves were shut",
                    "no_flow", step=missing,
                )  # fmt: skip
            if known != sorted(set(known)):
                raise WrongInput("the steps' times do not follow one another", "disorder")
            when = list(spans(known, dwell))
        out = []
        for k, flow in enumerate(given):
            if flow is not None:
                out.append(FlowOut(flow_m3h=_m3h(flow), readings=None))
                continue
            span = when[k]
            assert span is not None
            read = self._readings.mean(dma, *span, k)
            out.append(
                FlowOut(flow_m3h=_m3h(read.flow), readings=read.readings, start=read.start, end=read.end)
            )
        return out

    def _valve(self, gate: int) -> ToShut:
        net = self._net
        return to_shut(net.network, net.gates[gate], net.valves[gate], self._lonlat)

    def _order(self, gate: int) -> str:
        valve = self._net.valves[gate]
        return self._net.network.link_ids[int(self._net.gates[gate, 0])] if valve is None else valve.id


def _touches(network: Network, nodes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) nodes that a link joins to one of ``nodes``."""
    out = np.zeros(len(nodes), np.bool_)
    out[network.start[nodes[network.end]]] = True
    out[network.end[nodes[network.start]]] = True
    return out


def _suspects(alert: AlertDetail | None) -> dict[str, float]:
    return {} if alert is None else {s.pipe: s.probability for s in alert.suspects}


def _verdict(areas: Sequence[AreaOut], none: float) -> tuple[str, list[int]]:
    if none >= SURE:
        return "none", []
    likely = [a for a in areas if a.probability >= SURE]
    if likely:
        return ("area" if len(likely) == 1 else "several"), [a.step for a in likely]
    by = sorted(areas, key=lambda a: -a.probability)
    if by[0].probability + by[1].probability >= SURE and none < 1 - SURE:
        return "open", [by[0].step, by[1].step]
    return "open", []


def _m3h(flow: float) -> float:
    return round(float(flow) * M3H, 4) + 0.0


def _known(flow: float) -> float | None:
    return _m3h(flow) if np.isfinite(flow) else None


def _round(share: float) -> float:
    return round(min(max(float(share), 0.0), 1.0), 6)
