"""Alerts as figures: keys that stay, spans that move, and none of what was no event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from twuin.alerts.model import Alert, Entry, Finding, Kind, Reason, State, Suspect
from twuin.figures.alerts import RANKS, Spans, alert_figures, alert_spans, event_figures, span
from twuin.figures.names import ALERT, SPAN, SUSPECT
from twuin.views.views import Views
from waterworks.figures import Figure

AT = datetime(2026, 3, 10, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)


def alert(finding: Finding, **more: Any) -> Alert:
    return Alert("abc", "town", more.pop("state", State.OPEN), finding, **more)


def views(small_town: Any) -> Views:
    return Views(small_town.site, small_town.store, small_town.alerts, clock=small_town.clock)


def test_an_alert_is_one_point_in_si_and_its_suspects_fill_all_ranks(small_town: Any) -> None:
    found = alert(small_town.leak())
    figures = alert_figures(found, views(small_town).alert_out(found), Entry("abc", AT, "monitor", "opened"))
    (point,) = [f for f in figures if f.measurement == ALERT]
    assert point.time == np.datetime64("2026-03-10T03:00", "us")
    assert point.tags == {"dma": "D1", "kind": "leak", "alert": "abc"}
    assert point.fields["flow_m3s"] == 12 / 3600 and point.fields["open"] == 1
    assert point.fields["lon"] == 112.62
    suspects = [f for f in figures if f.measurement == SUSPECT]
    assert [f.fields["pipe"] for f in suspects] == ["P2", "P1", *[""] * (RANKS - 2)]
    assert len({f.key for f in suspects}) == RANKS


def test_fewer_suspects_overwrite_what_a_longer_list_left(small_town: Any) -> None:
    from dataclasses import replace

    many = alert(small_town.leak())
    few = alert(replace(small_town.leak(), suspects=(Suspect("P9", 1.0),)))
    shown = views(small_town).alert_out
    entry = Entry("abc", AT, "monitor", "updated")
    old = {f.key: f for f in alert_figures(many, shown(many), entry)}
    new = {f.key: f for f in alert_figures(few, shown(few), entry)}
    assert old.keys() == new.keys()
    assert sum(bool(f.fields.get("pipe")) for f in new.values()) == 1


def test_histories_say_nothing_that_people_wrote_and_no_names(small_town: Any) -> None:
    found = alert(small_town.leak())
    history = [
        Entry("abc", AT, "monitor", "updated", note="flow, volume"),
        Entry("abc", AT + HOUR, "Rina", "note", note="call 0812 3456 7890"),
    ]
    figures = list(event_figures(found, history))
    assert [f.fields["by"] for f in figures] == ["monitor", "person"]
    assert figures[0].fields["what"] == "flow, volume"
    assert "Rina" not in repr(figures) and "0812" not in repr(figures)


def test_what_was_no_event_has_no_span(small_town: Any) -> None:
    shown = views(small_town).alert_out
    for reason, expected in ((Reason.FALSE_ALARM, 0), (Reason.WITHDRAWN, 0), (Reason.ENDED, 1)):
        closed = alert(small_town.leak(ended_h=-1), state=State.CLOSED, reason=reason)
        assert len(list(alert_spans(closed, shown(closed)))) == expected


def test_a_sensor_fault_spans_its_sensor(small_town: Any) -> None:
    onset = AT - 3 * HOUR
    finding = Finding(Kind.SENSOR, "D1-P", "D1", onset, onset, AT, evidence={"fault": "offset"})
    found = alert(finding)
    (made,) = alert_spans(found, views(small_town).alert_out(found))
    assert made.tags["what"] == "fault" and made.tags["sensor"] == "D1-P"
    assert made.fields["text"] == "D1-P: offset"


def a_span(begin: datetime, id: str = "abc") -> Figure:
    return span("leak", id, begin, AT, "D1", "text")


def test_a_begin_that_moves_hides_the_span_before(small_town: Any) -> None:
    spans = Spans({})
    spans.place([a_span(AT - 5 * HOUR)], ["leak:abc"])
    written = spans.place([a_span(AT - 6 * HOUR)], ["leak:abc"])
    assert [(f.fields["shown"], f.measurement) for f in written] == [(1, SPAN), (0, SPAN)]
    assert written[1].time == np.datetime64("2026-03-09T22:00", "us")
    assert written[1].key == written[0].key, "the same series, or the old one would still show"


def test_after_a_restart_stale_spans_are_hidden_too() -> None:
    first = a_span(AT - 5 * HOUR)
    spans = Spans({first.key: [first.time]})
    written = spans.place([], ["leak:abc"])
    assert [(f.time, f.key, f.fields) for f in written] == [(first.time, first.key, {"shown": 0})]
    assert spans.place([], ["leak:abc"]) == []


def test_writing_the_same_again_hides_nothing_and_others_stay() -> None:
    one, other = a_span(AT - HOUR), a_span(AT - HOUR, "xyz")
    spans = Spans({one.key: [one.time], other.key: [other.time]})
    assert spans.place([one], ["leak:abc"]) == [one]


def test_works_that_are_gone_are_hidden_by_their_prefix() -> None:
    work = span("work", "W1@1@D1", AT, AT + HOUR, "D1", "flushing")
    leak = a_span(AT)
    spans = Spans({work.key: [work.time], leak.key: [leak.time]})
    assert [f.fields for f in spans.place([], prefix="work:")] == [{"shown": 0}]
