"""The folder of a spool: whose it is, and what in it could not be read."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from ingest.durable import sync_folder
from ingest.spool.segments import LOCK, damaged_path, damaged_paths, make_folder, write_all
from waterworks.errors import StoreError, StoreUnavailable

log = logging.getLogger(__name__)


class Folder:
    """``path``, made where there is none, and locked: no other ``Folder`` of any process has it meanwhile.

    damaged: how many files of unreadable bytes it holds. patience_s: how long to wait for a process that has
    just a look at it [s]. Raises StoreUnavailable where another process keeps it, StoreError where it cannot
    be used.
    """

    def __init__(self, path: Path, patience_s: float) -> None:
        self.path = Path(path).resolve()
        try:
            make_folder(self.path)
            self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"the spool {self.path} cannot be used: {error.strerror}") from error
        try:
            self._take(patience_s)
        except BaseException:
            os.close(self._lock)
            raise
        self.damaged = 0
        self.count_damaged()

    def _take(self, patience_s: float) -> None:
        give_up = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < give_up:
                    time.sleep(0.02)
                    continue
                owner = os.pread(self._lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
                raise StoreUnavailable(
                    f"the spool {self.path} is in use by process {owner}: either that stores what was left "
                    "there, and ends by itself, or it has the same name: give each its own (mqtt.name)"
                ) from None
        with suppress(OSError):  # a disk that is full: the lock holds without the number, too
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Leave it to others."""
        os.close(self._lock)

    def set_aside(self, number: int, offset: int, data: bytes) -> None:
        """Keep what could not be read at ``offset`` of file ``number``, for good, once. Raises OSError."""
        path = damaged_path(self.path, number, offset)
        if path.exists() and path.stat().st_size == len(data):
            return
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(handle, data, 0)
            os.fsync(handle)
        finally:
            os.close(handle)
        sync_folder(self.path)
        log.error("%d bytes of the spool are damaged: passed over, and kept in %s", len(data), path)
        self.count_damaged()

    def count_damaged(self) -> int:
        """Look how many damaged parts there are now: a person may have taken them away."""
        with suppress(OSError):
            self.damaged = len(damaged_paths(self.path))
        return self.damaged
