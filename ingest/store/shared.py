"""One process's store, used by others on the same machine over a Unix socket.

DuckDB's file belongs to one process. That process serves it here to its neighbours: the consumers, the
command line. Only the user who runs Twuin may connect (mode 0600).
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np

from ingest.store import protocol as p
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.ports import ReadingStore
from waterworks.reading import AppendResult, Changes, Gap, Latest, ReadingBatch, Window

log = logging.getLogger(__name__)

MAX_CLIENTS = 128
"""Connections that the owner keeps open at a time."""

ANSWER_TIMEOUT_S = 120.0
"""How long a client waits for a sign of life of an owner that is there, before it calls it unavailable."""

_A = TypeVar("_A")


class OwnerGone(Exception):
    """The process that held the store does not answer any more. ``EmbeddedStore`` looks for the next."""


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """``path`` such that a socket address has room for it (108 bytes, on some systems 104)."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    if not Path("/proc/self/fd").is_dir():
        raise StoreError(
            f"the path {path} is too long for a socket here: choose a data folder with a shorter one"
        )
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen(path: Path) -> socket.socket:
    """A listening socket at ``path``, in the place of one that a dead owner left there.

    Only for the process that holds the store's lock. Raises StoreError where the folder takes no sockets.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        os.fchmod(sock.fileno(), 0o600)  # on Linux, bind makes the file with this mode
        with _short(path) as address:
            sock.bind(address)
        path.chmod(0o600)
        sock.listen(MAX_CLIENTS)
    except OSError as error:
        sock.close()
        raise StoreError(
            f"cannot make the socket {path} through which programs share the store: {error.strerror}; "
            "choose a data folder on a local disk where you may write"
        ) from error
    except BaseException:
        sock.close()
        raise
    return sock


class StoreServer:
    """Serves ``store`` on a listening socket, with a thread for each connection."""

    def __init__(self, listening: socket.socket, store: ReadingStore) -> None:
        self._listening = listening
        self._store = store
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._closing = False
        self._accepting = threading.Thread(target=self._accept, name="store-accept", daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Take no more requests, let those that run end, and hang up."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            threads = list(self._connections.values())
            for sock in self._connections:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RD)  # an answer under way still goes out
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listening.close()
        self._accepting.join()
        for thread in threads:
            thread.join(timeout=ANSWER_TIMEOUT_S)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                if self._closing:
                    return
                threading.Event().wait(0.05)  # out of file handles: they will be given back
                continue
            with self._lock:
                if self._closing or len(self._connections) >= MAX_CLIENTS:
                    sock.close()
                    continue
                thread = threading.Thread(target=self._serve, args=(sock,), name="store-serve", daemon=True)
                self._connections[sock] = thread
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            if not self._greet(sock):
                return
            while not self._closing and (request := p.receive_request(sock)) is not None:
                try:
                    p.send(sock, self._answer(request))
                except (StoreError, StoreUnavailable) as error:
                    p.send(sock, p.pack_error(error))
                except OSError:
                    raise
                except Exception as error:  # a mistake of ours: the client must not take us for dead
                    log.exception("the shared store failed at %s", type(request).__name__)
                    p.send(sock, p.Failed(f"the reading store's owner failed: {error!r}", passing=False))
        except StoreError as error:  # no words of ours: say so, and hang up
            with suppress(OSError, StoreError):
                p.send(sock, p.pack_error(error))
        except OSError:
            pass  # the client is gone; what it appended is stored
        finally:
            with self._lock:
                self._connections.pop(sock, None)
            sock.close()

    def _greet(self, sock: socket.socket) -> bool:
        hello = p.receive_request(sock)
        if hello is None:
            return False
        if not isinstance(hello, p.Hello) or hello.version != p.VERSION:
            theirs = hello.version if isinstance(hello, p.Hello) else "unknown"
            raise StoreError(
                f"the Twuin process {os.getpid()} that holds the store speaks version {p.VERSION} of the "
                f"shared store, this one version {theirs}: stop it, and start all of one version"
            )
        p.send(sock, p.Welcome(p.VERSION, os.getpid()))
        return True

    def _answer(self, request: p.Request) -> p.Answer:
        store = self._store
        match request:
            case p.Append():
                return p.pack_result(store.append(p.unpack_batch(request)))
            case p.AskWindow():
                return p.pack_window(
                    store.window(
                        request.sensors,
                        p.instant_at(request.start),
                        p.instant_at(request.end),
                        step=None if request.step is None else np.timedelta64(request.step, "us"),
                        exclude=request.exclude,
                    )
                )
            case p.AskBatch():
                start, end = p.instant_at(request.start), p.instant_at(request.end)
                return p.SentBatch(p.pack_batch(store.batch(request.sensors, start, end)))
            case p.AskLatest():
                return p.pack_latest(store.latest(request.sensors))
            case p.AskGaps():
                start, end = p.instant_at(request.start), p.instant_at(request.end)
                return p.pack_gaps(
                    store.gaps(request.sensor, start, end, np.timedelta64(request.longer_than, "us"))
                )
            case p.AskExtent():
                return p.pack_extent(store.extent(request.sensors))
            case p.AskChanges():
                return p.pack_changes(store.changes(request.since))
            case p.AskNames():
                return p.SentNames(store.names())
            case p.Hello():
                raise StoreError("a greeting in the middle of a conversation with the shared store")


class StoreClient:
    """The ``ReadingStore`` of another process, over its socket ``path``.

    Threads that call at the same time use a connection each. Any call raises OwnerGone where the owner
    is gone; an append may then have been stored or not, and may be repeated.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []
        self._closed = False
        self._give_back(self._connect())

    def close(self) -> None:
        """Hang up. Closing twice is allowed."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for sock in idle:
            sock.close()

    def _connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(ANSWER_TIMEOUT_S)
            with _short(self._path) as address:
                sock.connect(address)
            p.send(sock, p.Hello(p.VERSION))
            answer = p.receive_answer(sock)
        except TimeoutError as error:
            sock.close()
            raise StoreUnavailable(_silent(self._path)) from error
        except PermissionError as error:
            sock.close()
            raise StoreError(f"{self._path} belongs to another user's Twuin: run as that user") from error
        except OSError as error:
            sock.close()
            raise OwnerGone from error
        except BaseException:
            sock.close()
            raise
        if isinstance(answer, p.Failed):
            sock.close()
            raise p.unpack_error(answer)
        return sock

    def _give_back(self, sock: socket.socket) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(sock)
                return
        sock.close()

    def _ask(self, request: p.Request, kind: type[_A]) -> _A:
        with self._lock:
            if self._closed:  # by another thread, which found the owner gone
                raise OwnerGone
            sock = self._idle.pop() if self._idle else None
        if sock is None:
            sock = self._connect()
        try:
            p.send(sock, request)
            answer = p.receive_answer(sock)
        except TimeoutError as error:
            sock.close()
            raise StoreUnavailable(_silent(self._path)) from error
        except OSError as error:
            sock.close()
            raise OwnerGone from error
        except StoreError:
            sock.close()
            raise
        self._give_back(sock)
        if isinstance(answer, p.Failed):
            raise p.unpack_error(answer)
        if not isinstance(answer, kind):
            raise StoreError(f"the shared store answered {type(answer).__name__} to {type(request).__name__}")
        return answer

    def append(self, batch: ReadingBatch) -> AppendResult:
        """See ``ReadingStore.append``."""
        done = self._ask(p.pack_batch(batch), p.Appended)
        return AppendResult(done.stored, done.duplicates, done.replaced)

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
        us = None if step is None else p.span_micros(step)
        request = p.AskWindow(list(sensors), p.micros(start), p.micros(end), us, int(exclude))
        return p.unpack_window(self._ask(request, p.SentWindow))

    def batch(self, sensors: Sequence[str], start: np.datetime64, end: np.datetime64) -> ReadingBatch:
        """See ``ReadingStore.batch``."""
        request = p.AskBatch(list(sensors), p.micros(start), p.micros(end))
        return p.unpack_batch(self._ask(request, p.SentBatch).batch)

    def latest(self, sensors: Sequence[str] | None = None) -> dict[str, Latest]:
        """See ``ReadingStore.latest``."""
        request = p.AskLatest(None if sensors is None else list(sensors))
        return p.unpack_latest(self._ask(request, p.SentLatest))

    def gaps(
        self, sensor: str, start: np.datetime64, end: np.datetime64, longer_than: np.timedelta64
    ) -> list[Gap]:
        """See ``ReadingStore.gaps``."""
        request = p.AskGaps(sensor, p.micros(start), p.micros(end), p.span_micros(longer_than))
        return p.unpack_gaps(self._ask(request, p.SentGaps))

    def extent(self, sensors: Sequence[str] | None = None) -> tuple[np.datetime64, np.datetime64] | None:
        """See ``ReadingStore.extent``."""
        request = p.AskExtent(None if sensors is None else list(sensors))
        return p.unpack_extent(self._ask(request, p.SentExtent))

    def changes(self, since: int) -> Changes:
        """See ``ReadingStore.changes``."""
        return p.unpack_changes(self._ask(p.AskChanges(since), p.SentChanges))

    def names(self) -> list[str]:
        """See ``ReadingStore.names``."""
        return self._ask(p.AskNames(), p.SentNames).names


def _silent(path: Path) -> str:
    return f"the process that holds the reading store ({path}) has not answered for {ANSWER_TIMEOUT_S:g} s"
