"""What a store knows by heart: its sensors, and the first and the newest reading of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waterworks.reading import TIME_DTYPE, Latest, ReadingBatch, Times

_NEVER = np.iinfo(np.int64).min
_ALWAYS = np.iinfo(np.int64).max


class Newest:
    """Sensors by number, and for each one the span of its readings and the newest of them.

    Not safe for threads by itself; its owner's lock guards it.
    """

    def __init__(self, ids: dict[str, int]) -> None:
        self.ids = dict(ids)
        """Number of each sensor that has readings."""
        self.names = {number: name for name, number in ids.items()}
        self._first = np.empty(0, np.int64)
        self._last = np.empty(0, np.int64)
        self._value = np.empty(0, np.float64)
        self._quality = np.empty(0, np.uint16)
        self._received = np.empty(0, np.int64)
        self._next = max(self.ids.values(), default=-1) + 1
        self._grow(self._next)

    def _grow(self, size: int) -> None:
        have = len(self._first)
        if size <= have:
            return
        more = max(size, 2 * have, 64) - have
        self._first = np.concatenate([self._first, np.full(more, _ALWAYS)])
        self._last = np.concatenate([self._last, np.full(more, _NEVER)])
        self._value = np.concatenate([self._value, np.full(more, np.nan)])
        self._quality = np.concatenate([self._quality, np.zeros(more, np.uint16)])
        self._received = np.concatenate([self._received, np.zeros(more, np.int64)])

    def load(self, columns: dict[str, NDArray[Any]]) -> None:
        """One row per sensor: sensor, first, time, value, quality, received."""
        at = columns["sensor"]
        self._first[at] = columns["first"].astype(np.int64)
        self._last[at] = columns["time"].astype(np.int64)
        self._value[at] = columns["value"]
        self._quality[at] = columns["quality"]
        self._received[at] = columns["received"].astype(np.int64)

    def number(self, batch: ReadingBatch) -> tuple[NDArray[np.int32], dict[str, int]]:
        """(N,) sensor numbers of a batch, and the sensors among them that are new, with their numbers."""
        occurs = np.zeros(len(batch.names), bool)
        occurs[batch.sensor] = True
        fresh: dict[str, int] = {}
        following = self._next
        numbers = np.full(len(batch.names), -1, np.int32)
        for k in np.flatnonzero(occurs):
            name = batch.names[k]
            number = self.ids.get(name, -1)
            if number < 0:
                number = fresh.setdefault(name, following + len(fresh))
            numbers[k] = number
        self._grow(following + len(fresh))
        return numbers[batch.sensor], fresh

    def may_hold(self, sensor: NDArray[np.int32], time: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a key lies within the span of what is stored of its sensor; outside of it, it is new."""
        inside: NDArray[np.bool_] = (time <= self._last[sensor]) & (time >= self._first[sensor])
        return inside

    def repeats(self, sensor: NDArray[np.int32], batch: ReadingBatch) -> tuple[NDArray[np.bool_], Times]:
        """(N,) whether a reading is the newest of its sensor over again, and (N,) when that was received."""
        same: NDArray[np.bool_] = (
            (self._last[sensor] == batch.time.astype(np.int64))
            & (self._value[sensor] == batch.value)
            & (self._quality[sensor] == batch.quality)
        )
        return same, self._received[sensor].view(TIME_DTYPE)

    def update(
        self,
        fresh: dict[str, int],
        sensor: NDArray[np.int32],
        time: NDArray[np.int64],
        batch: ReadingBatch,
        rows: NDArray[np.int64],
    ) -> None:
        """Take in the stored ``rows`` of ``batch``, whose N readings have these numbers and times."""
        self.ids.update(fresh)
        self.names.update((number, name) for name, number in fresh.items())
        self._next = max(self._next, max(fresh.values(), default=-1) + 1)
        rows = rows[np.argsort(time[rows], kind="stable")]
        s, t = sensor[rows], time[rows]
        np.minimum.at(self._first, s, t)
        at = np.full(len(self._first), -1, np.int64)
        at[s] = rows  # of repeated indices the last is kept: the newest row of each sensor
        touched = np.flatnonzero(at >= 0)
        at = at[touched]
        newer = time[at] >= self._last[touched]
        touched, at = touched[newer], at[newer]
        self._last[touched] = time[at]
        self._value[touched] = batch.value[at]
        self._quality[touched] = batch.quality[at]
        self._received[touched] = batch.received[at].astype(np.int64)

    def latest(self, sensors: Sequence[str] | None) -> dict[str, Latest]:
        """The newest reading of each of these sensors that has any."""
        names = list(self.ids if sensors is None else (name for name in sensors if name in self.ids))
        at = [self.ids[name] for name in names]
        times, received = self._last[at].view(TIME_DTYPE), self._received[at].view(TIME_DTYPE)
        rows = zip(times, self._value[at].tolist(), self._quality[at].tolist(), received, strict=True)
        return {name: Latest(*row) for name, row in zip(names, rows, strict=True)}

    def extent(self, sensors: Sequence[str] | None) -> tuple[np.datetime64, np.datetime64] | None:
        """First and last time of these sensors, None where they have no reading."""
        at = [self.ids[n] for n in (self.ids if sensors is None else sensors) if n in self.ids]
        if not at:
            return None
        return np.datetime64(int(self._first[at].min()), "us"), np.datetime64(int(self._last[at].max()), "us")
