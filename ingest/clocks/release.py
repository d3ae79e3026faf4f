"""Out of the quarantine into the store, through the corrections of clocks."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from ingest.clocks.correct import Corrections
from ingest.clocks.quarantine import Quarantine
from ingest.ledger.arrivals import SOUND
from ingest.ledger.book import SENSOR, Entry, Ledger, Marks
from ingest.validate import commissioned
from waterworks.reading import AppendResult, ReadingBatch
from waterworks.site import Site


class Appends(Protocol):
    """The one thing asked of a store here."""

    def append(self, batch: ReadingBatch) -> AppendResult: ...


class Released(NamedTuple):
    """Readings that were stored, and that are still held because their times cannot be right yet."""

    stored: int
    held: int


def release(
    quarantine: Quarantine,
    site: Site,
    store: Appends,
    ahead: np.timedelta64,
    *,
    device: str | None = None,
    as_stamped: bool = False,
    ledger: Ledger | None = None,
) -> Released:
    """Store what is held and whose times, corrected by ``clocks.csv``, can be right.

    ahead: how far a time may lie after its reading came. device: only of this one. as_stamped: store it with
    the times that it came with, whatever they are. Interrupted, it can be run again: a reading is stored
    before it leaves the quarantine, and stored twice it is one. Raises StoreUnavailable, StoreError.
    """
    corrections = Corrections(site)
    stored = held = after = 0
    while True:
        ids, batch = quarantine.page(device, after)
        if not len(ids):
            return Released(stored, held)
        after = int(ids[-1])
        time = batch.time
        if not as_stamped:
            time = corrections.apply(batch.names, batch.sensor, time, batch.received + ahead)
        known = np.array([name in site.sensor for name in batch.names], np.bool_)[batch.sensor]
        fits = (time <= batch.received + ahead) & (time >= commissioned(site, batch.names)[batch.sensor])
        fits = known & (fits | as_stamped)
        rows = np.flatnonzero(fits)
        held += len(ids) - len(rows)
        if not len(rows):
            continue
        right = ReadingBatch(
            batch.names,
            batch.sensor[rows],
            time[rows],
            batch.value[rows],
            batch.quality[rows],
            batch.received[rows],
        )
        store.append(right)
        if ledger is not None:
            _count(ledger, right)
        quarantine.remove(ids[rows])
        stored += len(rows)


def _count(ledger: Ledger, batch: ReadingBatch) -> None:
    """The readings came, though late."""
    received = int(batch.received.max().astype(np.int64))
    kind = np.full(len(batch), SOUND, np.uint8)
    names = list(batch.names)
    time = batch.time.astype(np.int64)
    ledger.add(Entry(received, names, [SENSOR] * len(names), batch.sensor, time, kind, Marks.empty()))
