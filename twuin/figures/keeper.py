"""The job that keeps figures up to date in the store."""

from __future__ import annotations

import logging
import math
import threading
import time as wall
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np

from twuin.alerts.model import PENDING, Entry
from twuin.alerts.service import AlertService
from twuin.figures.alerts import Spans, alert_figures, alert_spans, event_figures, work_spans
from twuin.figures.losses import loss_figures
from twuin.figures.names import ALERT, SPAN
from twuin.figures.running import ingest_figures, ledger_figures, process_figures
from twuin.figures.states import state_figures
from twuin.views.models import AlertOut
from twuin.views.views import Views
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.figures import Figure, FigureStore, Value
from waterworks.localtime import midnight
from waterworks.reading import instant
from waterworks.site import Site

log = logging.getLogger(__name__)

POLL_S = 5.0
"""How often to look for news of alerts [s]."""

BEAT_S = 60.0
"""How often counters are written [s]."""

STATE_S = 300
"""States are written for each so much of the site's time [s]: at most one point."""

LEDGER_S = 600.0
"""How often the ledger's days are written again [s]: readings come late."""

BACK_DAYS = 14
"""So many days' losses are worked out anew at the start, for what came late or was billed since [d]."""

AGAIN_DAYS = 2
"""And so many with each new day [d]."""

AHEAD = timedelta(days=14)
"""Planned works are written so far ahead, and so far back."""

MAX_BACKOFF_S = 120.0


class Running:
    """Keeps the figures of one process, and the counters of its ingest where it has one."""

    def __init__(self, views: Views, store: FigureStore, process: str, *, ingest: bool = False) -> None:
        self._views, self._store, self._process, self._ingest = views, store, process, ingest

    def write(self) -> None:
        """Write them, at this minute of the site's clock."""
        now = _floor(instant(self._views.now()), 60)
        health = self._views.health()
        figures = process_figures(now, self._process, self._views.watermark(), health.parts)
        if self._ingest:
            figures += ingest_figures(now, self._process, self._views.ingest_stats())
        self._store.write_figures(figures)

    def run(self, stop: threading.Event, beat_s: float = BEAT_S) -> None:
        """Keep up until ``stop``."""
        _every(stop, beat_s, self.write)


class Keeper:
    """Keeps the figures of a site: alerts, spans, states, losses and the ledger. One a site."""

    def __init__(self, site: Site, views: Views, alerts: AlertService, store: FigureStore) -> None:
        self._site, self._views, self._alerts, self._store = site, views, alerts, store
        self._cursor = self._line = 0
        self._spans: Spans | None = None
        self._state_at: np.datetime64 | None = None
        self._losses_until: date | None = None
        self._ledger_at = -math.inf

    def run(self, stop: threading.Event, poll_s: float = POLL_S) -> None:
        """Keep up until ``stop``. A store that does not answer is asked again, ever rarer."""
        _every(stop, poll_s, lambda: self.catch_up(stop))

    def catch_up(self, stop: threading.Event | None = None) -> None:
        """Write what has changed since the last time. Where that fails, the next time does it anew."""
        self.write_alerts()
        self._write_states()
        if wall.monotonic() - self._ledger_at >= LEDGER_S:
            self._write_ledger()
            self._ledger_at = wall.monotonic()
        self._write_losses(stop)

    # -- alerts -------------------------------------------------------------------------------------

    def write_alerts(self) -> None:
        """Alerts with news, lines of histories that are new, and the spans of both."""
        known: set[str] | None = None
        if self._spans is None:
            self._spans, known = Spans(self._store.figure_times(SPAN, "shown")), set()
        while True:
            page = self._alerts.changes(self._cursor)
            if not page.alerts:
                break
            histories: dict[str, list[Entry]] = defaultdict(list)
            for _, line in self._alerts.lines(self._cursor, page.cursor):
                histories[line.alert].append(line)
            out: list[Figure] = []
            for alert in page.alerts:
                history = histories[alert.id] or self._alerts.history(alert.id)
                if known is not None:
                    known.add(alert.id)
                shown = self._views.alert_out(alert)
                out += alert_figures(alert, shown, history[-1])
                out += event_figures(alert, history)
                names = [f"{what}:{alert.id}" for what in ("leak", "fault", "supply", "repair")]
                out += self._spans.place(alert_spans(alert, shown), names)
            self._store.write_figures(out)
            self._cursor = page.cursor
        if known is not None:
            self._close_unknown(known)
        works = self._views.works
        if works is not None and self._works_changed():
            now = self._views.now()
            spells = works.calendar().standing((now - 4 * AHEAD).timestamp(), (now + AHEAD).timestamp())
            self._store.write_figures(self._spans.place(work_spans(spells), prefix="work:"))

    def _close_unknown(self, known: set[str]) -> None:
        """Close alerts that the database does not have, as after another one took its place."""
        assert self._spans is not None
        gone: dict[str, Value] = {"open": 0, "state": "closed", "reason": "withdrawn"}
        self._store.write_figures(
            [
                Figure(ALERT, time, dict(key), gone)
                for key, times in self._store.figure_times(ALERT, "open").items()
                if dict(key)["alert"] not in known
                for time in times
            ]
            + self._spans.without(known)
        )

    _calendar: object = None
    _works_day: date | None = None

    def _works_changed(self) -> bool:
        """Whether works were entered, or a day begun, since the last time."""
        assert self._views.works is not None
        calendar, today = self._views.works.calendar(), self._views.now().date()
        if calendar is self._calendar and today == self._works_day:
            return False
        self._calendar, self._works_day = calendar, today
        return True

    # -- states -------------------------------------------------------------------------------------

    def _write_states(self) -> None:
        at = _floor(instant(self._views.now()), STATE_S)
        if at == self._state_at:
            return
        v = self._views
        self._store.write_figures(state_figures(at, v.dmas(), v.sensors(), v.devices(), self._pending()))
        self._state_at = at

    def _pending(self) -> list[AlertOut]:
        found: list[AlertOut] = []
        cursor: str | None = None
        while True:
            page = self._views.alerts(state=set(PENDING), limit=200, cursor=cursor)
            found += page.items
            cursor = page.next
            if cursor is None:
                return found

    # -- by the day ---------------------------------------------------------------------------------

    def _write_losses(self, stop: threading.Event | None) -> None:
        if self._views.watermark() is None or not self._site.dmas:
            return
        last = self._views.losses_end()
        if last == self._losses_until:
            return
        back = BACK_DAYS if self._losses_until is None else AGAIN_DAYS
        for k in range(back, -1, -1):
            if stop is not None and stop.is_set():
                return
            day = last - timedelta(days=k)
            found = self._views.losses(day - timedelta(days=27), day)
            self._store.write_figures(loss_figures(self._midnight(day), found))
        self._losses_until = last

    def _write_ledger(self) -> None:
        lines = self._views.ledger.report(days=3).items
        dma = {s.id: s.dma for s in self._site.sensors}
        self._store.write_figures(ledger_figures(lines, self._midnight, dma))

    def _midnight(self, day: date) -> np.datetime64:
        return midnight(day.toordinal(), self._site.timezone)


def _floor(when: np.datetime64, step_s: int) -> np.datetime64:
    us = when.astype("datetime64[us]").astype(np.int64)
    return np.datetime64(int(us // (step_s * 1_000_000) * step_s * 1_000_000), "us")


def _every(stop: threading.Event, pause_s: float, work: Callable[[], None]) -> None:
    pause = pause_s
    while not stop.is_set():
        try:
            work()
            pause = pause_s
        except StoreUnavailable as error:
            pause = min(2 * pause, max(MAX_BACKOFF_S, pause_s))
            log.warning("figures for dashboards wait %.0f s: %s", pause, error)
        except StoreError as error:
            pause = MAX_BACKOFF_S
            log.error("figures for dashboards cannot be written: %s", error)
        stop.wait(pause)
