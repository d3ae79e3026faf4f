"""Readings as they arrived, each with its key and how late it was, in columns and as bytes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SOUND = 0
"""Kind of an arrival: a reading that was stored."""
REJECTED = 1
"""One that was not."""

MICROS = 1_000_000
DAY_US = 86_400 * MICROS

_HEAD = struct.Struct("<qi")  # received [us since 1970], rows
_ROWS = struct.Struct("<i")
_LEVEL = 1  # of zlib: columns of differences shrink to a fifth at any level


class Arrivals(NamedTuple):
    """N arrivals. sensor (N,) int32: a number that the ledger gives each name. time (N,) int64: device time
    [us since 1970 UTC]. lag (N,) int32: received minus device time [s]. kind (N,) uint8: SOUND or REJECTED.
    """

    sensor: NDArray[np.int32]
    time: Ints
    lag: NDArray[np.int32]
    kind: NDArray[np.uint8]

    @classmethod
    def empty(cls) -> Arrivals:
        return cls(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.uint8))

    @classmethod
    def concat(cls, parts: Iterable[Arrivals]) -> Arrivals:
        """All of ``parts``, in their order."""
        found = [p for p in parts if len(p.time)]
        if not found:
            return cls.empty()
        return cls(*(np.concatenate(columns) for columns in zip(*found, strict=True)))

    def take(self, rows: NDArray[Any]) -> Arrivals:
        """The arrivals at ``rows`` (indices or a mask)."""
        return Arrivals(self.sensor[rows], self.time[rows], self.lag[rows], self.kind[rows])


def pack_group(received: int, sensor: NDArray[np.int32], time: Ints, kind: NDArray[np.uint8]) -> bytes:
    """What one group of messages brought, all received at one time [us], as bytes. No work a row."""
    return b"".join(
        (_HEAD.pack(received, len(time)), sensor.tobytes(), time.tobytes(), kind.tobytes()),
    )


def unpack_group(data: bytes) -> Arrivals:
    """The arrivals of ``pack_group``."""
    received, n = _HEAD.unpack_from(data)
    at = _HEAD.size
    sensor = np.frombuffer(data, np.int32, n, at)
    time = np.frombuffer(data, np.int64, n, at + 4 * n)
    kind = np.frombuffer(data, np.uint8, n, at + 12 * n)
    lag = np.clip((received - time) // MICROS, -(2**31), 2**31 - 1).astype(np.int32)
    return Arrivals(sensor, time, lag, kind)


def pack_chunk(a: Arrivals) -> bytes:
    """Many arrivals in few bytes: by sensor and time, as differences, compressed."""
    order = np.lexsort((a.time, a.sensor))
    sensor, time = a.sensor[order], a.time[order]
    columns = (
        np.diff(sensor, prepend=np.int32(0)).astype(np.int32),
        np.diff(time, prepend=np.int64(0)),
        a.lag[order],
        a.kind[order],
    )
    return zlib.compress(_ROWS.pack(len(time)) + b"".join(c.tobytes() for c in columns), _LEVEL)


def unpack_chunk(data: bytes) -> Arrivals:
    """The arrivals of ``pack_chunk``, by sensor and time."""
    raw = zlib.decompress(data)
    (n,) = _ROWS.unpack_from(raw)
    at = _ROWS.size
    sensor = np.cumsum(np.frombuffer(raw, np.int32, n, at), dtype=np.int32)
    time = np.cumsum(np.frombuffer(raw, np.int64, n, at + 4 * n))
    lag = np.frombuffer(raw, np.int32, n, at + 12 * n)
    kind = np.frombuffer(raw, np.uint8, n, at + 16 * n)
    return Arrivals(sensor, time, lag, kind)
