"""The way of an alert from acknowledged to repaired, and what is refused on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from twuin.alerts import steps
from twuin.alerts.model import UNREPAIRED, Alert, Finding, Kind, Reason, State
from twuin.alerts.service import AlertService, KeyReused, StaleAlert
from twuin.alerts.steps import STEPS, RequestIncomplete, TransitionRefused, allowed
from twuin.alerts.work import Cause, LeakType, Method, Place, Work

Make = Callable[..., Finding]
HERE = Place("p1", 12.0)


def do(service: AlertService, alert: Alert, action: str, **what: Any) -> Alert:
    """An action on the alert as it now stands."""
    return service.act(alert.id, action, version=service.get(alert.id).version, actor="Ani", **what)


def test_an_alert_goes_all_the_way_and_its_history_tells_who_what_and_where(
    service: AlertService, alert: Alert
) -> None:
    do(service, alert, "acknowledge")
    do(service, alert, "assign", assignee="Crew Utara")
    do(service, alert, "arrive")
    do(service, alert, "locate", place=HERE, leak_type=LeakType.JOINT)
    do(service, alert, "start_repair")
    done = do(service, alert, "repaired", method=Method.CLAMP, note="DN150")
    assert done.state is State.REPAIRED
    now = service.history(alert.id)[-1].at
    assert done.work == Work("Crew Utara", HERE, LeakType.JOINT, Method.CLAMP, now, leak=0.0, leak_sd=0.0)
    assert [(e.action, e.details) for e in service.history(alert.id)[1:]] == [
        ("acknowledged", {}),
        ("assigned", {"assignee": "Crew Utara"}),
        ("arrived", {}),
        ("located", {"place": {"pipe": "p1", "along_m": 12.0}, "leak_type": "joint"}),
        ("repairing", {}),
        ("repaired", {"method": "clamp"}),
    ]
    closed = do(service, alert, "close", reason=Reason.REPAIRED)
    assert (closed.state, closed.work) == (State.CLOSED, done.work)


@pytest.mark.parametrize("state", UNREPAIRED)
def test_a_crew_that_repairs_at_once_says_so_from_any_state(
    service: AlertService, alert: Alert, state: State
) -> None:
    for action, what in {
        State.OPEN: [],
        State.ACKNOWLEDGED: [("acknowledge", {})],
        State.ASSIGNED: [("assign", {"assignee": "Ani"})],
        State.ON_SITE: [("arrive", {})],
        State.LOCATED: [("locate", {"place": HERE})],
        State.REPAIRING: [("start_repair", {})],
    }[state]:
        do(service, alert, action, **what)
    assert service.get(alert.id).state is state
    done = do(service, alert, "repaired", place=Place(lon=112.6, lat=-7.9))
    assert (done.state, done.work.place) == (State.REPAIRED, Place(lon=112.6, lat=-7.9))


def test_a_crew_that_finds_nothing_goes_back_to_whom_it_is_assigned(
    service: AlertService, alert: Alert
) -> None:
    do(service, alert, "assign", assignee="Crew Utara")
    do(service, alert, "locate", place=HERE)
    back = do(service, alert, "not_found", note="dry, the other side")
    assert (back.state, back.work) == (State.ASSIGNED, Work("Crew Utara"))


def test_where_nobody_is_named_someone_is_to_be_sent_again(service: AlertService, alert: Alert) -> None:
    do(service, alert, "arrive")
    assert do(service, alert, "not_found").state is State.ACKNOWLEDGED


def test_the_wrong_pipe_is_put_right_while_digging(service: AlertService, alert: Alert) -> None:
    do(service, alert, "locate", place=HERE, leak_type=LeakType.JOINT)
    do(service, alert, "start_repair")
    moved = do(service, alert, "locate", place=Place("p2"))
    assert (moved.state, moved.work.place, moved.work.leak_type) == (
        State.LOCATED,
        Place("p2"),
        LeakType.JOINT,
    )


def test_who_reopens_keeps_the_place_and_nobody_is_on_it_any_more(
    service: AlertService, alert: Alert
) -> None:
    do(service, alert, "assign", assignee="Crew Utara")
    do(service, alert, "repaired", place=HERE)
    again = do(service, alert, "reopen", note="still wet")
    assert (again.state, again.held, again.work) == (State.OPEN, True, Work(place=HERE))


def test_more_is_to_be_done_after_a_repair(service: AlertService, alert: Alert) -> None:
    do(service, alert, "repaired")
    more = do(service, alert, "start_repair")
    assert (more.state, more.work.repaired_at) == (State.REPAIRING, None)


def test_a_leak_is_not_closed_as_repaired_before_someone_says_it_is(
    service: AlertService, alert: Alert
) -> None:
    with pytest.raises(TransitionRefused, match="say 'repaired' first"):
        do(service, alert, "close", reason=Reason.REPAIRED)


def test_a_sensor_is_closed_as_repaired_at_once(service: AlertService, finding: Make) -> None:
    (alert,) = service.apply([finding(0, 2, 5, kind=Kind.SENSOR)])
    assert do(service, alert, "close", reason=Reason.REPAIRED).reason is Reason.REPAIRED


@pytest.mark.parametrize(
    ("action", "what", "hint"),
    [
        ("assign", {}, "needs an assignee"),
        ("assign", {"assignee": " \0 "}, "needs an assignee"),
        ("locate", {}, "needs a place"),
        ("locate", {"place": Place()}, "a pipe, or lon and lat"),
        ("locate", {"place": Place("p9")}, "no pipe 'p9'"),
        ("locate", {"place": Place("p1", 90.0)}, "80 m long"),
        ("locate", {"place": Place("p1", -1.0)}, "off it"),
        ("locate", {"place": Place(along_m=1.0, lon=1.0, lat=1.0)}, "name the pipe"),
        ("locate", {"place": Place("p1", lon=1.0)}, "both lon and lat"),
        ("locate", {"place": Place(lon=112.0, lat=91.0)}, "no position on earth"),
        ("locate", {"place": Place(lon=-181.0, lat=0.0)}, "no position on earth"),
        ("locate", {"place": Place(lon=float("nan"), lat=0.0)}, "finite"),
        ("arrive", {"place": HERE}, "place does not belong to 'arrive', but to locate, repaired"),
        ("acknowledge", {"assignee": "Ani"}, "assignee does not belong"),
        ("locate", {"place": HERE, "method": Method.CLAMP}, "method does not belong"),
        ("close", {}, "needs a reason"),
        ("close", {"reason": Reason.WITHDRAWN}, "needs a reason"),
        ("close", {"reason": Reason.FALSE_ALARM}, "needs a cause: one of not_found, large_use"),
        ("close", {"reason": Reason.FALSE_ALARM, "cause": Cause.OTHER}, "needs a note"),
        ("close", {"reason": Reason.PLANNED, "cause": Cause.METER}, "belongs to closing as false_alarm"),
        ("close", {"reason": Reason.PLANNED, "duplicate_of": "x"}, "belongs to closing as duplicate"),
        ("close", {"reason": Reason.DUPLICATE}, "needs duplicate_of"),
        ("close", {"reason": Reason.DUPLICATE, "duplicate_of": "nope"}, "no alert 'nope'"),
    ],
)
def test_what_is_incomplete_is_refused_with_what_would_be_right(
    service: AlertService, alert: Alert, action: str, what: dict[str, Any], hint: str
) -> None:
    with pytest.raises(RequestIncomplete, match=hint):
        do(service, alert, action, **what)
    assert service.get(alert.id) == alert


def test_a_false_alarm_keeps_its_cause_for_the_settings_of_its_dma(
    service: AlertService, alert: Alert
) -> None:
    do(service, alert, "close", reason=Reason.FALSE_ALARM, cause=Cause.LARGE_USE, note="pool of the hotel")
    assert service.causes() == {("D1", Kind.LEAK, Cause.LARGE_USE): 1}
    do(service, alert, "reopen")
    assert service.causes() == {}


# Duplicates


@pytest.fixture
def three(service: AlertService, finding: Make) -> list[str]:
    return [a.id for a in service.apply([finding(0, 2, 5, subject=f"D{i}") for i in range(3)])]


def join(service: AlertService, id: str, original: str) -> Alert:
    version = service.get(id).version
    return service.act(id, "close", version=version, reason=Reason.DUPLICATE, duplicate_of=original)


def test_a_duplicate_is_closed_and_told_of_in_both_histories(service: AlertService, three: list[str]) -> None:
    a, b, _ = three
    joined = join(service, b, a)
    assert (joined.state, joined.reason, joined.work.duplicate_of) == (State.CLOSED, Reason.DUPLICATE, a)
    assert service.copies(a) == [b]
    last = service.history(a)[-1]
    assert (last.action, last.details) == ("joined", {"alert": b})
    service.act(b, "reopen", version=service.get(b).version)
    assert service.copies(a) == []
    last = service.history(a)[-1]
    assert (last.action, last.details) == ("parted", {"alert": b})


def test_chains_and_cycles_of_duplicates_are_refused(service: AlertService, three: list[str]) -> None:
    a, b, c = three
    with pytest.raises(RequestIncomplete, match="no duplicate of itself"):
        join(service, a, a)
    join(service, b, a)
    with pytest.raises(TransitionRefused, match=f"itself a duplicate of {a}"):
        join(service, c, b)
    with pytest.raises(TransitionRefused, match=f"{b} is a duplicate of alert {a}"):
        join(service, a, c)
    join(service, c, a)
    assert sorted(service.copies(a)) == sorted([b, c])


def test_two_who_join_at_the_same_time_make_no_chain(service: AlertService, three: list[str]) -> None:
    a, b, c = three
    store = service._store
    commit = store.commit

    def meanwhile(changes: Any) -> None:
        store.commit = commit  # type: ignore[method-assign]
        join(service, a, c)
        commit(changes)

    store.commit = meanwhile  # type: ignore[method-assign]
    with pytest.raises(TransitionRefused, match=f"itself a duplicate of {c}"):
        service.act(b, "close", version=None, key="k", reason=Reason.DUPLICATE, duplicate_of=a)
    assert service.get(b).state is State.OPEN


# Queues of phones


def test_the_same_action_sent_twice_is_done_once_and_answers_the_same(
    service: AlertService, alert: Alert, at: Callable[[float], datetime]
) -> None:
    send = {"version": 1, "key": "phone-1", "actor": "Ani", "happened": at(7), "assignee": "Ani"}
    first = service.act(alert.id, "assign", **send)  # type: ignore[arg-type]
    assert service.act(alert.id, "assign", **send) == first  # type: ignore[arg-type]
    entry = service.history(alert.id)[-1]
    assert (len(service.history(alert.id)), entry.happened, entry.key) == (2, at(7), "phone-1")
    do(service, alert, "arrive")
    assert service.act(alert.id, "assign", **send).state is State.ON_SITE  # type: ignore[arg-type]


def test_a_key_with_another_request_is_refused(service: AlertService, three: list[str]) -> None:
    a, b, _ = three
    service.act(a, "note", version=1, key="k", note="x")
    for id, action, what in ((a, "note", {"note": "y"}), (b, "note", {"note": "x"}), (a, "acknowledge", {})):
        with pytest.raises(KeyReused, match="make a new one"):
            service.act(id, action, version=1, key="k", **what)  # type: ignore[arg-type]


def test_what_was_queued_up_is_done_whatever_the_monitor_told_meanwhile(
    service: AlertService, alert: Alert, finding: Make, at: Callable[[float], datetime]
) -> None:
    service.apply([finding(0, 2, 9, flow=0.1)])
    with pytest.raises(StaleAlert):
        service.act(alert.id, "arrive", version=1, key="k1")
    service.act(alert.id, "arrive", version=None, key="k1", happened=at(6))
    done = service.act(alert.id, "repaired", version=None, key="k2", happened=at(8))
    assert done.work.repaired_at == at(8)
    with pytest.raises(TransitionRefused):
        service.act(alert.id, "arrive", version=None, key="k3", happened=at(9))


def test_without_version_and_key_nothing_is_done(service: AlertService, alert: Alert) -> None:
    with pytest.raises(RequestIncomplete, match="needs a key"):
        service.act(alert.id, "acknowledge", version=None)


def test_a_phone_whose_clock_is_ahead_repairs_nothing_in_the_future(
    service: AlertService, alert: Alert, at: Callable[[float], datetime]
) -> None:
    done = service.act(alert.id, "repaired", version=1, happened=at(10_000))
    entry = service.history(alert.id)[-1]
    assert (done.work.repaired_at, entry.happened, entry.when) == (entry.at, at(10_000), entry.at)


# People and the monitor


@pytest.mark.parametrize(("action", "what"), [("arrive", {}), ("locate", {"place": HERE}), ("repaired", {})])
def test_readings_do_not_close_what_people_are_at(
    service: AlertService, alert: Alert, finding: Make, action: str, what: dict[str, Any]
) -> None:
    standing = do(service, alert, action, **what)
    (told,) = service.apply([])
    assert (told.state, told.supported) == (standing.state, False)
    assert service.history(alert.id)[-1].note == "unsupported"
    assert service.apply([]) == []
    (back,) = service.apply([finding(0, 2, 6)])
    assert (back.state, back.supported) == (standing.state, True)
    assert service.history(alert.id)[-1].note == "supported"


def test_an_assigned_alert_is_withdrawn_when_later_data_no_longer_support_it(
    service: AlertService, alert: Alert
) -> None:
    do(service, alert, "assign", assignee="Ani")
    assert service.apply([])[0].reason is Reason.WITHDRAWN


def test_a_withdrawn_alert_is_not_reopened_beside_the_one_its_event_goes_on_as(
    service: AlertService, finding: Make
) -> None:
    # The first is an estimate that later data take back for another, which then grows over its time.
    (first,) = service.apply([finding(10, 12, 15)])
    (withdrawn, second) = sorted(service.apply([finding(0, 2, 5)]), key=lambda a: a.id != first.id)
    assert (withdrawn.id, withdrawn.reason) == (first.id, Reason.WITHDRAWN)
    service.act(second.id, "arrive", version=1)
    service.apply([finding(0, 2, 20)])
    with pytest.raises(TransitionRefused, match=f"goes on as alert {second.id}"):
        service.act(first.id, "reopen", version=service.get(first.id).version)


def test_what_is_held_stays_held_until_it_is_closed(service: AlertService, alert: Alert) -> None:
    service.apply([])
    do(service, alert, "reopen")
    do(service, alert, "acknowledge")
    assert service.apply([]) == []
    assert service.get(alert.id).state is State.ACKNOWLEDGED
    assert not do(service, alert, "close", reason=Reason.PLANNED).held


# The table


def test_what_is_allowed_is_what_the_table_says(service: AlertService, alert: Alert) -> None:
    assert allowed(alert) == [s.action for s in STEPS if State.OPEN in s.sources]
    assert allowed(do(service, alert, "close", reason=Reason.PLANNED)) == ["reopen", "note"]


def test_the_documentation_shows_the_table_as_the_code_has_it(root: Path) -> None:
    page = (root / "docs" / "alerts.md").read_text()
    shown = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|", page, re.MULTILINE)
    named = lambda states: ", ".join(f"`{s.value}`" for s in states)  # noqa: E731

    def takes(step: steps.Step) -> str:
        needs = [f"`{n}`" for n in step.needs.split(", ") if n]
        return ", ".join([*needs, *(f"(`{n}`)" for n in step.may.split(", ") if n)])

    wanted = [
        (
            s.action,
            "any" if set(s.sources) == set(State) else named(s.sources),
            "the same" if s.target is None else named([s.target]),
            takes(s),
        )
        for s in STEPS
    ]
    assert [row for row in shown if row[0] in steps.BY_ACTION] == wanted
    for name in (*State, *Reason, *Cause, *LeakType, *Method):
        assert f"`{name.value}`" in page, name


def table() -> str:
    """``STEPS`` as text, for this module's docstring."""
    every, working = set(State), set(UNREPAIRED)

    def named(states: Sequence[State]) -> str:
        chosen = set(states)
        if chosen == every:
            return "any"
        ends = [s.value for s in states if s not in working]
        inside = [s for s in UNREPAIRED if s in chosen]
        if len(inside) < 3:
            return ", ".join([*(s.value for s in inside), *ends])
        return ", ".join([f"{inside[0].value} .. {inside[-1].value}", *ends])

    rows = [("action", "from", "to", "with")]
    for s in STEPS:
        what = [s.needs] if s.needs else []
        what += [f"({s.may})"] if s.may else []
        rows.append((s.action, named(s.sources), s.target.value if s.target else "the same", " ".join(what)))
    wide = [max(len(r[i]) for r in rows) for i in range(4)]
    rule = " ".join("=" * w for w in wide)
    lines = [" ".join(c.ljust(w) for c, w in zip(r, wide, strict=True)).rstrip() for r in rows]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def test_the_module_shows_the_table_as_the_code_has_it() -> None:
    assert table() in (steps.__doc__ or "")
