"""What the rest of the program does with alerts: hand in findings, act, look up."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from twuin.alerts.crew import CREW_ACTIONS, REPORTED, Reported, Why, anothers, kept, overtaken
from twuin.alerts.escalation import Resting, escalation, quiet_until
from twuin.alerts.lifecycle import alert_id, judged, reconcile
from twuin.alerts.model import LIVING, UNREPAIRED, Alert, Causes, Entry, Finding, Kind, Reason, State, Suspect
from twuin.alerts.news import told
from twuin.alerts.ports import (
    AlertChanges,
    AlertQuery,
    Alerts,
    AlertStore,
    Change,
    Entries,
    Lines,
    RevisionConflict,
)
from twuin.alerts.score import Measure, noted
from twuin.alerts.sight import LimitedStore, Sight
from twuin.alerts.steps import (
    BY_ACTION,
    Asked,
    Others,
    RequestIncomplete,
    TransitionRefused,
    details,
    same_name,
    transition,
)
from twuin.alerts.work import Cause, Check, Heard, LeakType, Method, Place, Work
from waterworks.errors import DatabaseUnavailable, NotFound, TwuinError
from waterworks.ports import Clock
from waterworks.reading import as_datetime
from waterworks.site import Site

ATTEMPTS = 20
"""How often a write is decided anew because another process was faster."""

MAX_LIMIT = 1000

SOMEONE = "someone"
"""The actor where nobody is named."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class StaleAlert(TwuinError):
    """Someone acted on an outdated view of an alert; ``current`` is how it stands now."""

    def __init__(self, current: Alert, version: int) -> None:
        self.current = current
        super().__init__(
            f"alert {current.id} is at version {current.version}, not {version}: look at it again, then act"
        )


class KeyReused(RequestIncomplete):
    """A key that came with another request before."""


class BadCursor(TwuinError):
    """A page cursor that this program did not give out."""


class AlertPage(NamedTuple):
    """Some alerts, newest onset first, and the cursor of the rest (None: there is no more)."""

    items: Alerts
    next: str | None


class AlertService:
    """The alerts of one site. Safe to use from several threads.

    pipes: lengths [m] by id, to hold places against; empty where the site has no network. measure: how far
    they are from what Twuin said; without it that is not kept.
    """

    def __init__(
        self,
        site_id: str,
        store: AlertStore,
        clock: Clock,
        pipes: Mapping[str, float] | None = None,
        measure: Measure | None = None,
    ) -> None:
        self.site_id = site_id
        self._pipes = pipes or {}
        self._measure = measure
        self._store = store
        self._clock = clock
        self._resting = Resting()

    def limited_to(self, sight: Sight) -> AlertService:
        """The alerts of these DMAs alone, to look at and to act on; there are no others in it."""
        limited = copy(self)
        limited._store = LimitedStore(self._store, sight)
        return limited

    def apply(self, findings: Sequence[Finding], *, since: datetime | None = None) -> Alerts:
        """Bring the alerts in line with ``findings``; returns those with an announced change.

        findings: ALL findings with an onset at or after ``since`` (None: ever), as of now. Alerts in that
        span that no finding matches are closed as withdrawn (see ``lifecycle``), so ``since`` must lie
        before any onset that newer data can still move. The same findings twice change nothing.
        """
        clean = [_storable(f) for f in findings]
        for _ in range(ATTEMPTS):
            stored = self._store.find(self.site_id, AlertQuery(since=since))
            changes = reconcile(self.site_id, stored, clean, since=since, at=self._now())
            if not changes:
                return []
            try:
                self._store.commit(changes)
            except RevisionConflict:
                continue
            return [c.alert for c in changes if c.entries]
        raise DatabaseUnavailable(
            f"the alerts of site {self.site_id} are being changed by others all the time"
        )

    def act(
        self,
        id: str,
        action: str,
        *,
        version: int | None,
        reason: Reason | None = None,
        note: str = "",
        actor: str = "",
        cause: Cause | None = None,
        assignee: str = "",
        place: Place | None = None,
        leak_type: LeakType | None = None,
        method: Method | None = None,
        duplicate_of: str = "",
        happened: datetime | None = None,
        key: str = "",
    ) -> Alert:
        """Do what a person asks of an alert; returns it as it then stands.

        key: made by the client, a new one for each action; the same action sent again with it is done once.
        happened: when it was done, where that was before now. version: of the alert as the person saw it;
        None, with a key only: whatever has happened since, if the state still allows it (what a phone
        without a line has queued up). The others as of ``Work``.

        Raises NotFound, StaleAlert when ``version`` is not the current one, TransitionRefused, KeyReused.
        """
        asked = Asked(
            action,
            actor.strip() or SOMEONE,
            note,
            reason,
            cause,
            assignee,
            place,
            leak_type,
            method,
            duplicate_of,
            happened,
            key,
        )
        if version is None and not asked.key:
            raise RequestIncomplete("without the version that the person saw, an action needs a key")

        def decide(alert: Alert) -> Sequence[Change]:
            if version is not None and alert.version != version:
                raise StaleAlert(alert, version)
            return transition(alert, asked, at=self._now(), others=self._others(alert, asked))

        return self._once(id, asked, decide)[0]

    def report(self, id: str, asked: Asked, names: Collection[str]) -> Reported:
        """Take in what a crew tells from the field, perhaps late: a step where that holds, else in words.

        asked: with a key; the same sent again is done once. names: by which the crew goes, beside the actor.
        Raises NotFound, RequestIncomplete (which no later state would allow either), KeyReused.
        """
        if asked.action not in CREW_ACTIONS or not asked.key:
            raise RequestIncomplete(f"a crew tells one of {', '.join(CREW_ACTIONS)}, each with a key")

        def decide(alert: Alert) -> Sequence[Change]:
            at, given = self._now(), alert.work.assignee
            told = asked
            if asked.action == "accept" and any(same_name(given, n) for n in (asked.actor, *names)):
                told = replace(asked, assignee=given)  # theirs already, by another of their names
            foreign = anothers(alert, told, names)
            try:
                changes = transition(alert, told, at=at, others=self._others(alert, told))
            except RequestIncomplete:
                raise
            except TransitionRefused:
                return [kept(alert, told, Why.ANOTHERS if foreign else Why.STATE, at)]
            if foreign:
                return [kept(alert, told, Why.ANOTHERS, at)]
            if overtaken(alert, told, self._store.history(self.site_id, id)):
                return [kept(alert, told, Why.NEWER, at)]
            return changes

        alert, line = self._once(id, asked, decide)
        return Reported(alert, Why(line.details["why"]) if line.action == REPORTED else None)

    def _once(
        self, id: str, asked: Asked, decide: Callable[[Alert], Sequence[Change]]
    ) -> tuple[Alert, Entry]:
        """Write what ``decide`` makes of the alert, once for each key: the alert then, and its line."""
        for _ in range(ATTEMPTS):
            alert = self.get(id)
            done = self._store.keyed(self.site_id, asked.key) if asked.key else None
            if done is not None:
                _same(done, id, asked)
                return alert, done
            changes = decide(alert)
            changes = [self._noted(alert, changes[0]), *changes[1:]]
            try:
                self._store.commit(changes)
            except RevisionConflict:
                continue
            return changes[0].alert, changes[0].entries[0]
        raise DatabaseUnavailable(f"alert {id} is being changed by others all the time")

    def _noted(self, before: Alert, change: Change) -> Change:
        if self._measure is None:
            return change
        return noted(before, change, self._store.history(self.site_id, before.id), self._measure)

    def open_reported(
        self, id: str, dma: str, reported: Heard, *, suspects: Sequence[Suspect] = (), actor: str, key: str
    ) -> Alert:
        """An alert of what residents report and no reading shows; the one of the same ``key`` where it lives.

        id: what it is called in ``subject``: the first report. suspects: pipes near where it is seen.
        """
        now = self._now()
        finding = Finding(
            Kind.REPORTED,
            id,
            dma,
            onset=min(reported.first, now),
            detected=now,
            as_of=now,
            suspects=tuple(suspects),
            centre=suspects[0].pipe if suspects else "",
        )
        again = 0
        for attempt in range(ATTEMPTS):
            # Each time that it is reported anew after an alert of it was closed has a key of its own.
            while (done := self._store.keyed(self.site_id, f"{key}-{again}")) is not None:
                known = self.get(done.alert)
                if known.state is not State.CLOSED:
                    return known
                again += 1
            name = alert_id(self.site_id, Kind.REPORTED, f"{id}{attempt or ''}", now)
            made = Alert(
                name, self.site_id, State.OPEN, finding, work=Work(reported=reported), told=told(finding)
            )
            entry = Entry(name, now, actor, "opened", "", None, _counted(reported), key=f"{key}-{again}")
            try:
                self._store.commit([Change(made, None, (entry,))])
            except RevisionConflict:
                continue
            return made
        raise DatabaseUnavailable(f"an alert of report {id} could not be made")

    def hear(self, id: str, reported: Heard | None, *, actor: str) -> Alert:
        """Note what residents say of an alert's event by now; None: nothing any more. Raises NotFound."""
        for _ in range(ATTEMPTS):
            alert = self.get(id)
            if alert.work.reported == reported:
                return alert
            after = replace(
                alert,
                work=replace(alert.work, reported=reported),
                version=alert.version + 1,
                revision=alert.revision + 1,
                told=told(alert.finding),
            )
            details = {} if reported is None else _counted(reported)
            try:
                entry = Entry(id, self._now(), actor, "heard", "", None, details)
                self._store.commit([Change(after, alert.revision, (entry,))])
            except RevisionConflict:
                continue
            return after
        raise DatabaseUnavailable(f"alert {id} is being changed by others all the time")

    def repaired(self) -> Alerts:
        """Alerts whose repair is to be looked at."""
        return self._store.find(self.site_id, AlertQuery(frozenset({State.REPAIRED})))

    def judge(self, id: str, repaired_at: datetime, check: Check) -> None:
        """Tell what the readings say of the repair of ``repaired_at``; nothing where people went on since."""
        for _ in range(ATTEMPTS):
            alert = self.get(id)
            if alert.work.repaired_at != repaired_at:
                return
            change = judged(alert, check, self._now())
            if change is None:
                return
            try:
                self._store.commit([change])
            except RevisionConflict:
                continue
            return
        raise DatabaseUnavailable(f"alert {id} is being changed by others all the time")

    def _others(self, alert: Alert, asked: Asked) -> Others:
        """What else has a say in this: looked up only where it does."""
        original = parent = None
        copies: list[str] = []
        rivals: list[Alert] = []
        if asked.duplicate_of:
            original = self._store.get(self.site_id, asked.duplicate_of)
            copies = self.copies(alert.id)
        if asked.action == "reopen":
            if alert.work.duplicate_of:
                parent = self._store.get(self.site_id, alert.work.duplicate_of)
            kind, subject = alert.finding.kind, alert.finding.subject
            query = AlertQuery(frozenset(LIVING), frozenset({kind}), subject=subject)
            rivals = self._store.find(self.site_id, query)
        return Others(original, copies, rivals, parent, self._pipes)

    def copies(self, id: str) -> list[str]:
        """Ids of the alerts that are duplicates of this one, newest onset first."""
        return [a.id for a in self._store.find(self.site_id, AlertQuery(duplicate_of=id))]

    def escalate(self, site: Site) -> Alerts:
        """Note in histories which promises of ``site`` are near their end or broken; the alerts so noted."""
        if site.promises is None or not site.promises.by_priority:
            return []
        noted, now = [], self._now()
        found = self._store.find(self.site_id, AlertQuery(states=frozenset(UNREPAIRED)))
        for alert in self._resting.awake(found, site, now):
            history = self._store.history(self.site_id, alert.id)
            change = escalation(alert, history, site, now)
            if change is None:
                self._resting.looked(alert, quiet_until(alert, history, site, now))
                continue
            try:
                self._store.commit([change])
            except RevisionConflict:  # someone is at it: look again the next time
                continue
            noted.append(change.alert)
        return noted

    def get(self, id: str) -> Alert:
        """The alert. Raises NotFound."""
        alert = self._store.get(self.site_id, id)
        if alert is None:
            raise NotFound(f"no alert {id[:40]!r} at site {self.site_id}")
        return alert

    def list(
        self,
        *,
        states: Collection[State] = (),
        kinds: Collection[Kind] = (),
        dma: str | None = None,
        subject: str | None = None,
        assignee: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> AlertPage:
        """Alerts by onset, newest first; empty conditions hold for all. since: lasted at or after it.

        Raises BadCursor. ``limit`` is at most 1000.
        """
        before = None if cursor is None else decode_cursor(cursor)
        limit = min(max(limit, 1), MAX_LIMIT)
        query = AlertQuery(
            frozenset(states),
            frozenset(kinds),
            dma,
            subject,
            assignee,
            since=since,
            before=before,
            limit=limit + 1,
        )
        found = self._store.find(self.site_id, query)
        items = found[:limit]
        return AlertPage(items, encode_cursor(items[-1]) if len(found) > limit else None)

    def history(self, id: str) -> Entries:
        """All that happened to an alert, oldest first. Raises NotFound."""
        self.get(id)
        return self._store.history(self.site_id, id)

    def changes(self, since: int) -> AlertChanges:
        """Alerts with announced changes after cursor ``since``, by any process, and the next cursor."""
        return self._store.changes(self.site_id, since)

    def lines(self, since: int, until: int) -> Lines:
        """Lines of all histories after cursor ``since`` up to and with ``until``, each with its number."""
        return self._store.lines(self.site_id, since, until)

    def cursor(self) -> int:
        """The cursor of the newest announced change."""
        return self._store.cursor(self.site_id)

    def counts(self) -> dict[tuple[Kind, State], int]:
        """How many alerts there are of each kind and state."""
        return self._store.counts(self.site_id)

    def causes(self) -> Causes:
        """How many alerts are closed as false alarms, by DMA, kind and cause."""
        return self._store.causes(self.site_id)

    def _now(self) -> datetime:
        return as_datetime(self._clock.now())


def _counted(reported: Heard) -> dict[str, Any]:
    return {"reports": reported.count, "reporters": reported.reporters, "category": reported.category}


def _same(done: Entry, id: str, asked: Asked) -> None:
    """Refuse a key that came with another request. Whoever asks: a session may have ended in between."""
    step = BY_ACTION.get(asked.action)
    wanted = details(asked)
    action, told = done.action, done.details
    if action == REPORTED:
        action, told = told["asked"], {k: v for k, v in told.items() if k not in ("asked", "why")}
    if asked.action == "accept":  # whose it became depends on how the alert stood
        wanted, told = {}, {}
    request = (id, step and step.done, asked.note, asked.reason, wanted, asked.happened)
    if request != (done.alert, action, done.note, done.reason, told, done.happened):
        raise KeyReused(f"key {asked.key[:80]!r} came with another request before: make a new one")


def _storable(f: Finding) -> Finding:
    """``f`` in plain numbers; an estimate that is not known (NaN) counts as 0."""
    suspects = tuple(
        Suspect(s.pipe, float(s.probability), _or_none(s.lon), _or_none(s.lat)) for s in f.suspects
    )
    return replace(
        f,
        flow=_known(f.flow),
        flow_low=_known(f.flow_low),
        flow_high=_known(f.flow_high),
        volume=_known(f.volume),
        confidence=_known(f.confidence),
        suspects=suspects,
        near=tuple(map(str, f.near)),
        evidence=jsonable(f.evidence),
        radius_50_m=_or_none(f.radius_50_m),
        radius_90_m=_or_none(f.radius_90_m),
        gain=_or_none(f.gain),
    )


def _known(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0


def _or_none(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def jsonable(value: Any) -> Any:
    """``value`` in what JSON knows: NumPy values as numbers and lists, NaN as null, times as text.

    Raises TypeError for anything else: evidence is for people to read.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(v) for v in value]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    raise TypeError(f"evidence holds {type(value).__name__}, which JSON does not know")


def encode_cursor(alert: Alert) -> str:
    micros = (alert.finding.onset - _EPOCH) // _MICROSECOND
    return f"{micros:x}-{alert.id}"


def decode_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        micros, id = cursor.rsplit("-", 1)
        return _EPOCH + int(micros, 16) * _MICROSECOND, id
    except (ValueError, OverflowError):
        raise BadCursor(f"no page cursor of this list: {cursor[:40]!r}") from None
