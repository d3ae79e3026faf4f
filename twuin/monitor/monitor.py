"""The job itself: watch the store, advance in event time, hand findings to the alerts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial
from typing import Protocol

import numpy as np
from opentelemetry import trace

from analytics.events import Event
from analytics.night import Excess, NightFlow
from analytics.options import Options
from twuin.alerts.model import Finding
from twuin.monitor.engine import Engine
from twuin.monitor.findings import flow_finding, night_findings, night_stretches, revoked_finding
from twuin.monitor.grid import LocalTime, instant_of, local_time, midnight, moment, second_of
from twuin.monitor.joining import joined, with_tracked
from twuin.monitor.locate import Locator, Place, Span
from twuin.monitor.network_watch import network_watch
from twuin.monitor.nights import Nights
from twuin.monitor.places import KEEP_DAYS
from twuin.monitor.placing import Placing
from twuin.monitor.pressures import PressureWatch
from twuin.monitor.publish import Publisher
from twuin.monitor.repairs import Repairs, Seen, look_at_repairs
from twuin.monitor.silent import Silences
from twuin.monitor.watching import MonitorStatus, Watching
from twuin.monitor.watermark import watermark
from twuin.works.calendar import Calendar
from twuin.works.excuse import excused
from waterworks.clocks import DataClock
from waterworks.network import Network
from waterworks.ports import Clock, ReadingStore
from waterworks.reading import Latest
from waterworks.series import is_derived
from waterworks.site import Role, Site
from waterworks.trusted import TrustedStore

tracer = trace.get_tracer("twuin.monitor")

PATIENCE_S = 0.015
"""How long a step may take before the night's work on the hydraulic model is put off to the next one [s],"""

PLACING_S = 0.025
"""and the work on where leaks are [s]."""

PIECE_S = 0.005
"""A step that leads no further in time does so much of that work at least [s]: it comes to an end."""

LONG_STEP = np.timedelta64(6, "h")
"""After a longer step, of past data or after a pause, all is worked out at once."""


__all__ = ["Alerts", "Monitor", "MonitorStatus", "Works"]


def _traced(anything: bool) -> AbstractContextManager[object]:
    """A trace of one look at the store, unless there is nothing to see: that is so nearly every second."""
    if not anything:
        return nullcontext()
    return tracer.start_as_current_span("monitor.step", record_exception=False)


class Alerts(Protocol):
    """What the monitor needs of the alert service."""

    def apply(self, findings: Sequence[Finding], *, since: datetime | None = None) -> object: ...


class Works(Protocol):
    """What the monitor needs of planned works."""

    def calendar(self) -> Calendar:
        """When which works are under way; the same object until something is entered."""
        ...


class Monitor(Watching):
    """Finds leaks in one site's readings as they come. One monitor a site.

    Findings are a function of the readings up to the watermark. What is remembered between calls only
    saves work: a new Monitor over the same store comes to the same findings, at the cost of one pass over
    the readings of inlet meters and tanks.
    """

    def __init__(
        self,
        site: Site,
        store: ReadingStore,
        alerts: Alerts,
        *,
        clock: Clock,
        network: Network | None = None,
        repairs: Repairs | None = None,
        works: Works | None = None,
        lateness_s: float = 900.0,
        options: Options | None = None,
    ) -> None:
        self._site, self._store, self._alerts, self._clock = site, store, alerts, clock
        self._repairs, self._works = repairs, works
        self._lateness_s = lateness_s
        self._engine = Engine(site, store, network, options or Options(), KEEP_DAYS)
        trusted = TrustedStore(store, self._engine.distrusted)
        self._locator = Locator(site, trusted, network)
        # A fall that passes it tells from one that stays, if it sees all of it.
        steady = TrustedStore(store, partial(self._engine.distrusted, moved=False))
        self._watch = PressureWatch(site, steady, has_model=network is not None, keep=KEEP_DAYS)
        # With a model of all meters the first days of a drift, not yet seen for what it is, go a long way.
        doubtful = TrustedStore(store, partial(self._engine.distrusted, doubt_before=True))
        self._model = network_watch(site, doubtful, network, KEEP_DAYS)
        self._publisher = Publisher(site, store, clock)
        self._silences = Silences(site, store)
        self._pressures = {s.id for s in self._locator.sensors}
        self._watched = [s for s in site.sensors if s.role is not Role.CONSUMPTION]
        self._until = np.inf
        self._reached: np.datetime64 | None = None
        self._placing = Placing(self._locator.place)
        self._known: LocalTime | None = None
        self._said: list[Finding] | None = None
        self._found: NightFlow | None = None
        self._stretches: list[list[Excess]] = []
        night = site.monitor.night, self._engine.step_s, len(site.dmas)
        self._nights, self._measured, self._doubted = Nights(*night), Nights(*night), False
        self._changed = self._published = 0
        super().__init__()

    def close(self) -> None:
        """Let go of the hydraulic model."""
        if self._model is not None:
            self._model.close()

    def catch_up(
        self, final: bool = False, progress: Callable[[float], None] | None = None
    ) -> datetime | None:
        """Evaluate all that the watermark allows and bring the alerts in line; returns the watermark.

        final: no more readings will come; go up to the end of the last one's step. progress: called with
        the share done. Raises StoreUnavailable; what was asked then is asked again the next time.
        """
        begun = time.monotonic()
        if self._said is None:
            self._locator.prepare()
        changes = self._store.changes(self._cursor)
        spans = {n: s for n, s in changes.spans.items() if not is_derived(n) and n in self._site.sensor}
        # Before `latest`: a clock that follows the data must not run ahead of what it is held against.
        now = self._clock.now()
        latest = self._store.latest([s.id for s in self._watched])
        self._take_back(spans)
        if self._works is not None:
            self._take_works(self._works.calendar())
        self._silences.changed(spans, latest)
        before, mark = self._reached, self._mark(latest, final)
        hurried = not final and progress is None
        stepped = hurried and self._stepped(before, mark, spans)
        with _traced(bool(spans) or mark != before):
            moved = self._proceed(mark, progress, begun if hurried else None)
            if spans or moved or self._said is None:
                self._publish()
        at_least = 0.0 if moved else PIECE_S
        self._until = max(begun + PLACING_S, time.monotonic() + at_least) if stepped else np.inf
        self._report(latest, now)
        self._cursor = changes.cursor
        return self._status.watermark

    def _proceed(
        self, mark: np.datetime64 | None, progress: Callable[[float], None] | None, begun: float | None
    ) -> bool:
        """Evaluate up to ``mark``; whether anything moved. begun: of this look, where the next waits."""
        moved = mark is not None and self._engine.proceed(mark, progress)
        self._doubt_places()
        if mark is not None:
            second = second_of(mark)
            moved = self._watch.proceed(second) or moved
            if self._model is not None:
                patience = None if begun is None else max(PATIENCE_S - (time.monotonic() - begun), 0.0)
                moved = self._model.proceed(second, progress, patience_s=patience) or moved
        return moved

    def _stepped(
        self,
        before: np.datetime64 | None,
        mark: np.datetime64 | None,
        spans: dict[str, tuple[np.datetime64, np.datetime64]],
    ) -> bool:
        """Whether this is one of many small steps forward.

        After a pause, or where the past changes, leaks that were told of before may look like new: placed at
        once, they keep a place all the while.
        """
        if self._said is None or before is None or mark is None or mark - before > LONG_STEP:
            return False
        return all(first >= before for first, _ in spans.values())

    # -- steps of it -------------------------------------------------------------------------------

    def _take_back(self, spans: dict[str, tuple[np.datetime64, np.datetime64]]) -> None:
        """Forget what changed readings have made doubtful."""
        feeding = [spans[n][0] for n in self._engine.feeding if n in spans]
        if feeding and self._engine.origin is None:
            self._engine.start(min(feeding))
        checked = [spans[n][0] for n in (*self._engine.feeding, *self._engine.gate.ids) if n in spans]
        if checked:
            self._engine.touched(min(checked))
        pressures = [s for n, s in spans.items() if n in self._pressures]
        if pressures:
            first_s = int(min(s[0] for s in pressures).astype("datetime64[s]").astype(np.int64))
            self._placing.touched(first_s)
        for watch in (self._watch, self._model):
            mine = [] if watch is None else [n for n in spans if n in watch.ids]
            if watch is not None and mine:
                watch.touched(mine, second_of(min(spans[n][0] for n in mine)))

    def _take_works(self, calendar: Calendar) -> None:
        """Go on with what people have entered by now. Rows that were looked at before stay as they are: but
        for clocks that were set back, nothing has to be looked at again."""
        before = self._engine.works
        if calendar is before:
            return
        self._engine.works = calendar
        since = calendar.changed_since(before)
        if since is not None:
            second = int(since)
            self._engine.touched(instant_of(second))
            for watch in (self._watch, self._model):
                if watch is not None:
                    watch.touched(list(watch.ids), second)

    def _doubt_places(self) -> None:
        """Forget places that pressures were asked for which the gate trusts no more, or again."""
        origin = self._engine.origin
        if origin is not None:
            first = origin + self._engine.watch.distrust_changed() * self._engine.step_s
            self._placing.touched(first)
            self._watch.touched(list(self._watch.ids), first)
            if self._model is not None:
                row = self._engine.gate.distrust.changed(self._engine.watch.gate)
                since = first if row is None else min(first, origin + row * self._engine.step_s)
                self._model.touched(list(self._model.ids), since)

    def _mark(self, latest: dict[str, Latest], final: bool) -> np.datetime64 | None:
        if final:
            feeding = self._engine.feeding or sorted(self._watch.ids)
            ends = [latest[n].time for n in feeding if n in latest]
            block = self._engine.detector.block_s
            if not ends:
                return None
            last = int(max(ends).astype("datetime64[s]").astype(np.int64))
            return np.datetime64((last // block + 1) * block * 1_000_000, "us")
        mark = watermark(self._watched, latest, self._clock.now(), lateness_s=self._lateness_s)
        # It never goes back, as when a meter returns that is still behind the others: alerts that were
        # raised meanwhile would be withdrawn, and raised again a little later.
        if mark is not None and self._reached is not None:
            mark = max(mark, self._reached)
        self._reached = mark
        return mark

    def _local(self) -> LocalTime:
        """Local time of all rows; what was worked out for earlier ones is kept."""
        engine, rows = self._engine, self._engine.detector.rows
        assert engine.origin is not None
        known = self._known
        have = 0 if known is None else len(known.day)
        if known is None or have < rows:
            seconds = engine.origin + np.arange(have, rows, dtype=np.int64) * engine.step_s
            more = local_time(seconds, engine.step_s, self._site.timezone, self._site.monitor.holidays)
            known = more if known is None else known.then(more)
            self._known = known
        return known.upto(rows)

    def _publish(self) -> None:
        engine = self._engine
        if engine.origin is None or not engine.detector.rows:
            return
        self._changed = min(self._changed, engine.detector.changed_since())
        if self._publisher.origin != engine.origin:
            self._known, self._changed = None, 0
        rows = engine.detector.rows
        if self._changed >= rows == self._published:
            return
        local = self._local()
        before, found = self._found, self._nights.update(engine.usual(0, rows), local, self._changed)
        if before is None or not all(map(partial(np.array_equal, equal_nan=True), before, found)):
            self._stretches = night_stretches(self._site, found)
        self._found = found
        begins = np.array([midnight(int(n), self._site.timezone) for n in found.night], "datetime64[us]")
        measured = found
        if engine.watch.gate.faults or engine.watch.gate.dry or engine.watch.worked(0, rows) is not None:
            every = engine.watch.measured(0, rows)
            measured = self._measured.update(every, local, self._changed if self._doubted else 0)
        self._doubted = measured is not found
        self._publisher.write(engine, self._changed, found, begins, measured)
        self._changed = self._published = rows

    def _report(self, latest: dict[str, Latest], now: np.datetime64) -> None:
        """Hand over all findings, if they are not the ones that were handed over last."""
        findings: list[Finding] = []
        engine, origin = self._engine, self._engine.origin or 0
        until = engine.until if engine.detector.rows else None
        if until is not None:
            engine.detector.estimates()
            events = engine.detector.events
            findings = [flow_finding(self._site, e, origin, engine.detector, self._place(e)) for e in events]
        tracked = [] if self._model is None else self._model.tracked()
        findings = with_tracked(findings, tracked, self._site.timezone, self._site.monitor)
        drops = self._excused(self._watch.findings())
        # What a work did to the pressures is no part of a leak that began meanwhile.
        findings = joined(findings, [d for d in drops if not d.planned_work])
        findings += [d for d in drops if d.planned_work]
        if until is not None:
            leaks = list(findings)
            sensors = engine.gate.ids
            findings += [
                revoked_finding(self._site, r, origin, engine.detector, sensors) for r in engine.watch.revoked
            ]
            findings += engine.gate.findings(engine.watch, origin)
            if self._found is not None:
                findings += night_findings(self._site, self._found, self._stretches, leaks, moment(until))
        findings += self._silences.findings(latest, now, past=isinstance(self._clock, DataClock))
        findings = self._excused(findings)
        findings.sort(key=lambda f: (f.onset, f.kind.value, f.subject))
        if findings != self._said:
            self._alerts.apply(findings)
            self._said = findings
        if until is None:
            until = self._watch.until
        if until is None and self._model is not None:
            until = self._model.until
        mark = None if until is None else moment(until)
        if self._repairs is not None and mark is not None:
            look_at_repairs(self._site, self._repairs, Seen(mark, self._found, findings, tracked))
        self._status = MonitorStatus(mark, len(findings))

    def _excused(self, findings: list[Finding]) -> list[Finding]:
        """With the works that explain them, as far as people have entered any."""
        works = self._engine.works
        return [excused(f, works, self._site) for f in findings] if works else findings

    def _place(self, event: Event) -> Place:
        """Where a leak is, as of the event time at which that was last due."""
        engine = self._engine
        block = engine.detector.block_s
        origin = engine.origin or 0
        noted = event.noted if event.end is None else max(min(event.noted, event.end), event.start + 1)
        span = Span(origin + event.start * block, origin + noted * block, event.noted_flow, event.noted_sigma)
        if event.side < 0:
            return Place()
        dma = self._site.dmas[event.area].id
        return self._placing.place((event.area, event.detected), dma, span, self._until)
