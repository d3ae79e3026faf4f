"""Whatever people and the monitor do: no illegal state, no lost line, one alert an event."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twuin.alerts.lifecycle import LEFT_TO_PEOPLE
from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import LIVING, Alert, Entry, Finding, Kind, Reason, State
from twuin.alerts.service import AlertService
from twuin.alerts.steps import STEPS, TransitionRefused, allowed, overlap
from twuin.alerts.work import Cause, Check, LeakType, Method, Outcome, Place

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SUBJECTS = ("D1", "D2")
TARGET = {s.done: s.target for s in STEPS} | {"opened": State.OPEN, "verified": State.VERIFIED}


class Clock:
    hour = 0

    def now(self) -> np.datetime64:
        return np.datetime64("2026-03-01", "us") + np.timedelta64(self.hour, "h")


@dataclass
class Happening:
    """What goes on in a DMA, unknown to the program."""

    subject: str
    onset: int
    end: int | None = None

    def seen(self, hour: int) -> Finding:
        ended = None if self.end is None else START + self.end * HOUR
        onset = START + self.onset * HOUR
        return Finding(Kind.LEAK, self.subject, self.subject, onset, onset + HOUR, START + hour * HOUR, ended)


class People(RuleBasedStateMachine):
    """Two DMAs, a monitor that looks at them, and people with phones."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.alerts = AlertService("town", MemoryAlertStore(), self.clock, {"p1": 80.0})
        self.world: list[Happening] = []
        self.histories: dict[str, list[Entry]] = {}
        self.sent: list[tuple[str, str, dict[str, Any]]] = []
        self.closed: dict[str, Reason] = {}

    # what happens

    def lasting(self, subject: str) -> Happening | None:
        return next((h for h in self.world if h.subject == subject and h.end is None), None)

    def look(self) -> None:
        now = self.clock.hour
        at_it = [a.id for a in self.known() if a.state in LEFT_TO_PEOPLE]
        self.alerts.apply([h.seen(now) for h in self.world if h.onset < now])
        assert all(self.alerts.get(id).state in LEFT_TO_PEOPLE for id in at_it)

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.clock.hour += hours
        self.look()

    @rule(subject=st.sampled_from(SUBJECTS))
    def a_leak_begins(self, subject: str) -> None:
        if self.lasting(subject) is None:
            self.clock.hour += 2
            self.world.append(Happening(subject, self.clock.hour))
            self.clock.hour += 3
            self.look()

    @rule(subject=st.sampled_from(SUBJECTS))
    def a_leak_ends(self, subject: str) -> None:
        happening = self.lasting(subject)
        if happening is not None and happening.onset + 1 < self.clock.hour:
            happening.end = self.clock.hour
            self.clock.hour += 1
            self.look()

    @precondition(lambda self: self.world)
    @rule()
    def late_data_show_that_the_last_one_goes_on(self) -> None:
        last = self.world[-1]
        if self.lasting(last.subject) is None:
            last.end = None
            self.look()

    @precondition(lambda self: self.world)
    @rule(data=st.data())
    def late_data_show_that_there_was_none(self, data: Any) -> None:
        self.world.remove(data.draw(st.sampled_from(self.world)))
        self.look()

    @precondition(lambda self: self.world)
    @rule(data=st.data(), earlier=st.integers(0, 3))
    def late_data_move_the_onset(self, data: Any, earlier: int) -> None:
        happening = data.draw(st.sampled_from(self.world))
        before = [
            h.end for h in self.world if h.subject == happening.subject and h is not happening and h.end
        ]
        if all(end < happening.onset - earlier or end > happening.onset for end in before):
            happening.onset -= earlier
            self.look()

    @rule(data=st.data(), outcome=st.sampled_from(Outcome), late=st.booleans())
    def the_nights_say_something_of_a_repair(self, data: Any, outcome: Outcome, late: bool) -> None:
        waiting = self.alerts.repaired()
        if waiting:
            alert = data.draw(st.sampled_from(waiting))
            assert alert.work.repaired_at is not None
            when = alert.work.repaired_at - (HOUR if late else 0 * HOUR)
            self.alerts.judge(alert.id, when, Check(outcome, "night_flow", 0.001, 0.0, 0.002, 0.004, 7, 3))
            assert (self.alerts.get(alert.id) == alert) or not late

    # what people do

    def known(self) -> list[Alert]:
        return self.alerts.list(limit=1000).items

    @precondition(lambda self: self.known())
    @rule(data=st.data(), queued=st.booleans(), keyed=st.booleans())
    def someone_acts(self, data: Any, queued: bool, keyed: bool) -> None:
        alert = data.draw(st.sampled_from(self.known()))
        # Mostly what is allowed, so that alerts get far; now and then anything.
        action = data.draw(st.sampled_from(allowed(alert)) | st.sampled_from([s.action for s in STEPS]))
        what: dict[str, Any] = {"actor": "Ani", "note": data.draw(st.sampled_from(["x", ""]))}
        if action == "assign":
            what["assignee"] = data.draw(st.sampled_from(["Ani", "Crew", ""]))
        if action in ("locate", "repaired"):
            what["place"] = data.draw(st.sampled_from([Place("p1", 3.0), None, Place("p2"), Place()]))
            what["leak_type"] = data.draw(st.sampled_from([None, *LeakType]))
        if action == "repaired":
            what["method"] = data.draw(st.sampled_from([None, *Method]))
        if action == "close":
            reason = what["reason"] = data.draw(st.sampled_from([*Reason, None]))
            if reason is Reason.FALSE_ALARM:
                what["cause"] = data.draw(st.sampled_from([*Cause, None]))
            if reason is Reason.DUPLICATE:
                what["duplicate_of"] = data.draw(st.sampled_from([*(a.id for a in self.known()), "", "no"]))
        if keyed or queued:
            what["key"] = f"k{len(self.sent)}"
            what["happened"] = START + data.draw(st.integers(0, self.clock.hour + 5)) * HOUR
        what["version"] = None if queued else alert.version
        try:
            after = self.alerts.act(alert.id, action, **what)
        except TransitionRefused:
            assert self.alerts.get(alert.id) == alert
            return
        if what.get("key"):
            self.sent.append((alert.id, action, what))
        self.closed.pop(alert.id, None)
        if after.reason not in (None, Reason.ENDED, Reason.WITHDRAWN):
            self.closed[alert.id] = after.reason

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def a_phone_sends_again(self, data: Any) -> None:
        id, action, what = data.draw(st.sampled_from(self.sent))
        before = self.known()
        assert self.alerts.act(id, action, **what) == next(a for a in before if a.id == id)
        assert self.known() == before

    # what must hold

    @invariant()
    def no_line_is_lost_and_every_change_is_told(self) -> None:
        for alert in self.known():
            lines = list(self.alerts.history(alert.id))
            had = self.histories.get(alert.id, [])
            assert lines[: len(had)] == had
            assert alert.version == len(lines)
            self.histories[alert.id] = lines

    @invariant()
    def the_state_is_what_the_history_tells(self) -> None:
        for alert in self.known():
            state, assignee = State.OPEN, ""
            for line in self.alerts.history(alert.id):
                assignee = line.details.get("assignee", assignee)
                state = TARGET.get(line.action) or state
                if line.action == "not_found" and not assignee:
                    state = State.ACKNOWLEDGED
                if line.action == "reopened":
                    assignee = ""
            assert alert.state is state
            assert alert.work.assignee == assignee

    @invariant()
    def no_state_is_illegal(self) -> None:
        originals = {a.id: a for a in self.known()}
        for a in originals.values():
            work = a.work
            assert (a.reason is None) == (a.state is not State.CLOSED)
            assert a.state is not State.ASSIGNED or work.assignee
            assert a.state is not State.LOCATED or work.place is not None
            assert a.state not in (State.REPAIRED, State.VERIFIED) or work.repaired_at is not None
            assert work.repaired_at is None or a.state in (State.REPAIRED, State.VERIFIED, State.CLOSED)
            assert work.repaired_at is None or work.repaired_at <= START + self.clock.hour * HOUR
            fell = work.check is not None and work.check.outcome is Outcome.FELL
            assert a.state is not State.VERIFIED or fell
            assert (work.cause is not None) == (a.reason is Reason.FALSE_ALARM)
            assert bool(work.duplicate_of) == (a.reason is Reason.DUPLICATE)
            assert not a.held or a.state is not State.CLOSED
            if work.duplicate_of:
                assert originals[work.duplicate_of].reason is not Reason.DUPLICATE
                assert work.duplicate_of != a.id

    @invariant()
    def one_event_has_one_living_alert(self) -> None:
        for subject in SUBJECTS:
            living = [a for a in self.known() if a.state in LIVING and a.finding.subject == subject]
            for a, b in pairwise(sorted(living, key=lambda a: a.finding.onset)):
                taken_back = not (a.supported and b.supported) or a.held or b.held
                assert taken_back or not overlap(a.finding, b.finding)

    @invariant()
    def what_people_closed_stays_closed(self) -> None:
        for id, reason in self.closed.items():
            assert self.alerts.get(id).reason is reason


People.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestPeople = People.TestCase


def test_the_checks_can_fail() -> None:
    """A state machine whose invariants cannot fail protects nothing: one line too few must be noticed."""
    machine = People()
    machine.a_leak_begins("D1")
    machine.time_passes(5)
    machine.no_line_is_lost_and_every_change_is_told()
    id = machine.known()[0].id
    machine.histories[id] = [*machine.histories[id], replace(machine.histories[id][0], note="gone")]
    try:
        machine.no_line_is_lost_and_every_change_is_told()
    except AssertionError:
        return
    raise AssertionError("a lost line was not noticed")
