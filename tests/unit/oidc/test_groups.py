"""sign_in.toml: which groups get what, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from twuin.accounts.rights import Role
from twuin.oidc.groups import Rule, read_groups
from waterworks.errors import DataFileError

GOOD = """\
[[group]]
name = "twuin admins"
role = "admin"

[[group]]
name = "regu-1"
role = "crew"
dmas = ["D1", "D2"]
"""


def test_groups_are_read_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "sign_in.toml").write_text(GOOD)
    assert read_groups(tmp_path / "sign_in.toml", {"D1", "D2"}) == (
        Rule("twuin admins", Role.ADMIN),
        Rule("regu-1", Role.CREW, frozenset({"D1", "D2"})),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no group is named"),
        ("group = 5", "no group is named"),
        ("[[groups]]\nname = 'x'", "'groups' is not known"),
        ("[[group]]\nrole = 'crew'", "number 1: name is missing"),
        ("[[group]]\nname = 'x'", "role None is none"),
        ("[[group]]\nname = 'x'\nrole = 'boss'", "role 'boss' is none: use viewer"),
        ("[[group]]\nname = 'x'\nrole = 'crew'\ndmas = ['D9']", "no DMA 'D9' at this site: there are D1, D2"),
        ("[[group]]\nname = 'x'\nrole = 'crew'\ndmas = []", "leave it out for the whole site"),
        ("[[group]]\nname = 'x'\nrole = 'crew'\ndmas = [1]", "no DMA 1"),
        ("[[group]]\nname = 'x'\nrole = 'admin'\ndmas = ['D1']", "leave dmas out"),
        ("[[group]]\nname = 'x'\nrole = 'crew'\nsite = 1", "'site' is not known"),
        ("[[group]]\nname = 'x'\nrole = 'crew'\n" * 2, "number 2: group 'x' is there twice"),
        ("[[group", "is not valid TOML"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "sign_in.toml").write_text(text)
    with pytest.raises(DataFileError) as told:
        read_groups(tmp_path / "sign_in.toml", {"D1", "D2"})
    assert said in str(told.value) and str(told.value).startswith("sign_in.toml: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="cannot be read"):
        read_groups(tmp_path / "sign_in.toml", ())
