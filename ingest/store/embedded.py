"""The embedded store of a data folder, whichever process holds its file.

The first process to open a folder takes its lock, opens the DuckDB file and serves it to the others. When
that process ends, in whatever way, the next call of any other takes over. The lock is the kernel's and goes
with its process, so a crash leaves nothing to clean up.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from ingest.store.duck import DuckStore
from ingest.store.shared import OwnerGone, StoreClient, StoreServer, listen
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.ports import ReadingStore
from waterworks.reading import AppendResult, Changes, Gap, Latest, ReadingBatch, Window

FILE, SOCKET, LOCK = "readings.duckdb", "store.sock", "store.lock"
"""Names in the data folder."""

TAKEOVER_S = 10.0
"""How long a call looks for the store's next owner, or tries to be it, before it is unavailable."""

_T = TypeVar("_T")


def open_store(folder: Path, *, patience_s: float = TAKEOVER_S) -> EmbeddedStore:
    """The reading store of a data folder, made where there is none.

    Raises StoreError where the folder or its file cannot be used, StoreUnavailable where the process that
    holds it does not answer.
    """
    return EmbeddedStore(folder, patience_s=patience_s)


class EmbeddedStore:
    """A ``ReadingStore`` that is the owner of its folder's file, or the client of the owner."""

    def __init__(self, folder: Path, *, patience_s: float = TAKEOVER_S) -> None:
        self._folder = Path(folder).resolve()
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._role: _Owner | StoreClient | None = None
        self._closed = False
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the data folder {self._folder}: {error.strerror}") from error
        self._find()

    @property
    def owner(self) -> bool:
        """Whether this process holds the file."""
        return isinstance(self._role, _Owner)

    def close(self) -> None:
        """Release the store; as its owner, once the calls of others that run have ended."""
        with self._lock:
            self._closed = True
            role, self._role = self._role, None
        if role is not None:
            role.close()

    def _find(self) -> ReadingStore:
        """The owner's store: this process's own, or a connection. One thread looks, the others wait."""
        with self._lock:
            if self._closed:
                raise StoreUnavailable(f"the reading store in {self._folder} is closed")
            if isinstance(self._role, _Owner):
                return self._role.store
            if self._role is not None:
                return self._role
            give_up = time.monotonic() + self._patience_s
            pause = 0.005
            while True:
                try:
                    owner = _Owner.take(self._folder)
                    if owner is not None:
                        self._role = owner
                        return owner.store
                    self._role = StoreClient(self._folder / SOCKET)
                    return self._role
                except OwnerGone:
                    elsewhere = _holder_elsewhere(self._folder)
                    if elsewhere:
                        raise StoreError(
                            f"the reading store in {self._folder} is open on another machine ({elsewhere}): "
                            "the embedded store is for the processes of one machine; give each machine a "
                            "data folder of its own, and keep readings in InfluxDB (docs/store.md)"
                        ) from None
                    reason = "the process that holds it is ending, or has not begun to answer"
                except StoreUnavailable as error:  # a file that its dying owner has not let go of yet
                    reason = str(error)
                if time.monotonic() >= give_up:
                    raise StoreUnavailable(f"the reading store in {self._folder} is not available: {reason}")
                time.sleep(pause)
                pause = min(2 * pause, 0.25)

    def _call(self, ask: Callable[[ReadingStore], _T]) -> _T:
        """Ask whoever owns the store. All that can be asked may be asked twice: appends are idempotent."""
        give_up = time.monotonic() + self._patience_s
        while True:
            role = self._find()
            try:
                return ask(role)
            except OwnerGone:
                with self._lock:
                    if self._role is role and isinstance(role, StoreClient):
                        self._role = None
                        role.close()
                if time.monotonic() >= give_up:
                    raise StoreUnavailable(
                        f"the reading store in {self._folder} is not available: its owners end one by one"
                    ) from None

    def append(self, batch: ReadingBatch) -> AppendResult:
        """See ``ReadingStore.append``.

        Where the owner died after it stored the batch and before it said so, its readings count as
        duplicates.
        """
        return self._call(lambda store: store.append(batch))

    def window(
        self,
        sensors: Sequence[str],
        start: np.datetime64,
        end: np.datetime64,
        *,
        step: np.timedelta64 | None = None,
        exclude: int = 0,
    ) -> Window:
        """See ``ReadingStore.window``."""
        return self._call(lambda store: store.window(sensors, start, end, step=step, exclude=exclude))

    def batch(self, sensors: Sequence[str], start: np.datetime64, end: np.datetime64) -> ReadingBatch:
        """See ``ReadingStore.batch``."""
        return self._call(lambda store: store.batch(sensors, start, end))

    def latest(self, sensors: Sequence[str] | None = None) -> dict[str, Latest]:
        """See ``ReadingStore.latest``."""
        return self._call(lambda store: store.latest(sensors))

    def gaps(
        self, sensor: str, start: np.datetime64, end: np.datetime64, longer_than: np.timedelta64
    ) -> list[Gap]:
        """See ``ReadingStore.gaps``."""
        return self._call(lambda store: store.gaps(sensor, start, end, longer_than))

    def extent(self, sensors: Sequence[str] | None = None) -> tuple[np.datetime64, np.datetime64] | None:
        """See ``ReadingStore.extent``."""
        return self._call(lambda store: store.extent(sensors))

    def changes(self, since: int) -> Changes:
        """See ``ReadingStore.changes``."""
        return self._call(lambda store: store.changes(since))

    def names(self) -> list[str]:
        """See ``ReadingStore.names``."""
        return self._call(lambda store: store.names())


class _Owner:
    """The lock, the file and the socket, held by this process."""

    def __init__(self, lock: int, folder: Path, store: DuckStore, server: StoreServer) -> None:
        self._lock, self._folder, self.store, self._server = lock, folder, store, server

    @classmethod
    def take(cls, folder: Path) -> _Owner | None:
        """Become the owner, or None where another process (or another store of this one) is it."""
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"cannot write in the data folder {folder}: {error.strerror}") from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return None
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{_boot_id()} {socket.gethostname()} {os.getpid()}\n".encode(), 0)
            # The socket first: clients wait in its queue while the file is opened, and need not retry.
            listening = listen(folder / SOCKET)
            try:
                store = DuckStore(folder / FILE)
            except BaseException:
                listening.close()
                raise
        except BaseException:
            os.close(lock)
            raise
        owner = cls(lock, folder, store, StoreServer(listening, store))
        _owners.add(owner)
        return owner

    def close(self) -> None:
        _owners.discard(self)
        try:
            self._server.close()
            self.store.close()
            (self._folder / SOCKET).unlink(missing_ok=True)
        finally:
            os.close(self._lock)  # last: only now may another process open the file

    def release_in_child(self) -> None:
        os.close(self._lock)


def _boot_id() -> str:
    """Names the running kernel, which is the same for all containers of a machine; "-" where none tells."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "-"


def _holder_elsewhere(folder: Path) -> str:
    """The name of the machine that holds the store, "" where it is this one, or nobody knows.

    Only network file systems carry a lock from one machine to another, and none carries a socket.
    """
    try:
        boot, host, _ = (folder / LOCK).read_text("utf-8").split()
    except (OSError, ValueError):
        return ""
    return "" if "-" in (boot, _boot_id()) or boot == _boot_id() else host


_owners: set[_Owner] = set()


@atexit.register
def _close_all() -> None:
    """A program that ends without closing its store still ends in order: clients hear of it at once."""
    for owner in list(_owners):
        owner.close()


def _forget_locks() -> None:
    """In a forked child: a lock lasts until the last copy of its handle is closed, and this is one."""
    for owner in _owners:
        owner.release_in_child()
    _owners.clear()


os.register_at_fork(after_in_child=_forget_locks)
