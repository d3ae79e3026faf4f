"""Minimum night flow: the water that runs when people sleep.

Lambert & Morrison (1996) and Farley & Trow (2003), Losses in Water Distribution Networks, ch. 5: between
midnight and early morning customers take least, so that inflow shows leakage best.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.noise import MAD_TO_SIGMA, nanmedian

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class NightFlow(NamedTuple):
    """Per night and area. night (D,): local day ordinal that the night belongs to.

    lowest (D, S): mean of the lowest rolling hour [m3/s], NaN where too little was measured.
    usual (D, S): 20th percentile of the last seven nights [m3/s], NaN with fewer than three of them.
    """

    night: Ints
    lowest: Floats
    usual: Floats


def night_flow(
    inflow: Floats,
    day: Ints,
    hour: Floats,
    step_s: float,
    night: tuple[float, float] = (0.0, 5.0),
    *,
    least: float = 0.75,
) -> NightFlow:
    """Lowest rolling hour of each night and what is usual over a week.

    inflow (T, S) [m3/s] on a regular grid of ``step_s``; day (T,), hour (T,): local day ordinal and local
    hour of each step's start, so that clock changes are the caller's. A rolling hour lies wholly within
    [night[0], night[1]) (for a window over midnight, from 22 to 4 say, the night counts to the day it
    ends on) and has no missing step; a night counts if at least ``least`` of its steps were measured.
    Steps longer than an hour count as they are.
    """
    start, end = night
    if start <= end:
        inside = (hour >= start) & (hour < end)
        belongs = day
    else:
        inside = (hour >= start) | (hour < end)
        belongs = np.where(hour >= start, day + 1, day)
    width = max(1, round(3600 / step_s))
    nights = np.unique(belongs[inside])
    lowest = np.full((len(nights), inflow.shape[1]), np.nan)
    rows = np.flatnonzero(inside)
    first = np.searchsorted(belongs[rows], nights, "left")
    last = np.searchsorted(belongs[rows], nights, "right")
    expected = ((end - start) % 24 or 24.0) * 3600 / step_s
    for i, (a, b) in enumerate(zip(first, last, strict=True)):
        values = inflow[rows[a:b]]
        if len(values) < width:
            continue
        total = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), values]), axis=0)
        if np.isnan(values).any():
            rolling = np.lib.stride_tricks.sliding_window_view(values, width, axis=0).mean(axis=-1)
        else:
            rolling = (total[width:] - total[:-width]) / width
        covered = (
            np.isfinite(values).sum(0) >= least * min(expected, len(values))
            if len(values) >= 0.75 * expected - 0.5
            else np.zeros(values.shape[1], bool)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            lowest[i] = np.where(covered, np.nanmin(rolling, axis=0), np.nan)
    return NightFlow(nights, lowest, usual_night_flow(nights, lowest))


def usual_night_flow(nights: Ints, lowest: Floats, share: float = 0.20) -> Floats:
    """20th percentile of the nights in (night - 7, night], (D, S); NaN with fewer than three nights."""
    out = np.full(lowest.shape, np.nan)
    for i, n in enumerate(nights):
        a = int(np.searchsorted(nights, n - 6))
        week = lowest[a : i + 1]
        enough = np.isfinite(week).sum(0) >= 3
        if enough.any():
            out[i, enough] = np.nanquantile(week[:, enough], share, axis=0)
    return out


def legitimate_use(connections: Floats, per_connection: Floats) -> Floats:
    """Night use that customers explain (S,) [m3/s]: connections (S,) times use (S,) [m3/s a connection]."""
    return connections * per_connection


def excess(flow: Floats, legitimate: Floats) -> Floats:
    """Night flow beyond legitimate use (.., S) [m3/s], never below 0; NaN stays NaN."""
    return np.maximum(flow - legitimate, 0.0)


class Excess(NamedTuple):
    """A stretch of nights with too much flow. Indices into the nights; ``end`` None while it lasts."""

    start: int
    detected: int
    end: int | None


def sustained_excess(
    usual: Floats, known: Floats, legitimate: float, *, back: int = 56, lag: int = 14, sigmas: float = 4.0
) -> list[Excess]:
    """Stretches in which one area's usual night flow stood above its past and above its customers' use.

    usual, known (D,) one value a night [m3/s]: usual night flow, and known leaks' flow, which is taken
    off first. The past of night d are nights d-back .. d-lag (at least 14 of them); its median is the
    reference, its robust spread the noise, not taken below 3 % of the reference. An excess is declared
    after three nights in a row that are ``sigmas`` of these above the reference and above legitimate use,
    and is over after three nights in a row that are not. Causal: night d looks at nights up to d.
    """
    flow = usual - known
    middle, spread = _past(flow, back, lag)
    found: list[Excess] = []
    start = -1
    above = below = 0
    limit = np.nan
    for d in np.flatnonzero(np.isfinite(flow)).tolist():
        if start < 0:  # while an excess lasts, what was before it stays the reference
            if np.isnan(middle[d]):
                continue
            limit = max(middle[d] + sigmas * spread[d], legitimate)
        if flow[d] > limit:
            above, below = above + 1, 0
            if start < 0 and above >= 3:
                start = d - 2
                found.append(Excess(start, d, None))
        else:
            below, above = below + 1, 0
            if start >= 0 and below >= 3:
                found[-1] = found[-1]._replace(end=d - 2)
                start = -1
    return found


def _past(flow: Floats, back: int, lag: int) -> tuple[Floats, Floats]:
    """Median and robust spread (D,) of nights d-back .. d-lag, NaN where fewer than 14 of them are known."""
    windows = np.lib.stride_tricks.sliding_window_view(
        np.concatenate([np.full(back, np.nan), flow]), back - lag
    )[: len(flow)]
    middle = np.where(np.isfinite(windows).sum(axis=1) >= 14, nanmedian(windows, axis=1), np.nan)
    spread = MAD_TO_SIGMA * nanmedian(np.abs(windows - middle[:, None]), axis=1)
    return middle, np.maximum(spread, 0.03 * np.abs(middle))
