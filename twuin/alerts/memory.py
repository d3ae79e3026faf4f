"""An AlertStore in the memory of one process: for tests and for looking around without a folder."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from twuin.alerts.model import Alert, Causes, Entry, Kind, Reason, State
from twuin.alerts.ports import AlertChanges, AlertQuery, Alerts, Change, Entries, Lines, RevisionConflict


class MemoryAlertStore:
    """Keeps nothing when the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alerts: dict[tuple[str, str], Alert] = {}
        self._log: list[tuple[str, Entry]] = []  # an entry's cursor is its place, from 1

    def get(self, site: str, id: str) -> Alert | None:
        with self._lock:
            return self._alerts.get((site, id))

    def find(self, site: str, query: AlertQuery) -> Alerts:
        with self._lock:
            found = [a for (s, _), a in self._alerts.items() if s == site and _fits(a, query)]
        found.sort(key=lambda a: (a.finding.onset, a.id), reverse=True)
        return found[: query.limit]

    def commit(self, changes: Sequence[Change]) -> None:
        with self._lock:
            after = dict(self._alerts)
            for change in changes:
                key = (change.alert.site, change.alert.id)
                old = after.get(key)
                if (None if old is None else old.revision) != change.expected:
                    raise RevisionConflict(f"alert {change.alert.id} was changed by someone else meanwhile")
                after[key] = change.alert
            keys = {(s, e.key) for s, e in self._log if e.key}
            for change in changes:
                for entry in change.entries:
                    if entry.key and (change.alert.site, entry.key) in keys:
                        raise RevisionConflict(f"key {entry.key!r} was used meanwhile")
            self._alerts = after
            self._log += [(c.alert.site, e) for c in changes for e in c.entries]

    def history(self, site: str, id: str) -> Entries:
        with self._lock:
            return [e for s, e in self._log if s == site and e.alert == id]

    def lines(self, site: str, since: int, until: int) -> Lines:
        with self._lock:
            numbered = enumerate(self._log[since:until], since + 1)
            return [(i, e) for i, (s, e) in numbered if s == site]

    def keyed(self, site: str, key: str) -> Entry | None:
        with self._lock:
            return next((e for s, e in self._log if s == site and e.key == key), None) if key else None

    def changes(self, site: str, since: int, limit: int = 500) -> AlertChanges:
        with self._lock:
            last: dict[str, int] = {}
            for place, (s, entry) in enumerate(self._log[since:], since + 1):
                if s == site:
                    last[entry.alert] = place
            order = sorted(last.items(), key=lambda item: item[1])[:limit]
            newest = len(self._log) if len(order) == len(last) else order[-1][1]
            return AlertChanges(max(newest, since), [self._alerts[site, id] for id, _ in order])

    def cursor(self, site: str) -> int:
        with self._lock:
            return max((n for n, (s, _) in enumerate(self._log, 1) if s == site), default=0)

    def counts(self, site: str) -> dict[tuple[Kind, State], int]:
        with self._lock:
            return dict(Counter((a.finding.kind, a.state) for (s, _), a in self._alerts.items() if s == site))

    def causes(self, site: str) -> Causes:
        with self._lock:
            return dict(
                Counter(
                    (a.finding.dma, a.finding.kind, a.work.cause)
                    for (s, _), a in self._alerts.items()
                    if s == site and a.reason is Reason.FALSE_ALARM and a.work.cause is not None
                )
            )

    def close(self) -> None:
        """Nothing to release."""


def _fits(alert: Alert, query: AlertQuery) -> bool:
    if query.sight is not None and not query.sight.covers(alert):
        return False
    finding = alert.finding
    return (
        (not query.states or alert.state in query.states)
        and (not query.kinds or finding.kind in query.kinds)
        and (query.dma is None or finding.dma == query.dma)
        and (query.subject is None or finding.subject == query.subject)
        and (query.assignee is None or alert.work.assignee == query.assignee)
        and (query.duplicate_of is None or alert.work.duplicate_of == query.duplicate_of)
        and (query.since is None or finding.ended is None or finding.ended >= query.since)
        and (query.before is None or (finding.onset, alert.id) < query.before)
    )
