"""Mistakes in ``wall.toml`` are said in the language of the display that shows them."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from twuin.web.formats import Formats
from twuin.web.locales import LANGUAGES, language
from twuin.web.wall_words import WallWords
from waterworks.errors import Problem
from waterworks.site_wall import read_wall
from waterworks.tables import Problems

PAGE = "[[screen]]\n[[screen.page]]\n"

EXAMPLES: dict[str, str | bytes] = {
    "utf16": PAGE.encode("utf-16"),
    "not_utf8": b"\xe9\n",
    "not_toml": "[[screen\n",
    "no_screen": "",
    "no_page": "[[screen]]\n",
    "panel_no_table": PAGE + 'grid = ["map"]\npanel = 3\n',
    "other_panels": PAGE + 'grid = ["map clock"]\nupright = ["map"]\n',
    "not_in_grid": PAGE + 'grid = ["map"]\n[screen.page.panel.mapp]\n',
    "no_rows": PAGE + "grid = 3\n",
    "too_fine": PAGE + f'grid = ["{"x " * 13}"]\n',
    "uneven": PAGE + 'grid = ["map map", "map"]\n',
    "empty_grid": PAGE + 'grid = ["."]\n',
    "no_rectangle": PAGE + 'grid = ["map clock", "clock map"]\n',
    "unknown_kind": PAGE + 'grid = ["a"]\n[screen.page.panel.a]\nkind = "tren"\n',
    "no_kind": PAGE + 'grid = ["a"]\n[screen.page.panel.a]\n',
    "no_such_panel": PAGE + 'grid = ["clok"]\n',
    "trend_of_both": PAGE + 'grid = ["trend"]\n[screen.page.panel.trend]\ndma = "D1"\nsensor = "P1"\n',
    "unknown_follow": PAGE + 'grid = ["map"]\n[screen.page.panel.map]\nfollow = "leak"\n',
    "map_of_both": PAGE + 'grid = ["map"]\n[screen.page.panel.map]\nfollow = "alert"\ndma = "D1"\n',
    "unknown_key": PAGE + 'grid = ["map"]\nsecond = 3\n',
    "no_text": PAGE + 'grid = ["map"]\ntitle = 3\n',
    "no_number": PAGE + 'grid = ["map"]\nseconds = 1\n',
    "no_list": PAGE + 'grid = ["dmas"]\npanel.dmas.dmas = "D1"\n',
    "not_there": PAGE + 'grid = ["dmas"]\npanel.dmas.dmas = ["D9"]\n',
}


def words(code: str) -> WallWords:
    messages = language(code).messages
    return WallWords(
        Formats(code, messages.gettext, messages.ngettext, ZoneInfo("Asia/Jakarta"), "IDR", 2026)
    )


def mistakes(folder: Path, said: str | bytes) -> dict[str, Problem]:
    path, about = folder / "wall.toml", Problems("wall.toml")
    path.write_bytes(said if isinstance(said, bytes) else said.encode())
    read_wall(path, about, {"D1"}, {"P1"})
    return {p.code: p for p in about.found}


@pytest.mark.parametrize("code", EXAMPLES)
def test_each_mistake_is_said_in_both_languages(tmp_path: Path, code: str) -> None:
    found = mistakes(tmp_path, EXAMPLES[code])
    assert code in found
    for problem in found.values():
        indonesian, english = (words(each).problem(problem) for each in ("id", "en"))
        assert indonesian != english and "%(" not in indonesian + english
        start = "wall.toml" if problem.line is None else f"wall.toml:{problem.line}: "
        assert indonesian.startswith(start) and english.startswith(start)


def test_every_sentence_has_an_example() -> None:
    """But that of a disk that fails."""
    assert set(words("en").known()) - set(EXAMPLES) == {"unreadable"}


def test_what_may_have_been_meant_and_limits_are_said(tmp_path: Path) -> None:
    near = mistakes(tmp_path, EXAMPLES["no_such_panel"])["no_such_panel"]
    assert words("id").problem(near).endswith("Maksudnya clock?")
    said = mistakes(tmp_path, PAGE.replace("\n[", "\ndistance_m = 0\n[", 1))["no_number"]
    assert "0,3" in words("id").problem(said) and "0.3" in words("en").problem(said)


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_has_no_sentence_is_said_as_the_command_line_does(code: str) -> None:
    assert words(code).problem(Problem("wall.toml", 3, "is odd")) == "wall.toml:3: is odd"
