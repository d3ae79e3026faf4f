"""A scenario bound to its site: names checked and found, times made absolute."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np

from firmware_sim.draws import stream, uniform
from firmware_sim.holes import Hole
from firmware_sim.instants import When
from firmware_sim.leaks import NEVER, Course
from firmware_sim.scenario import Lines, ScenarioError
from firmware_sim.scenario_model import Event, EventKind, Fault, Leak, Scenario
from waterworks.epanet_file import read_network
from waterworks.errors import Problem, SiteError
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.site import Site

VALVES = (LinkKind.PRV, LinkKind.PSV, LinkKind.PBV, LinkKind.FCV, LinkKind.TCV)


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start`` to before ``end`` [us since 1970 UTC]; ``end`` is None where there is none."""

    start: int
    end: int | None

    def overlaps(self, start: int, end: int) -> bool:
        """Whether any of [start, end) lies in the span."""
        return self.start < end and (self.end is None or self.end > start)


@dataclass(frozen=True, slots=True)
class BoundLeak:
    """A leak with its pipe found and its times absolute."""

    leak: Leak
    pipe: str
    span: Span
    course: Course

    @property
    def hole(self) -> Hole:
        """Where it is."""
        return Hole(self.pipe, self.leak.position)


@dataclass(frozen=True, slots=True)
class BoundFault:
    """A fault with its times absolute, and the sensors and the device that it hits."""

    fault: Fault
    span: Span
    sensors: tuple[str, ...]
    device: str


@dataclass(frozen=True, slots=True)
class BoundEvent:
    """An event with its times absolute."""

    event: Event
    span: Span


@dataclass(frozen=True)
class Bound:
    """A scenario on a site from ``scenario.start`` on."""

    site: Site
    scenario: Scenario
    network: Network
    start: np.datetime64
    leaks: tuple[BoundLeak, ...]
    faults: tuple[BoundFault, ...]
    events: tuple[BoundEvent, ...]
    holidays: frozenset[date]


def bind(site: Site, scenario: Scenario, start: np.datetime64) -> Bound:
    """Bind ``scenario`` to ``site``; ``start`` [UTC] is taken where the scenario has no start of its own.

    Raises ScenarioError naming every line that does not fit the site, SiteError for a site without model.
    """
    if site.network_file is None:
        raise SiteError(
            [Problem(str(site.folder), None, "to be simulated a site needs a network (network.inp)")]
        )
    scenario = scenario if scenario.start is not None else scenario.starting(start)
    return _Binder(site, scenario, read_network(site.network_file)).bound()


class _Binder:
    def __init__(self, site: Site, scenario: Scenario, network: Network) -> None:
        assert scenario.start is not None
        self.site, self.scenario, self.network, self.start = site, scenario, network, scenario.start
        self.lines = Lines(scenario.source)
        self.problems: list[Problem] = []

    def bound(self) -> Bound:
        leaks = tuple(self.leak(leak, i) for i, leak in enumerate(self.scenario.leaks))
        faults = tuple(self.fault(fault, i) for i, fault in enumerate(self.scenario.faults))
        events = tuple(self.event(event, i) for i, event in enumerate(self.scenario.events))
        if self.problems:
            raise ScenarioError(self.problems)
        zone = self.site.timezone
        own = (d.on(self.start, zone) if isinstance(d, When) else d for d in self.scenario.demand.holidays)
        holidays = frozenset(own) | self.site.monitor.holidays
        return Bound(
            self.site, self.scenario, self.network, self.start, leaks, faults, events, frozenset(holidays)
        )

    def wrong(self, table: str, index: int, key: str, message: str) -> None:
        self.problems.append(Problem(self.scenario.file, self.lines.of(table, index, key), message))

    def known(self, table: str, index: int, key: str, name: str, names: Iterable[str], where: str) -> bool:
        names = list(names)
        if name in names:
            return True
        near = difflib.get_close_matches(name, names, 1)
        hint = f": did you mean {near[0]!r}?" if near else ""
        self.wrong(table, index, key, f"{where} has no {key} {name!r}{hint}")
        return False

    def microseconds(self, when: When) -> int:
        return int(when.at(self.start, self.site.timezone).astype("datetime64[us]").astype(np.int64))

    def span(self, table: str, index: int, start: When, end: When | None) -> Span:
        span = Span(self.microseconds(start), None if end is None else self.microseconds(end))
        if span.end is not None and end is not None and span.end <= span.start:
            self.wrong(table, index, "end", f"end {end.text} is not after start {start.text}")
        return span

    def leak(self, leak: Leak, index: int) -> BoundLeak:
        span = self.span("leak", index, leak.start, leak.end)
        peak = span.start if leak.peak is None else self.microseconds(leak.peak)
        if leak.peak is not None and peak <= span.start:
            self.wrong("leak", index, "peak", f"peak {leak.peak.text} is not after start {leak.start.text}")
        end_s = NEVER if span.end is None else span.end / 1e6
        return BoundLeak(
            leak, self.pipe(leak, index), span, Course(span.start / 1e6, peak / 1e6, end_s, leak.growth)
        )

    def pipe(self, leak: Leak, index: int) -> str:
        net = self.network
        if leak.pipe:
            if self.known("leak", index, "pipe", leak.pipe, net.link_ids, "the network"):
                kind = LinkKind(net.link_kind[net.link_index[leak.pipe]])
                if kind not in (LinkKind.PIPE, LinkKind.CVPIPE):
                    self.wrong("leak", index, "pipe", f"{leak.pipe!r} is a {kind.name}: only pipes leak")
            return leak.pipe
        if not self.known("leak", index, "dma", leak.dma, self.site.dma, f"site {self.site.id!r}"):
            return ""
        inside = [
            net.link_ids[i]
            for i in np.flatnonzero(net.link_kind == LinkKind.PIPE).tolist()
            if all(self.site.node_dma.get(net.node_ids[n]) == leak.dma for n in (net.start[i], net.end[i]))
        ]
        if not inside:
            self.wrong("leak", index, "dma", f"DMA {leak.dma!r} has no pipe in the network")
            return ""
        draw = float(uniform(stream(self.scenario.seed, "pipe of leak", leak.id), 0))
        return inside[int(draw * len(inside))]

    def fault(self, fault: Fault, index: int) -> BoundFault:
        span = self.span("fault", index, fault.start, fault.end)
        where = f"site {self.site.id!r}"
        if fault.sensor:
            if not self.known("fault", index, "sensor", fault.sensor, self.site.sensor, where):
                return BoundFault(fault, span, (), "")
            sensors: tuple[str, ...] = (fault.sensor,)
            device = self.site.sensor[fault.sensor].device
        else:
            device = fault.device
            self.known("fault", index, "device", device, {s.device for s in self.site.sensors}, where)
            sensors = tuple(s.id for s in self.site.sensors if s.device == device)
        return BoundFault(fault, span, sensors, device)

    def event(self, event: Event, index: int) -> BoundEvent:
        span = self.span("event", index, event.start, event.end)
        net = self.network
        if event.kind is EventKind.USE:
            if self.known("event", index, "node", event.node, net.node_ids, "the network"):
                kind = NodeKind(net.node_kind[net.node_index[event.node]])
                if kind is not NodeKind.JUNCTION:
                    self.wrong("event", index, "node", f"{event.node!r} is a {kind.name}: use a junction")
        elif self.known("event", index, "link", event.link, net.link_ids, "the network"):
            kind_of_link = LinkKind(net.link_kind[net.link_index[event.link]])
            wanted = {
                EventKind.VALVE_SETTING: VALVES,
                EventKind.PUMP_SPEED: (LinkKind.PUMP,),
                EventKind.PUMP_HOURS: (LinkKind.PUMP,),
                EventKind.CLOSED: tuple(k for k in LinkKind if k is not LinkKind.CVPIPE),
            }[event.kind]
            if kind_of_link not in wanted:
                fits = ", ".join(k.name for k in wanted)
                message = (
                    f"{event.link!r} is a {kind_of_link.name}, but {event.kind.value} needs one of {fits}"
                )
                self.wrong("event", index, "link", message)
        return BoundEvent(event, span)
