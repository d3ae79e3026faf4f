"""Readings in columns.

A reading is (sensor, device time, value in SI, quality, received time). ``(sensor, time)`` is its key:
the same reading twice is one reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntFlag
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

TIME_DTYPE = np.dtype("datetime64[us]")
"""All instants in arrays: UTC, microseconds, no zone attached."""

Times = NDArray[np.datetime64]
Floats = NDArray[np.float64]


class Quality(IntFlag):
    """What is known against a reading. 0 is good."""

    GOOD = 0
    SUSPECT = 1  # the device itself marks the value as doubtful
    OUT_OF_RANGE = 2  # outside the range that the site gives for the sensor
    CLOCK = 4  # the device time is doubtful
    ESTIMATED = 8  # filled in or computed, not measured


def instant(when: datetime | np.datetime64 | str) -> np.datetime64:
    """``when`` as UTC ``datetime64[us]``. A datetime or text must carry a zone (ValueError otherwise)."""
    if isinstance(when, np.datetime64):
        return when.astype(TIME_DTYPE)
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    if when.tzinfo is None:
        raise ValueError(f"time {when.isoformat()} has no zone: give it one, as in '...+07:00' or '...Z'")
    return np.datetime64(when.astimezone(UTC).replace(tzinfo=None), "us")


def as_datetime(when: np.datetime64) -> datetime:
    """A UTC instant of an array as an aware datetime."""
    moment = when.astype(TIME_DTYPE).item()
    if not isinstance(moment, datetime):
        raise ValueError(f"{when} is no instant")
    return moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReadingBatch:
    """N readings in columns.

    names: the sensors that occur, each once.
    sensor (N,) int32: index into ``names``.
    time (N,) datetime64[us]: device time, UTC.
    value (N,) float64: SI, finite.
    quality (N,) uint16: flags of ``Quality``.
    received (N,) datetime64[us]: when Twuin got it, UTC.
    """

    names: tuple[str, ...]
    sensor: NDArray[np.int32]
    time: Times
    value: Floats
    quality: NDArray[np.uint16]
    received: Times

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def of(
        cls,
        sensors: Sequence[str],
        time: ArrayLike,
        value: ArrayLike,
        *,
        received: ArrayLike | np.datetime64,
        quality: ArrayLike = 0,
    ) -> ReadingBatch:
        """Columns from one sensor name per reading (N,); ``received`` and ``quality`` may be scalars."""
        index: dict[str, int] = {}
        sensor = np.fromiter((index.setdefault(s, len(index)) for s in sensors), np.int32, len(sensors))
        return cls.columns(tuple(index), sensor, time, value, received=received, quality=quality)

    @classmethod
    def columns(
        cls,
        names: Sequence[str],
        sensor: ArrayLike,
        time: ArrayLike,
        value: ArrayLike,
        *,
        received: ArrayLike | np.datetime64,
        quality: ArrayLike = 0,
    ) -> ReadingBatch:
        """Columns as they are, brought to their types. ValueError when lengths differ."""
        t = np.asarray(time, TIME_DTYPE)
        n = len(t)
        batch = cls(
            tuple(names),
            np.asarray(sensor, np.int32),
            t,
            np.asarray(value, np.float64),
            np.broadcast_to(np.asarray(quality, np.uint16), (n,)),
            np.broadcast_to(np.asarray(received, TIME_DTYPE), (n,)),
        )
        if not (len(batch.sensor) == len(batch.value) == n):
            raise ValueError(
                f"columns differ in length: {len(batch.sensor)} sensors, {n} times, {len(batch.value)} values"
            )
        return batch

    @classmethod
    def empty(cls) -> ReadingBatch:
        return cls.of((), np.empty(0, TIME_DTYPE), np.empty(0), received=np.empty(0, TIME_DTYPE))

    @classmethod
    def concat(cls, batches: Iterable[ReadingBatch]) -> ReadingBatch:
        """All readings of ``batches`` in their order, over one list of names."""
        parts = [b for b in batches if len(b)]
        if not parts:
            return cls.empty()
        if len(parts) == 1:
            return parts[0]
        index: dict[str, int] = {}
        columns = []
        for b in parts:
            remap = np.fromiter((index.setdefault(n, len(index)) for n in b.names), np.int32, len(b.names))
            columns.append(remap[b.sensor])
        return cls(
            tuple(index),
            np.concatenate(columns),
            np.concatenate([b.time for b in parts]),
            np.concatenate([b.value for b in parts]),
            np.concatenate([b.quality for b in parts]),
            np.concatenate([b.received for b in parts]),
        )

    def take(self, rows: ArrayLike) -> ReadingBatch:
        """The readings at ``rows`` (indices or a boolean mask), over the same names."""
        ix = np.asarray(rows)
        return ReadingBatch(
            self.names, self.sensor[ix], self.time[ix], self.value[ix], self.quality[ix], self.received[ix]
        )


class Window(NamedTuple):
    """Readings of S sensors side by side.

    times (T,) datetime64[us] UTC, ascending, unique; values (T, S) SI, NaN where a sensor has no reading
    at that time; quality (T, S) uint16 flags, 0 where there is no reading.
    """

    times: Times
    values: Floats
    quality: NDArray[np.uint16]


class Latest(NamedTuple):
    """The newest reading of one sensor, by device time."""

    time: np.datetime64
    value: float
    quality: int
    received: np.datetime64


class Gap(NamedTuple):
    """Nothing was read from ``start`` (the last reading before) to ``end`` (the first one after)."""

    start: np.datetime64
    end: np.datetime64


class AppendResult(NamedTuple):
    """What became of a batch: its rows are new, known already, or put in the place of a differing value.

    duplicates, replaced: None where the store does not tell known rows from new ones; ``stored`` then
    counts them all. expired: rows older than what the store keeps, which it did not take.
    """

    stored: int
    duplicates: int | None
    replaced: int | None
    expired: int = 0


class Changes(NamedTuple):
    """What was stored since a cursor: per sensor the earliest and latest device time touched."""

    cursor: int
    spans: dict[str, tuple[np.datetime64, np.datetime64]]
