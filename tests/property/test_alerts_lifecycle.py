"""What holds for alerts whatever findings come, in whatever steps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twuin.alerts.lifecycle import settled
from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Alert, Finding, Kind, Reason, State
from twuin.alerts.service import AlertService
from twuin.alerts.steps import TransitionRefused

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LAST = 240


class Clock:
    def now(self) -> np.datetime64:
        return np.datetime64("2026-05-01", "us")


def service() -> AlertService:
    return AlertService("town", MemoryAlertStore(), Clock())


@st.composite
def worlds(draw: Any) -> list[tuple[str, int, int, int | None, float]]:
    """Events that really happen: (subject, onset, detected, end or None, flow), apart in each subject."""
    events = []
    for subject in ("D1", "D2"):
        hour = 0
        for _ in range(draw(st.integers(0, 4))):
            onset = hour + draw(st.integers(0, 30))
            detected = onset + draw(st.integers(1, 10))
            end = draw(st.none() | st.integers(detected, detected + 40))
            events.append((subject, onset, detected, end, draw(st.floats(0.001, 0.1))))
            if end is None:
                break
            hour = end + 1
    return events


def seen(world: Sequence[tuple[str, int, int, int | None, float]], hour: int) -> list[Finding]:
    """What a causal monitor finds of ``world`` at ``hour``: nothing before it is detected."""
    findings = []
    for subject, onset, detected, end, flow in world:
        if detected > hour:
            continue
        over = end is not None and end < hour
        until = end if over and end is not None else hour
        findings.append(
            Finding(
                Kind.LEAK,
                subject,
                subject,
                START + onset * HOUR,
                START + detected * HOUR,
                START + hour * HOUR,
                START + until * HOUR if over else None,
                flow=flow * (1 + 0.2 * np.sin(until)),
                volume=flow * (until - onset) * 3600,
            )
        )
    return findings


def essence(alerts: AlertService) -> list[tuple[Any, ...]]:
    """The alerts without what depends on how often someone looked."""
    return sorted((a.id, a.state, a.reason, a.held, repr(a.finding)) for a in alerts.list(limit=1000).items)


@given(worlds(), st.lists(st.integers(0, LAST), max_size=12))
def test_live_in_any_steps_ends_like_a_backfill_at_once(
    world: list[tuple[str, int, int, int | None, float]], steps: list[int]
) -> None:
    live, backfill = service(), service()
    for hour in [*sorted(steps), LAST]:
        live.apply(seen(world, hour))
    backfill.apply(seen(world, LAST))
    assert essence(live) == essence(backfill)


@given(worlds(), st.lists(st.integers(0, LAST), max_size=12))
def test_leaving_out_events_that_were_over_before_ends_the_same(
    world: list[tuple[str, int, int, int | None, float]], steps: list[int]
) -> None:
    whole, recent = service(), service()
    before = START
    for hour in [*sorted(steps), LAST]:
        findings = seen(world, hour)
        whole.apply(findings)
        since = min((f.onset for f in findings if f.ended is None or f.ended >= before), default=before)
        recent.apply([f for f in findings if f.onset >= since], since=since)
        before = START + hour * HOUR
    assert essence(whole) == essence(recent)


@given(worlds(), st.integers(0, LAST))
def test_the_same_findings_twice_change_nothing(
    world: list[tuple[str, int, int, int | None, float]], hour: int
) -> None:
    alerts = service()
    alerts.apply(seen(world, hour))
    before, cursor = alerts.list(limit=1000).items, alerts.cursor()
    assert alerts.apply(seen(world, hour)) == []
    assert alerts.apply(list(reversed(seen(world, hour)))) == []
    assert alerts.list(limit=1000).items == before
    assert alerts.cursor() == cursor


hours = st.integers(0, LAST)


@st.composite
def any_findings(draw: Any) -> list[Finding]:
    """Findings as late data may throw them about: overlapping, shifting, ending, coming back."""
    made = []
    for _ in range(draw(st.integers(0, 5))):
        onset, detected, as_of = sorted(draw(st.tuples(hours, hours, hours)))
        ended = draw(st.none() | st.integers(detected, as_of))
        made.append(
            Finding(
                draw(st.sampled_from([Kind.LEAK, Kind.NIGHT_FLOW])),
                draw(st.sampled_from(["D1", "D2"])),
                "D1",
                START + onset * HOUR,
                START + detected * HOUR,
                START + as_of * HOUR,
                None if ended is None else START + ended * HOUR,
                flow=draw(st.floats(0, 1)),
            )
        )
    return made


def findings_of(alerts: Sequence[Alert]) -> list[str]:
    return sorted(repr(a.finding) for a in alerts)


@given(st.lists(any_findings(), max_size=6), any_findings())
def test_what_stands_is_exactly_what_was_found_last(before: list[list[Finding]], last: list[Finding]) -> None:
    alerts = service()
    for findings in before:
        alerts.apply(findings)
    alerts.apply(last)
    standing = [a for a in alerts.list(limit=1000).items if a.reason is not Reason.WITHDRAWN]
    assert findings_of(standing) == sorted(repr(settled(f)) for f in last)
    assert all((a.state is State.OPEN) == (a.finding.ended is None) for a in standing)
    cursor = alerts.cursor()
    alerts.apply(last)
    assert alerts.cursor() == cursor


act = st.tuples(
    st.integers(0, 20),
    st.sampled_from(["acknowledge", "close", "reopen", "note"]),
    st.sampled_from([None, *Reason]),
)


@settings(max_examples=150)
@given(st.lists(any_findings() | act, max_size=12))
def test_histories_tell_every_change_and_people_are_obeyed(steps: list[Any]) -> None:
    alerts = service()
    closed: dict[str, Reason] = {}
    for step in steps:
        if isinstance(step, list):
            alerts.apply(step)
        else:
            which, action, reason = step
            known = alerts.list(limit=1000).items
            if not known:
                continue
            alert = known[which % len(known)]
            try:
                after = alerts.act(alert.id, action, version=alert.version, reason=reason, note="x")
            except TransitionRefused:
                continue
            closed.pop(alert.id, None)
            if after.reason not in (None, Reason.ENDED, Reason.WITHDRAWN):
                closed[alert.id] = after.reason
    for alert in alerts.list(limit=1000).items:
        history = alerts.history(alert.id)
        assert alert.version == len(history)
        assert history[0].action == "opened"
        assert (alert.reason is None) == (alert.state is not State.CLOSED)
    for id, reason in closed.items():
        assert (alerts.get(id).state, alerts.get(id).reason) == (State.CLOSED, reason)
