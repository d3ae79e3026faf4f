"""A small map of streets to tap on, drawn by the server: it needs no script, no tiles, and shows no pipe.

``streets.geojson`` of the site folder holds lines (streets) and points (landmarks) with a ``name``; it comes
from a public map, not from the network, so that nothing of the network is told.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

FILE = "streets.geojson"
SIZE = 328
"""Width and height of the picture [CSS pixels]: it fits the narrowest phones, and a tap is told in these."""

MARGIN = 14
MOST_BYTES = 4 * 2**20


@dataclass(frozen=True)
class StreetMap:
    """lines: of streets, each points of longitude and latitude; marks: landmarks by name."""

    lines: tuple[tuple[tuple[float, float], ...], ...]
    marks: tuple[tuple[str, float, float], ...]

    @cached_property
    def _frame(self) -> tuple[float, float, float, float]:
        """West, north, pixels a degree east and south."""
        points = [p for line in self.lines for p in line] + [(lon, lat) for _, lon, lat in self.marks]
        west, east = min(p[0] for p in points), max(p[0] for p in points)
        south, north = min(p[1] for p in points), max(p[1] for p in points)
        shrink = math.cos(math.radians((south + north) / 2))
        side = max((east - west) * shrink, north - south, 1e-4)
        scale = (SIZE - 2 * MARGIN) / side
        x0 = west - (SIZE / scale / shrink - (east - west)) / 2
        y0 = north + (SIZE / scale - (north - south)) / 2
        return x0, y0, scale * shrink, scale

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Longitude and latitude of a tap [pixels from the picture's upper left]."""
        west, north, across, down = self._frame
        return round(west + x / across, 6), round(north - y / down, 6)

    def pixel(self, lon: float, lat: float) -> tuple[float, float]:
        """Where a place is in the picture."""
        west, north, across, down = self._frame
        return round((lon - west) * across, 1), round((north - lat) * down, 1)

    def svg(self, mark: tuple[float, float] | None = None) -> str:
        """The picture. mark: longitude and latitude of a pin."""
        paths = []
        for line in self.lines:
            steps = (f"{x:g} {y:g}" for x, y in (self.pixel(*p) for p in line))
            paths.append("M" + "L".join(steps))
        streets = "".join(paths)
        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{SIZE}" '
            f'viewBox="0 0 {SIZE} {SIZE}" font-family="sans-serif" font-size="11">',
            f'<rect width="{SIZE}" height="{SIZE}" fill="#eef2ea"/>',
            f'<path d="{streets}" fill="none" stroke="#c3cbbd" stroke-width="4" stroke-linejoin="round" '
            'stroke-linecap="round"/>',
            f'<path d="{streets}" fill="none" stroke="#fff" stroke-width="2.4" stroke-linejoin="round" '
            'stroke-linecap="round"/>',
        ]
        for name, lon, lat in self.marks:
            x, y = self.pixel(lon, lat)
            anchor, shift = ("end", -6) if x > SIZE * 0.55 else ("start", 6)
            out.append(
                f'<circle cx="{x:g}" cy="{y:g}" r="3.5" fill="#0b5c94"/>'
                f'<text x="{x + shift:g}" y="{y + 4:g}" text-anchor="{anchor}" fill="#13202b" '
                f'stroke="#eef2ea" stroke-width="3" paint-order="stroke">{escape(name)}</text>'
            )
        if mark is not None:
            x, y = self.pixel(*mark)
            if 0 <= x <= SIZE and 0 <= y <= SIZE:
                out.append(
                    f'<path d="M{x:g} {y:g}l-9-15a10.5 10.5 0 1 1 18 0z" fill="#c22f13" stroke="#fff" '
                    f'stroke-width="2"/><circle cx="{x:g}" cy="{y - 20:g}" r="3.5" fill="#fff"/>'
                )
        return "".join([*out, "</svg>"])


def read_streets(folder: Path) -> StreetMap | None:
    """The map of a site folder; None where there is none, or one that cannot be read, which is logged."""
    path = folder / FILE
    try:
        if not path.is_file():
            return None
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES // 2**20} MB")
        found = _map(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as e:
        log.error("%s cannot be used as a map: %s", path, e)
        return None
    return found


def _map(said: Any) -> StreetMap | None:
    lines: list[tuple[tuple[float, float], ...]] = []
    marks: list[tuple[str, float, float]] = []
    for feature in said["features"]:
        shape = feature["geometry"] or {}
        kind, at = shape.get("type"), shape.get("coordinates")
        if kind == "LineString":
            lines.append(_line(at))
        elif kind == "MultiLineString":
            lines += [_line(part) for part in at or ()]
        elif kind == "Point":
            ((lon, lat),) = _line([at])
            marks.append((str((feature.get("properties") or {}).get("name", ""))[:40], lon, lat))
    lines = [line for line in lines if len(line) > 1]
    return StreetMap(tuple(lines), tuple(marks)) if lines else None


def _line(points: Any) -> tuple[tuple[float, float], ...]:
    line = tuple((float(p[0]), float(p[1])) for p in points)
    if not all(abs(lon) <= 180 and abs(lat) <= 90 for lon, lat in line):
        raise ValueError("a point is no longitude and latitude")
    return line
