"""Read model: what another setting of a pressure reducing valve would do to pressure, leakage and
customers."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.losses.favad import HIGHEST_N1, LOWEST_N1
from analytics.losses.setpoint import Saving, fewer_breaks, saving
from twuin.views.base import Limited
from twuin.views.served import connections_of
from twuin.views.what_if_models import HoursOut, PrvOut, WhatIfOut, ZoneWhatIf
from waterworks.errors import NotFound, WrongInput
from waterworks.hydraulics import States, steady_states
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.site import Dma, Site

Floats = NDArray[np.float64]

HOURS = 24
HIGHEST_M = 400.0
"""A setting beyond that is a slip of the pen: pipes burst at half of it [m]."""
CHANGED_M = 0.1
KEPT = 16


class Leakage(NamedTuple):
    """What the last weeks say of a DMA. at_night, background [m3/s], night_m [m], None where not known;
    why: the code of why leakage is not."""

    at_night: tuple[float, float, float] | None
    background: float | None
    night_m: float | None
    measured: bool
    n1: tuple[float, float, float] | None
    n1_source: str
    why: str


class WhatIfs:
    """Other settings of the reducing valves of ``site``. leakage: of a DMA by its id. only: DMAs that may
    be asked for, None: all."""

    def __init__(
        self,
        site: Site,
        network: Network | None,
        leakage: Callable[[str], Leakage | None],
        only: frozenset[str] | None = None,
    ) -> None:
        self._site, self._network, self._leakage, self._only = site, network, leakage, only
        self._lock = threading.Lock()
        self._solved: OrderedDict[tuple[object, ...], States] = OrderedDict()

    def limited_to(self, dmas: frozenset[str], leakage: Callable[[str], Leakage | None]) -> WhatIfs:
        """The same for valves before these DMAs alone."""
        return WhatIfs(self._site, self._network, leakage, dmas)

    def valves(self) -> list[PrvOut]:
        """Reducing valves of the model before a DMA that may be asked for."""
        n = self._network
        if n is None:
            return []
        found = []
        for link in np.flatnonzero(n.link_kind == LinkKind.PRV).tolist():
            dmas = self._behind(link)
            if self._only is None or self._only.intersection(dmas):
                shown = [d for d in dmas if self._only is None or d in self._only]
                found.append(PrvOut(id=n.link_ids[link], set_m=round(float(n.setting[link]), 2), dmas=shown))
        return found

    def of(self, valve: str, schedule: Sequence[tuple[float, float]], n1: float | None = None) -> WhatIfOut:
        """What ``valve`` does with another setting.

        schedule: (hour from which on [0, 24), set pressure [m]), at least one; what holds last holds over
        midnight. n1: FAVAD exponent to take instead of the DMAs' own. Raises NotFound for a valve that
        there is not, WrongInput for what no valve can do."""
        n = self._network
        known = {v.id for v in self.valves()}
        if n is None or valve not in known:
            there = f"; there are {', '.join(sorted(known))}" if known else ""
            raise NotFound(f"no pressure reducing valve {valve[:40]!r} in the network model{there}")
        link = n.link_index[valve]
        by_hour = settings_of(schedule)
        if n1 is not None and not LOWEST_N1 <= n1 <= HIGHEST_N1:
            raise WrongInput(
                f"N1 {n1:g} is outside of all that was ever measured: {LOWEST_N1:g} to {HIGHEST_N1:g}",
                "n1",
                n1=n1,
            )
        usual = [float(n.setting[link])] * HOURS
        now, then = self._states(link, usual), self._states(link, by_hour)
        before = now.head[:, n.start[link]] - n.elevation[n.end[link]]
        highest = float(before.max())
        if min(by_hour) > highest:
            raise WrongInput(
                f"{valve} cannot give {min(by_hour):g} m: the pressure before it is {highest:.1f} m at most",
                "beyond", set=min(by_hour), highest=highest,
            )  # fmt: skip
        pressures = [s.head - n.elevation for s in (now, then)]
        zones = []
        for dma in self._site.dmas:
            nodes = self._nodes(dma)
            served = nodes[self._connections[nodes] > 0] if len(nodes) else nodes
            seen = self._only is None or dma.id in self._only
            if seen and len(served):
                change = np.abs(pressures[1][:, served] - pressures[0][:, served])
                if change.max() >= CHANGED_M:
                    zones.append(self._zone(dma, nodes, pressures[0], pressures[1], n1))
        saved = _sum([z.saved_m3day for z in zones])
        cost = self._site.monitor.water_cost
        return WhatIfOut(
            valve=valve,
            set_now_m=round(usual[0], 2),
            set_m=[round(v, 2) for v in by_hour],
            highest_m=round(highest, 1),
            service_m=self._site.losses.min_pressure_m,
            zones=zones,
            saved_m3day=saved,
            saved_day=None if saved is None or cost <= 0 else round(saved.value * cost, 2),
            below_now=_total([z.below_now for z in zones]),
            below_then=_total([z.below_then for z in zones]),
            balanced=bool(now.balanced.all() and then.balanced.all()),
        )

    def _zone(
        self, dma: Dma, nodes: NDArray[np.int64], now: Floats, then: Floats, n1: float | None
    ) -> ZoneWhatIf:
        n = self._network
        assert n is not None
        weight = np.maximum(n.base_demand[nodes], 0.0)
        weight = weight if weight.sum() > 0 else np.ones(len(nodes))
        zone = [(p[:, nodes] * weight).sum(axis=1) / weight.sum() for p in (now, then)]
        served = nodes[self._connections[nodes] > 0]
        served = served if len(served) else nodes
        worst = int(served[np.argmin(then[:, served].min(axis=0))])
        leakage = self._leakage(dma.id)
        night = int(np.argmin(np.abs(np.arange(HOURS) - sum(self._site.monitor.night) / 2)))
        shift = 0.0
        if leakage is not None and leakage.measured and leakage.night_m is not None:
            shift = leakage.night_m - float(zone[0][night])
        lifted = [z + shift for z in zone]
        exponent = None if leakage is None else leakage.n1
        source = "" if leakage is None else leakage.n1_source
        if n1 is not None:
            exponent, source = (n1, n1, n1), "asked"
        found: Saving | None = None
        why = "no_readings" if leakage is None else leakage.why
        if leakage is not None and leakage.at_night is not None and exponent is not None:
            night_m = leakage.night_m if leakage.night_m is not None else float(lifted[0][night])
            if night_m > 0:
                part = math.nan if leakage.background is None else leakage.background
                found = saving(leakage.at_night, night_m, lifted[0], lifted[1], exponent, part)
                why = ""
            else:
                why = "no_pressure"
        minimum = self._site.losses.min_pressure_m
        below = [None if minimum is None else self._below(p[:, nodes], nodes, minimum) for p in (now, then)]
        low, mean, high = fewer_breaks(*zone)
        return ZoneWhatIf(
            dma=dma.id,
            dma_name=dma.name,
            zone=HoursOut(now_m=_rounded(lifted[0]), then_m=_rounded(lifted[1])),
            critical_node=n.node_ids[worst],
            critical=HoursOut(now_m=_rounded(now[:, worst]), then_m=_rounded(then[:, worst])),
            measured_night_m=None if not shift or leakage is None else leakage.night_m,
            below_now=below[0],
            below_then=below[1],
            leakage_now_m3day=None if found is None else round(found.now, 2),
            saved_m3day=None if found is None else _limited(found.saved, found.low, found.high),
            background_m3day=_known(found and found.background),
            bursts_m3day=_known(found and found.bursts),
            n1=None if exponent is None else _limited(*exponent),
            n1_source=source,
            why=why,
            breaks_share=_limited(mean, low, high) if mean > 0 else None,
        )

    def _below(self, pressure: Floats, nodes: NDArray[np.int64], minimum: float) -> int:
        """Connections at nodes that fall below ``minimum`` at some hour."""
        return round(float(self._connections[nodes][pressure.min(axis=0) < minimum].sum()))

    def _states(self, link: int, by_hour: list[float]) -> States:
        key = (link, *by_hour)
        with self._lock:
            if key in self._solved:
                self._solved.move_to_end(key)
                return self._solved[key]
            assert self._site.network_file is not None
            found = steady_states(self._site.network_file, range(HOURS), {link: by_hour})
            self._solved[key] = found
            while len(self._solved) > KEPT:
                self._solved.popitem(last=False)
            return found

    def _nodes(self, dma: Dma) -> NDArray[np.int64]:
        n = self._network
        assert n is not None
        inside = self._of == dma.id
        return np.flatnonzero(inside & (n.node_kind == NodeKind.JUNCTION))

    def _behind(self, link: int) -> list[str]:
        """DMAs that a link feeds: those that no other way from it leads through another reducing valve."""
        n = self._network
        assert n is not None
        cut = (n.link_kind == LinkKind.PRV) | ~n.open
        cut[link] = True
        reached = np.zeros(len(n.node_ids), np.bool_)
        reached[n.end[link]] = True
        while True:
            grow = ~cut & (reached[n.start] != reached[n.end])
            if not grow.any():
                break
            reached[n.start[grow]] = reached[n.end[grow]] = True
        if reached[n.start[link]]:
            return sorted({self._of[n.end[link]]} - {""})
        return [d.id for d in self._site.dmas if np.any(reached & (self._of == d.id))]

    @cached_property
    def _of(self) -> NDArray[np.object_]:
        assert self._network is not None
        return np.array([self._site.node_dma.get(x, "") for x in self._network.node_ids], dtype=object)

    @cached_property
    def _connections(self) -> Floats:
        assert self._network is not None
        return connections_of(self._site, self._network)


def settings_of(schedule: Sequence[tuple[float, float]]) -> list[float]:
    """(24,) set pressure of each hour. Raises WrongInput."""
    if not schedule:
        raise WrongInput("no set pressure: give at least one", "no_set")
    hours = [h for h, _ in schedule]
    if any(h != int(h) or not 0 <= h < HOURS for h in hours) or len(set(hours)) < len(hours):
        raise WrongInput("hours are whole ones from 0 to 23, each once", "hours")
    for _, value in schedule:
        if not math.isfinite(value) or not 0 <= value <= HIGHEST_M:
            raise WrongInput(f"a set pressure is from 0 to {HIGHEST_M:g} m, not {value:g}", "set", set=value)
    ordered = sorted(schedule)
    out, value = [], ordered[-1][1]
    by_hour = {int(h): v for h, v in ordered}
    for hour in range(HOURS):
        value = by_hour.get(hour, value)
        out.append(float(value))
    return out


def schedule(day_m: float, night_m: float | None, from_h: int, to_h: int) -> list[tuple[float, float]]:
    """The day's set pressure, and at night another one; the same hour twice: at no time."""
    if night_m is None or from_h == to_h:
        return [(0, day_m)]
    return [(to_h, day_m), (from_h, night_m)]


def _rounded(values: Floats) -> list[float]:
    return [round(float(v), 2) for v in values]


def _limited(value: float, low: float, high: float) -> Limited:
    return Limited(value=round(value, 4), low=round(low, 4), high=round(high, 4))


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 2)


def _sum(parts: Sequence[Limited | None]) -> Limited | None:
    """Of savings: their limits rest on errors of each DMA's own."""
    known = [p for p in parts if p is not None]
    if len(known) < len(parts) or not known:
        return None
    value = sum(p.value for p in known)
    half = math.hypot(*((p.high - p.low) / 2 for p in known))
    return _limited(value, value - half, value + half)


def _total(parts: Sequence[int | None]) -> int | None:
    known = [p for p in parts if p is not None]
    return sum(known) if len(known) == len(parts) and parts else None
