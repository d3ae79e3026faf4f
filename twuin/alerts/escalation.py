"""Notes in an alert's history that a promise is near its end, or broken. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from twuin.alerts.lifecycle import MONITOR
from twuin.alerts.model import UNREPAIRED, Alert, Entry
from twuin.alerts.news import told
from twuin.alerts.ports import Change
from twuin.alerts.priority import rank
from twuin.alerts.promises import Clock, Standing, clocks, course
from waterworks.promises import Promise
from waterworks.site import Site

ESCALATED = "escalated"
"""What the history calls it."""

_TOLD = (Standing.NEAR, Standing.BROKEN)
_AHEAD = (Standing.RUNNING, Standing.NEAR)


def promised(alert: Alert, history: Sequence[Entry], site: Site, now: datetime) -> list[Clock]:
    """The clocks of the promises that ``site`` makes for an alert of this priority."""
    found = course(history)
    if found is None or site.promises is None:
        return []
    promise = site.promises.by_priority.get(rank(alert, site).priority.word, Promise())
    return clocks(found, promise, site.promises.hours, now)


def escalation(alert: Alert, history: Sequence[Entry], site: Site, at: datetime) -> Change | None:
    """The write that notes what is to be done soon, or was to be done by now; None where nothing is new.

    Each promise is noted once when its time is nearly gone, and once when it is over; anew when the clock has
    been set anew.
    """
    if alert.state not in UNREPAIRED:
        return None
    noted = {
        (e.details.get("stage"), e.details.get("standing"), e.details.get("due"))
        for e in history
        if e.action == ESCALATED
    }
    fresh = [c for c in promised(alert, history, site, at) if c.done is None and c.standing in _TOLD]
    entries = tuple(
        Entry(alert.id, at, MONITOR, ESCALATED, details=details)
        for details in (_details(c) for c in fresh)
        if tuple(details.values()) not in noted
    )
    if not entries:
        return None
    after = replace(alert, version=alert.version + 1, revision=alert.revision + 1, told=told(alert.finding))
    return Change(after, alert.revision, entries)


def quiet_until(alert: Alert, history: Sequence[Entry], site: Site, at: datetime) -> datetime | None:
    """Until when ``escalation`` says the same of this alert as at ``at``; None: until somebody writes it."""
    if alert.state not in UNREPAIRED:
        return None
    running = [c for c in promised(alert, history, site, at) if c.done is None and c.standing in _AHEAD]
    return min((c.near if c.standing is Standing.RUNNING else c.due for c in running), default=None)


class Resting:
    """Alerts whose promises need no look now, so that their histories are not read every few seconds.

    What a promise comes to changes with a write to the alert (its revision) or with time, and when is known.
    """

    def __init__(self) -> None:
        self._site: Site | None = None
        self._until: dict[str, tuple[int, datetime | None]] = {}

    def awake(self, alerts: Sequence[Alert], site: Site, now: datetime) -> list[Alert]:
        """Those of ``alerts``, which are all that may have promises, that must be looked at."""
        living = {a.id for a in alerts}
        kept = self._until if site is self._site else {}
        self._site, self._until = site, {id: rest for id, rest in kept.items() if id in living}
        return [a for a in alerts if not self._rests(a, now)]

    def looked(self, alert: Alert, until: datetime | None) -> None:
        """``alert`` was looked at as it stands now; ``until``: see ``quiet_until``."""
        self._until[alert.id] = (alert.revision, until)

    def _rests(self, alert: Alert, now: datetime) -> bool:
        revision, until = self._until.get(alert.id, (None, None))
        return revision == alert.revision and (until is None or now < until)


def _details(clock: Clock) -> dict[str, str]:
    due = clock.due.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"stage": clock.stage.value, "standing": clock.standing.value, "due": due}
