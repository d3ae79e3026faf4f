"""From where leaks may be to what a crew does about it: where to begin, how far to go, whether it pays."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.gain import DAY_S, expected_gain, grown_volume, mean_positive
from analytics.onset import Onset, onset_interval
from analytics.radius import held, search
from analytics.record import CUT, Record
from waterworks.network import Network
from waterworks.site import MonitorOptions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

VISIT_M = 300.0
"""What a crew searches in one visit, along the pipes from where it begins [m]: a shift with a correlator, and
how far off a call-out may be in the Battle of the Leakage Detection and Isolation Methods."""

REPAIR_S = 3 * DAY_S
"""From a find to its repair [s]: three days, as of reported bursts of mains behind UARL (Lambert et al. 1999,
J. Water SRT - Aqua 48(6))."""

BEFORE_S = 7 * DAY_S
"""A start is looked for so long before the likeliest one [s], and noise is measured before that on"""

CALM_S = 28 * DAY_S
"""so much [s]; of what came after the start"""

AFTER_S = 14 * DAY_S
"""so much is looked at [s]: what comes later tells of the leak's course, not of its start."""

NORMAL_90 = 1.6449
"""Half width of a 90 % interval in standard deviations."""


class Area(NamedTuple):
    """centre: pipe where a search begins; half, most: radii of 50 and 90 % [m], None where so much of the
    probability cannot be reached; found: probability that one visit finds it."""

    centre: str
    half: float | None
    most: float | None
    found: float


def area(network: Network, pipes: Ints, probability: Floats) -> Area | None:
    """Where to search, for probabilities (P,) of ``pipes`` (P,), indices of links; None where all are 0.

    One walks past pumps and valves, open or shut.
    """
    start, end = network.start.astype(np.int64), network.end.astype(np.int64)
    others = np.setdiff1d(np.arange(len(start)), pipes)
    joined = np.stack([start[others], end[others]], axis=1)
    found = search(
        probability, start[pipes], end[pipes], network.length[pipes], len(network.node_ids), joined
    )
    if found is None:
        return None
    return Area(
        network.link_ids[int(pipes[found.pipe])],
        found.half if np.isfinite(found.half) else None,
        found.most if np.isfinite(found.most) else None,
        held(probability, found, VISIT_M),
    )


def visit_gain(
    options: MonitorOptions, flow: float, low: float, high: float, confidence: float, found: float | None
) -> float | None:
    """Expected gain of a visit now [currency]; None where the value of water is not given.

    flow [m3/s] with its 90 % interval; confidence: that it is a leak; found: that a visit finds it, None
    where no place is known: a visit is then a survey of the whole DMA, and finds it.
    """
    if options.water_cost <= 0:
        return None
    mean = mean_positive(flow, (high - low) / (2 * NORMAL_90))
    volume = grown_volume(mean, repaired_after_s=REPAIR_S)
    chance = confidence * (1.0 if found is None else found)
    return float(expected_gain(chance, volume, options.water_cost, options.visit_cost))


def onset_blocks(record: Record, column: int, start: int, end: int | None, course: Floats) -> tuple[int, int]:
    """First and last block in which an event may have begun (90 %), around its likeliest ``start``.

    column: of the record; end: first block after it, None while it lasts; course: the event's own flow from
    ``start`` on, which the record has taken off [m3/s], signed.
    """
    per_day = 86400 / record.block_s
    last = min(record.blocks if end is None else end, start + round(AFTER_S / DAY_S * per_day))
    earliest = max(0, start - round(BEFORE_S / DAY_S * per_day))
    first = max(0, earliest - round(CALM_S / DAY_S * per_day))
    clean = record.clean(column, first, last)
    clean[start - first :] += course[: last - start]
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.clip(clean / record.block["scale"][first:last, column], -CUT, CUT)
    side = 1 if course[: max(1, last - start)].sum() >= 0 else -1
    found = _interval(z.tobytes(), earliest - first, side)
    if found is None:
        return start, start
    return min(first + found.low, start), max(first + found.high, start)


@lru_cache(maxsize=1024)
def _interval(z: bytes, earliest: int, side: int) -> Onset | None:
    """``onset_interval``, once: of events that are over, and of the first weeks of those that last, the same
    is asked at every step."""
    return onset_interval(np.frombuffer(z), earliest, side)
