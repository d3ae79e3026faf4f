"""From arrivals to counts by sensor: received, late, duplicate, rejected, missing. Arrays in, arrays out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.ledger.arrivals import REJECTED, SOUND, Arrivals, Ints

Floats = NDArray[np.float64]


class Counts(NamedTuple):
    """Of S sensors, (S,) each. received: different readings; late: of these, first heard late; duplicate:
    arrivals of one that was there; rejected: different readings that were not stored."""

    received: Ints
    late: Ints
    duplicate: Ints
    rejected: Ints


def count(arrivals: Arrivals, sensors: int, late_s: float) -> Counts:
    """Counts of the sensors with numbers below ``sensors``. late_s: a lag beyond it is late [s].

    A reading is its sensor and time: whatever else of it came is a duplicate, and it is late if already
    the first of its arrivals was.
    """
    sound = arrivals.take(arrivals.kind == SOUND)
    order = np.lexsort((sound.lag, sound.time, sound.sensor))
    sensor, time, lag = sound.sensor[order], sound.time[order], sound.lag[order]
    first = _starts(sensor, time)
    received = np.bincount(sensor[first], minlength=sensors)
    late = np.bincount(sensor[first & (lag > late_s)], minlength=sensors)
    spoiled = arrivals.take(arrivals.kind == REJECTED)
    order = np.lexsort((spoiled.time, spoiled.sensor))
    bad, when = spoiled.sensor[order], spoiled.time[order]
    rejected = np.bincount(bad[_starts(bad, when)], minlength=sensors)
    return Counts(received, late, np.bincount(sensor, minlength=sensors) - received, rejected)


def missing(
    sensor: NDArray[np.int32], time: Ints, start: Floats, end: Floats, interval: Floats
) -> tuple[Ints, Ints]:
    """How many readings were to come within [start, end) and did not, and how many were to come, (S,) each.

    sensor, time (N,): readings [us], from somewhat before ``start`` to somewhat after ``end``, in any order.
    start, end, interval (S,): in which time what is to come of each sensor, and how often [us].

    Between two readings as many are missing as intervals fit between them, to the nearest; so a clock that
    drifts or jitters, and readings beyond those due, make no difference. Before the first and after the
    last one the interval is counted on from them.
    """
    s = len(start)
    due = np.maximum(np.floor((end - start) / interval + 1e-9), 0).astype(np.int64)
    order = np.lexsort((time, sensor))
    ix, t = sensor[order], time[order].astype(np.float64)
    keep = _starts(ix, t)
    ix, t = ix[keep], t[keep]
    lost = np.zeros(s)
    if len(t):
        within = ix[1:] == ix[:-1]
        p, q, of = t[:-1][within], t[1:][within], ix[1:][within]
        m = np.rint((q - p) / interval[of]) - 1
        gaps = m > 0
        p, q, of, m = p[gaps], q[gaps], of[gaps], m[gaps]
        lost += np.bincount(of, _within(p, (q - p) / (m + 1), m, start[of], end[of]), minlength=s)
        is_first = np.append(True, ~within)
        is_last = np.append(~within, True)
        f, of = t[is_first], ix[is_first]
        m = np.maximum(np.floor((f - start[of]) / interval[of] + 1e-9), 0)
        lost[of] += _within(f - (m + 1) * interval[of], interval[of], m, start[of], end[of])
        last, of = t[is_last], ix[is_last]
        m = np.maximum(np.ceil((end[of] - last) / interval[of] - 1e-9) - 1, 0)
        lost[of] += _within(last, interval[of], m, start[of], end[of])
    heard = np.bincount(ix, minlength=s) > 0
    return np.where(heard, np.minimum(lost, due), due).astype(np.int64), due


def _starts(sensor: NDArray[np.int32], time: NDArray[np.int64] | Floats) -> NDArray[np.bool_]:
    """Of sorted keys (N,), whether a row is the first of its key."""
    first = np.ones(len(sensor), np.bool_)
    first[1:] = (sensor[1:] != sensor[:-1]) | (time[1:] != time[:-1])
    return first


def _within(t: Floats, step: Floats, m: Floats, start: Floats, end: Floats) -> Floats:
    """How many of ``t + k * step``, k from 1 to m, lie within [start, end)."""
    low = np.maximum(1, np.ceil((start - t) / step - 1e-9))
    high = np.minimum(m, np.ceil((end - t) / step - 1e-9) - 1)
    return np.asarray(np.maximum(high - low + 1, 0))
