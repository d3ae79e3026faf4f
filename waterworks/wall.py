"""The displays on a control room's wall: screens, the pages that rotate on each, and the panels of a page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

DISTANCE_M = 5.0
"""From here a display is read where ``wall.toml`` does not say [m]."""

INCHES = 55.0
"""The usual display of a control room: diagonal of its picture [inch]."""

PAGE_S = 30.0
"""So long a page stays where ``wall.toml`` does not say [s]: time to read some ten lines."""

TREND_H = 24.0
"""Hours of a trend where ``wall.toml`` does not say."""


class PanelKind(StrEnum):
    """What a panel shows."""

    MAP = "map"
    DMAS = "dmas"
    TREND = "trend"
    ALERTS = "alerts"
    SENSORS = "sensors"
    FIGURES = "figures"
    CLOCK = "clock"


@dataclass(frozen=True)
class Area:
    """Cells of a page's grid that a panel covers: first row and column (from 1), and how many of each."""

    row: int
    column: int
    rows: int = 1
    columns: int = 1

    @property
    def cells(self) -> int:
        return self.rows * self.columns


@dataclass(frozen=True)
class Panel:
    """One panel of a page.

    title: "" for the usual one. dma, sensor: what a trend or map is of, "" where it follows. dmas: which DMAs
    a list is of; () for all. hours: length of a trend [h]. follow: a map goes where the newest alert is.
    """

    name: str
    kind: PanelKind
    title: str = ""
    dma: str = ""
    dmas: tuple[str, ...] = ()
    sensor: str = ""
    hours: float = TREND_H
    follow: bool = False


@dataclass(frozen=True)
class Layout:
    """Where the panels of a page are, by name, on a grid of ``rows`` by ``columns`` cells."""

    rows: int
    columns: int
    areas: dict[str, Area]


@dataclass(frozen=True)
class WallPage:
    """One page of a screen. seconds: how long it stays before the next. upright: its layout on a display that
    stands on its narrow side."""

    panels: tuple[Panel, ...]
    layout: Layout
    upright: Layout
    seconds: float = PAGE_S
    title: str = ""


@dataclass(frozen=True)
class Screen:
    """One display. inches: its diagonal. distance_m: from where it is read: both set the size of its type."""

    pages: tuple[WallPage, ...]
    title: str = ""
    inches: float = INCHES
    distance_m: float = DISTANCE_M


@dataclass(frozen=True)
class Wall:
    """All displays, in the order of their numbers, which count from 1."""

    screens: tuple[Screen, ...]


def arranged(grid: list[list[str]]) -> Layout | None:
    """The layout of rows of words, each a panel's name (``.``: nothing); None where it is no layout: rows of
    different lengths, or a panel that is no rectangle."""
    if not grid or not grid[0] or any(len(row) != len(grid[0]) for row in grid):
        return None
    places: dict[str, list[tuple[int, int]]] = {}
    for r, row in enumerate(grid, 1):
        for c, name in enumerate(row, 1):
            if name != ".":
                places.setdefault(name, []).append((r, c))
    areas = {}
    for name, cells in places.items():
        rows, columns = {r for r, _ in cells}, {c for _, c in cells}
        area = Area(min(rows), min(columns), max(rows) - min(rows) + 1, max(columns) - min(columns) + 1)
        if area.cells != len(cells):
            return None
        areas[name] = area
    return Layout(len(grid), len(grid[0]), areas)


def stacked(layout: Layout) -> Layout:
    """The same panels one below the other, each as high as it had cells: for a display that stands on end."""
    order = sorted(layout.areas.items(), key=lambda item: (item[1].row, item[1].column))
    areas, row = {}, 1
    for name, area in order:
        areas[name] = Area(row, 1, area.cells, 1)
        row += area.cells
    return Layout(max(row - 1, 1), 1, areas)


def page_of(rows: list[str], *, upright: list[str] | None = None, seconds: float = PAGE_S) -> WallPage:
    """A page of panels that are named as their kinds. rows: as ``grid`` in ``wall.toml``, without mistake."""
    layout = arranged([row.split() for row in rows])
    assert layout is not None, rows
    standing = stacked(layout) if upright is None else arranged([row.split() for row in upright])
    assert standing is not None, upright
    panels = tuple(Panel(name, PanelKind(name)) for name in layout.areas)
    return WallPage(panels, layout, standing, seconds)


def usual_wall(*, has_map: bool) -> Wall:
    """The wall of a site that has no ``wall.toml``: one display for everything, and one for sensors."""
    big = "map" if has_map else "dmas"
    first = page_of(
        [f"{big} {big} alerts", f"{big} {big} alerts", "figures figures figures"],
        upright=["figures", "figures", big, big, big, *["alerts"] * 3],
    )
    areas = page_of(["dmas dmas dmas", "dmas dmas dmas", "dmas dmas dmas"])
    trend = page_of(
        ["trend trend trend", "trend trend trend", "figures figures figures"],
        upright=["trend", "trend", "trend", "figures", "figures"],
    )
    pages = (first, areas, trend) if has_map else (first, trend)
    sensors = page_of(
        ["clock sensors sensors", "alerts sensors sensors", "alerts sensors sensors"],
        upright=["clock", "clock", *["sensors"] * 5, *["alerts"] * 4],
    )
    return Wall((Screen(pages), Screen((sensors,))))


def part_of_wall(wall: Wall, dmas: Collection[str], sensors: Collection[str], *, has_map: bool) -> Wall:
    """``wall`` for who sees only these DMAs and sensors: without pages that name others. A screen of which no
    page is left shows the usual one."""

    def seen(panel: Panel) -> bool:
        named = {panel.dma, *panel.dmas} - {""}
        return named <= set(dmas) and (not panel.sensor or panel.sensor in sensors)

    usual = usual_wall(has_map=has_map).screens[0].pages
    screens = []
    for screen in wall.screens:
        pages = tuple(page for page in screen.pages if all(seen(panel) for panel in page.panels))
        screens.append(replace(screen, pages=pages) if pages else replace(screen, pages=usual, title=""))
    return Wall(tuple(screens))
