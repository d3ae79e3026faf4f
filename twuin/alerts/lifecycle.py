"""The rules of an alert's life that follow the readings, as pure functions.

One event is one alert. A finding belongs to the stored alert of its kind and subject whose time overlaps
its own and whose onset is nearest; each alert takes one finding, each finding one alert. So an onset that
later data shift, or an estimate that grows, stays the same alert.

People take the steps of ``twuin.alerts.steps``. The monitor:

==================== ==========================================================================
state                what the monitor does
==================== ==========================================================================
open                 closes it as PLANNED when a work that was entered explains it, as ENDED when
                     its event is over, as WITHDRAWN when later data no longer support it
acknowledged,        closes it as WITHDRAWN when later data no longer support it; an event that
assigned             ends by itself is noted, closing it is left to the person
on_site .. verified  leaves it to the people who are at it; notes that its event ended, or that
                     later data no longer support it (``supported``)
repaired             looks whether the loss fell (``twuin.monitor.repairs``): it is verified, or
                     reopens itself (``judged``)
closed, ENDED or     reopens it when later data show that the event goes on
WITHDRAWN
closed, PLANNED      reopens it when the work that was named explains it no longer, and it lasts
closed, other        nothing: it stays closed for as long as this event lasts; evidence that
                     begins anew after its end is another event, and a new alert
==================== ==========================================================================

What a person reopened (``held``) only a person closes.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from twuin.alerts.model import Alert, Entry, Finding, Kind, Reason, State
from twuin.alerts.news import news, told
from twuin.alerts.ports import Change
from twuin.alerts.steps import overlap, reopened
from twuin.alerts.work import Check, Outcome, check_json

MONITOR = "monitor"
"""The actor of what the program does by itself."""

LEFT_TO_PEOPLE = (State.ON_SITE, State.LOCATED, State.REPAIRING, State.REPAIRED, State.VERIFIED)
"""Someone is at it, or was: readings alone do not close these."""


def alert_id(site: str, kind: Kind, subject: str, detected: datetime, taken: Collection[str] = ()) -> str:
    """Ten letters and digits, the same for the same event however its readings came.

    They are a hash of site, kind, subject and the instant of detection: detection is causal, so more
    data after it do not move it, whereas the onset may still be refined. Live operation, replay and
    backfill therefore name an event alike, unless late data moved its detection after it was named:
    an alert keeps the id it was given. ``taken``: ids not to give again.
    """
    for attempt in range(1000):
        text = "\n".join((site, kind.value, subject, detected.isoformat(timespec="seconds"), str(attempt)))
        digest = hashlib.blake2b(text.encode(), digest_size=7).digest()
        name = base64.b32encode(digest).decode().lower()[:10]
        if name not in taken:
            return name
    raise AssertionError("a thousand alerts of one event")  # 2**-50 each: not by chance


def settled(finding: Finding) -> Finding:
    """``finding`` as it is kept: one that is over is as of its end, whenever it was looked at again."""
    if finding.ended is None:
        return finding
    return replace(finding, as_of=max(finding.ended, finding.detected))


def reconcile(
    site: str, stored: Sequence[Alert], findings: Iterable[Finding], *, since: datetime | None, at: datetime
) -> list[Change]:
    """The writes that bring ``stored`` alerts in line with ``findings``; none where they agree.

    findings: all findings with an onset at or after ``since`` (None: ever). stored: at least the alerts
    of the site whose event reaches to or beyond ``since``. ``since`` must lie before any onset that
    newer data can still move: an alert that began after it and that no finding matches is withdrawn.
    """
    kept = [settled(f) for f in findings]
    kept.sort(key=lambda f: (f.onset, f.detected, f.kind, f.subject))
    partner = _match(stored, kept)
    changes: list[Change] = []
    taken = {a.id for a in stored}
    for i, finding in enumerate(kept):
        if i in partner:
            change = _refresh(stored[partner[i]], finding, at)
            if change is not None:
                changes.append(change)
        else:
            id = alert_id(site, finding.kind, finding.subject, finding.detected, taken)
            taken.add(id)
            changes.append(_opened(site, id, finding, at))
    matched = set(partner.values())
    for j, alert in enumerate(stored):
        if j in matched or (since is not None and alert.finding.onset < since):
            continue
        if alert.finding.kind is Kind.REPORTED:  # no reading made it, so none takes it away
            continue
        if (alert.state is State.CLOSED and alert.reason is not Reason.ENDED) or alert.held:
            continue
        if alert.state in LEFT_TO_PEOPLE:
            if alert.supported:
                lost = replace(alert, supported=False)
                changes.append(_moved_to(lost, alert.state, at, MONITOR, "updated", "unsupported"))
            continue
        changes.append(_moved_to(alert, State.CLOSED, at, MONITOR, "closed", "", reason=Reason.WITHDRAWN))
    return changes


def judged(alert: Alert, check: Check, at: datetime) -> Change | None:
    """The write that tells what the readings say of a repair; None where that is known.

    Enough has fallen: verified. Clearly not: reopened, and held, as readings that return to normal are not to
    be trusted against the nights. Not to be told in time: said once. While it waits nothing is announced.
    """
    known_already = alert.work.check is not None and check_json(alert.work.check) == check_json(check)
    if alert.state is not State.REPAIRED or known_already:
        return None
    known = replace(alert, work=replace(alert.work, check=check))
    if check.outcome is Outcome.WAITING:
        return _unannounced(known)
    details = {"check": check_json(check)}
    if check.outcome is Outcome.FELL:
        return _moved_to(known, State.VERIFIED, at, MONITOR, "verified", "", held=alert.held, details=details)
    if check.outcome is Outcome.RUNS_ON:
        anew = replace(known, work=reopened(known.work))
        return _moved_to(anew, State.OPEN, at, MONITOR, "reopened", "", held=True, details=details)
    return _moved_to(known, alert.state, at, MONITOR, "undecided", "", held=alert.held, details=details)


def _match(stored: Sequence[Alert], findings: Sequence[Finding]) -> dict[int, int]:
    """Finding -> alert, by their indices. Living alerts go before withdrawn ones, near onsets before far."""
    by_subject: dict[tuple[Kind, str], list[int]] = defaultdict(list)
    for j, alert in enumerate(stored):
        by_subject[alert.finding.kind, alert.finding.subject].append(j)
    pairs = []
    for i, finding in enumerate(findings):
        for j in by_subject[finding.kind, finding.subject]:
            alert = stored[j]
            if overlap(alert.finding, finding):
                withdrawn = alert.reason is Reason.WITHDRAWN
                apart = abs(alert.finding.onset - finding.onset)
                differs = finding != alert.finding
                pairs.append((withdrawn, apart, differs, finding.onset, alert.id, i, j))
    pairs.sort()
    partner: dict[int, int] = {}
    used: set[int] = set()
    for *_, i, j in pairs:
        if i not in partner and j not in used:
            partner[i] = j
            used.add(j)
    return partner


def _opened(site: str, id: str, finding: Finding, at: datetime) -> Change:
    opened = Alert(id, site, State.OPEN, finding, told=told(finding))
    entry = Entry(id, at, MONITOR, "opened")
    reason = _over(finding)
    if reason is None:
        return Change(opened, None, (entry,))
    closed = replace(opened, state=State.CLOSED, reason=reason, version=2)
    ended = Entry(id, at, MONITOR, "closed", reason=reason, details=_named(finding))
    return Change(closed, None, (entry, ended))


def _over(finding: Finding) -> Reason | None:
    """Why nobody is to be bothered with a finding; None where somebody is."""
    if finding.planned_work:
        return Reason.PLANNED
    return None if finding.ended is None else Reason.ENDED


def _named(finding: Finding) -> dict[str, Any]:
    """What the history says of a work that explains a finding."""
    return {"planned_work": finding.planned_work} if finding.planned_work else {}


def _refresh(alert: Alert, finding: Finding, at: datetime) -> Change | None:
    """The write that gives ``alert`` its newest finding, or None where nothing is new."""
    withdrawn = alert.reason is Reason.WITHDRAWN
    if finding == alert.finding and not withdrawn and alert.supported:
        return None
    current = replace(alert, finding=finding, supported=True)
    over, work = _over(finding), _named(finding)
    if alert.state is State.CLOSED:
        # What was planned stays planned, but where the work that was named explains it no longer.
        unexplained = alert.reason is Reason.PLANNED and alert.finding.planned_work and not work
        by_readings = withdrawn or alert.reason is Reason.ENDED
        if over is None and (by_readings or unexplained):
            anew = replace(current, work=reopened(current.work))
            said = {"planned_work": alert.finding.planned_work} if unexplained else {}
            return _moved_to(anew, State.OPEN, at, MONITOR, "reopened", "", details=said)
        if over is not None and over is not alert.reason and (by_readings or unexplained):
            return _moved_to(current, State.CLOSED, at, MONITOR, "closed", "", reason=over, details=work)
        return _unannounced(current)
    if alert.state is State.OPEN and over is not None and not alert.held:
        return _moved_to(current, State.CLOSED, at, MONITOR, "closed", "", reason=over, details=work)
    changed = news(alert.told, finding)
    if bool(alert.finding.planned_work) != bool(work):
        changed = ("planned" if work else "unplanned", *changed)
    if not alert.supported:
        changed = ("supported", *changed)
    if not changed:
        return _unannounced(current)
    return _moved_to(current, alert.state, at, MONITOR, "updated", ", ".join(changed), held=alert.held)


def _unannounced(alert: Alert) -> Change:
    return Change(replace(alert, revision=alert.revision + 1), alert.revision)


def _moved_to(
    alert: Alert,
    state: State,
    at: datetime,
    actor: str,
    action: str,
    note: str,
    *,
    reason: Reason | None = None,
    held: bool = False,
    details: dict[str, Any] | None = None,
) -> Change:
    after = replace(
        alert,
        state=state,
        reason=reason,
        held=held,
        version=alert.version + 1,
        revision=alert.revision + 1,
        told=told(alert.finding),
    )
    entry = Entry(alert.id, at, actor, action, note, reason if action == "closed" else None, details or {})
    return Change(after, alert.revision, (entry,))
