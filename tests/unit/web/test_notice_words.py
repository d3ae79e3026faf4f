"""Messages to people: short, in both languages, harmless whatever a name holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twuin.alerts.model import Alert, Finding, Kind, Reason, State, Suspect
from twuin.notify.model import Event, Form, Priority
from twuin.notify.ports import LinkSet, Told
from twuin.notify.sms import fits
from twuin.web.notice_words import NoticeWords, clean
from waterworks.site import Dma, Site

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
LINKS = LinkSet(
    "https://twuin.pdam.example/alerts/el7gi67frb",
    "https://twuin.pdam.example/a/el7gi67frb~regu-utara~toxpo0~LbbHvXQMMP6Wv-92uq2m",
    "https://maps.google.com/?q=-7.95456,112.62123",
)


def words(name: str = "Dinoyo") -> NoticeWords:
    site = Site("kota", "Tirta Kota", ZoneInfo("Asia/Jakarta"), (Dma("D1", name, 1000),), (), Path())
    return NoticeWords(site, lambda: NOW)


def told(kind: Kind = Kind.LEAK, what: Event = Event.NEW, pipe: str = "P2", **finding: object) -> Told:
    found = Finding(
        kind, "D1-P1" if kind in (Kind.SILENT, Kind.SENSOR) else "D1", "D1",
        NOW - timedelta(hours=5), NOW - timedelta(hours=4), NOW,
        flow=20 / 3600, flow_low=18 / 3600, flow_high=22 / 3600, volume=100.0, confidence=0.97,
        suspects=(Suspect(pipe, 0.8, 112.62, -7.95),), centre=pipe, radius_50_m=120.0,
    )  # fmt: skip
    found = replace(found, **finding)  # type: ignore[arg-type]
    return Told(Alert("el7gi67frb", "kota", State.OPEN, found), what, Priority.HIGH)


def test_a_message_says_what_where_since_when_how_much_and_where_to_look() -> None:
    text = words().one(told(), Form.TEXT, "en", LINKS)
    assert text.title == "Urgent: Leak in Dinoyo"
    assert text.body.splitlines() == [
        "Leak flow: 20.0\xa0m³/h (5.56\xa0L/s)",
        "Since Fri 20 Nov 05:00\xa0WIB",
        "Lost so far: 100\xa0m³",
        "Most suspect: pipe P2 (80\xa0%)",
        "Search within 120\xa0m along the pipes around P2",
        "Priority: high",
        f"Map: {LINKS.map}",
        f"Details: {LINKS.page}",
        f"I take this on: {LINKS.take}",
    ]
    assert len(text.title) + len(text.body) < 500


def test_it_says_the_same_in_bahasa_indonesia() -> None:
    text = words().one(told(), Form.TEXT, "id", LINKS)
    assert text.title == "Mendesak: Kebocoran di Dinoyo"
    assert "Debit kebocoran: 20,0\xa0m³/jam (5,56\xa0L/s)" in text.body
    assert "Sejak Jum 20 Nov 05.00\xa0WIB" in text.body
    assert "Prioritas: tinggi" in text.body
    assert f"Saya tangani: {LINKS.take}" in text.body


def test_an_end_says_from_when_to_when_and_why_it_was_closed() -> None:
    over = told(what=Event.OVER, ended=NOW)
    closed = replace(over.alert, state=State.CLOSED, reason=Reason.REPAIRED)
    text = words().one(over._replace(alert=closed), Form.TEXT, "en", LinkSet(LINKS.page, "", ""))
    assert text.title == "Over: Leak in Dinoyo"
    assert text.body.splitlines() == [
        "Leak flow: 20.0\xa0m³/h (5.56\xa0L/s)",
        "Fri 20 Nov 05:00 to Fri 20 Nov 10:00\xa0WIB",
        "Lost: 100\xa0m³",
        "Closed: Repaired",
        f"Details: {LINKS.page}",
    ]


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("what", list(Event))
def test_every_kind_and_event_has_words_in_every_form(language: str, kind: Kind, what: Event) -> None:
    evidence = {"fault": "stuck", "size": 1.0, "unit": "m", "hours_without": 3.0}
    one = told(kind, what, evidence=evidence)
    for form in (Form.TEXT, Form.HTML, Form.SMS):
        text = words().one(one, form, language, LINKS)
        assert "%(" not in text.title + text.body + text.html
        assert text.body
        assert (form is Form.SMS) or text.title
        assert bool(text.html) == (form is Form.HTML)


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("name", ["Dinoyo", "Ngêmplak – “Lor”", "Кота", "D" * 300])
def test_a_short_message_is_one_short_message_with_the_flow_and_the_link(language: str, name: str) -> None:
    text = words(name).one(told(), Form.SMS, language, LINKS)
    assert text.title == ""
    assert fits(text.body), (len(text.body), text.body)
    if name == "Dinoyo":
        assert LINKS.take in text.body and "20" in text.body


def test_a_digest_names_the_urgent_first_and_counts_the_rest() -> None:
    many = [told(Kind.SILENT)._replace(priority=Priority.LOW) for _ in range(19)]
    many.append(told())
    text = words().digest(many, Form.TEXT, "en", {}, "https://twuin.pdam.example/alerts")
    lines = text.body.splitlines()
    assert text.title == "20 alerts in Tirta Kota"
    assert lines[0].startswith("- Urgent: Leak in Dinoyo, 20.0\xa0m³/h")
    assert lines[-2:] == ["- and 5 more", "All alerts: https://twuin.pdam.example/alerts"]
    short = words().digest(many, Form.SMS, "en", {}, "https://twuin.pdam.example/alerts")
    assert fits(short.body) and "https://twuin.pdam.example/alerts" in short.body


@pytest.mark.parametrize("language", ["id", "en"])
def test_a_mail_says_its_language_and_fits_a_phone(language: str) -> None:
    mail = words().one(told(), Form.HTML, language, LINKS).html
    assert f'<html lang="{language}">' in mail and "width=device-width" in mail
    assert mail.count("padding:11px 18px") == 3  # each link as wide as a thumb


def test_a_digest_by_mail_has_a_paragraph_for_each_alert() -> None:
    many = [told(), told(Kind.SILENT)._replace(priority=Priority.LOW)]
    text = words().digest(many, Form.HTML, "en", {}, "https://twuin.pdam.example/alerts")
    assert [line[:2] for line in text.body.splitlines()] == ["- ", "- ", "Al"]
    assert text.html.count("<p") == 4 and "- Urgent" not in text.html


NASTY = st.text(st.sampled_from("<>&\"'@[]()*_`\r\n\t\0\u2028\u202e\u200bé😀ab/:%{}"), max_size=200)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(v) for k, v in attrs if k == "href"]


@settings(deadline=None)  # a loaded machine is slow, not wrong
@given(NASTY, NASTY)
def test_names_break_no_line_and_become_no_markup(dma: str, pipe: str) -> None:
    w = words(dma)
    plain = words().one(told(), Form.TEXT, "en", LINKS)
    text = w.one(told(pipe=pipe), Form.TEXT, "en", LINKS)
    assert len(text.title.splitlines()) == 1
    assert len(text.body.splitlines()) == len(plain.body.splitlines()) or not clean(pipe)
    for bad in "<>@[]\0\r\u2028\u202e":
        assert bad not in text.title + text.body
    html = w.one(told(pipe=pipe), Form.HTML, "en", LINKS)
    parser = _Tags()
    parser.feed(html.html)
    assert set(parser.tags) <= {"html", "head", "meta", "body", "p", "strong", "br", "a"}
    assert parser.links == [LINKS.map, LINKS.page, LINKS.take]
    assert len(html.title.splitlines()) == 1 and "\0" not in html.html
