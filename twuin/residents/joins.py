"""Keeps reports and alerts in line: what a report joins, what an alert hears, what makes one of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twuin.alerts.model import PENDING, Alert, Kind, Reason, State, Suspect
from twuin.alerts.ports import Alerts
from twuin.alerts.service import AlertService, StaleAlert
from twuin.alerts.steps import TransitionRefused
from twuin.alerts.work import Heard
from twuin.residents.ground import REACH_M, Ground
from twuin.residents.joining import JOIN_TIME, KINDS, best_alert, leak_apart_m, same_event
from twuin.residents.model import Category, Line, Report, Standing, independent
from twuin.residents.ports import ReportChange, ReportQuery, ReportStore, VersionConflict
from waterworks.errors import DatabaseUnavailable, NotFound
from waterworks.ports import Clock
from waterworks.reading import as_datetime

RESIDENTS = "residents"
"""The actor of what reports do by themselves."""

ATTEMPTS = 20

NEIGHBOURS = 500
"""Open reports that a new one is held against: the newest."""

ALONE = frozenset({Category.LEAK, Category.NO_WATER})
"""What makes an alert without a person once enough residents say it; of the rest a person decides."""

ALERTS_AT_ONCE = 500


class Joins:
    """The reports of one site beside its alerts. Safe to use from several threads and processes.

    confirm: independent reporters from whom on reports without an alert make one; 0: only a person does.
    """

    def __init__(
        self,
        site_id: str,
        store: ReportStore,
        alerts: AlertService,
        clock: Clock,
        ground: Ground | None,
        confirm: int,
    ) -> None:
        self.site_id = site_id
        self.ground = ground
        self._store = store
        self._alerts = alerts
        self._clock = clock
        self._confirm = confirm

    def living(self) -> Alerts:
        """Alerts that reports may belong to."""
        return self._alerts.list(states=PENDING, kinds=KINDS, limit=ALERTS_AT_ONCE).items

    def place(self, report: Report, living: Sequence[Alert] | None = None) -> Report:
        """Put an open report where it belongs: to an alert, else to its event, which may become an alert."""
        if report.state is not Standing.OPEN or report.alert or not report.counts:
            return report
        alert = best_alert(report, self.living() if living is None else living, self.ground)
        if alert is not None:
            return self.join(report, alert.id, RESIDENTS)
        event = self._event(report)
        if event != report.event:
            report = self.write(report, "grouped", RESIDENTS, {"event": event}, event=event)
        if report.category in ALONE and self._confirm:
            members = self.members(report)
            if independent(members) >= self._confirm:
                self.make_alert(report, members, RESIDENTS)
                report = self._store.get(self.site_id, report.id) or report
        return report

    def _event(self, report: Report) -> str:
        since = report.received - JOIN_TIME
        query = ReportQuery(states=frozenset({Standing.OPEN}), since=since, joined=False, limit=NEIGHBOURS)
        near = [
            r
            for r in self._store.find(self.site_id, query)
            if r.id != report.id and same_event(report, r, self.ground)
        ]
        if not near:
            return report.event or report.id
        # The oldest event goes on: so it is whoever of two who come at once is written last.
        oldest = min(near, key=lambda r: (r.received, r.id))
        return oldest.event or oldest.id

    def members(self, report: Report) -> list[Report]:
        """Reports of the same event that are evidence and have no alert yet, ``report`` among them."""
        query = ReportQuery(states=frozenset({Standing.OPEN}), event=report.event or report.id, joined=False)
        found = [r for r in self._store.find(self.site_id, query) if r.counts and r.id != report.id]
        return [*found, report]

    def make_alert(self, report: Report, members: Sequence[Report], actor: str) -> Alert:
        """An alert of a kind of its own for an event that no reading shows. Once, whoever asks first."""
        first = min(members, key=lambda r: (r.received, r.id))
        alert = self._alerts.open_reported(
            first.id,
            next((m.dma for m in members if m.dma), ""),
            summed(list(members)),
            suspects=self._suspects(members),
            actor=actor,
            key=f"reported-{first.id}",
        )
        for member in members:
            self.join(member, alert.id, actor)
        return self._alerts.get(alert.id)

    def _suspects(self, members: Sequence[Report]) -> list[Suspect]:
        """The pipes nearest to what was seen, by the share of reports that lie at them."""
        at = Counter(m.pipe for m in members if m.pipe and m.category is Category.LEAK)
        total = sum(at.values())
        out = []
        for pipe, n in sorted(at.items(), key=lambda i: (-i[1], i[0])):
            where = None if self.ground is None else self.ground.position_on(pipe, None)
            lon, lat = where or (None, None)
            out.append(Suspect(pipe, n / total, lon, lat))
        return out

    def join(self, report: Report, alert: str, actor: str) -> Report:
        """Put a report to an alert, and let the alert hear of it. Raises NotFound for no alert."""
        found = self._alerts.get(alert)
        if report.alert != alert:
            report = self.write(report, "joined", actor, {"alert": alert}, alert=alert)
        self.tell(found.id)
        return report

    def tell(self, alert: str) -> None:
        """Let an alert know what its reports say by now."""
        reports = [r for r in self._store.find(self.site_id, ReportQuery(alert=alert)) if r.counts]
        try:
            current = self._alerts.get(alert)
        except NotFound:
            return
        if current.state is State.CLOSED:
            return
        self._alerts.hear(alert, summed(reports) if reports else None, actor=RESIDENTS)

    def merge(self, living: Sequence[Alert]) -> None:
        """Close alerts of residents' making that nobody has taken on, where readings show their leak too."""
        measured = [a for a in living if a.finding.kind in (Kind.LEAK, Kind.NIGHT_FLOW)]
        for alert in living:
            reported = alert.work.reported
            if alert.finding.kind is not Kind.REPORTED or alert.state is not State.OPEN or alert.held:
                continue
            if reported is None or not reported.leaks or reported.lon is None or reported.lat is None:
                continue
            at = (reported.lon, reported.lat)
            near = [(apart, a) for a in measured if (apart := leak_apart_m(at, a, self.ground)) is not None]
            if not near:
                continue
            _, same = min(near, key=lambda n: (n[0], n[1].id))
            try:
                self._alerts.act(
                    alert.id,
                    "close",
                    version=alert.version,
                    reason=Reason.DUPLICATE,
                    duplicate_of=same.id,
                    actor=RESIDENTS,
                )
            except (StaleAlert, TransitionRefused):  # somebody is at it: theirs to decide
                continue

    def write(
        self, report: Report, action: str, actor: str, details: dict[str, Any], **changes: Any
    ) -> Report:
        """Change a report, whoever else does; what it has become."""
        for _ in range(ATTEMPTS):
            after = replace(report, version=report.version + 1, **changes)
            line = Line(report.id, as_datetime(self._clock.now()), actor, action, details)
            try:
                self._store.change([ReportChange(after, report.version, (line,))])
            except VersionConflict:
                fresh = self._store.get(self.site_id, report.id)
                if fresh is None:
                    raise NotFound(f"no report {report.id}") from None
                report = fresh
                continue
            return after
        raise DatabaseUnavailable(f"report {report.id} is being changed by others all the time")

    def where(self, lon: float | None, lat: float | None) -> tuple[str, str, float | None]:
        """(DMA, nearest pipe, how far that is [m]) of a position; "" where it is near none."""
        if self.ground is None or lon is None or lat is None:
            return "", "", None
        near = self.ground.nearest((lon, lat))
        if near.off > REACH_M:
            return "", "", near.off
        return near.dma, near.pipe, near.off


def summed(reports: list[Report]) -> Heard:
    """What several reports say together."""
    most = Counter(r.category for r in reports)
    category = min(most, key=lambda c: (-most[c], list(Category).index(c)))
    placed = [r.position for r in reports if r.position is not None]
    return Heard(
        count=len(reports),
        reporters=independent(reports),
        category=category.value,
        leaks=most[Category.LEAK],
        first=min(r.received for r in reports),
        last=max(r.received for r in reports),
        lon=round(sum(p[0] for p in placed) / len(placed), 6) if placed else None,
        lat=round(sum(p[1] for p in placed) / len(placed), 6) if placed else None,
    )
