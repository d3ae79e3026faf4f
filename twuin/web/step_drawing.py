"""A DMA drawn with the areas of a step test: plain SVG, so that it prints."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twuin.views.step_test import Drawing

WIDTH = 640.0
MARGIN = 24.0
LONGEST = 900.0
"""A DMA that is taller is drawn smaller."""
COLOURS = 6
"""Areas beyond so many share colours, and are drawn dashed."""


class Mark(NamedTuple):
    """A label: its text, place, number of the area."""

    text: str
    x: float
    y: float
    step: int


class Figure(NamedTuple):
    """What the template draws. paths: (number of the area, its pipes as one path)."""

    width: float
    height: float
    paths: list[tuple[int, str]]
    numbers: list[Mark]
    valves: list[Mark]


def figure(drawing: Drawing) -> Figure:
    """Fit into a box ``WIDTH`` wide, north up."""
    west, south, east, north = drawing.size
    across, up = max(east - west, 1e-9), max(north - south, 1e-9)
    scale = min((WIDTH - 2 * MARGIN) / across, (LONGEST - 2 * MARGIN) / up)
    width, height = across * scale + 2 * MARGIN, up * scale + 2 * MARGIN

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(
            [(points[:, 0] - west) * scale + MARGIN, (north - points[:, 1]) * scale + MARGIN]
        )

    paths, numbers = [], []
    for step, lines in sorted(drawing.lines.items()):
        placed = [place(line) for line in lines]
        paths.append((step, "".join(_path(line) for line in placed)))
        middles = np.array([line[len(line) // 2 - 1 : len(line) // 2 + 1].mean(axis=0) for line in placed])
        centre = middles.mean(axis=0)
        at = middles[np.argmin(np.hypot(*(middles - centre).T))]
        numbers.append(Mark(str(step) if step else "–", float(at[0]), float(at[1]), step))
    valves = []
    for step, id, x, y in drawing.valves:
        ((px, py),) = place(np.array([[x, y]])).tolist()
        valves.append(Mark(id, px, py, step))
    return Figure(round(width, 1), round(height, 1), paths, numbers, valves)


def look(step: int) -> str:
    """CSS classes of an area's lines."""
    if not step:
        return "area-kept"
    return f"area-{(step - 1) % COLOURS + 1}" + (" area-dashed" if step > COLOURS else "")


def _path(line: NDArray[np.float64]) -> str:
    first, *rest = [f"{x:.1f} {y:.1f}" for x, y in line.tolist()]
    return f"M{first}L{' '.join(rest)}"
