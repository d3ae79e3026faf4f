"""What staff do with residents' reports: look, put to an alert, answer, close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from twuin.alerts.service import AlertService
from twuin.residents.joins import Joins
from twuin.residents.keys import Keys
from twuin.residents.model import (
    Category,
    Line,
    Outcome,
    Person,
    Report,
    ReportChanged,
    ReportRefused,
    Standing,
)
from twuin.residents.ports import Lines, ReportChange, ReportQuery, ReportStore, VersionConflict
from twuin.residents.words import clean_text
from waterworks.errors import NotFound
from waterworks.ports import Clock
from waterworks.reading import as_datetime
from waterworks.site import Site

MESSAGE_MOST = 500
"""Characters of a message to a resident: it is read on a phone."""

Dmas = frozenset[str] | None
"""What somebody is limited to; None: the whole site, and what belongs to no DMA."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks of a report. version: as they saw it; None: whatever it is by now."""

    action: str
    version: int | None = None
    alert: str = ""
    message: str = ""
    outcome: Outcome | None = None
    dma: str = ""
    lon: float | None = None
    lat: float | None = None
    category: Category | None = None


class ReportPage(NamedTuple):
    """Some reports, the newest first, and the id to go on after (None: there are no more)."""

    items: list[Report]
    next: str | None


ACTIONS = ("accept", "place", "join", "part", "alert", "answer", "close", "reopen")
"""accept: what was held counts. place: say where it is, or what it is. join: to an alert; part: from it.
alert: make one of it and its event. answer: a message to the resident. close: with an outcome."""


class ReportDesk:
    """The reports of one site, for staff. Safe to use from several threads and processes."""

    def __init__(
        self, site: Site, store: ReportStore, alerts: AlertService, clock: Clock, joins: Joins, keys: Keys
    ) -> None:
        self.site = site
        self._store = store
        self._alerts = alerts
        self._clock = clock
        self._joins = joins
        self._keys = keys

    def page(
        self,
        *,
        dmas: Dmas = None,
        states: Sequence[Standing] = (),
        categories: Sequence[Category] = (),
        alert: str = "",
        joined: bool | None = None,
        limit: int = 50,
        after: str = "",
    ) -> ReportPage:
        """Reports, the newest first; those after the report ``after``. Raises NotFound."""
        before = None
        if after:
            last = self.get(after, dmas)
            before = (last.received, last.id)
        query = ReportQuery(
            frozenset(states),
            frozenset(categories),
            dmas,
            alert,
            joined=joined,
            before=before,
            limit=limit + 1,
        )
        found = self._store.find(self.site.id, query)
        return ReportPage(found[:limit], found[limit - 1].id if len(found) > limit else None)

    def get(self, id: str, dmas: Dmas = None) -> Report:
        """A report. Raises NotFound."""
        report = self._store.get(self.site.id, id[:40])
        if report is None or (dmas is not None and report.dma not in dmas):
            raise NotFound(f"no report {id[:40]!r} at site {self.site.id}")
        return report

    def by_code(self, code: str, dmas: Dmas = None) -> Report | None:
        """The report of a code that a resident reads out; None where there is none."""
        digest = self._keys.code_digest(code)
        found = self._store.by_code(self.site.id, digest) if digest else None
        return found if found is not None and (dmas is None or found.dma in dmas) else None

    def history(self, id: str, dmas: Dmas = None) -> Lines:
        """What happened to a report, oldest first. Raises NotFound."""
        self.get(id, dmas)
        return self._store.history(self.site.id, id)

    def event(self, report: Report, dmas: Dmas = None) -> list[Report]:
        """Other reports of the same event."""
        if report.alert:
            found = self._store.find(self.site.id, ReportQuery(alert=report.alert, dmas=dmas, limit=100))
        else:
            found = self._store.find(self.site.id, ReportQuery(event=report.event, dmas=dmas, limit=100))
        return [r for r in found if r.id != report.id]

    def person(self, id: str, dmas: Dmas = None) -> Person | None:
        """Who reported, None once erased. Whoever calls this writes into the security log who looked."""
        report = self.get(id, dmas)
        sealed = self._store.sealed(self.site.id, report.id)
        return None if sealed is None else self._keys.unseal(report.id, sealed)

    def counts(self, dmas: Dmas = None) -> dict[str, int]:
        """How many wait: held, open without an alert."""
        held = ReportQuery(states=frozenset({Standing.HELD}), dmas=dmas, limit=1000)
        free = ReportQuery(states=frozenset({Standing.OPEN}), joined=False, dmas=dmas, limit=1000)
        return {
            "held": len(self._store.find(self.site.id, held)),
            "unjoined": len(self._store.find(self.site.id, free)),
        }

    def act(self, id: str, asked: Asked, actor: str, dmas: Dmas = None) -> Report:
        """Do what somebody asks of a report. Raises NotFound, ReportChanged, ReportRefused."""
        report = self.get(id, dmas)
        if asked.version is not None and asked.version != report.version:
            raise ReportChanged(report)
        if asked.action not in ACTIONS:
            raise ReportRefused(
                "action", f"unknown action {asked.action[:40]!r}: use one of {', '.join(ACTIONS)}"
            )
        if dmas is not None:
            self._within(asked, dmas)
        closed = report.state is Standing.CLOSED
        if closed and asked.action not in ("reopen", "answer"):
            raise ReportRefused("closed", f"report {report.id} is closed: reopen it first")
        if asked.message and asked.action not in ("answer", "close"):
            raise ReportRefused("message", "a message belongs to answering or closing")
        if len(clean_text(asked.message, len(asked.message))) > MESSAGE_MOST:
            raise ReportRefused("message", f"a message to a resident has at most {MESSAGE_MOST} characters")
        return {
            "accept": self._accept,
            "place": self._place,
            "join": self._join,
            "part": self._part,
            "alert": self._alert,
            "answer": self._answer,
            "close": self._close,
            "reopen": self._reopen,
        }[asked.action](report, asked, actor)

    def _within(self, asked: Asked, dmas: frozenset[str]) -> None:
        """Refuse what leads to a DMA that is not theirs."""
        dma = asked.dma or self._joins.where(asked.lon, asked.lat)[0]
        if dma and dma not in dmas:
            raise ReportRefused("place", "say where it is: a DMA of yours, or a place in one")
        if asked.alert:
            try:
                own = self._alerts.get(asked.alert).finding.dma in dmas
            except NotFound:
                own = False
            if not own:
                raise ReportRefused("alert", f"there is no alert {asked.alert[:40]!r}")

    def _accept(self, report: Report, asked: Asked, actor: str) -> Report:
        if report.state is not Standing.HELD:
            raise ReportRefused("not_held", f"report {report.id} is not held")
        return self._joins.place(self._write(report, "accepted", actor, state=Standing.OPEN))

    def _place(self, report: Report, asked: Asked, actor: str) -> Report:
        lon, lat, dma = asked.lon, asked.lat, asked.dma
        if (lon is None) != (lat is None) or (dma and dma not in self.site.dma):
            raise ReportRefused("place", "say where it is: a DMA of the site, or lon and lat")
        if lon is not None and lat is not None and not (abs(lon) <= 180 and abs(lat) <= 90):
            raise ReportRefused("place", "no position on earth")
        if lon is None and not dma and asked.category is None:
            raise ReportRefused("place", "say where it is, or what it is")
        found, pipe, _ = self._joins.where(lon, lat)
        changes: dict[str, Any] = {
            "dma": dma or found or report.dma,
            "category": asked.category or report.category,
        }
        if lon is not None:
            changes |= {"lon": round(lon, 6), "lat": None if lat is None else round(lat, 6), "pipe": pipe}
        after = self._write(report, "placed", actor, **changes)
        if after.alert:
            self._joins.tell(after.alert)
        return self._joins.place(after)

    def _join(self, report: Report, asked: Asked, actor: str) -> Report:
        if not asked.alert:
            raise ReportRefused("alert", "joining needs the id of an alert")
        before = report.alert
        try:
            self._alerts.get(asked.alert)
        except NotFound:
            raise ReportRefused("alert", f"there is no alert {asked.alert[:40]!r}") from None
        report = self._seen(report, actor, asked.version)
        after = self._joins.join(report, asked.alert, actor)
        if before and before != asked.alert:
            self._joins.tell(before)
        return after

    def _part(self, report: Report, asked: Asked, actor: str) -> Report:
        if not report.alert:
            raise ReportRefused("alert", f"report {report.id} belongs to no alert")
        after = self._write(report, "parted", actor, {"alert": report.alert}, alert="", event=report.id)
        self._joins.tell(report.alert)
        return after

    def _alert(self, report: Report, asked: Asked, actor: str) -> Report:
        if report.alert:
            raise ReportRefused("alert", f"report {report.id} belongs to alert {report.alert} already")
        report = self._seen(report, actor, asked.version)
        self._joins.make_alert(report, self._joins.members(report), actor)
        return self.get(report.id)

    def _answer(self, report: Report, asked: Asked, actor: str) -> Report:
        message = clean_text(asked.message, MESSAGE_MOST)
        if not message:
            raise ReportRefused("message", "an answer needs a message to the resident, in plain words")
        return self._write(
            report, "answered", actor, message=message, answered=report.answered or self._now()
        )

    def _close(self, report: Report, asked: Asked, actor: str) -> Report:
        if asked.outcome is None or asked.outcome is Outcome.WITHDRAWN:
            names = ", ".join(o.value for o in Outcome if o is not Outcome.WITHDRAWN)
            raise ReportRefused("outcome", f"closing a report needs an outcome: one of {names}")
        now = self._now()
        after = self._write(
            report,
            "closed",
            actor,
            {"outcome": asked.outcome.value},
            state=Standing.CLOSED,
            outcome=asked.outcome,
            settled=now,
            answered=report.answered or now,
            message=clean_text(asked.message, MESSAGE_MOST) or report.message,
        )
        if after.alert:
            self._joins.tell(after.alert)
        return after

    def _reopen(self, report: Report, asked: Asked, actor: str) -> Report:
        if report.state is not Standing.CLOSED:
            raise ReportRefused("not_closed", f"report {report.id} is not closed")
        if report.outcome is Outcome.WITHDRAWN:
            raise ReportRefused("withdrawn", "whoever sent it has withdrawn it")
        after = self._write(
            report,
            "reopened",
            actor,
            state=Standing.OPEN,
            outcome=None,
            settled=None,
            alert="",
            event=report.id,
        )
        return self._joins.place(after)

    def _seen(self, report: Report, actor: str, version: int | None) -> Report:
        """A held report that somebody puts to use counts from then on."""
        if report.state is Standing.HELD:
            return self._write(report, "accepted", actor, state=Standing.OPEN)
        return report

    def _write(
        self,
        report: Report,
        action: str,
        actor: str,
        details: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Report:
        after = replace(report, version=report.version + 1, **changes)
        line = Line(report.id, self._now(), actor, action, details or {})
        try:
            self._store.change([ReportChange(after, report.version, (line,))])
        except VersionConflict:
            raise ReportChanged(self.get(report.id)) from None
        return after

    def _now(self) -> datetime:
        return as_datetime(self._clock.now())
