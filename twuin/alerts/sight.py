"""Alerts as somebody sees them who is limited to some DMAs: the others are not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twuin.alerts.model import Alert, Causes, Entry, Finding, Kind, State
from waterworks.errors import NotFound

if TYPE_CHECKING:
    from twuin.alerts.ports import AlertChanges, AlertQuery, Alerts, AlertStore, Change, Entries, Lines

OF_SENSORS = frozenset({Kind.SILENT, Kind.SENSOR})
"""Alerts whose subject is a sensor. One on a boundary is seen from both sides."""


def sensors_of(finding: Finding) -> list[str]:
    """The sensors that a finding of sensors is about, the one that was noticed first before the others."""
    told = finding.evidence.get("sensors")
    return [str(id) for id in told] if isinstance(told, list) else [finding.subject]


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody sees: ids of DMAs, and of the sensors that measure what flows into or lies in them."""

    dmas: frozenset[str]
    sensors: frozenset[str] = frozenset()

    def covers(self, alert: Alert) -> bool:
        f = alert.finding
        if f.dma in self.dmas:
            return True
        # Sensors of several DMAs that fell silent together are one alert: it is of each of them.
        return f.kind in OF_SENSORS and any(s in self.sensors for s in (f.subject, *sensors_of(f)))


class LimitedStore:
    """An AlertStore that has only what ``sight`` covers."""

    def __init__(self, store: AlertStore, sight: Sight) -> None:
        self._store = store
        self._sight = sight

    def get(self, site: str, id: str) -> Alert | None:
        alert = self._store.get(site, id)
        return alert if alert is not None and self._sight.covers(alert) else None

    def find(self, site: str, query: AlertQuery) -> Alerts:
        return self._store.find(site, replace(query, sight=self._sight))

    def commit(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if not self._sight.covers(change.alert):
                raise NotFound(f"no alert {change.alert.id[:40]!r} at site {change.alert.site}")
        self._store.commit(changes)

    def history(self, site: str, id: str) -> Entries:
        return [] if self.get(site, id) is None else self._store.history(site, id)

    def keyed(self, site: str, key: str) -> Entry | None:
        # Of another's alert too: whoever uses its key again is told that it was used, and nothing else.
        return self._store.keyed(site, key)

    def causes(self, site: str) -> Causes:
        found = self._store.causes(site)
        return {key: n for key, n in found.items() if key[0] in self._sight.dmas}

    def changes(self, site: str, since: int, limit: int = 500) -> AlertChanges:
        found = self._store.changes(site, since, limit)
        return found._replace(alerts=[a for a in found.alerts if self._sight.covers(a)])

    def lines(self, site: str, since: int, until: int) -> Lines:
        found = self._store.lines(site, since, until)
        seen = {id for id in {e.alert for _, e in found} if self.get(site, id) is not None}
        return [(number, e) for number, e in found if e.alert in seen]

    def cursor(self, site: str) -> int:
        return self._store.cursor(site)

    def counts(self, site: str) -> dict[tuple[Kind, State], int]:
        from twuin.alerts.ports import AlertQuery

        counts: dict[tuple[Kind, State], int] = {}
        for alert in self.find(site, AlertQuery()):
            key = (alert.finding.kind, alert.state)
            counts[key] = counts.get(key, 0) + 1
        return counts

    def close(self) -> None:
        """Nothing: the store belongs to whoever opened it."""
