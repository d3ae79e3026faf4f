"""No template holds a word that cannot be translated, and no page a script or style of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment

from twuin.web.render import HERE

TEMPLATES = sorted((HERE / "templates").glob("*.html"))
NAMES = {
    "Twuin",
    "MapLibre GL JS 6.17.0, © MapLibre contributors, BSD-3-Clause:",
    "uPlot 1.6.32, © Leon Sorokin, MIT:",
    "Roboto Condensed, © Google Inc., Apache-2.0 (PDF)",
}
READ_ALOUD = re.compile(r'\b(?:alt|aria-label|title|placeholder|label)="([^"]*)"')


def written(path: Path) -> str:
    """A template's text without its blocks, expressions and comments, which become spaces."""
    parts = []
    for _, kind, text in Environment(extensions=["jinja2.ext.i18n"]).lex(path.read_text("utf-8")):
        parts.append(text if kind == "data" else " ")
    return "".join(parts)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.name)
def test_every_word_of_a_template_is_marked_for_translation(path: Path) -> None:
    text = written(path)
    spoken = [m.group(1) for m in READ_ALOUD.finditer(text)]
    text = re.sub(r"<!--.*?-->|<[^>]*>", "\n", text, flags=re.S)
    words = [line.strip() for line in [*text.splitlines(), *spoken]]
    words = [re.sub(r"&\w+;", "", w).strip(" ·") for w in words]
    loose = [w for w in words if re.search(r"[^\W\d_]{2}", w) and w not in NAMES]
    assert loose == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.name)
def test_templates_need_no_inline_script_or_style(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    for tag in re.findall(r"<script[^>]*>", text):
        assert "src=" in tag or 'type="application/json"' in tag


def test_nothing_of_the_pages_points_to_another_host() -> None:
    own = [*TEMPLATES, *(HERE / "static" / "js").glob("*"), *(HERE / "static" / "css").glob("*")]
    for path in own:
        found = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", path.read_text("utf-8")))
        assert found <= {"http://www.w3.org/2000/svg"}, path.name
