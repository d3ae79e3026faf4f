"""What the detector has seen and made of it, step by step, block by block and day by day."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK_S = 1800
"""Tests look at means over this [s], or over a step where steps are longer."""

CUT = 8.0
"""Standardised values beyond this count as this: one wild hour shall not say when a week's excess began."""

CALMEST = 0.7
"""Standardised values are not believed to have a smaller deviation than this: the noise that they are
measured by allows for shifts of habit, which hours without such allowance do not share."""


BLOCK = ("residual", "scale", "known", "common", "level", "statistic")


class Record:
    """Arrays that grow, with S areas as columns. Only the first ``rows``, ``blocks``, ``days`` are filled.

    row: per step (T, S) [m3/s] inflow, expected, scale, residual. block: per block (H, S) residual, scale
    [m3/s], known (flow of known events) [m3/s], common (what areas have in common), level (of the rest, the
    week before) [m3/s], peak and statistic (of tests) [-]. measured (H, L, S): excess of each of L lengths,
    as ``scan`` says. readings (D, K, S): of each day, and shown (D, 2, L', S): excess over each of L' lengths
    at its dawn, with and without what is known, as ``slow`` says [m3/s]. row_of (D, J): row of each slot of
    each day, -1 where there is none; number, weekday (D,); levels (D + 1, S) [-], offsets (D, S) [m3/s].
    """

    def __init__(
        self, areas: int, step_s: int, lengths: int = 0, groups: int = 0, readings: int = 0, shown: int = 0
    ) -> None:
        self.areas, self.step_s = areas, step_s
        self.slots = 86400 // step_s
        self.per_block = max(1, BLOCK_S // step_s)
        self.block_s = step_s * self.per_block
        self.rows = self.blocks = self.days = 0
        self.row = {n: np.full((0, areas), np.nan) for n in ("inflow", "expected", "scale", "residual")}
        self.block = {n: np.full((0, areas), np.nan) for n in BLOCK}
        self.measured = np.full((0, lengths, areas), np.nan, np.float32)
        self.peak = np.full((0, groups, areas), np.nan, np.float32)
        self.row_of = np.full((0, self.slots), -1, np.int64)
        self.number = np.zeros(0, np.int64)
        self.weekday = np.zeros(0, np.int64)
        self.readings = np.full((0, readings, areas), np.nan)
        self.shown = np.full((0, 2, shown, areas), np.nan)
        self.levels = np.ones((1, areas))
        self.offsets = np.full((0, areas), np.nan)

    def reserve(self, rows: int) -> None:
        """Make room for more rows."""
        for name, a in self.row.items():
            self.row[name] = _grown(a, self.rows + rows)
        for name, a in self.block.items():
            self.block[name] = _grown(a, self.blocks + rows // self.per_block)
        self.measured = _grown(self.measured, self.blocks + rows // self.per_block)
        self.peak = _grown(self.peak, self.blocks + rows // self.per_block)

    def new_day(self, number: int, weekday: int) -> None:
        """Begin a day; its level has been set when the day before was closed."""
        d = self.days
        if d >= len(self.row_of):
            more = max(64, d)
            self.row_of = np.concatenate([self.row_of, np.full((more, self.slots), -1, np.int64)])
            self.number = np.concatenate([self.number, np.zeros(more, np.int64)])
            self.weekday = np.concatenate([self.weekday, np.zeros(more, np.int64)])
            nothing = np.full((more, *self.readings.shape[1:]), np.nan)
            self.readings = np.concatenate([self.readings, nothing])
            nothing = np.full((more, *self.shown.shape[1:]), np.nan)
            self.shown = np.concatenate([self.shown, nothing])
            self.levels = np.concatenate([self.levels, np.ones((more, self.areas))])
            self.offsets = np.concatenate([self.offsets, np.full((more, self.areas), np.nan)])
        self.row_of[d] = -1
        self.number[d], self.weekday[d] = number, weekday
        self.offsets[d] = self.readings[d] = self.shown[d] = np.nan
        self.days = d + 1

    def columns(self, which: Ints) -> Record:
        """A copy with areas ``which`` (n,), in that order; an area may occur more than once."""
        kept = (self.measured, self.peak, self.readings, self.shown)
        out = Record(len(which), self.step_s, *(a.shape[-2] for a in kept))
        out.rows, out.blocks, out.days = self.rows, self.blocks, self.days
        out.row = {name: a[: self.rows, which] for name, a in self.row.items()}
        out.block = {name: a[: self.blocks, which] for name, a in self.block.items()}
        out.measured = self.measured[: self.blocks, :, which]
        out.peak = self.peak[: self.blocks, :, which]
        out.row_of = self.row_of.copy()
        out.number, out.weekday = self.number.copy(), self.weekday.copy()
        out.levels, out.offsets = self.levels[:, which], self.offsets[:, which]
        out.readings, out.shown = self.readings[..., which], self.shown[..., which]
        return out

    def past(self, name: str, first: int, last: int, *, clean: bool = False) -> Floats:
        """Rows of days [first, last) by slot, (D, J, S); known events taken off if ``clean``."""
        where = self.row_of[first:last]
        out = self.row[name][where]
        if clean:
            out = out - self.block["known"][where // self.per_block]
        out[where < 0] = np.nan
        return out

    def clean(self, area: int, first: int, last: int) -> Floats:
        """Residual of blocks [first, last) of one area without known events and what areas share [m3/s]."""
        rows = slice(first, last)
        block = self.block
        return np.asarray(
            block["residual"][rows, area] - block["known"][rows, area] - block["common"][rows, area]
        )

    def standard(self, area: int, first: int, last: int, level: float = 0.0) -> Floats:
        """The same above a level [m3/s], by its noise, cut at ``CUT`` [-]."""
        z = (self.clean(area, first, last) - level) / self.block["scale"][first:last, area]
        return np.asarray(np.clip(z, -CUT, CUT))

    def expected_since(self, area: int, block: int) -> float:
        """Mean expected inflow of one area from a block on [m3/s]."""
        return mean_or_zero(self.row["expected"][block * self.per_block : self.rows, area])


def _grown(a: NDArray[Any], need: int) -> NDArray[Any]:
    if need <= len(a):
        return a
    out = np.full((max(need, len(a) + len(a) // 4, 1024), *a.shape[1:]), np.nan, a.dtype)
    out[: len(a)] = a
    return out


def mean_of_most(values: Floats) -> Floats:
    """Mean over the middle axis (B, r, S) -> (B, S), NaN where more than half of it is NaN."""
    finite = np.isfinite(values)
    n = finite.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(finite, values, 0.0).sum(1) / n
    return np.where(2 * n >= values.shape[1], mean, np.nan)


def mean_or_zero(values: Floats) -> float:
    """Mean of what is finite, 0 where nothing is."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
