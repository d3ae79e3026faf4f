"""Tells the ledger of each group of messages what it came to. Holds nobody up where it cannot."""

from __future__ import annotations

import logging
import zlib
from collections import deque
from collections.abc import Sequence

import numpy as np

from ingest.ledger.arrivals import REJECTED, SOUND
from ingest.ledger.book import DEVICE, SENSOR, Entry, Ledger, Marks
from ingest.reasons import Reason
from ingest.stats import Stats
from ingest.topics import parse
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.localtime import midnight
from waterworks.reading import TIME_DTYPE, ReadingBatch, as_datetime
from waterworks.site import Site

log = logging.getLogger(__name__)

Mark = tuple[str, int, int, int, int]
"""Of a message: device, boot (-1: none), number, oldest that the device keeps (0: none), newest time [us]."""

Spoiled = tuple[int, str, int]
"""Of a rejected reading: SENSOR or DEVICE, its name, its time [us since 1970]."""

_HELD = 1_000  # groups that wait for a ledger which takes nothing, at most
_COUNTED = 1_000  # readings of one rejected message that are told apart
_PART_OF_DAY_US = 23 * 3_600_000_000  # each local day has these
_DAY = np.timedelta64(86_400_000_000, "us")
_EARLIEST = np.datetime64("2000-01-01", "us")


class LedgerWriter:
    """Writes to ``ledger`` for one ingest process. What cannot be written is tried again with the next group,
    and counted in ``stats`` where it had to be let go."""

    def __init__(self, ledger: Ledger, site: Site, stats: Stats) -> None:
        self.ledger = ledger
        self._site = site
        self._stats = stats
        self._devices = {s.device for s in site.sensors} - {""}
        self._unwritten: deque[Entry] = deque()

    def write(
        self, batch: ReadingBatch, spoiled: Sequence[Spoiled], marks: Sequence[Mark], received: np.datetime64
    ) -> None:
        """``batch`` is durable, ``spoiled`` was rejected; ``marks``: the numbers of their messages."""
        self._unwritten.append(self._entry(batch, spoiled, marks, received))
        try:
            while self._unwritten:
                self.ledger.add(self._unwritten[0])
                self._unwritten.popleft()
        except (StoreUnavailable, StoreError) as e:
            if not self._stats.ledger_problem:
                log.warning("what comes in is stored, but not counted: %s", e)
            self._stats.ledger_problem = str(e)
            while len(self._unwritten) > _HELD:
                self._stats.uncounted += len(self._unwritten.popleft().time)
        else:
            self._stats.ledger_problem = ""

    def refused(self, topic: str, payload: bytes, readings: int, received: np.datetime64) -> list[Spoiled]:
        """``readings`` of a message that name no sensor (known to the decoder)."""
        whose = self._whose(topic)
        return [(DEVICE, whose, at) for at in self._times(payload, received, min(readings, _COUNTED))]

    def spoiled(
        self,
        topic: str,
        payload: bytes,
        sensor: str,
        reason: Reason,
        time: np.datetime64,
        row: int,
        received: np.datetime64,
    ) -> Spoiled:
        """One reading that was rejected for ``reason``. row: tells it from others of its message."""
        known = reason not in (Reason.UNKNOWN_SENSOR, Reason.WRONG_DEVICE)
        kind, name = (SENSOR, sensor) if known else (DEVICE, self._whose(topic))
        if _EARLIEST < time < received + _DAY:  # False for no instant
            return kind, name, int(time.astype(TIME_DTYPE).astype(np.int64))
        return kind, name, self._times(payload, received, 1, row)[0]

    def _whose(self, topic: str) -> str:
        """The device of this site that a message is from, "" where it is from none."""
        found = parse(topic)
        if found is None or found.site != self._site.id or found.device not in self._devices:
            return ""
        return found.device

    def _times(self, payload: bytes, received: np.datetime64, n: int, first: int = 0) -> list[int]:
        """In the ledger a reading is its sensor and time. Of those without a time that can be: one on the
        local day on which they came, the same if the same message comes again."""
        zone = self._site.timezone
        start = midnight(as_datetime(received).astimezone(zone).toordinal(), zone)
        base = zlib.crc32(payload) * 1_000 + first
        return [int(start.astype(np.int64)) + (base + i) % _PART_OF_DAY_US for i in range(n)]

    def _entry(
        self, batch: ReadingBatch, spoiled: Sequence[Spoiled], marks: Sequence[Mark], received: np.datetime64
    ) -> Entry:
        m, n = len(batch.names), len(batch)
        names, kinds = list(batch.names), [SENSOR] * m
        sensor, time = batch.sensor, batch.time.view(np.int64)
        kind = np.full(n + len(spoiled), SOUND, np.uint8)
        if spoiled:
            index: dict[tuple[int, str], int] = {}
            of = [m + index.setdefault((kind, name), len(index)) for kind, name, _ in spoiled]
            names += [name for _, name in index]
            kinds += [kind for kind, _ in index]
            kind[n:] = REJECTED
            sensor = np.concatenate([sensor, np.array(of, np.int32)])
            time = np.concatenate([time, np.array([at for *_, at in spoiled], np.int64)])
        moment = int(received.astype(TIME_DTYPE).astype(np.int64))
        return Entry(moment, names, kinds, sensor, time, kind, self._marks(marks))

    def _marks(self, marks: Sequence[Mark]) -> Marks:
        """In columns, those of devices that the site does not have left out."""
        if not marks:
            return Marks.empty()
        whose, *numbers = zip(*marks, strict=True)
        devices = [d for d in dict.fromkeys(whose) if d in self._devices]
        index = {d: i for i, d in enumerate(devices)}
        rows = np.empty((len(marks), 5), np.int64)
        rows[:, 0] = [index.get(d, -1) for d in whose]
        for column, values in enumerate(numbers, start=1):
            rows[:, column] = values
        return Marks(devices, rows[rows[:, 0] >= 0])
