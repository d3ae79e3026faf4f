"""Readings of each sensor brought together in bins of time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.store.influx.answers import Rows
from waterworks.reading import Floats, Times

COUNT = "count"
"""The field that says of how many readings a mean is."""


class Bins(NamedTuple):
    """B bins: sensor (B,) numbers, time (B,) their starts, mean, low and high (B,) SI, readings (B,) how
    many, quality (B,) flags or-ed, received (B,) of the reading that came last [us].
    """

    sensor: NDArray[np.int32]
    time: Times
    mean: Floats
    low: Floats
    high: Floats
    readings: NDArray[np.int64]
    quality: NDArray[np.uint16]
    received: NDArray[np.int64]

    def take(self, rows: NDArray[Any]) -> Bins:
        """The bins at ``rows``: indices or a mask."""
        return Bins(*(column[rows] for column in self))


def binned(rows: Rows, edges: Times) -> Bins:
    """Rows in the bins between ``edges`` (E,), ascending; those outside of them are left out."""
    at = np.searchsorted(edges, rows.time, side="right") - 1
    inside = (at >= 0) & (at < len(edges) - 1)
    at, rows = at[inside], rows.take(inside)
    order = np.lexsort((at, rows.sensor))
    at, rows = at[order], rows.take(order)
    heads = np.flatnonzero(np.diff(rows.sensor, prepend=-1) | np.diff(at, prepend=-1))
    if not len(heads):
        empty = rows.received[:0]
        return Bins(rows.sensor, rows.time, rows.value, rows.value, rows.value, empty, rows.quality, empty)
    count = np.diff(np.append(heads, len(at)))
    return Bins(
        rows.sensor[heads],
        edges[at[heads]],
        np.add.reduceat(rows.value, heads) / count,
        np.minimum.reduceat(rows.value, heads),
        np.maximum.reduceat(rows.value, heads),
        count,
        np.bitwise_or.reduceat(rows.quality, heads),
        np.maximum.reduceat(rows.received, heads),
    )
