"""Leaks by the hydraulic model of the whole network, day by day, and back again for late data."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from analytics.gate.watch import DAYS_BEFORE
from analytics.model.options import Options
from analytics.model.telling import LEAST, SMALL, WAIT_DAYS, best_pipe, ripe, shadow, visited
from analytics.model.tracker import Leak, Saved, Tracker
from analytics.model.work import Work
from analytics.resample import to_rows
from twuin.alerts.model import Finding, Kind
from twuin.monitor.extent import first_day_of_use
from twuin.monitor.grid import instant_of, local_time, midnight, moment, second_of, utc_seconds
from twuin.monitor.hydraulics import NetworkHydraulics
from twuin.monitor.locate import suspects
from twuin.monitor.places import Places
from twuin.monitor.plant import Plant, Rows
from twuin.monitor.points import Placed, placed
from twuin.monitor.search import NORMAL_90, area, visit_gain
from waterworks.errors import NetworkError
from waterworks.geo import pipe_midpoints
from waterworks.metering import UNUSABLE
from waterworks.network import Network
from waterworks.ports import ReadingStore
from waterworks.site import Site
from waterworks.zones import link_dma

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

STEPS = (300, 600, 900, 1800, 3600)
"""Steps [s] in which readings are taken; they divide an hour."""

CHUNK_DAYS = 10
"""How much is read from the store at once."""

MIN_DAYS = 7
"""Fewer days before a long void say nothing (``first_day_of_use``)."""

PLACED = 0.5
"""Where no inflow says that water is lost (it is not metered, or the meter is at fault), pressures must at
least say where: within 300 m of a pipe with this probability."""

CONFIDENCE = 0.95
"""Of what is told one in twenty is no leak, as made years with known leaks have it (docs/benchmarks.md)."""

OVER = 0.3
"""A leak has ended when its flow falls below this share of its largest;"""

OVER_DAYS = 2
"""after so many days of that it is told that it is over."""

MOST_PIPES = 6000
"""In a larger network the distances between all pipes take more memory than they are worth (0.3 GB here)."""

COURSE_DAYS = 45
"""How many evenings' estimates of a leak are kept: some before its repair and those after it."""

NEAR, FELT_M = 3, 0.02
"""Sensors that a finding names, and the least fall of pressure for that [m]."""


class Told(NamedTuple):
    """A leak that was told of. finding: as of the last day that changed it; found: probability that one
    visit finds it. share: of its probability, by DMA; proven: when it was told of though inflow shows nothing
    of it, None: not yet; fallen: on its last day next to nothing was left of it, which is not sure yet.
    course: of the last days by their ordinal, its flow and its standard error [m3/s] as of that evening."""

    finding: Finding
    found: float | None
    share: dict[str, float]
    proven: datetime | None = None
    fallen: bool = False
    course: tuple[tuple[int, float, float], ...] = ()


class Tracked(NamedTuple):
    """One such leak with its flow by local day (its ordinal) [m3/s]."""

    told: Told
    flow: dict[int, float]

    @property
    def finding(self) -> Finding:
        return self.told.finding


class NetworkWatch:
    """Runs the tracker over a site's readings, one local day at a time.

    ``store`` leaves out what the gate does not trust. keep: days that it can be taken back without starting
    anew. Holds an EPANET project: to be closed. Raises NetworkError.
    """

    def __init__(self, site: Site, store: ReadingStore, network: Network, at: Placed, keep: int) -> None:
        assert site.network_file is not None
        self._site, self._store, self._network, self._at, self._keep = site, store, network, at, keep
        self.plant = Plant(network, site.network_file, at.points)
        self._hydraulics = NetworkHydraulics(network, self.plant.solver)
        self.ids = set(at.names)
        interval = float(np.median([site.sensor[n].interval_s for n in (*at.pressure, *at.flow)]))
        self._step = next((s for s in STEPS if s >= interval), STEPS[-1])
        self._midpoints = pipe_midpoints(site, network)
        self._dmas = _dma_of(self.plant.layout.pipes, network, site)
        self._anew(None)

    def close(self) -> None:
        self.plant.close()

    def _anew(self, origin: int | None) -> None:
        """origin: ordinal of the first local day, None where there is none yet."""
        self._origin = origin
        self._tracker = Tracker(self.plant.layout, self._hydraulics, Options())
        self._told: dict[int, Told] = {}
        self._named: dict[int, int] = {}
        self._places: Places[tuple[Saved, dict[int, Told], dict[int, int]]] = Places(self._keep)
        self._done = -1
        self._work: Work[None] | None = None
        self._shown: list[Tracked] = []

    @property
    def until(self) -> int | None:
        """End of the last day that was looked at [s since 1970], None before the first."""
        return None if self._origin is None or self._done < 0 else self._begin(self._done + 1)

    def _begin(self, day: int) -> int:
        """Where a day of the tracker begins [s since 1970]."""
        assert self._origin is not None
        return second_of(midnight(self._origin + day, self._site.timezone))

    # -- the way through the days ----------------------------------------------------------------------

    def touched(self, names: Sequence[str], first: int) -> None:
        """Readings of ``names`` from ``first`` [s since 1970] on have changed."""
        if self._origin is None or not self.ids.intersection(names):
            return
        reached = self._done + (self._work is not None)
        day = self._ordinal(first) - self._origin
        if day < 0:
            if self._first_day() != self._origin:
                self._anew(None)
        elif day <= reached:
            self._back(day - 1)

    def _back(self, day: int) -> None:
        """Go back to the end of ``day`` or, where that was not kept, of one before."""
        kept = self._places.back(day)
        if kept is None:
            self._anew(self._origin)
            return
        self._work = None
        self._done, (saved, told, named) = kept
        self._tracker.restore(saved)
        self._told, self._named = dict(told), dict(named)
        self._show()

    def proceed(
        self,
        mark: int,
        progress: Callable[[float], None] | None = None,
        *,
        patience_s: float | None = None,
    ) -> bool:
        """Go through all local days that end at or before ``mark`` [s since 1970]; whether any was ended.

        progress: called with the share done. patience_s: where one day is due, as every night, work on it for
        about so long [s], or not at all where none is left, and go on the next time; until then what is told
        is that of the day before. Where a second day is due it is not put off any longer.
        """
        if self._tracker.day + 1 < MIN_DAYS and self._work is None:
            # Few days yet: they may turn out to be those of a device whose clock was never set.
            first = self._first_day()
            if first != self._origin:
                self._anew(first)
        if self._origin is None:
            return False
        begun, target = self._done + 1, self._ordinal(mark) - self._origin
        until = np.inf
        if patience_s is not None and target - begun <= 1:
            if patience_s <= 0:
                return False
            until = time.monotonic() + patience_s
        while self._work is not None or self._done + 1 < target:
            if self._work is None:
                self._work = self._through(self._done + 1, min(self._done + 1 + CHUNK_DAYS, target))
            for _ in self._work:
                if time.monotonic() >= until:
                    return False
            self._work = None
            self._show()
            if progress is not None:
                progress(min(1.0, (self._done + 1 - begun) / max(target - begun, 1)))
        return target > begun

    def _first_day(self) -> int | None:
        first = first_day_of_use(self._store, self._at.pressure, MIN_DAYS)
        return None if first is None else self._ordinal(first)

    def _ordinal(self, second: int) -> int:
        at = np.array([second], np.int64)
        return int(local_time(at, self._step, self._site.timezone, frozenset()).day[0])

    def _through(self, first: int, last: int) -> Work[None]:
        """Days [first, last) of the tracker."""
        step, at = self._step, self._at
        begin = self._begin(first) // step - 1
        count = -(-self._begin(last) // step) - begin
        window = self._store.window(
            at.names,
            instant_of(begin * step),
            instant_of((begin + count) * step),
            step=np.timedelta64(step, "s"),
            exclude=UNUSABLE,
        )
        values = to_rows(utc_seconds(window.times) // step, window.values, begin, count)
        seconds = (begin + np.arange(count, dtype=np.int64)) * step
        ends = np.cumsum([len(at.pressure), len(at.flow), len(at.level)])
        for day in range(first, last):
            start, end = self._begin(day), self._begin(day + 1)
            hours = np.arange(start, end, 3600, dtype=np.int64)
            edges = np.searchsorted(seconds, np.append(hours, end)).astype(np.int64)
            before = max(int(edges[0]) - 1, 0)
            part = slice(before, int(edges[-1]))
            rows = Rows(seconds[part], *np.split(values[part], ends, axis=1))
            local = local_time(hours, 3600, self._site.timezone, self._site.monitor.holidays)
            of_day = self.plant.day(rows, edges - before, local.hour.astype(np.int64), int(local.weekday[0]))
            yield
            notes = yield from self._tracker.advancing(of_day)
            for note in notes:
                if note.what in ("unread", "anew"):
                    log.warning("the hydraulic model, day from %s: %s", moment(start), note.detail)
            yield from self._telling(np.isfinite(of_day.inflow).mean(0) >= 0.5)
            self._places.put(day, (self._tracker.saved(), dict(self._told), dict(self._named)))
            self._done = day

    # -- and what is told of it ------------------------------------------------------------------------

    def tracked(self) -> list[Tracked]:
        """All leaks that were told of as of the last day that was ended, oldest first."""
        return self._shown

    def _show(self) -> None:
        """Keep what is told of: while a day is worked on the tracker itself is between two days."""
        origin, leaks = self._origin or 0, self._tracker.leaks
        self._shown = [
            Tracked(told, {origin + d: f for d, f in leaks[k].flow.items()})
            for k, told in self._told.items()
            if k in leaks
        ]

    def _telling(self, metered: Bools) -> Work[None]:
        """What is to be told at the end of the tracker's last day. metered (Z,): zones with an inflow."""
        day = self._tracker.day
        for leak in self._tracker.leaks.values():
            yield  # where to search for one takes as long as a part of the tracker's day
            before = self._told.get(leak.id)
            if before is not None and leak.closed is not None and leak.closed < day:
                self._told[leak.id] = self._passed(before, leak)
            if leak.known or (leak.closed is not None and leak.closed < day):
                continue
            fallen = self._fallen(leak, 1)
            over = leak.closed is not None or (fallen and self._fallen(leak, OVER_DAYS))
            if before is not None and over and _top(leak) < LEAST:
                del self._told[leak.id]  # as it now looks, it never was
            elif before is not None and over:
                self._told[leak.id] = before._replace(finding=self._over(leak, before.finding), fallen=True)
            elif before is not None and fallen:
                ran = _as_it_ran(leak, before.finding, day - 1)
                self._told[leak.id] = before._replace(finding=ran, fallen=True)
            elif before is not None:
                self._told[leak.id] = self._running(leak, before)
            elif not fallen and day - leak.found >= WAIT_DAYS and ripe(leak, day):
                pipe, sure = best_pipe(leak, self.plant.layout.distance)
                if sure < PLACED and not self._metered(leak, metered):
                    continue
                if self._visited(leak, pipe):
                    continue
                if not shadow(leak, pipe, self._tracker.open, self._named, self.plant.layout.distance, day):
                    self._named[leak.id] = pipe
                    self._told[leak.id] = self._running(leak, None)
            if leak.id in self._told:
                self._told[leak.id] = self._passed(self._told[leak.id], leak)

    def _passed(self, told: Told, leak: Leak) -> Told:
        """With the flow of the tracker's last day, nothing once the leak is closed."""
        day = self._tracker.day
        last = told.course[-1][2] if told.course else 0.0
        of_day = ((self._origin or 0) + day, leak.flow.get(day, 0.0), leak.flow_sd.get(day, last))
        return told._replace(course=(*told.course[1 - COURSE_DAYS :], of_day))

    def _visited(self, leak: Leak, pipe: int) -> bool:
        """Whether what would be said of it has been said of another that still runs."""
        told_on = {
            k: self._ordinal(round(told.finding.detected.timestamp())) - (self._origin or 0) - 1
            for k, told in self._told.items()
            if not told.fallen
        }
        return visited(leak, pipe, self._named, told_on)

    def _metered(self, leak: Leak, metered: Bools) -> bool:
        """Whether the zone that it is most likely in had an inflow."""
        zone = self.plant.layout.zone
        inside = zone >= 0
        share = np.bincount(zone[inside], leak.weight[inside], len(metered))
        return bool(metered[int(np.argmax(share))])

    def _fallen(self, leak: Leak, days: int) -> bool:
        """Whether it has been next to nothing for so many days."""
        day = self._tracker.day
        return max(leak.flow.get(d, np.inf) for d in range(day - days + 1, day + 1)) < OVER * _top(leak)

    def _running(self, leak: Leak, before: Told | None) -> Told:
        day = self._tracker.day
        flow, sd = leak.flow[day], leak.flow_sd[day]
        low, high = max(flow - NORMAL_90 * sd, 0.0), flow + NORMAL_90 * sd
        share = self._shares(leak)
        dma = max(share, key=lambda d: share[d])
        where = area(self._network, self.plant.layout.pipes, leak.probability)
        found = None if where is None else where.found
        felt = self._tracker.felt(leak)
        order = [i for i in np.argsort(felt, kind="stable").tolist() if felt[i] <= -FELT_M][:NEAR]
        names = self._at.pressure
        length = leak.found - leak.onset
        finding = Finding(
            kind=Kind.LEAK,
            # One leak is one alert, even if it turns out to be across a district's border.
            subject=dma if before is None else before.finding.subject,
            dma=dma,
            onset=self._moment(leak.onset + 1),
            detected=self._moment(day + 1) if before is None else before.finding.detected,
            as_of=self._moment(day + 1),
            flow=flow,
            flow_low=low,
            flow_high=high,
            volume=self._volume(leak, day + 1),
            confidence=CONFIDENCE,
            suspects=suspects(self._network, self.plant.layout.pipes, leak.probability, self._midpoints),
            near=tuple(names[i] for i in order),
            evidence={
                "found_by": "model",
                "located_by": "model",
                "model_leak": leak.id,
                "sensors": len(names),
                "log_odds": round(leak.evidence, 1),
                "window_days": length,
                "pressure_drop_m": {names[i]: round(float(-felt[i]), 3) for i in order},
            },
            # It shows in windows of 1, 2, 4 ... days: the one that showed it best is neither half nor twice
            # as long as it has run.
            onset_low=self._moment(max(0, leak.onset + 1 - length // 2)),
            onset_high=self._moment(leak.onset + 1 + max(1, length // 2)),
            centre="" if where is None else where.centre,
            radius_50_m=None if where is None else where.half,
            radius_90_m=None if where is None else where.most,
            gain=visit_gain(self._site.monitor, flow, low, high, CONFIDENCE, found),
        )
        proven = None if before is None else before.proven
        if proven is None and (flow >= SMALL or day - leak.found >= DAYS_BEFORE):
            proven = finding.as_of
        return Told(finding, found, share, proven, course=() if before is None else before.course)

    def _over(self, leak: Leak, before: Finding) -> Finding:
        """Its finding when it was seen to be over: as it was while it ran, and when that ended."""
        day = self._tracker.day
        last = day
        while last > leak.onset + 1 and leak.flow.get(last, 0.0) < OVER * _top(leak):
            last -= 1
        return replace(
            _as_it_ran(leak, before, last),
            as_of=self._moment(day + 1),
            ended=self._moment(last + 1),
            volume=self._volume(leak, last + 1),
            gain=None,
        )

    def _volume(self, leak: Leak, until: int) -> float:
        """Lost up to the start of day ``until`` [m3]; of the first day, half."""
        first = leak.onset + 1
        flows = [leak.flow.get(d, 0.0) * (0.5 if d == first else 1.0) for d in range(first, until)]
        return 86400.0 * sum(flows)

    def _shares(self, leak: Leak) -> dict[str, float]:
        return {d.id: float(leak.probability[self._dmas == i].sum()) for i, d in enumerate(self._site.dmas)}

    def _moment(self, day: int) -> datetime:
        return moment(self._begin(day))


def _as_it_ran(leak: Leak, finding: Finding, last: int) -> Finding:
    """With its flow on day ``last``, or on the day before: on the day of its repair it ran for some hours
    only, and the mean of that day is less than it was."""
    whole = max(
        (d for d in (last, last - 1) if d > leak.onset), key=lambda d: leak.flow.get(d, 0.0), default=last
    )
    flow, sd = leak.flow.get(whole, 0.0), leak.flow_sd.get(whole, 0.0)
    low, high = max(flow - NORMAL_90 * sd, 0.0), flow + NORMAL_90 * sd
    return replace(finding, flow=flow, flow_low=low, flow_high=high)


def _top(leak: Leak) -> float:
    """Its largest flow [m3/s], as its days now look."""
    return max(leak.flow.values(), default=0.0)


def _dma_of(pipes: Ints, network: Network, site: Site) -> Ints:
    """Which DMA (index) each pipe (P,) is in, or for a trunk main nearest to along the links."""
    column = {d.id: i for i, d in enumerate(site.dmas)}
    at = np.array([column.get(site.node_dma.get(n, ""), -1) for n in network.node_ids])
    if (at < 0).all():
        return np.zeros(len(pipes), np.int64)
    count, length = len(at), np.maximum(network.length, 1.0)
    graph = coo_matrix((length, (network.start, network.end)), shape=(count, count))
    _, _, source = dijkstra(
        graph.tocsr(),
        directed=False,
        indices=np.flatnonzero(at >= 0),
        min_only=True,
        return_predecessors=True,
    )
    nearest = np.where(source >= 0, at[source], 0)[network.end]
    inside = np.array([column.get(dma, -1) for dma in link_dma(network, site.node_dma)])
    return np.where(inside >= 0, inside, nearest)[pipes].astype(np.int64)


def network_watch(site: Site, store: ReadingStore, network: Network | None, keep: int) -> NetworkWatch | None:
    """The watch of a site with a network that has meters in it; None where there is nothing to go by."""
    if network is None or site.network_file is None:
        return None
    at = placed(site, network)
    if not at.pressure or not at.flow:
        return None
    if len(network.link_ids) > MOST_PIPES:
        log.warning(
            "the network has %d links, more than %d: leaks are placed in it by inflow and pressure alone",
            len(network.link_ids),
            MOST_PIPES,
        )
        return None
    try:
        return NetworkWatch(site, store, network, at, keep)
    except NetworkError as e:  # a model that cannot be solved must not cost the alerts by inflow
        log.warning("no leaks are sought by the hydraulic model: %s", e)
        return None
