"""The disk spool: batches of readings that no store has yet, in the order in which they came.

A folder of numbered files. Records are appended to the newest one (``records``) and read from the oldest,
which is removed when all of it is in the store. How far that has got within a file is not written down: after
a crash the oldest file is read from its beginning, and the store, which is idempotent, gets some of it twice.
Files are removed one by one and in order, each for good before the next is read, so what is read again is
always *all* of what came since; a value sent later still takes the place of the one sent before.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ingest.durable import sync_folder
from ingest.order import pieces
from ingest.spool.folder import Folder
from ingest.spool.records import Unreadable, pack, walk
from ingest.spool.segments import (
    Segment,
    as_instant,
    contents,
    highest_number,
    read_part,
    segment_path,
    segment_paths,
    sync_data,
    sync_file,
    write_all,
)
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.reading import ReadingBatch

log = logging.getLogger(__name__)

SEGMENT_BYTES = 8 * 2**20
"""A file that has reached so many bytes gets no more. What is read again after a crash is at most one."""

RECORD_READINGS = 50_000
"""Most readings in a record: some 1.5 MB, which a damaged byte costs at most."""

MAX_BYTES = 2**30
"""Bound on a spool unless told otherwise: 8 to 35 million readings, the more the larger their batches."""

KEEP_FREE_BYTES = 256 * 2**20
"""Left free on the disk, so that store, alerts and rejected messages have room while the spool drains."""

PATIENCE_S = 1.0
"""How long to wait for a folder that another process has just a look at [s]."""


class Position(NamedTuple):
    """A place between two records: so many bytes and readings into file ``segment``."""

    segment: int
    offset: int
    readings: int


class Taken(NamedTuple):
    """Readings from the beginning of what waits, up to ``position``."""

    batch: ReadingBatch
    position: Position


class Waiting(NamedTuple):
    """What waits in a spool. bytes: of its files, as the bound counts them. oldest: when received.

    damaged: files of what could not be read, which are kept for a person to look at.
    """

    readings: int
    bytes: int
    oldest: np.datetime64 | None
    damaged: int


class SpoolFull(StoreUnavailable):
    """The spool has reached its bound, or the disk is nearly full: nothing was kept."""


class Spool:
    """The spool in ``folder``, which is made where there is none. Safe to use from several threads.

    One thread at a time may ``read`` and say ``done``. Raises StoreUnavailable where another process has the
    folder, or the disk fails or is full; StoreError where the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = MAX_BYTES,
        keep_free_bytes: int = KEEP_FREE_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.max_bytes = max_bytes
        self.keep_free_bytes = keep_free_bytes
        self._segment_bytes = min(segment_bytes, max(max_bytes // 8, 4096))
        self._lock = threading.RLock()
        self._segments: list[Segment] = []
        self._active: tuple[Segment, int] | None = None  # where appends go: the last segment, and its handle
        self._closed = False
        self._own = Folder(folder, patience_s)
        self.folder = self._own.path
        try:
            self._recover()
        except OSError as error:
            self.close()
            raise StoreUnavailable(f"the spool {self.folder} cannot be read: {error.strerror}") from error
        except BaseException:
            self.close()
            raise

    # -- opening and closing ------------------------------------------------------------------------

    def _recover(self) -> None:
        """Take stock of what an earlier owner left: cut off a torn end, keep what is damaged apart."""
        paths = segment_paths(self.folder)
        self._number = highest_number(self.folder)
        last = max(paths, default=0)
        for number, path in paths.items():
            data = path.read_bytes()
            found = contents(data)
            end = len(data)
            for part in found.unreadable:
                if part.torn and number == last:
                    # Its append never returned: nobody was told that these readings are safe.
                    log.warning(
                        "the spool's last write had not ended: %d bytes cut off from %s",
                        len(data) - part.start,
                        path,
                    )
                    end = part.start
                    os.truncate(path, end)
                    sync_file(path)
                else:
                    self._own.set_aside(number, part.start, data[part.start : part.end])
            segment = Segment(number, path, end, found.readings, found.oldest)
            self._segments.append(segment)
            if not found.readings:
                self._drop(segment)
        if self._segments:
            log.info("%d readings wait in the spool %s", self.waiting().readings, self.folder)

    def close(self) -> None:
        """Leave the folder to others. Closing twice is allowed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._active is not None:
                os.close(self._active[1])
                self._active = None
            self._own.release()

    def _alive(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"the spool {self.folder} is closed")

    # -- writing ------------------------------------------------------------------------------------

    def append(self, batch: ReadingBatch) -> Position:
        """Keep a batch at the end; when this returns, it is durable. The position is where it ends.

        Raises SpoolFull, or StoreUnavailable where the disk fails; nothing of the batch is kept then.
        """
        packed = [pack(piece) for piece in pieces(batch, RECORD_READINGS)]
        data = b"".join(packed)
        with self._lock:
            self._alive()
            self._make_sure_of_room(len(data))
            try:
                segment, handle = self._writable()
                write_all(handle, data, segment.end)
                sync_data(handle)
            except OSError as error:
                self._abandon()
                raise StoreUnavailable(
                    f"the spool {self.folder} cannot be written: {error.strerror}"
                ) from error
            segment.end += len(data)
            segment.readings += len(batch)
            if segment.oldest is None and len(batch):
                segment.oldest = int(batch.received.min().astype(np.int64))
            return Position(segment.number, segment.end, segment.readings)

    def _make_sure_of_room(self, size: int) -> None:
        used = self._bytes()
        if used + size > self.max_bytes:
            raise SpoolFull(
                f"the spool {self.folder} is full: {used / 2**20:,.0f} of {self.max_bytes / 2**20:,.0f} MiB "
                "(spool.max_bytes)"
            )
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise StoreUnavailable(f"the spool {self.folder} is not there: {error.strerror}") from error
        if free - size < self.keep_free_bytes:
            raise SpoolFull(
                f"the disk of the spool {self.folder} has {free / 2**20:,.0f} MiB left, and "
                f"{self.keep_free_bytes / 2**20:,.0f} MiB are kept free (spool.keep_free_bytes): make room"
            )

    def _writable(self) -> tuple[Segment, int]:
        """The file to append to, with its handle: the newest, or where that is long enough, the next."""
        if self._active is not None:
            segment, handle = self._active
            if segment.end < self._segment_bytes and os.fstat(handle).st_nlink:  # 0: taken away
                return self._active
            self._active = None
            os.close(handle)
        self._number += 1
        path = segment_path(self.folder, self._number)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        segment = Segment(self._number, path)
        self._active = segment, handle
        self._segments.append(segment)
        sync_folder(self.folder)
        return self._active

    def _abandon(self) -> None:
        """After a failed write: forget what it may have left, and go on in a new file.

        What a disk did not take once it may claim to have taken the next time.
        """
        if self._active is None:
            return
        (segment, handle), self._active = self._active, None
        with suppress(OSError):
            os.ftruncate(handle, segment.end)
        with suppress(OSError):
            os.close(handle)
        if not segment.end:
            self._segments.remove(segment)
            with suppress(OSError):
                segment.path.unlink()

    # -- reading ------------------------------------------------------------------------------------

    @property
    def empty(self) -> bool:
        """Whether nothing waits; what was there is removed for good then."""
        with self._lock:
            return not self._segments

    def waiting(self) -> Waiting:
        """What waits."""
        with self._lock:
            readings = sum(s.readings - s.done_readings for s in self._segments)
            oldest = as_instant(self._segments[0].oldest) if self._segments else None
            return Waiting(readings, self._bytes(), oldest, self._own.damaged)

    def _bytes(self) -> int:
        return sum(s.end for s in self._segments)

    def read(self, most: int) -> Taken | None:
        """The oldest readings that wait: whole records, and no more than ``most`` readings where it can.

        The same ones again until they are ``done``; None where nothing waits. What cannot be read is kept
        apart and passed over.
        """
        while True:
            with self._lock:
                self._alive()
                if not self._segments:
                    return None
                head = self._segments[0]
                start, end, before = head.done, head.end, head.done_readings
            if head.removed:  # the disk failed when it was, so it may come back: once more
                self.done(Position(head.number, end, head.readings))
                continue
            try:
                data = read_part(head.path, start, end)
                taken = self._batch(head, data, start, before, most)
            except FileNotFoundError:
                # Whoever removed it took readings away that were acknowledged: that must be seen.
                log.error("%d readings are lost: %s was taken away", head.readings - before, head.path)
                taken = None
            except OSError as error:
                raise StoreUnavailable(f"the spool {self.folder}: {error.strerror}") from error
            if taken is not None:
                return taken
            self.done(Position(head.number, end, head.readings))

    def _batch(self, head: Segment, data: bytes, start: int, before: int, most: int) -> Taken | None:
        """The first records of ``data``, which begins at ``start`` of ``head``. None: no sound one."""
        batches: list[ReadingBatch] = []
        readings, at = 0, start
        for part in walk(data):
            if isinstance(part, Unreadable):
                self._own.set_aside(head.number, start + part.start, data[part.start : part.end])
                continue
            if batches and readings + part.readings > most:
                break
            try:
                batches.append(part.batch())
            except StoreError:  # sound bytes, but none of ours
                self._own.set_aside(head.number, start + part.start, data[part.start : part.end])
                continue
            if not readings:
                head.oldest = part.oldest
            readings += part.readings
            at = start + part.end
        if not batches:
            return None
        return Taken(ReadingBatch.concat(batches), Position(head.number, at, before + readings))

    def done(self, position: Position) -> None:
        """All up to ``position`` is in the store. Raises StoreUnavailable where the disk fails."""
        with self._lock:
            self._alive()
            try:
                while self._segments and (head := self._segments[0]).number <= position.segment:
                    if head.number == position.segment and position.offset < head.end:
                        if position.offset > head.done:
                            head.done, head.done_readings = position.offset, position.readings
                        return
                    self._drop(head)
            except OSError as error:
                raise StoreUnavailable(f"the spool {self.folder}: {error.strerror}") from error

    def _drop(self, segment: Segment) -> None:
        """Remove a file for good. Raises OSError; it can be tried again."""
        if self._active is not None and self._active[0] is segment:
            os.close(self._active[1])
            self._active = None
        segment.path.unlink(missing_ok=True)
        segment.removed = True
        sync_folder(self.folder)
        self._segments.remove(segment)

    def look_at_damage(self) -> int:
        """How many files of damaged bytes there are now: a person may have taken them away."""
        return self._own.count_damaged()
