"""The rules of an alert's life, as pure functions.

One event is one alert. A finding belongs to the stored alert of its kind and subject whose time overlaps
its own and whose onset is nearest; each alert takes one finding, each finding one alert. So an onset that
later data shift, or an estimate that grows, stays the same alert.

Who moves an alert:

============== ================== =============================================================
state          a person           the monitor
============== ================== =============================================================
open           acknowledge, close closes it as ENDED when its event is over,
                                  as WITHDRAWN when later data no longer support it
acknowledged   close              as WITHDRAWN when later data no longer support it; an event that
                                  ends by itself is noted, closing it is left to the person
closed, ENDED  reopen             reopens it when later data show that the event goes on
or WITHDRAWN
closed, other  reopen             nothing: it stays closed for as long as this event lasts; evidence
                                  that begins anew after its end is another event, and a new alert
============== ================== =============================================================

What a person reopened (``held``) only a person closes. Anyone may add a note in any state.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from twuin.alerts.model import Alert, Entry, Finding, Kind, Reason, State, Told, not_worth_a_visit
from twuin.alerts.ports import Change
from waterworks.errors import TwuinError

MONITOR = "monitor"
"""The actor of what the program does by itself."""

QUIET = timedelta(minutes=30)
"""Estimates of one alert are announced at most this often (event time); its end and onset at once."""

FLOW_SHARE, FLOW_STEP = 0.10, 0.5 / 3600
"""A flow is news when it moved by this share and by this much [m3/s]: less is noise of the estimate."""

VOLUME_SHARE, VOLUME_STEP = 0.25, 1.0
"""Lost water is news when it grew by this share and by this much [m3]."""

CONFIDENCE_STEP = 0.10
ONSET_STEP = timedelta(minutes=30)
TOP_SUSPECTS = 3

CLOSING = (Reason.REPAIRED, Reason.FALSE_ALARM, Reason.PLANNED, Reason.ENDED)
"""What a person may close an alert with; ENDED only when its event has ended."""


class TransitionRefused(TwuinError):
    """An alert in this state cannot do what was asked."""


class RequestIncomplete(TransitionRefused):
    """The request itself lacks something or contradicts itself, whatever the alert's state."""


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


def told(finding: Finding) -> Told:
    """What is announced of a finding."""
    return Told(
        finding.as_of,
        finding.onset,
        finding.ended,
        finding.flow,
        finding.volume,
        finding.confidence,
        tuple(s.pipe for s in finding.suspects[:TOP_SUSPECTS]),
        not_worth_a_visit(finding),
    )


def news(before: Told | None, finding: Finding) -> tuple[str, ...]:
    """Which parts of ``finding`` differ enough from what was last announced to announce them again."""
    if before is None:
        return ("finding",)
    now = told(finding)
    changed = []
    if now.ended != before.ended and (now.ended is None or before.ended is None):
        changed.append("ended")
    if abs(now.onset - before.onset) >= ONSET_STEP:
        changed.append("onset")
    if not changed and now.as_of - before.as_of < QUIET:
        return ()
    if _moved(before.flow, now.flow, FLOW_SHARE, FLOW_STEP):
        changed.append("flow")
    if _moved(before.volume, now.volume, VOLUME_SHARE, VOLUME_STEP):
        changed.append("volume")
    if abs(now.confidence - before.confidence) >= CONFIDENCE_STEP:
        changed.append("confidence")
    if now.suspects[:1] != before.suspects[:1] or set(now.suspects) != set(before.suspects):
        changed.append("suspects")
    if now.watched != before.watched:
        changed.append("visit")
    return tuple(changed)


def _moved(before: float, now: float, share: float, step: float) -> bool:
    return abs(now - before) >= max(step, share * abs(before))


def settled(finding: Finding) -> Finding:
    """``finding`` as it is kept: one that is over is as of its end, whenever it was looked at again."""
    if finding.ended is None:
        return finding
    return replace(finding, as_of=max(finding.ended, finding.detected))


def transition(
    alert: Alert, action: str, *, reason: Reason | None, note: str, actor: str, at: datetime
) -> Change:
    """What becomes of ``alert`` when a person asks for ``action``.

    Raises TransitionRefused, and its kind RequestIncomplete.

    action: "acknowledge", "close" (needs a reason), "reopen" or "note" (needs a text).
    """
    note = note.replace("\0", "").strip()
    if reason is not None and action != "close":
        raise RequestIncomplete(f"a reason belongs to closing an alert, not to {action!r}")
    if action == "acknowledge":
        if alert.state is not State.OPEN:
            raise TransitionRefused(
                f"alert {alert.id} is {alert.state.value}: only an open one is acknowledged"
            )
        return _moved_to(alert, State.ACKNOWLEDGED, at, actor, "acknowledged", note)
    if action == "close":
        if alert.state is State.CLOSED:
            raise TransitionRefused(f"alert {alert.id} is closed already")
        if reason not in CLOSING:
            allowed = ", ".join(r.value for r in CLOSING)
            raise RequestIncomplete(f"closing an alert needs a reason: one of {allowed}")
        if reason is Reason.ENDED and alert.finding.ended is None:
            raise TransitionRefused(
                f"alert {alert.id} has not ended, its readings still show it: close it with another reason"
            )
        return _moved_to(alert, State.CLOSED, at, actor, "closed", note, reason=reason)
    if action == "reopen":
        if alert.state is not State.CLOSED:
            raise TransitionRefused(f"alert {alert.id} is {alert.state.value}: only a closed one is reopened")
        return _moved_to(alert, State.OPEN, at, actor, "reopened", note, held=True)
    if action == "note":
        if not note:
            raise RequestIncomplete("a note needs a text")
        return _moved_to(alert, alert.state, at, actor, "note", note, reason=alert.reason, held=alert.held)
    raise RequestIncomplete(f"unknown action {action!r}: use acknowledge, close, reopen or note")


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
        if (alert.state is State.CLOSED and alert.reason is not Reason.ENDED) or alert.held:
            continue
        changes.append(_moved_to(alert, State.CLOSED, at, MONITOR, "closed", "", reason=Reason.WITHDRAWN))
    return changes


def _match(stored: Sequence[Alert], findings: Sequence[Finding]) -> dict[int, int]:
    """Finding -> alert, by their indices. Living alerts go before withdrawn ones, near onsets before far."""
    by_subject: dict[tuple[Kind, str], list[int]] = defaultdict(list)
    for j, alert in enumerate(stored):
        by_subject[alert.finding.kind, alert.finding.subject].append(j)
    pairs = []
    for i, finding in enumerate(findings):
        for j in by_subject[finding.kind, finding.subject]:
            alert = stored[j]
            if _overlap(alert.finding, finding):
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


def _overlap(a: Finding, b: Finding) -> bool:
    # A lasting event is known to last up to its as_of, and no further.
    return a.onset <= (b.ended or max(b.as_of, b.onset)) and b.onset <= (a.ended or max(a.as_of, a.onset))


def _opened(site: str, id: str, finding: Finding, at: datetime) -> Change:
    opened = Alert(id, site, State.OPEN, finding, told=told(finding))
    entry = Entry(id, at, MONITOR, "opened")
    if finding.ended is None:
        return Change(opened, None, (entry,))
    closed = replace(opened, state=State.CLOSED, reason=Reason.ENDED, version=2)
    return Change(closed, None, (entry, Entry(id, at, MONITOR, "closed", reason=Reason.ENDED)))


def _refresh(alert: Alert, finding: Finding, at: datetime) -> Change | None:
    """The write that gives ``alert`` its newest finding, or None where nothing is new."""
    withdrawn = alert.reason is Reason.WITHDRAWN
    if finding == alert.finding and not withdrawn:
        return None
    current = replace(alert, finding=finding)
    lasts = finding.ended is None
    if alert.state is State.CLOSED:
        if lasts and (withdrawn or alert.reason is Reason.ENDED):
            return _moved_to(current, State.OPEN, at, MONITOR, "reopened", "")
        if withdrawn:
            return _moved_to(current, State.CLOSED, at, MONITOR, "closed", "", reason=Reason.ENDED)
        return _unannounced(current)
    if alert.state is State.OPEN and not lasts and not alert.held:
        return _moved_to(current, State.CLOSED, at, MONITOR, "closed", "", reason=Reason.ENDED)
    changed = news(alert.told, finding)
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
    entry = Entry(alert.id, at, actor, action, note, reason if action == "closed" else None)
    return Change(after, alert.revision, (entry,))
