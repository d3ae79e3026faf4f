"""``fittings.csv``: what it says, and how each mistake in it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from waterworks.site import Fitting, FittingKind
from waterworks.site_fittings import FITTINGS_OPTIONAL, FITTINGS_REQUIRED
from waterworks.site_folder import check_site, read_site

# ``folder`` is the fixture of conftest.py: a right site to be spoilt. Its pipe "in" runs from b to a.

HEAD = "id,kind,pipe,node,name\nH-1,hydrant,in,a,\n"


def test_a_line_is_a_fitting_on_a_pipe_near_an_end(folder: Any) -> None:
    folder.write("fittings.csv", HEAD + "A-2,Air_Valve,street,c,Jl. Melati\n")
    assert check_site(folder.path) == []
    assert read_site(folder.path).fittings == (
        Fitting("H-1", FittingKind.HYDRANT, "in", "a"),
        Fitting("A-2", FittingKind.AIR_VALVE, "street", "c", "Jl. Melati"),
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (",tap,in,b,", "id is empty"),
        ("H-2,,in,b,", "kind is empty"),
        ("H-2,pump,in,b,", "unknown kind 'pump': write air_valve, hydrant, other, tap, washout"),
        ("H-2,tap,inn,b,", "pipe 'inn' is not in the network: did you mean 'in'?"),
        ("H-2,tap,in,t,", "node 't' is no end of pipe 'in': that runs from 'b' to 'a'"),
        ("H-1,tap,in,b,", "fitting 'H-1' is there already, on line 2"),
    ],
)
def test_a_mistake_is_named_by_line(folder: Any, line: str, message: str) -> None:
    folder.write("fittings.csv", HEAD + line + "\n")
    found = [(p.file, p.line, p.message) for p in check_site(folder.path)]
    assert [(f, n) for f, n, m in found if message in m] == [("fittings.csv", 3)], found


def test_fittings_without_a_network_are_a_mistake(folder: Any) -> None:
    folder.write("fittings.csv", HEAD)
    (folder.path / "network.inp").unlink()
    folder.change("site.toml", 'network = "network.inp"\n', "")
    assert ("fittings.csv", "names pipes, and there is no network that has them") in [
        (p.file, p.message) for p in check_site(folder.path)
    ]


def test_every_column_and_kind_is_described(root: Path) -> None:
    text = (root / "docs" / "site-folder.md").read_text(encoding="utf-8").split("## fittings.csv")[1]
    described = text.split("\n## ")[0]
    for column in (*FITTINGS_REQUIRED, *FITTINGS_OPTIONAL):
        assert f"| `{column}` |" in described
    assert all(f"`{kind}`" in described for kind in FittingKind)
