"""``valves.csv``: what it says, and how each mistake in it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from waterworks.site import StopValve, ValveState
from waterworks.site_folder import check_site, read_site
from waterworks.site_valves import VALVES_OPTIONAL, VALVES_REQUIRED

# ``folder`` is the fixture of conftest.py: a right site to be spoilt. Its pipe "in" runs from b to a.

HEAD = "id,pipe,node,state,name\nV-1,in,a,,\n"


def test_a_line_is_a_valve_in_a_pipe_near_an_end(folder: Any) -> None:
    folder.write("valves.csv", HEAD + "V-2;in;b\n".replace(";", ",") + "V-3,street,c,Stuck,Jl. Melati\n")
    assert check_site(folder.path) == []
    assert read_site(folder.path).valves == (
        StopValve("V-1", "in", "a"),
        StopValve("V-2", "in", "b"),
        StopValve("V-3", "street", "c", ValveState.STUCK, "Jl. Melati"),
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (",in,b,,", "id is empty"),
        ("V-2,,b,,", "pipe is empty"),
        ("V-2,in,,,", "node is empty"),
        ("V-2,inn,b,,", "pipe 'inn' is not in the network: did you mean 'in'?"),
        ("V-2,in,t,,", "node 't' is no end of pipe 'in': that runs from 'b' to 'a'"),
        ("V-1,in,b,,", "valve 'V-1' is there already, on line 2"),
        ("V-2,in,a,,", "at node 'a' of pipe 'in' there is a valve already, on line 2"),
        ("V-2,in,b,half,", "unknown state 'half'"),
    ],
)
def test_a_mistake_is_named_by_line(folder: Any, line: str, message: str) -> None:
    folder.write("valves.csv", HEAD + line + "\n")
    found = [(p.file, p.line, p.message) for p in check_site(folder.path)]
    assert [(f, n) for f, n, m in found if message in m] == [("valves.csv", 3)], found


def test_valves_without_a_network_are_a_mistake(folder: Any) -> None:
    folder.write("valves.csv", HEAD)
    (folder.path / "network.inp").unlink()
    folder.change("site.toml", 'network = "network.inp"\n', "")
    assert ("valves.csv", "names pipes, and there is no network that has them") in [
        (p.file, p.message) for p in check_site(folder.path)
    ]


def test_every_column_is_described(root: Path) -> None:
    text = (root / "docs" / "site-folder.md").read_text(encoding="utf-8").split("## valves.csv")[1]
    described = text.split("\n## ")[0]
    for column in (*VALVES_REQUIRED, *VALVES_OPTIONAL):
        assert f"| `{column}` |" in described
