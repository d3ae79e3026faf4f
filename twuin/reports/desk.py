"""Reports on demand and by the calendar, over one site's read models."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import date

from twuin.reports.bill_desk import SiteBills
from twuin.reports.render import render
from twuin.reports.schedule import due
from twuin.reports.shelf import Shelf
from twuin.views.bill_desk import BillDesk
from twuin.views.report_desk import ReportFile, StoredReport
from twuin.views.report_models import ReportOut
from twuin.views.reports import Period, make_report
from twuin.views.views import Views
from waterworks.errors import NotFound, StoreUnavailable
from waterworks.ports import ReadingStore
from waterworks.reading import as_datetime
from waterworks.site import Role, Site, part_of

log = logging.getLogger("twuin.reports")

OFFERED = 36
"""Months that are offered at most: older ones are made by asking for them by name."""

LOOK_S = 60.0
"""How often the calendar is looked at [s]."""


class Reporter:
    """See ``twuin.views.report_desk.ReportDesk``."""

    def __init__(self, site: Site, store: ReadingStore, views: Views, shelf: Shelf | None) -> None:
        self._site, self._store, self._views, self._shelf = site, store, views, shelf
        self._bills = None if shelf is None else SiteBills(site, shelf.folder.parent / "bills", views.now)
        self._one = (
            threading.Lock()
        )  # a report takes seconds of work: ten people wait rather than all at once

    def limited_to(self, views: Views) -> Reporter:
        limited = Reporter(part_of(self._site, views.limit or ()), self._store, views, None)
        limited._one = self._one
        return limited

    @property
    def bills(self) -> BillDesk:
        if self._bills is None:
            raise NotFound("bills are put in for the whole site")
        return self._bills

    def stored(self) -> list[StoredReport]:
        return [] if self._shelf is None else self._shelf.stored()

    def file(self, name: str) -> ReportFile:
        if self._shelf is None:
            raise NotFound(f"no report {name[:80]!r} is kept of these DMAs: reports that are kept are of all")
        return self._shelf.read(name)

    def periods(self) -> list[str]:
        begun = self.begun()
        if begun is None:
            return []
        month = Period.month_of(self._views.losses_end())
        out: list[str] = []
        while month.last >= begun and len(out) < OFFERED:
            if month.month == 12 or not out:
                out.append(str(Period(month.year)))
            out.append(str(month))
            month = month.before()
        return out

    def begun(self) -> date | None:
        """The local day of the first reading of an inlet, None where there is none."""
        inlets = [s.id for s in self._site.sensors if s.role is Role.INLET]
        extent = self._store.extent(inlets) if inlets else None
        return None if extent is None else as_datetime(extent[0]).astimezone(self._site.timezone).date()

    def report(self, period: str) -> ReportOut:
        asked = Period.of(period)
        with self._one:
            return make_report(self._views, self._site, asked)

    def make(self, period: str, language: str, format: str) -> ReportFile:
        return render(self.report(period), language, format)


class Calendar:
    """Makes what is due by the calendar: on day ``day`` of each month at ``at`` [minutes after local
    midnight], in each of ``languages`` and ``formats``, and keeps ``keep`` months.

    on_kept: told at each look what is kept, also what was made before this program began: for sending it.
    """

    def __init__(
        self,
        desk: Reporter,
        shelf: Shelf,
        views: Views,
        site: Site,
        *,
        day: int,
        at: int,
        languages: Sequence[str],
        formats: Sequence[str],
        keep: int,
        on_kept: Callable[[list[StoredReport]], None] = lambda stored: None,
    ) -> None:
        self._desk, self._shelf, self._views, self._site = desk, shelf, views, site
        self._day, self._at, self._keep = day, at, keep
        self._kinds = [(code, kind) for code in languages for kind in formats]
        self._on_kept = on_kept

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``: look, make what is due, wait."""
        while not stop.is_set():
            try:
                self.step(stop)
            except StoreUnavailable as e:
                log.warning("reports wait for the store: %s", e)
            stop.wait(LOOK_S)

    def step(self, stop: threading.Event | None = None) -> list[str]:
        """Make what is due now, oldest first; the periods that were made."""
        begun = self._desk.begun()
        if begun is None:
            return []
        now = self._views.now().astimezone(self._site.timezone).replace(tzinfo=None)
        have = {(x.period, x.language, x.format) for x in self._shelf.stored()}
        made = []
        for period in due(now, begun, self._views.losses_end(), self._day, self._at, self._keep):
            missing = [k for k in self._kinds if (str(period), *k) not in have]
            if not missing or (stop is not None and stop.is_set()):
                continue
            report = self._desk.report(str(period))
            files = [render(report, code, kind) for code, kind in missing]
            for file in files:
                self._shelf.write(file)
            log.info("report of %s written: %s", period, ", ".join(f.name for f in files))
            made.append(str(period))
        if made:
            self._shelf.prune(self._keep)
        self._on_kept(self._shelf.stored())
        return made
