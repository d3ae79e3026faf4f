"""What holds of residents' reports whatever they are."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from twuin.alerts.model import SUREST, raised
from twuin.residents.charter import complaints
from twuin.residents.joining import same_event
from twuin.residents.keys import Keys
from twuin.residents.limits import Counts, judge
from twuin.residents.model import BadReport, Category, Outcome, Report, independent
from twuin.residents.photo import kept_photo
from twuin.residents.service import forgotten
from twuin.residents.words import clean_text, phone_number

T0 = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = Keys(b"k" * 32, lambda: T0)
few = st.sampled_from(["", "a", "b", "c"])
place = st.sampled_from([None, (112.6, -7.9), (112.6005, -7.9), (112.7, -7.9)])


@st.composite
def report(draw: st.DrawFn) -> Report:
    minutes = draw(st.integers(0, 10_000))
    at = draw(place)
    settled = draw(st.one_of(st.none(), st.integers(0, 10_000)))
    return Report(
        id=str(draw(st.integers(0, 10**9))), site="town", code="", key="",
        category=draw(st.sampled_from(Category)), received=T0 + timedelta(minutes=minutes),
        created=T0 + timedelta(minutes=minutes), dma=draw(few), phone=draw(few), source=draw(few),
        lon=None if at is None else at[0], lat=None if at is None else at[1],
        settled=None if settled is None else T0 + timedelta(minutes=minutes + settled),
        outcome=draw(st.one_of(st.none(), st.sampled_from(Outcome))),
    )  # fmt: skip


@given(st.lists(report(), max_size=12))
def test_nobody_counts_twice(reports: list[Report]) -> None:
    known = [r for r in reports if r.phone and r.source]
    found = independent(known)
    assert found <= min(len({r.phone for r in known}), len({r.source for r in known}))
    assert (found > 0) == bool(known)
    assert independent([*known, *known]) == found == independent(known[::-1])


@given(report(), report())
def test_of_one_event_are_both_or_none(a: Report, b: Report) -> None:
    assert same_event(a, b, None) == same_event(b, a, None)


@given(st.floats(0, 1), st.integers(0, 50))
def test_reports_never_make_an_alert_less_sure_and_never_certain(confidence: float, reporters: int) -> None:
    found = raised(confidence, reporters)
    assert confidence <= found <= max(confidence, SUREST)
    assert raised(confidence, reporters + 1) >= found


@given(st.lists(report(), max_size=12), st.integers(0, 20_000))
def test_what_is_received_is_settled_or_open(reports: list[Report], now: int) -> None:
    found = complaints(reports, None, T0, T0 + timedelta(days=2), T0 + timedelta(minutes=now))
    assert found.received == found.settled + found.open == sum(found.categories.values())


@given(report())
def test_what_is_forgotten_tells_nobody(found: Report) -> None:
    bare = forgotten(found, T0)
    assert not (bare.phone or bare.source or bare.network or bare.pipe or bare.message or bare.photo)
    assert (bare.received, bare.outcome, bare.category, bare.dma) == (
        found.received, found.outcome, found.category, found.dma,
    )  # fmt: skip


@given(st.tuples(*[st.integers(0, 10_000)] * 5))
def test_more_reports_are_never_judged_more_kindly(numbers: tuple[int, int, int, int, int]) -> None:
    now, more = (judge(Counts(*n), flood=200) for n in (numbers, tuple(x + 1 for x in numbers)))
    assert set(now.odd) <= set(more.odd) or more.refused is not None
    assert now.refused is None or more.refused is not None


@given(st.text(max_size=80))
def test_whatever_is_typed_is_text_or_refused(text: str) -> None:
    assert clean_text(clean_text(text, 40), 40) == clean_text(text, 40)
    assert KEYS.code_digest(text) == "" or len(KEYS.code_digest(text)) == 40
    for read in (lambda: phone_number(text, "62"), lambda: KEYS.read_moment(text)):
        with contextlib.suppress(BadReport):
            read()


HEADS = [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x00\x00\x00WEBP"]


@given(st.binary(max_size=300), st.sampled_from(HEADS))
def test_whatever_is_sent_as_a_photo_is_one_or_refused(data: bytes, head: bytes) -> None:
    try:
        kept = kept_photo(head + data)
    except BadReport:
        return
    assert kept.startswith(b"\xff\xd8")
