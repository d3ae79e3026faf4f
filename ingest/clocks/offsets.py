"""Constant offsets of clocks, recognised by how long after its time a reading comes.

A reading cannot come before it was measured, and of a device that sends at once it comes seconds after. So
the least delay of the last readings tells how far the clock is off; readings that were kept for a while only
come later.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.ledger.arrivals import Ints

LEAST_S = 600
"""Smaller offsets are left to the device, and to the lateness that the monitor allows [s]."""

STEADY_S = 120
"""Delays that differ by no more are the same [s]: radio, sending schedule, drift of some weeks."""

LEAST_MOMENTS = 5
"""At so many different moments readings must have come with the same delay."""

ZONE_S = 900
"""Time zones differ by whole quarters of an hour [s]."""

_LAST = 20  # moments that tell how the clock is now
_BLOCK_US = 6 * 3600 * 1_000_000  # how finely is looked for its beginning


class Offset(NamedTuple):
    """The clock of a device (an index) is ``ahead_s`` ahead [s], below 0 behind, for readings taken from
    ``since`` [us since 1970, right time]. zone: by whole quarters of an hour, as a wrong time zone is.
    readings: so many came with it."""

    device: int
    ahead_s: int
    since: int
    zone: bool
    readings: int


def find_offsets(device: NDArray[np.int32], time: Ints, lag: NDArray[np.int32]) -> list[Offset]:
    """Offsets of devices, from readings (N,): index of the device, device time [us], and how long after it
    the reading came [s]. In the order of devices."""
    found = []
    order = np.argsort(device, kind="stable")
    starts = np.flatnonzero(np.diff(device[order], prepend=-1))
    for rows in np.split(order, starts[1:]) if len(order) else []:
        offset = _of_device(int(device[rows[0]]), time[rows], lag[rows].astype(np.int64))
        if offset is not None:
            found.append(offset)
    return found


def _of_device(device: int, time: Ints, lag: Ints) -> Offset | None:
    received = time // 1_000_000 + lag
    moments = np.unique(received)
    last = received >= moments[-min(_LAST, len(moments))]
    least = int(lag[last].min())
    same = last & (lag <= least + STEADY_S)
    steady = len(np.unique(received[same]))
    if steady < LEAST_MOMENTS or 2 * steady < len(np.unique(received[last])):
        return None
    quarters = round(least / ZONE_S) * ZONE_S
    zone = abs(quarters) >= 2 * ZONE_S and abs(least - quarters) <= STEADY_S
    ahead = -quarters if zone else -least
    if abs(ahead) < LEAST_S:
        return None
    newest = received[same].max()
    if least < 0 and (abs(lag[received > newest]) <= STEADY_S).any():
        return None  # put right since, or corrected as its readings come
    until = received <= newest
    since = _since(received[until], lag[until], least)
    mine = (received >= since) & (abs(lag - least) <= STEADY_S)
    right = time[mine] - ahead * 1_000_000
    return Offset(device, ahead, int(right.min()), zone, int(mine.sum()))


def _since(received: Ints, lag: Ints, least: int) -> int:
    """When the first reading came of those that the same least delay goes back to [s since 1970]."""
    block = (received.max() - received) * 1_000_000 // _BLOCK_US
    since = int(received.max())
    for k in np.unique(block).tolist():
        rows = block == k
        same = rows & (abs(lag - least) <= STEADY_S)
        if not same.any():
            break
        other = rows & ((lag < least - STEADY_S) | ((lag > least + STEADY_S) & (lag < least + _gap(least))))
        if other.any():  # it began within this block
            after = received[other].max()
            fits = received[same & (received > after)]
            return int(fits.min()) if len(fits) else since
        since = int(received[same].min())
    return since


def _gap(least: int) -> int:
    """How much later than with the offset a reading comes without it, if the clock was right before [s]."""
    return abs(least) + STEADY_S if least < 0 else 0
