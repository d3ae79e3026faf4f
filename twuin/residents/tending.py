"""What happens to reports by itself: they join alerts that come later, end with them, and are forgotten."""

from __future__ import annotations

import logging
import threading
from datetime import datetime

from twuin.alerts.model import Alert, Reason, State
from twuin.alerts.promises import Stage, course
from twuin.alerts.service import AlertService
from twuin.residents.joins import RESIDENTS, Joins
from twuin.residents.model import Outcome, Report, Standing
from twuin.residents.ports import ReportQuery, ReportStore
from twuin.residents.service import PublicReports
from waterworks.errors import NotFound, TwuinError
from waterworks.ports import Clock
from waterworks.reading import as_datetime

log = logging.getLogger(__name__)

EVERY_S = 10.0
"""How often it is looked [s]."""

AT_ONCE = 500
"""Reports that one look goes through."""

_OUTCOME = {
    Reason.REPAIRED: Outcome.SOLVED,
    Reason.ENDED: Outcome.SOLVED,
    Reason.PLANNED: Outcome.SOLVED,
    Reason.FALSE_ALARM: Outcome.NOTHING_FOUND,
}
"""What the end of an alert is for those who reported it."""


class Tender:
    """Looks after the reports of one site."""

    def __init__(
        self, public: PublicReports, store: ReportStore, alerts: AlertService, joins: Joins, clock: Clock
    ) -> None:
        self._public = public
        self._site = public.site.id
        self._store = store
        self._alerts = alerts
        self._joins = joins
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        """Look every so often until ``stop``."""
        while not stop.wait(EVERY_S):
            try:
                self.tend()
            except TwuinError as e:  # a store that is away comes back
                log.warning("residents' reports could not be looked after: %s", e)

    def tend(self) -> None:
        """One look: merge, join, follow alerts, forget."""
        living = self._joins.living()
        self._joins.merge(living)
        query = ReportQuery(states=frozenset({Standing.OPEN}), limit=AT_ONCE)
        for report in self._store.find(self._site, query):
            if report.alert:
                self._follow(report)
            else:
                self._joins.place(report, living)
        self.forget()

    def _follow(self, report: Report) -> None:
        try:
            alert = self._alerts.get(report.alert)
        except NotFound:
            self._joins.write(report, "parted", RESIDENTS, {}, alert="", event=report.id)
            return
        if alert.reason is Reason.DUPLICATE and alert.work.duplicate_of:
            self._joins.join(report, alert.work.duplicate_of, RESIDENTS)
            return
        if alert.reason is Reason.WITHDRAWN:
            self._joins.write(report, "parted", RESIDENTS, {"alert": alert.id}, alert="", event=report.id)
            return
        answered = report.answered or self._answered(report, alert)
        if alert.state is State.CLOSED and alert.reason in _OUTCOME:
            outcome = _OUTCOME[alert.reason]
            self._joins.write(
                report,
                "closed",
                RESIDENTS,
                {"outcome": outcome.value, "alert": alert.id},
                state=Standing.CLOSED,
                outcome=outcome,
                settled=self._now(),
                answered=answered or self._now(),
            )
        elif answered != report.answered:
            self._joins.write(report, "taken_on", RESIDENTS, {"alert": alert.id}, answered=answered)

    def _answered(self, report: Report, alert: Alert) -> datetime | None:
        """When somebody took the alert on, not before the report came; None: nobody yet."""
        found = course(self._alerts.history(alert.id))
        taken_on = None if found is None else found.done.get(Stage.RESPOND)
        return None if taken_on is None else max(taken_on, report.received)

    def forget(self) -> int:
        """Erase who sent what was closed, or came, long enough ago; how many that were."""
        now, options = self._now(), self._public.options
        # By when it came: what was closed long ago came before that.
        old = ReportQuery(until=now - min(options.erase, options.erase_latest), unerased=True)
        count = 0
        for report in self._store.find(self._site, old):
            closed = report.settled is not None and report.settled <= now - options.erase
            if closed or report.received <= now - options.erase_latest:
                self._public.forget(report, "erased")
                count += 1
        return count

    def _now(self) -> datetime:
        return as_datetime(self._clock.now())
