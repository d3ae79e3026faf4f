"""Everything that can happen has words in both languages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.reasons import Reason as RejectReason
from twuin.alerts.lifecycle import MONITOR
from twuin.alerts.model import Kind, Reason, State
from twuin.alerts.promises import Stage, Standing
from twuin.alerts.steps import STEPS
from twuin.alerts.work import Cause, LeakType, Method, Outcome
from twuin.residents.joins import RESIDENTS
from twuin.views.models import CheckOut
from twuin.web.formats import Formats
from twuin.web.locales import LANGUAGES, language
from twuin.web.score_words import ScoreWords
from twuin.web.words import Words
from waterworks.reading import Quality
from waterworks.site import Role
from waterworks.units import Quantity


def words(code: str) -> Words:
    messages = language(code).messages
    return Words(Formats(code, messages.gettext, messages.ngettext, ZoneInfo("Asia/Jakarta"), "IDR", 2026))


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_code_has_a_name_of_its_own(code: str) -> None:
    w = words(code)
    for name, codes in (
        (w.kind, Kind),
        (w.state, State),
        (w.reason, Reason),
        (w.work.leak_type, LeakType),
        (w.work.method, Method),
        (w.work.cause, Cause),
        (w.measured, Quantity),
        (w.role, Role),
    ):
        said = [name(c.value) for c in codes]
        assert len(set(said)) == len(said)
        assert not set(said) & {c.value for c in codes}
    for step in STEPS:
        assert w.work.button(step.action) and w.work.done(step.action)
        assert w.work.happened(step.done) != step.done
    told = [
        w.work.promise({"stage": s.value, "standing": how.value, "due": "2026-11-23T02:00:00Z"})
        for s in Stage
        for how in (Standing.NEAR, Standing.BROKEN)
    ]
    assert len(set(told)) == 6 and all("23 Nov" in text for text in told)
    assert set(w.quality()) == {int(q) for q in Quality if q}


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("by", ["night_flow", "model", "readings", ""])
@pytest.mark.parametrize("fell", [None, -0.2, 6.1])
def test_what_became_of_a_repair_is_told_in_sentences(
    code: str, outcome: Outcome, by: str, fell: float | None
) -> None:
    known = {} if fell is None else {"fell_m3h": fell, "low_m3h": fell - 0.5, "high_m3h": fell + 0.5}
    when = datetime(2026, 11, 21, 3, tzinfo=UTC)
    check = CheckOut(outcome=outcome, by=by, leak_m3h=12.4, before=7, after=3, at=when, until=when, **known)
    said = words(code).work.check.sentence(check)
    assert len(said) > 20 and said[-1] == "." and "%" not in said and "None" not in said
    if outcome is Outcome.RUNS_ON and fell == 6.1:
        assert {"en": "6.10", "id": "6,10"}[code] in said


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("over", [False, True])
def test_silences_of_many_and_of_one_that_comes_and_goes_are_told_as_such(
    shown: Callable[[str], Any], code: str, over: bool
) -> None:
    alert = next(a for a in shown("town").views.alerts().items if a.kind is Kind.SILENT)
    w, end = words(code), alert.as_of if over else None
    said = set()
    for evidence in ({}, {"sensors": ["D4-P2", "D4-P3", "D4-P4"]}, {"silences": 7}):
        one = alert.model_copy(update={"ended": end, "evidence": evidence})
        told = f"{w.title(one)} {w.sentence(one)}"
        assert "%" not in told
        assert ("3 sensor" in told) == ("sensors" in evidence) and ("7" in told) == ("silences" in evidence)
        said.add(told)
    assert len(said) == 3


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_reason_of_a_rejection_is_explained(code: str) -> None:
    explained = [words(code).rejected(r.value) for r in RejectReason]
    assert len({name for name, _ in explained}) == len(explained)
    assert all(len(what) > 15 for _, what in explained)


def test_an_unknown_reason_is_shown_as_it_is() -> None:
    assert words("en").rejected("new_reason") == ("new_reason", "Twuin gives no explanation for this code.")


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("over", [False, True])
def test_each_kind_of_alert_is_told_in_a_sentence_with_its_figures(
    shown: Callable[[str], Any], code: str, over: bool
) -> None:
    alert = shown("town").views.alerts().items[0]
    w = words(code)
    end = alert.as_of
    sentences = set()
    for kind in set(Kind) - {Kind.REPORTED}:
        told = alert.model_copy(
            update={"kind": kind, "ended": end if over else None, "flow_m3h": -12.4, "dma_name": "Sukun"}
        )
        sentence = w.sentence(told)
        sentences.add(sentence)
        assert "%(" not in sentence
        began = w.formats.night if kind is Kind.NIGHT_FLOW else w.formats.time
        assert began(told.onset) in sentence
        assert (w.formats.time(end) in sentence) is over
        if kind is Kind.SUPPLY:
            assert "Sukun" in sentence
        elif kind not in (Kind.SILENT, Kind.SENSOR):
            assert "Sukun" in sentence and w.formats.quantity(12.4, "m3/h") in sentence
        assert "Sukun" in w.title(told) or told.subject in w.title(told)
    assert len(sentences) == len(Kind) - 1


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("over", [False, True])
def test_a_leak_is_told_by_what_has_shown_it(shown: Callable[[str], Any], code: str, over: bool) -> None:
    alert = shown("town").views.alerts(kind=Kind.LEAK).items[0]
    w = words(code)

    def told(**evidence: Any) -> str:
        ended = alert.as_of if over else None
        return w.sentence(alert.model_copy(update={"ended": ended, "evidence": evidence}))

    model = told(found_by="model")
    assert "model" in model and "%(" not in model
    assert w.formats.quantity(abs(alert.flow_m3h), "m3/h") in model
    assert len({model, told(found_by="pressure"), told(test="sudden")}) == 3
    assert told(found_by="model", inflow={"test": "sudden"}) == told(test="sudden")


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_nobody_did_was_done_by_twuin(code: str) -> None:
    w = words(code)
    assert w.actor(MONITOR) == w.actor(RESIDENTS) == "Twuin"
    assert w.actor("Regu Utara") == "Regu Utara"
    assert w.actor("someone") == {"id": "seseorang", "en": "someone"}[code]


def test_confidence_is_told_in_words_and_figures() -> None:
    said = [words("en").confidence(share) for share in (0.999, 0.97, 0.85, 0.6, 0.3)]
    assert said == [
        "almost certain (>\u00a099\u00a0%)",
        "almost certain (97\u00a0%)",
        "very likely (85\u00a0%)",
        "likely (60\u00a0%)",
        "possible (30\u00a0%)",
    ]


def test_a_pipe_with_a_small_share_of_the_ranking_is_no_lead(shown: Callable[[str], Any]) -> None:
    alert = next(a for a in shown("town").views.alerts().items if a.suspects)
    w = words("en")
    first = alert.suspects[0]
    assert w.lead(alert).startswith(f"Most suspect: pipe {first.pipe} (")
    spread = [first.model_copy(update={"probability": 0.03})]
    spread_out = alert.model_copy(update={"suspects": spread})
    assert w.lead(spread_out) == "No pipe stands out. Seen most at D2-P1, D2-P2"
    assert w.lead(spread_out.model_copy(update={"near": []})) == "No pipe stands out"
    assert w.lead(alert.model_copy(update={"suspects": []})) == ""


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_silence_that_was_made_good_is_told_as_past(shown: Callable[[str], Any], code: str) -> None:
    alert = next(a for a in shown("town").views.alerts().items if a.kind is Kind.SILENT)
    late = alert.model_copy(update={"state": State.CLOSED, "reason": Reason.WITHDRAWN})
    w = words(code)
    assert w.title(late) != w.title(alert) and alert.subject in w.title(late)
    assert w.sentence(late) != w.sentence(alert)
    assert w.why_closed(late) != w.reason(Reason.WITHDRAWN)
    assert w.why_closed(alert) == ""
    assert w.why(Reason.WITHDRAWN, late.kind) == w.why_closed(late)
    many = late.model_copy(update={"evidence": {"sensors": ["A", "B", "C"]}})
    assert "3 sensor" in w.sentence(many) and w.sentence(late).split(". ")[1] in w.sentence(many)


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_silence_made_good_while_somebody_is_at_it_is_told_as_past(
    shown: Callable[[str], Any], code: str
) -> None:
    alert = next(a for a in shown("town").views.alerts().items if a.kind is Kind.SILENT)
    late = alert.model_copy(update={"supported": False})
    leak = next(a for a in shown("town").views.alerts().items if a.kind is Kind.LEAK)
    w = words(code)
    assert w.title(late) != w.title(alert) and w.sentence(late) != w.sentence(alert)
    assert w.unsupported(late) != w.unsupported(leak.model_copy(update={"supported": False}))
    assert w.unsupported(alert) == w.unsupported(leak) == ""


@pytest.mark.parametrize("leaks", [1, 2])
def test_how_often_the_right_pipe_was_named_reads_well_of_one_leak_too(leaks: int) -> None:
    found = SimpleNamespace(leaks=leaks, named=leaks, first=1, among=leaks)
    assert "1 times" not in ScoreWords(words("en").formats).overall(found)  # type: ignore[arg-type]
