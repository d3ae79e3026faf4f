"""``wall.toml``: what the displays on a control room's wall show. docs/wall.md describes every key."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from waterworks.tables import Problems, nearest, suggestion
from waterworks.toml_file import TomlLines, read_toml
from waterworks.wall import (
    DISTANCE_M,
    INCHES,
    PAGE_S,
    TREND_H,
    Layout,
    Panel,
    PanelKind,
    Screen,
    Wall,
    WallPage,
    arranged,
    stacked,
)
from waterworks.wording import counted

WALL_FILE = "wall.toml"
SCREEN_KEYS = ("title", "inches", "distance_m", "page")
PAGE_KEYS = ("title", "seconds", "grid", "upright", "panel")
PANEL_KEYS: dict[PanelKind, tuple[str, ...]] = {
    PanelKind.MAP: ("kind", "title", "dma", "follow"),
    PanelKind.DMAS: ("kind", "title", "dmas"),
    PanelKind.TREND: ("kind", "title", "dma", "sensor", "hours"),
    PanelKind.ALERTS: ("kind", "title", "dmas"),
    PanelKind.SENSORS: ("kind", "title", "dmas"),
    PanelKind.FIGURES: ("kind", "title"),
    PanelKind.CLOCK: ("kind", "title"),
}
FOLLOWS = ("alert",)
MOST_CELLS = 12
"""Rows or columns of a grid: a finer one holds nothing that can be read from five metres."""

FEW = 8
"""So many names fit into a message."""

SECONDS = (5.0, 3600.0)
HOURS = (1.0, 24.0 * 31)
INCH_RANGE = (7.0, 300.0)
METRES = (0.3, 50.0)

Path_ = tuple[str | int, ...]


def read_wall(
    path: Path,
    problems: Problems,
    dmas: Collection[str] | None,
    sensors: Collection[str] | None,
) -> Wall | None:
    """The wall of ``path``, its mistakes added to ``problems``; None where there are any.

    dmas, sensors: their ids; None: not known, so that names are not checked.
    """
    found = read_toml(path, problems)
    if found is None:
        return None
    before = len(problems.found)
    said, lines = found
    wall = _Reader(lines, problems, dmas, sensors).wall(said)
    return wall if len(problems.found) == before else None


class _Reader:
    def __init__(
        self,
        lines: TomlLines,
        problems: Problems,
        dmas: Collection[str] | None,
        sensors: Collection[str] | None,
    ) -> None:
        self.lines = lines
        self.problems = problems
        self.known = {"dma": dmas, "sensor": sensors}

    def wall(self, said: dict[str, Any]) -> Wall | None:
        self._unknown(said, ("screen",))
        screens = said.get("screen")
        if not _tables(screens):
            self.problems.error(
                self.lines.of("screen"), "has no screen: begin one with [[screen]]", "no_screen"
            )
            return None
        return Wall(tuple(self._screen(s, ("screen", i)) for i, s in enumerate(screens)))

    def _screen(self, said: dict[str, Any], at: Path_) -> Screen:
        self._unknown(said, SCREEN_KEYS, *at)
        pages = said.get("page")
        if not _tables(pages):
            number = int(at[1]) + 1
            self.problems.error(
                self.lines.of(*at),
                f"screen {number} has no page: begin one with [[screen.page]]",
                "no_page",
                number=number,
            )
            pages = []
        return Screen(
            tuple(self._page(p, (*at, "page", i)) for i, p in enumerate(pages)),
            self._text(said, "title", *at),
            self._number(said, "inches", INCHES, INCH_RANGE, "inch", *at),
            self._number(said, "distance_m", DISTANCE_M, METRES, "m", *at),
        )

    def _page(self, said: dict[str, Any], at: Path_) -> WallPage:
        self._unknown(said, PAGE_KEYS, *at)
        layout = self._grid(said, "grid", at)
        own = said.get("panel", {})
        if not (isinstance(own, dict) and all(isinstance(v, dict) for v in own.values())):
            self.problems.error(
                self.lines.of(*at, "panel"),
                "panel is no table: write [screen.page.panel.NAME], then its keys",
                "panel_no_table",
            )
            own = {}
        upright = None
        if "upright" in said:
            upright = self._grid(said, "upright", at)
            if upright and layout and upright.areas.keys() != layout.areas.keys():
                odd = ", ".join(sorted(upright.areas.keys() ^ layout.areas.keys()))
                self.problems.error(
                    self.lines.of(*at, "upright"),
                    f"grid and upright do not have the same panels: {odd}",
                    "other_panels",
                    odd=odd,
                )
        names = list(layout.areas) if layout else []
        for name in own:
            if layout and name not in names:
                self.problems.error(
                    self.lines.of(*at, "panel", name),
                    f"panel {name!r} is not in grid{suggestion(name, names)}",
                    "not_in_grid",
                    name=name,
                    near=nearest(name, names),
                )
        found = (self._panel(name, own.get(name), at) for name in names)
        panels = tuple(p for p in found if p is not None)
        layout = layout or Layout(1, 1, {})
        return WallPage(
            panels,
            layout,
            upright or stacked(layout),
            self._number(said, "seconds", PAGE_S, SECONDS, "s", *at),
            self._text(said, "title", *at),
        )

    def _grid(self, said: dict[str, Any], key: str, at: Path_) -> Layout | None:
        rows = said.get(key)
        line = self.lines.of(*at, key)
        if not (isinstance(rows, list) and rows and all(isinstance(r, str) and r.split() for r in rows)):
            self.problems.error(
                line,
                f'{key} is no list of rows: write {key} = ["map map alerts", "map map figures"]',
                "no_rows",
                key=key,
            )
            return None
        words = [r.split() for r in rows]
        if max(len(words), *map(len, words)) > MOST_CELLS:
            self.problems.error(
                line,
                f"{key} has more than {MOST_CELLS} rows or columns",
                "too_fine",
                key=key,
                most=MOST_CELLS,
            )
            return None
        for row, cells in zip(rows, words, strict=True):
            if len(cells) != len(words[0]):
                self.problems.error(
                    self.lines.row(row, *at, key),
                    f"{key}: row {row!r} has {counted(len(cells), 'cell')}, the first has {len(words[0])}",
                    "uneven",
                    key=key,
                    row=row,
                    cells=len(cells),
                    first=len(words[0]),
                )
                return None
        layout = arranged(words)
        if layout is not None:
            if not layout.areas:
                self.problems.error(line, f"{key} is empty: name a panel in it", "empty_grid", key=key)
            return layout
        for name in dict.fromkeys(w for row in words for w in row if w != "."):
            if arranged([[w if w == name else "." for w in row] for row in words]) is None:
                row = next(r for r, cells in zip(rows, words, strict=True) if name in cells)
                self.problems.error(
                    self.lines.row(row, *at, key),
                    f"{key}: the cells of {name!r} are no rectangle: what comes twice needs two names",
                    "no_rectangle",
                    key=key,
                    name=name,
                )
        return None

    def _panel(self, name: str, own: dict[str, Any] | None, at: Path_) -> Panel | None:
        here = (*at, "panel", name)
        said = own or {}
        kinds = [k.value for k in PanelKind]
        kind = said.get("kind", name)
        if kind not in kinds:
            if "kind" in said:
                where, what, code = self.lines.of(*here, "kind"), f"unknown kind {kind!r}", "unknown_kind"
            elif own is not None:
                where, what, code = self.lines.of(*here), f"panel {name!r} has no kind", "no_kind"
            else:
                where = self.lines.row(self._row_with(name, at), *at, "grid")
                what = f"{name!r} is no kind of panel, and there is no [screen.page.panel.{name}] with one"
                code = "no_such_panel"
            hint = suggestion(str(kind), kinds) or f": use {', '.join(kinds)}"
            near, names = nearest(str(kind), kinds), ", ".join(kinds)
            self.problems.error(where, what + hint, code, name=name, kind=kind, near=near, names=names)
            return None
        keys = PANEL_KEYS[PanelKind(kind)]
        self._unknown(said, keys, *here, of=f" of a panel of kind {kind}")
        sensor, dma = self._name(said, "sensor", *here), self._name(said, "dma", *here)
        if kind == PanelKind.TREND and sensor and dma:
            self.problems.error(
                self.lines.of(*here, "sensor"),
                "a trend is of a DMA or of a sensor: take out one",
                "trend_of_both",
            )
        follow = self._text(said, "follow", *here)
        if follow and follow not in FOLLOWS:
            self.problems.error(
                self.lines.of(*here, "follow"),
                f'unknown follow {follow!r}: write follow = "alert", or take it out',
                "unknown_follow",
                said=follow,
            )
        if follow and dma:
            self.problems.error(
                self.lines.of(*here, "follow"),
                "a map shows a DMA or follows alerts: take out one",
                "map_of_both",
            )
        return Panel(
            name,
            PanelKind(kind),
            title=self._text(said, "title", *here),
            dma=dma,
            dmas=self._names(said, *here),
            sensor=sensor,
            hours=self._number(said, "hours", TREND_H, HOURS, "h", *here),
            follow=bool(follow),
        )

    def _row_with(self, name: str, at: Path_) -> str:
        """The text of the first row of the grid that has ``name``."""
        start = self.lines.of(*at, "grid") or 1
        for line in self.lines.text[start - 1 :]:
            for match in re.finditer(r"[\"']([^\"']*)[\"']", line):
                if name in match[1].split():
                    return match[1]
        return ""

    def _unknown(self, said: dict[str, Any], keys: Sequence[str], *at: str | int, of: str = "") -> None:
        for key in said:
            if key not in keys:
                hint = suggestion(key, keys) or f": there are {', '.join(keys)}"
                self.problems.error(
                    self.lines.of(*at, key),
                    f"unknown key {key!r}{of}{hint}",
                    "unknown_key",
                    key=key,
                    near=nearest(key, keys),
                    names=", ".join(keys),
                )

    def _text(self, said: dict[str, Any], key: str, *at: str | int) -> str:
        value = said.get(key, "")
        if not isinstance(value, str):
            self.problems.error(
                self.lines.of(*at, key),
                f'{key} is no text: write {key} = "{value}"',
                "no_text",
                key=key,
                said=value,
            )
            return ""
        return value.strip()

    def _number(
        self,
        said: dict[str, Any],
        key: str,
        default: float,
        within: tuple[float, float],
        unit: str,
        *at: str | int,
    ) -> float:
        value = said.get(key, default)
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not good or not within[0] <= value <= within[1]:
            self.problems.error(
                self.lines.of(*at, key),
                f"{key} {value!r} is no number from {within[0]:g} to {within[1]:g} {unit}",
                "no_number",
                key=key,
                said=value,
                least=within[0],
                most=within[1],
                unit=unit,
            )
            return default
        return float(value)

    def _name(self, said: dict[str, Any], key: str, *at: str | int) -> str:
        name = self._text(said, key, *at)
        return name if self._is_there(name, key, self.lines.of(*at, key)) else ""

    def _names(self, said: dict[str, Any], *at: str | int) -> tuple[str, ...]:
        names = said.get("dmas", [])
        line = self.lines.of(*at, "dmas")
        if not (isinstance(names, list) and all(isinstance(n, str) for n in names)):
            self.problems.error(line, 'dmas is no list of DMAs: write dmas = ["D1", "D2"]', "no_list")
            return ()
        return tuple(n for n in names if self._is_there(n, "dma", self.lines.row(n, *at, "dmas")))

    def _is_there(self, name: str, kind: str, line: int | None) -> bool:
        known = self.known[kind]
        if not name or known is None or name in known:
            return True
        file = {"dma": "dmas.csv", "sensor": "sensors.csv"}[kind]
        names = sorted(known)
        few = ", ".join(names) if len(names) <= FEW else ""
        hint = suggestion(name, names) or (f": there are {few}" if few else "")
        self.problems.error(
            line,
            f"{kind} {name!r} is not in {file}{hint}",
            "not_there",
            kind=kind,
            name=name,
            file=file,
            near=nearest(name, names),
            names=few,
        )
        return False


def _tables(said: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(said, list) and bool(said) and all(isinstance(s, dict) for s in said)
