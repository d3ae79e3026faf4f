"""A store with a spool before it: a batch is durable in the one or in the other."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingest.backoff import Backoff
from ingest.spool.look import spool_folders
from ingest.spool.segments import segment_paths
from ingest.spool.spool import KEEP_FREE_BYTES, MAX_BYTES, Position, Spool
from ingest.stats import Stats
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.reading import AppendResult, ReadingBatch, as_datetime

log = logging.getLogger(__name__)

DRAIN_READINGS = 50_000
"""Readings stored at once from the spool: many small batches as one, which stores like better."""

LOOK_AROUND_S = 60.0
"""How often to look for spools that others left behind [s]."""

_CLOSE_S = 5.0  # how long to wait for a call to the store that runs, at the end


class Appends(Protocol):
    """The one thing asked of a store here."""

    def append(self, batch: ReadingBatch) -> AppendResult: ...


@dataclass(frozen=True)
class SpoolOptions:
    """Where and how to spool.

    folder: of this process's own. Its neighbours are the spools of others, which are stored too where no
    process holds them. max_bytes: bound on the files; 0: nothing is spooled, messages wait at the broker.
    keep_free_bytes: left free on the disk. slow_s: a store that takes longer is not waited for [s].
    """

    folder: Path
    max_bytes: int = MAX_BYTES
    keep_free_bytes: int = KEEP_FREE_BYTES
    slow_s: float = 2.0
    retry_s: float = 0.5
    retry_most_s: float = 10.0

    def open(self) -> Spool:
        """The spool of this process. Raises StoreUnavailable, StoreError."""
        return Spool(self.folder, max_bytes=self.max_bytes, keep_free_bytes=self.keep_free_bytes)


@dataclass
class _Job:
    """A batch that the store is asked to take. spooled: where it ends in the spool, if it went there."""

    batch: ReadingBatch
    over: bool = False
    result: AppendResult | None = None
    error: Exception | None = None
    spooled: Position | None = None


class SpooledStore:
    """``store`` with the spool of ``options`` before it, for one thread that appends.

    A thread of its own asks the store, so that one that hangs holds nobody up. It has one thing to do at a
    time: the batch in hand, or the oldest that waits in the spool.

    While anything waits in the spool, every new batch goes there too, behind it. The store would take
    readings in any order, but of two values sent for the same sensor and time the later one is to stand: it
    must not be overtaken by the earlier one coming out of the spool.

    Of ``stats`` it keeps the figures of the spool, and counts what the store takes from there.
    """

    def __init__(self, store: Appends, options: SpoolOptions, stats: Stats) -> None:
        self.options = options
        self._store = store
        self._stats = stats
        self._spool = options.open()
        self._left: Spool | None = None  # one that another process left behind, while we store it
        self._changed = threading.Condition()
        self._job: _Job | None = None
        self._stop = False
        self._backoff = Backoff(options.retry_s, options.retry_most_s)
        self._again_at = 0.0  # not before this is the store asked again for what waits in the spool
        self._look_at = 0.0  # when to look for spools of others
        self._untold = False  # why the store takes nothing is known, and not yet said
        self._tell()
        self._thread = threading.Thread(target=self._work, name="spool", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the spools as they are. Closing twice is allowed."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        self._thread.join(_CLOSE_S)
        if self._left is not None:
            self._left.close()
        self._spool.close()

    # -- the thread that appends ----------------------------------------------------------------------

    def append(self, batch: ReadingBatch) -> AppendResult | None:
        """Make a batch durable: what became of it in the store, or None where it waits in the spool.

        Raises StoreUnavailable where neither takes it, StoreError where the store refuses it for good. Then
        call again with the same batch.
        """
        if not self._spool.empty:
            self._put(batch)
            return None
        job = self._ask_for(batch)
        with self._changed:  # so that the store's answer comes before all this, or after
            if job.over and job.error is None:
                self._job = None
                return job.result
            if not job.over:
                self._ill(f"the store has not answered for {self.options.slow_s:g} s")
            elif not isinstance(job.error, StoreUnavailable) or not self.options.max_bytes:
                assert job.error is not None
                raise job.error
            else:
                self._ill(str(job.error))
            job.spooled = self._put(batch)
            self._say_why()  # only now is it true: where the spool takes nothing either, who appends says so
        return None

    def _ask_for(self, batch: ReadingBatch) -> _Job:
        """Have the store asked to take ``batch``, and wait for it for a while."""
        patience = self.options.slow_s if self.options.max_bytes else None
        with self._changed:
            job = self._job
            if job is not None and job.batch is not batch:
                if not self._changed.wait_for(lambda: not self._asked(), patience):
                    raise StoreUnavailable("the store has not yet answered to what it was asked before")
                job = None
            if job is None or job.error is not None:  # else it is under way since an earlier call
                job = self._job = _Job(batch)
                self._changed.notify_all()
            self._changed.wait_for(lambda: job.over, patience)
            return job

    def _put(self, batch: ReadingBatch) -> Position:
        """Into the spool. Raises StoreUnavailable, which says why the store does not take it either."""
        try:
            position = self._spool.append(batch)
        except StoreUnavailable as e:
            trouble = self._stats.spool_problem or "the store has not yet taken what waits there"
            raise StoreUnavailable(f"{e}; {trouble}") from e
        self._stats.spooled += len(batch)
        self._tell()
        with self._changed:
            self._changed.notify_all()
        return position

    # -- the thread that asks the store ---------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._stop or self._asked()) and (pause := self._pause()) > 0:
                    self._changed.wait(pause)
                if self._stop:
                    return
                job = self._job if self._asked() else None
            try:
                if job is not None:
                    self._do(job)
                else:
                    self._drain()
            except Exception:  # a defect of ours; what waits is safe, and tried again
                log.exception("storing what waits in the spool failed")
                self._again_at = self._look_at = time.monotonic() + self._backoff.next()

    def _asked(self) -> bool:
        return self._job is not None and not self._job.over

    def _pause(self) -> float:
        """How long there is nothing to do [s]."""
        waits = not self._spool.empty or self._left is not None
        due = self._again_at if waits else self._look_at
        return due - time.monotonic()

    def _do(self, job: _Job) -> None:
        try:
            job.result = self._store.append(job.batch)
        except Exception as e:
            job.error = e
        with self._changed:
            job.over = True
            if job.error is None and job.spooled is not None:
                self._took(job, job.spooled)
            elif job.error is not None:
                self._again_at = time.monotonic() + self._backoff.next()
            self._changed.notify_all()
        if job.error is None:
            self._well()

    def _took(self, job: _Job, position: Position) -> None:
        """The store took in the end what had gone into the spool meanwhile, as the first that waits there."""
        assert job.result is not None
        self._stats.add(job.result)
        self._stats.drained += len(job.batch)
        with suppress(StoreUnavailable):  # the store will be given it once more
            self._spool.done(position)
        self._tell()

    def _drain(self) -> None:
        """Store the oldest that waits; where nothing does, look for what others left behind."""
        if not self._spool.empty:
            spool = self._spool
        elif self._left is not None:
            spool = self._left
        else:
            self._look_around()
            return
        try:
            taken = spool.read(DRAIN_READINGS)
            if taken is not None:
                result = self._store.append(taken.batch)
                self._stats.add(result)
                self._stats.drained += len(taken.batch)
                spool.done(taken.position)
        except StoreUnavailable as e:
            self._failed(str(e))
        except StoreError as e:
            self._failed(f"the store refuses what waits in the spool {spool.folder}: {e}")
        else:
            self._well()
            if spool.empty:
                log.info("all that waited in the spool %s is stored", spool.folder)
                if spool is not self._spool:
                    spool.close()
                    self._left = None
            self._tell()

    def _failed(self, why: str) -> None:
        if self._stop:
            return  # the spool is closed, and says so
        self._ill(why)
        self._say_why()
        self._tell()
        self._again_at = time.monotonic() + self._backoff.next()

    def _look_around(self) -> None:
        """Take up one spool that a process which does not run any more left behind, if there is any."""
        self._look_at = time.monotonic() + LOOK_AROUND_S
        self._spool.look_at_damage()
        self._tell()
        own = self._spool.folder
        try:
            others = [f for f in spool_folders(own.parent) if f != own and segment_paths(f)]
        except OSError as e:
            log.warning("cannot look for spools in %s: %s", own.parent, e.strerror)
            return
        for folder in others:
            try:
                spool = Spool(folder, patience_s=0.0)
            except StoreUnavailable:
                continue  # its process runs
            except StoreError as e:
                log.warning("%s", e)
                continue
            if spool.empty:
                spool.close()
                continue
            log.warning(
                "no process runs as %r any more: storing the %d readings that wait in its spool",
                folder.name,
                spool.waiting().readings,
            )
            self._left = spool
            self._look_at = 0.0  # there may be more
            return

    # -- what is told ---------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Bring the figures up to date."""
        with self._changed:
            spools = [spool.waiting() for spool in (self._spool, self._left) if spool is not None]
            stats = self._stats
            stats.spool_readings = sum(w.readings for w in spools)
            stats.spool_bytes = sum(w.bytes for w in spools)
            oldest = [w.oldest for w in spools if w.oldest is not None]
            stats.spool_oldest = as_datetime(min(oldest)) if oldest else None
            stats.spool_damaged = sum(w.damaged for w in spools)

    def _ill(self, why: str) -> None:
        """Note why the store takes nothing."""
        if why != self._stats.spool_problem:
            self._untold = True
        self._stats.spool_problem = why

    def _say_why(self) -> None:
        """Tell it: once, not at every try."""
        why = self._stats.spool_problem
        if self._untold and why:
            log.warning("the store takes no readings, so they wait in the spool: %s", why)
        self._untold = False

    def _well(self) -> None:
        self._backoff.reset()
        if self._stats.spool_problem and not self._untold:
            log.info("the store takes readings again")
        self._stats.spool_problem = ""
        self._untold = False
