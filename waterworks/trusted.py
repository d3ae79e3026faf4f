"""A store seen through what is known of its sensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from waterworks.localtime import utc_seconds
from waterworks.ports import ReadingStore
from waterworks.reading import AppendResult, Changes, Gap, Latest, ReadingBatch, Window

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class TrustedStore:
    """A store whose windows leave out what is not to be trusted.

    distrusted: (names, seconds (T,) since 1970, step [s]) -> (T, S), whether a reading of each within
    [seconds, seconds + step) is one; a step of 0 is an instant.
    """

    def __init__(self, store: ReadingStore, distrusted: Callable[[list[str], Ints, int], Bools]) -> None:
        self._store, self._distrusted = store, distrusted

    def window(
        self,
        sensors: Sequence[str],
        start: np.datetime64,
        end: np.datetime64,
        *,
        step: np.timedelta64 | None = None,
        exclude: int = 0,
    ) -> Window:
        found = self._store.window(sensors, start, end, step=step, exclude=exclude)
        step_s = 0 if step is None else int(step / np.timedelta64(1, "s"))
        doubt = self._distrusted(list(sensors), utc_seconds(found.times), step_s)
        return Window(found.times, np.where(doubt, np.nan, found.values), found.quality)

    def append(self, batch: ReadingBatch) -> AppendResult:
        return self._store.append(batch)

    def batch(self, sensors: Sequence[str], start: np.datetime64, end: np.datetime64) -> ReadingBatch:
        """See ``ReadingStore.batch``: as they are stored."""
        return self._store.batch(sensors, start, end)

    def latest(self, sensors: Sequence[str] | None = None) -> dict[str, Latest]:
        return self._store.latest(sensors)

    def gaps(
        self, sensor: str, start: np.datetime64, end: np.datetime64, longer_than: np.timedelta64
    ) -> list[Gap]:
        return self._store.gaps(sensor, start, end, longer_than)

    def extent(self, sensors: Sequence[str] | None = None) -> tuple[np.datetime64, np.datetime64] | None:
        return self._store.extent(sensors)

    def changes(self, since: int) -> Changes:
        return self._store.changes(since)

    def names(self) -> list[str]:
        return self._store.names()

    def close(self) -> None:
        self._store.close()
