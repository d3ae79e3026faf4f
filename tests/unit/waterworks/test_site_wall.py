"""``wall.toml``: what it says, and how each mistake in it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from waterworks.site_folder import check_site, read_site
from waterworks.site_wall import PAGE_KEYS, PANEL_KEYS, SCREEN_KEYS, read_wall
from waterworks.tables import Problems
from waterworks.wall import Area, PanelKind, Wall, arranged, stacked, usual_wall

# ``folder`` is the fixture of conftest.py: a right site of the DMAs D1 and D2.

GOOD = """\
# the control room
[[screen]]
title = "Jaringan"
inches = 65

[[screen.page]]
seconds = 20
grid = [
  "map map alerts",
  "map map north",
]
upright = ["map", "alerts", "north"]

[screen.page.panel.map]
follow = "alert"

[screen.page.panel.north]
kind = "trend"
dma = "D1"
hours = 48

[[screen.page]]
grid = ["dmas dmas", "figures clock"]
panel.dmas.dmas = ["D2"]

[[screen]]

[[screen.page]]
grid = ["sensors pressure"]
[screen.page.panel.pressure]
kind = "trend"
sensor = "P1"
"""


def read(text: str, folder: Any) -> tuple[Wall | None, list[tuple[int | None, str]]]:
    folder.write("wall.toml", text)
    about = Problems("wall.toml")
    site = read_site(folder.path)
    wall = read_wall(folder.path / "wall.toml", about, site.dma, site.sensor)
    return wall, [(p.line, p.message) for p in about.found]


def test_screens_pages_and_panels_are_read(folder: Any) -> None:
    wall, problems = read(GOOD, folder)
    assert problems == [] and wall is not None
    assert check_site(folder.path) == []
    first, second = wall.screens
    assert (first.title, first.inches, first.distance_m) == ("Jaringan", 65, 5)
    page, other = first.pages
    assert (page.seconds, other.seconds) == (20, 30)
    assert page.layout.areas == {"map": Area(1, 1, 2, 2), "alerts": Area(1, 3), "north": Area(2, 3)}
    assert page.upright.areas == {"map": Area(1, 1), "alerts": Area(2, 1), "north": Area(3, 1)}
    map_, alerts, north = page.panels
    assert (map_.kind, map_.follow, alerts.kind) == (PanelKind.MAP, True, PanelKind.ALERTS)
    assert (north.kind, north.dma, north.hours) == (PanelKind.TREND, "D1", 48)
    assert other.panels[0].dmas == ("D2",)
    assert second.pages[0].panels[1].sensor == "P1"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("# the control room", "screens = 1", 1, "unknown key 'screens': did you mean 'screen'?"),
        ("inches = 65", "inch = 65", 4, "unknown key 'inch': did you mean 'inches'?"),
        ("inches = 65", "inches = 6", 4, "inches 6 is no number from 7 to 300 inch"),
        ("inches = 65", 'distance_m = "5"', 4, "distance_m '5' is no number from 0.3 to 50 m"),
        ("inches = 65", "inches = nan", 4, "inches nan is no number"),
        ('title = "Jaringan"', "title = 3", 3, 'title is no text: write title = "3"'),
        ("seconds = 20", "seconds = 1", 7, "seconds 1 is no number from 5 to 3600 s"),
        ("seconds = 20", "seconds = true", 7, "seconds True is no number"),
        ('"map map north"', '"map map"', 10, "grid: row 'map map' has 2 cells, the first has 3"),
        ('"map map north"', '"north north map"', 9, "grid: the cells of 'map' are no rectangle"),
        ('"map map alerts"', '"map map allerts"', 9, "'allerts' is no kind of panel"),
        ('"map map alerts"', '"map map allerts"', 9, "did you mean 'alerts'?"),
        ('grid = ["dmas dmas", "figures clock"]', "grid = []", 23, "grid is no list of rows"),
        ('grid = ["dmas dmas", "figures clock"]', 'grid = [". ."]', 23, "grid is empty"),
        ('grid = ["dmas dmas", "figures clock"]', "", 22, "grid is no list of rows"),
        ('"map", "alerts", "north"]', '"map", "alerts"]', 12, "do not have the same panels: north"),
        ('"map", "alerts", "north"]', '"map", "alerts", "nort"]', 12, "the same panels: nort, north"),
        ('kind = "trend"\ndma', 'kind = "tren"\ndma', 18, "unknown kind 'tren': did you mean 'trend'?"),
        ('kind = "trend"\ndma', "dma", 17, "panel 'north' has no kind: use map, dmas"),
        ('dma = "D1"', 'dma = "D3"', 19, "dma 'D3' is not in dmas.csv: there are D1, D2"),
        ('dma = "D1"', "dma = 1", 19, "dma is no text"),
        ("hours = 48", "hours = 0", 20, "hours 0 is no number from 1 to 744 h"),
        ("hours = 48", 'follow = "alert"', 20, "unknown key 'follow' of a panel of kind trend"),
        ('follow = "alert"', 'follow = "leak"', 15, "unknown follow 'leak': write follow = \"alert\""),
        ('follow = "alert"', 'follow = "alert"\ndma = "D1"', 15, "a map shows a DMA or follows alerts"),
        ('sensor = "P1"', 'sensor = "P2"', 32, "sensor 'P2' is not in sensors.csv: there are F1, F2"),
        ('sensor = "P1"', 'sensor = "P1"\ndma = "D1"', 32, "a trend is of a DMA or of a sensor"),
        ('dmas = ["D2"]', 'dmas = ["D9"]', 24, "dma 'D9' is not in dmas.csv"),
        ('dmas = ["D2"]', 'dmas = "D2"', 24, 'dmas is no list of DMAs: write dmas = ["D1", "D2"]'),
        ("[screen.page.panel.map]", "[screen.page.panel.mapp]", 14, "is not in grid: did you mean 'map'?"),
        ("[screen.page.panel.map]\n", "[screen.page]\npanel = 3\n[x]\n", 14, "is not TOML"),
        ("inches = 65", "inches = ", 4, "is not TOML"),
        ('grid = ["sensors pressure"]', f'grid = ["{"x " * 13}"]', 29, "more than 12 rows or columns"),
    ],
)
def test_a_mistake_is_named_by_line(folder: Any, old: str, new: str, line: int, message: str) -> None:
    assert GOOD.count(old) == 1
    wall, found = read(GOOD.replace(old, new), folder)
    assert wall is None
    assert [n for n, m in found if message in m] == [line], found


def test_all_mistakes_are_named_at_once(folder: Any) -> None:
    spoilt = GOOD.replace("seconds = 20", "seconds = 1").replace('"P1"', '"P2"').replace('"D1"', '"D3"')
    assert [line for line, _ in read(spoilt, folder)[1]] == [19, 7, 32]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no screen: begin one with [[screen]]"),
        ("screen = 3", "has no screen"),
        ("[[screen]]\n", "screen 1 has no page: begin one with [[screen.page]]"),
        ("[[screen]]\n[[screen.page]]\ngrid = ['map']\npanel = 3\n", "panel is no table"),
    ],
)
def test_what_is_missing_is_said(folder: Any, text: str, message: str) -> None:
    wall, found = read(text, folder)
    assert wall is None and any(message in m for _, m in found), found


def test_a_mistake_on_the_wall_keeps_nobody_from_watching_the_network(folder: Any) -> None:
    folder.write("wall.toml", "[[screen]]\n")
    assert read_site(folder.path).id == "kota"
    assert [str(p) for p in check_site(folder.path)] == [
        "wall.toml:1: screen 1 has no page: begin one with [[screen.page]]"
    ]


def test_names_are_not_judged_while_the_site_itself_is_wrong(folder: Any) -> None:
    folder.write("wall.toml", GOOD)
    folder.change("site.toml", 'id = "kota"\n', "")
    assert {p.file for p in check_site(folder.path)} == {"site.toml"}


def test_a_display_on_end_stacks_its_panels_each_as_high_as_it_had_cells() -> None:
    layout = arranged([["a", "a", "b"], ["a", "a", "."]])
    assert layout is not None
    assert stacked(layout).areas == {"a": Area(1, 1, 4, 1), "b": Area(5, 1, 1, 1)}
    assert stacked(layout).rows == 5


@pytest.mark.parametrize("has_map", [True, False])
def test_the_usual_wall_has_every_kind_of_panel(has_map: bool) -> None:
    wall = usual_wall(has_map=has_map)
    pages = [page for screen in wall.screens for page in screen.pages]
    kinds = {panel.kind for page in pages for panel in page.panels}
    assert kinds == set(PanelKind) - (set() if has_map else {PanelKind.MAP})
    for page in pages:
        assert page.layout.areas.keys() == page.upright.areas.keys() == {p.name for p in page.panels}


def test_every_key_is_described(root: Path) -> None:
    text = (root / "docs" / "wall.md").read_text(encoding="utf-8")
    for key in {*SCREEN_KEYS, *PAGE_KEYS, *(k for keys in PANEL_KEYS.values() for k in keys)}:
        assert f"`{key}`" in text, key
    for kind in PanelKind:
        assert f"| `{kind}` |" in text


def test_the_example_of_the_docs_is_right(root: Path, folder: Any) -> None:
    text = (root / "docs" / "wall.md").read_text(encoding="utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    wall, found = read(example, folder)
    assert found == [] and wall is not None
