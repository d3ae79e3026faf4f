"""What is said of residents' reports, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from twuin.alerts.model import Kind
from twuin.residents.model import Category, Odd, Outcome, Standing
from twuin.views.models import ReportedOut
from twuin.views.residents import KeptOut, PromiseOut
from twuin.web.formats import Formats
from twuin.web.locales import LANGUAGES, language
from twuin.web.resident_words import ResidentWords
from twuin.web.words import Words


def formats(code: str) -> Formats:
    messages = language(code).messages
    return Formats(code, messages.gettext, messages.ngettext, ZoneInfo("Asia/Jakarta"), "IDR", 2026)


@pytest.fixture(params=list(LANGUAGES))
def words(request: pytest.FixtureRequest) -> ResidentWords:
    return ResidentWords(formats(request.param))


def test_every_name_has_words_of_its_own(words: ResidentWords) -> None:
    for name, codes in (
        (words.category, Category), (words.hint, Category), (words.standing, Standing), (words.odd, Odd),
        (words.outcome, Outcome), (words.ended, Outcome),
    ):  # fmt: skip
        said = [name(c) for c in codes]
        assert len(set(said)) == len(said) and not set(said) & {c.value for c in codes}
    for word in ("category", "place", "phone", "photo", "moment", "many", "large"):
        assert words.problem(word)
    for action in ("received", "grouped", "accepted", "placed", "joined", "parted", "taken_on", "answered",
                   "closed", "reopened", "withdrawn", "erased"):  # fmt: skip
        assert words.happened(action) != action


def test_few_promises_are_told_by_their_number_and_not_by_a_share(words: ResidentWords) -> None:
    assert "%" not in words.kept(KeptOut(kept=2, broken=1)) and "3" in words.kept(KeptOut(kept=2, broken=1))
    assert "75" in words.kept(KeptOut(kept=30, broken=10))
    none = words.kept(KeptOut(kept=0, broken=0))
    assert none and not any(c.isdigit() for c in none)


def test_promised_times_are_told_in_hours_and_days(words: ResidentWords) -> None:
    promise = PromiseOut(respond_h=4.0, locate_h=None, repair_h=72.0, working=True)
    answer, settle, hours = words.promised(promise)
    assert "4" in answer and "3" in settle and "72" not in settle and hours
    assert words.promised(None) == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_an_alert_of_residents_says_since_when_where_and_how_many(
    shown: Callable[[str], Any], code: str
) -> None:
    alert = shown("town").views.alerts().items[0]
    reported = ReportedOut(
        count=4, reporters=3, category="leak", leaks=4, first=alert.onset, last=alert.onset
    )
    told = alert.model_copy(update={"kind": Kind.REPORTED, "reported": reported})
    words = Words(formats(code))
    sentence = words.sentence(told)
    assert alert.dma_name in sentence and words.formats.time(alert.onset) in sentence and "4" in sentence
    assert alert.dma_name in words.title(told) and "%(" not in sentence + words.title(told)
