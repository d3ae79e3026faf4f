"""The page on losses: figures with limits, reasons where there are none, in both languages."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from twuin.cli.losses import LIMITS, WHY
from twuin.losses.model import Why
from twuin.views.loss_models import Limited
from twuin.web.formats import Formats
from twuin.web.locales import LANGUAGES, language
from twuin.web.loss_words import LossWords

Browse = Callable[..., TestClient]
Shown = Callable[[str], Any]


def words(code: str) -> LossWords:
    from zoneinfo import ZoneInfo

    messages = language(code).messages
    return LossWords(
        Formats(code, messages.gettext, messages.ngettext, ZoneInfo("Asia/Jakarta"), "IDR", 2026)
    )


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_reason_has_a_sentence_of_its_own(code: str) -> None:
    said = [words(code).why(w) for w in Why]
    assert len(set(said)) == len(Why)
    assert all(s.endswith(".") for s in said)


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_limit_and_every_state_of_a_valve_has_words(code: str) -> None:
    assert all(words(code).limit(name) != name for name in LIMITS)
    for state in ("steady", "hunting", "drifting", "open", "unsteady", "unknown"):
        drawn, name, means = words(code).valve(state)
        assert drawn in ("normal", "watch", "leak", "nodata")
        assert name and means


def test_the_command_knows_every_reason() -> None:
    assert set(WHY) == set(Why)


def test_limits_are_told_apart_from_a_minus() -> None:
    w = words("en")
    assert w.limits(Limited(value=5, low=4, high=6), 0) == "4–6"
    assert w.limits(Limited(value=1, low=-1, high=3), 0) == "-1 … 3"
    assert w.limits(Limited(value=0, low=0, high=0), 0) == ""
    assert w.limits(None) == ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["town", "bare", "empty"])
def test_the_page_stands_on_every_kind_of_site(
    kind: str, language: str, shown: Shown, browse: Browse
) -> None:
    sample = shown(kind)
    for span in ("7d", "28d", "90d", "1y"):
        answer = browse(sample, language).get(f"/losses?range={span}")
        assert answer.status_code == 200
        for dma in sample.site.dmas:
            assert dma.name in answer.text
        for code in {c for d in sample.views.losses().dmas for c in d.why.values()}:
            assert words(language).why(code) in re.sub(r"&#39;", "'", answer.text)


def test_a_span_that_the_page_does_not_know_is_said(shown: Shown, browse: Browse) -> None:
    text = browse(shown("bare"), "en").get("/losses?range=forever").text
    assert "does not know “forever”" in text


def test_the_page_is_reached_from_every_page(shown: Shown, browse: Browse) -> None:
    assert 'href="/losses"' in browse(shown("empty"), "en").get("/about").text
    assert re.search(r'href="/losses" aria-current="page"', browse(shown("empty"), "en").get("/losses").text)


def test_every_reason_is_documented(root: Path) -> None:
    text = (root / "docs" / "losses.md").read_text("utf-8")
    assert [w for w in Why if f"`{w.value}`" not in text] == []


def test_a_figure_is_called_missing_only_where_it_is(shown: Shown) -> None:
    """Three DMAs of the sample town know their real losses from night flow, the fourth is silent."""
    sample = shown("town")
    found = sample.views.losses()
    lacking = {d.name for d in found.dmas if d.real_m3day is None}
    w = words("en")
    for _, figures, places in w.missing(found):
        if "Real losses" in figures.split(", "):
            where = {d.name for d in found.dmas} if places == "all DMAs" else set(places.split(", "))
            assert where <= lacking
