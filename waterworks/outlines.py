"""Outlines of areas for a map: what lies near a DMA's pipes, without one area reaching into another's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Ring = list[tuple[float, float]]

CELLS = 220
"""Cells of the raster along the longer side of all areas."""
REACH = 0.025
"""How far an area reaches from its points, as a share of that side."""


def outlines(points: Mapping[str, Floats]) -> dict[str, list[list[Ring]]]:
    """Areas around groups of ``points`` (each (P, 2), any planar frame): polygons by group.

    A polygon is a list of closed rings, the outer one first (counterclockwise), then its holes. Places
    belong to the group whose point is nearest, if it is within reach.
    """
    groups = {k: p[np.isfinite(p).all(axis=1)] for k, p in points.items()}
    groups = {k: p for k, p in groups.items() if len(p)}
    if not groups:
        return {}
    names = list(groups)
    everything = np.concatenate([groups[k] for k in names])
    owner = np.repeat(np.arange(len(names)), [len(groups[k]) for k in names])
    low, high = everything.min(axis=0), everything.max(axis=0)
    side = float((high - low).max()) or 1.0
    cell, reach = side / CELLS, side * REACH
    low = low - reach - 2 * cell
    shape = np.ceil((high + reach + 2 * cell - low) / cell).astype(int)
    x = low[0] + (np.arange(shape[0]) + 0.5) * cell
    y = low[1] + (np.arange(shape[1]) + 0.5) * cell
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    distance, nearest = cKDTree(everything).query(grid, distance_upper_bound=reach)
    label = np.where(np.isfinite(distance), np.append(owner, -1)[nearest], -1).reshape(shape)
    label = _without_gaps(label)
    return {name: _polygons(label == k, low, cell) for k, name in enumerate(names)}


def _without_gaps(label: NDArray[Any]) -> NDArray[Any]:
    """Blocks between streets filled where a single area surrounds them."""
    gaps, count = ndimage.label(label < 0)
    outside = gaps[0, 0]
    out = label.copy()
    for k, where in enumerate(ndimage.find_objects(gaps), 1):
        if k == outside or where is None or count == 0:
            continue
        grown = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in where)
        hole = gaps[grown] == k
        around = set(label[grown][ndimage.binary_dilation(hole) & ~hole].tolist())
        if len(around) == 1:
            out[grown][hole] = around.pop()
    return out


def _polygons(mask: NDArray[np.bool_], low: Floats, cell: float) -> list[list[Ring]]:
    rings = [r for r in _rings(mask) if abs(_area(r)) >= 12]  # specks of a few cells are noise
    outer = [r for r in rings if _area(r) > 0]
    polygons = [[_drawn(r, low, cell)] for r in outer]
    for hole in rings:
        if _area(hole) < 0:
            homes = [k for k, r in enumerate(outer) if _inside(hole[0], r)]
            if homes:
                polygons[min(homes, key=lambda k: _area(outer[k]))].append(_drawn(hole, low, cell))
    return polygons


def _rings(mask: NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    """Borders of the cells in ``mask`` as closed rings of corners, the inside to their left."""
    m = np.pad(mask, 1)
    after: dict[tuple[int, int], list[tuple[int, int]]] = {}
    sides = (
        ((0, -1), (0, 0), (1, 0)),
        ((1, 0), (1, 0), (1, 1)),
        ((0, 1), (1, 1), (0, 1)),
        ((-1, 0), (0, 1), (0, 0)),
    )
    for (di, dj), a, b in sides:
        open_side = m & ~np.roll(m, (-di, -dj), axis=(0, 1))
        for i, j in np.argwhere(open_side).tolist():
            after.setdefault((i + a[0], j + a[1]), []).append((i + b[0], j + b[1]))
    rings = []
    while after:
        start = next(iter(after))
        ring = [start]
        here, before = start, None
        while True:
            ways = after[here]
            k = 0
            if len(ways) > 1 and before is not None:
                # Two cells touch at a corner only: turn left, staying with the cell at hand.
                step = (here[0] - before[0], here[1] - before[1])
                left = (here[0] - step[1], here[1] + step[0])
                k = ways.index(left) if left in ways else 0
            there = ways.pop(k)
            if not ways:
                del after[here]
            before, here = here, there
            if here == start:
                break
            ring.append(here)
        rings.append(ring)
    return rings


def _area(ring: list[tuple[int, int]]) -> float:
    p = np.array(ring, np.float64)
    q = np.roll(p, -1, axis=0)
    return float((p[:, 0] * q[:, 1] - q[:, 0] * p[:, 1]).sum() / 2)


def _inside(point: tuple[int, int], ring: list[tuple[int, int]]) -> bool:
    x, y = point[0] + 0.25, point[1] + 0.25
    p = np.array(ring, np.float64)
    q = np.roll(p, -1, axis=0)
    crosses = (p[:, 1] > y) != (q[:, 1] > y)
    rise = np.where(q[:, 1] == p[:, 1], 1.0, q[:, 1] - p[:, 1])
    at = p[:, 0] + (y - p[:, 1]) / rise * (q[:, 0] - p[:, 0])
    return bool((crosses & (x < at)).sum() % 2)


def _drawn(ring: list[tuple[int, int]], low: Floats, cell: float) -> Ring:
    """The corners of a ring of cells, its steps smoothed, in the frame of the points, closed."""
    p = np.array(ring, np.float64) - 1.0  # the padding
    p = (p + np.roll(p, -1, axis=0)) / 2
    for _ in range(3):
        p = (np.roll(p, 1, axis=0) + 2 * p + np.roll(p, -1, axis=0)) / 4
    p = _simplified(p, 0.15)
    p = low + p * cell
    return [(float(x), float(y)) for x, y in [*p.tolist(), p[0].tolist()]]


def _simplified(p: Floats, tolerance: float) -> Floats:
    """A closed line without the points that lie within ``tolerance`` of it (Douglas & Peucker 1973)."""
    if len(p) < 8:
        return p
    half = int(np.argmax(((p - p[0]) ** 2).sum(axis=1)))
    keep = np.zeros(len(p) + 1, bool)
    closed = np.concatenate([p, p[:1]])
    keep[[0, half]] = True
    todo = [(0, half), (half, len(p))]
    while todo:
        a, b = todo.pop()
        if b - a < 2:
            continue
        way = closed[b] - closed[a]
        length = float(np.hypot(*way))
        off = closed[a + 1 : b] - closed[a]
        apart = np.abs(way[0] * off[:, 1] - way[1] * off[:, 0]) / length if length else np.hypot(*off.T)
        k = int(np.argmax(apart))
        if apart[k] > tolerance:
            keep[a + 1 + k] = True
            todo += [(a, a + 1 + k), (a + 1 + k, b)]
    return p[keep[:-1]]
