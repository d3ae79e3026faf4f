"""The store as the parts of one process see it: what changed is asked for once a round, for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from waterworks.ports import ReadingStore
from waterworks.reading import AppendResult, Changes, Gap, Latest, ReadingBatch, Window
from waterworks.series import is_derived
from waterworks.site import Site

Spans = dict[str, tuple[np.datetime64, np.datetime64]]


class ChangesOnce:
    """What changed since a cursor, by part. Parts that are equally far share the answer of a round."""

    def __init__(self, store: ReadingStore, parts: Sequence[Site]) -> None:
        self._store = store
        self._part = {s.id: n for n, part in enumerate(parts) for s in part.sensors}
        self._turn, self._known = 0, dict[int, tuple[int, dict[int, Spans]]]()

    def turn(self, number: int) -> None:
        """A new round: what is known so far may be too old."""
        if number != self._turn:
            self._turn = number
            self._known.clear()

    def of(self, since: int, part: int) -> Changes:
        """As ``ReadingStore.changes``, of readings of one part alone."""
        if since not in self._known:
            changes = self._store.changes(since)
            spans: dict[int, Spans] = {}
            for name, span in changes.spans.items():
                if (n := self._part.get(name)) is not None and not is_derived(name):
                    spans.setdefault(n, {})[name] = span
            self._known[since] = (changes.cursor, spans)
        cursor, by_part = self._known[since]
        return Changes(cursor, by_part.get(part, {}))


class PartStore:
    """The store, but for what changed."""

    def __init__(self, store: ReadingStore, changes: ChangesOnce, part: int) -> None:
        self._store, self._changes, self._part = store, changes, part

    def changes(self, since: int) -> Changes:
        return self._changes.of(since, self._part)

    def window(
        self,
        sensors: Sequence[str],
        start: np.datetime64,
        end: np.datetime64,
        *,
        step: np.timedelta64 | None = None,
        exclude: int = 0,
    ) -> Window:
        return self._store.window(sensors, start, end, step=step, exclude=exclude)

    def batch(self, sensors: Sequence[str], start: np.datetime64, end: np.datetime64) -> ReadingBatch:
        return self._store.batch(sensors, start, end)

    def append(self, batch: ReadingBatch) -> AppendResult:
        return self._store.append(batch)

    def latest(self, sensors: Sequence[str] | None = None) -> dict[str, Latest]:
        return self._store.latest(sensors)

    def gaps(
        self, sensor: str, start: np.datetime64, end: np.datetime64, longer_than: np.timedelta64
    ) -> list[Gap]:
        return self._store.gaps(sensor, start, end, longer_than)

    def extent(self, sensors: Sequence[str] | None = None) -> tuple[np.datetime64, np.datetime64] | None:
        return self._store.extent(sensors)

    def names(self) -> list[str]:
        return self._store.names()

    def close(self) -> None:
        self._store.close()
