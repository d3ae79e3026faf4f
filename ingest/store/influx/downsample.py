"""Means of 15 minutes and of local days beside the readings, kept right when readings come late.

InfluxDB's own continuous queries and tasks look at each stretch of time once, so what comes late never
gets into their means. Here the journal says which stretches were touched, and their bins are made anew.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from ingest.store.influx.bins import COUNT, binned
from ingest.store.influx.schema import LEVELS, Level
from ingest.store.influx.store import InfluxStore
from waterworks.errors import StoreUnavailable
from waterworks.reading import TIME_DTYPE, Times, as_datetime, instant

log = logging.getLogger(__name__)

POLL_S = 60.0
"""How often to look for what was touched [s]: a bin of 15 minutes is made anew at most so often."""

SPAN_DAYS = 30
"""Worked through at a time [d]."""

SENSORS = 50
"""Worked through at a time: with readings every 5 minutes half a million in all."""


class Downsampler:
    """Keeps the means of ``store``. cursor_file: where it keeps how far it is; without it, it starts over."""

    def __init__(self, store: InfluxStore, cursor_file: Path) -> None:
        self._store, self._file = store, cursor_file
        self._cursor = 0
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(cursor_file.read_text(encoding="utf-8"))
            if kept["of"] == self._of():
                self._cursor = int(kept["cursor"])

    def run(self, stop: threading.Event, poll_s: float = POLL_S) -> None:
        """Keep up until ``stop``."""
        while not stop.is_set():
            try:
                self.catch_up(stop)
            except StoreUnavailable as error:
                log.warning("means wait: %s", error)
            stop.wait(poll_s)

    def catch_up(self, stop: threading.Event | None = None) -> int:
        """Make all bins anew that were touched since the last time; returns how many were written.

        Where it is stopped or fails on the way, the next time begins at the same point.
        """
        changes = self._store.changes(self._cursor)
        written = 0
        for level in LEVELS:
            names = sorted(changes.spans)
            for k in range(0, len(names), SENSORS):
                part = {name: changes.spans[name] for name in names[k : k + SENSORS]}
                for edges in self._stretches(level, part):
                    if stop is not None and stop.is_set():
                        return written
                    mine = [n for n, (low, high) in part.items() if high >= edges[0] and low < edges[-1]]
                    written += self._make(level, mine, edges) if mine else 0
        if changes.cursor != self._cursor:
            self._cursor = changes.cursor
            text = json.dumps({"of": self._of(), "cursor": self._cursor})
            self._file.write_text(text, encoding="utf-8")
        return written

    def _of(self) -> str:
        access = self._store.access
        return f"{access.url} {access.database} {self._store.site.id}"

    def _stretches(
        self, level: Level, spans: dict[str, tuple[np.datetime64, np.datetime64]]
    ) -> Iterator[Times]:
        """Edges of all bins that the spans touch, SPAN_DAYS at a time."""
        low, high = min(a for a, _ in spans.values()), max(b for _, b in spans.values())
        edges = self.edges(level, low, high)
        pace = SPAN_DAYS * (1 if level.step_s is None else 86_400 // level.step_s)
        for k in range(0, len(edges) - 1, pace):
            yield edges[k : k + pace + 1]

    def edges(self, level: Level, low: np.datetime64, high: np.datetime64) -> Times:
        """Edges of the bins that hold all of [low, high]: one more than there are bins."""
        if level.step_s is not None:
            step = level.step_s * 1_000_000
            first, last = int(low.astype(np.int64)) // step, int(high.astype(np.int64)) // step
            return (np.arange(first, last + 2) * step).view(TIME_DTYPE)
        zone = self._store.site.timezone
        day = as_datetime(low).astimezone(zone).date()
        last_day = as_datetime(high).astimezone(zone).date()
        count = (last_day - day).days + 2
        midnights = [
            datetime.combine(day + timedelta(days=k), datetime.min.time(), zone) for k in range(count)
        ]
        return np.array([instant(midnight) for midnight in midnights], TIME_DTYPE)

    def _make(self, level: Level, names: list[str], edges: Times) -> int:
        """Work out these bins and write those that rest on no fewer readings than the one that is there.

        Fewer there are where retention has dropped some of a bin's readings: its mean then stays.
        """
        bins = binned(self._store.rows(names, edges[0], edges[-1]), edges)
        if not len(bins.time):
            return 0
        had = self._store.rows(names, edges[0], edges[-1], policy=level.policy, field=COUNT)
        before = np.zeros((len(names), len(edges)))
        before[had.sensor, np.searchsorted(edges, had.time, side="right") - 1] = had.value
        enough = bins.readings >= before[bins.sensor, np.searchsorted(edges, bins.time)]
        bins = bins.take(enough)
        self._store.write_bins(names, bins, level.policy)
        return len(bins.time)
