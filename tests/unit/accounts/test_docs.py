"""docs/accounts.md and the program agree on who may do what."""

from __future__ import annotations

import re
from pathlib import Path

from twuin.accounts.passwords import AT_ONCE, MIN_LENGTH, WAITING
from twuin.accounts.rights import MEANING, RIGHTS, WHOLE_SITE, Right, Role
from twuin.accounts.tries import CODES, DEVICE, PAIR, SOURCE, STRANGERS


def table(text: str, first: str) -> list[list[str]]:
    """The cells of the table that begins with ``first``, row by row."""
    lines = text[text.index(f"| {first}") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_of_roles_and_rights_is_the_programs_own(root: Path) -> None:
    head, _, *rows = table((root / "docs" / "accounts.md").read_text("utf-8"), "right |")
    assert [Role(r) for r in head[2:]] == list(Role)
    assert [row[0] for row in rows] == [f"`{r}`{' (whole site)' if r in WHOLE_SITE else ''}" for r in Right]
    for right, row in zip(Right, rows, strict=True):
        assert row[1] == MEANING[right]
        assert {role for role, cell in zip(Role, row[2:], strict=True) if cell == "yes"} == {
            role for role in Role if right in RIGHTS[role]
        }


def test_the_limits_on_tries_are_the_programs_own(root: Path) -> None:
    text = (root / "docs" / "accounts.md").read_text("utf-8")
    _, _, *rows = table(text, "tries come from")
    told = [(float(row[1]), float(row[2].removesuffix(" s"))) for row in rows]
    assert told == [(a.most, a.every_s) for a in (DEVICE, PAIR, SOURCE, STRANGERS, CODES)]
    assert f"At least {MIN_LENGTH} characters" in text
    assert (AT_ONCE, WAITING) == (2, 16)
    assert re.search(r"100 tries an hour", text) and 3600 / STRANGERS.every_s == 100
