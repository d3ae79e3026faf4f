"""A folder into which loggers, or people, put files of readings: each is stored, then moved out of the way.

``done/`` gets what was stored, ``failed/`` what could not be, with a note beside it that says why. A file is
taken when it has stopped growing. Whatever ends this in between, the file is read again: what was stored
already is stored once.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ingest.backfill import BackfillReport, backfill
from ingest.backoff import Backoff
from ingest.mapping import Mapping
from ingest.rejected import RejectedLog
from waterworks.errors import DataFileError, StoreError, StoreUnavailable
from waterworks.ports import ReadingStore
from waterworks.site import Site
from waterworks.wording import counted

log = logging.getLogger(__name__)

DONE, FAILED = "done", "failed"
SETTLE_S = 10.0
"""How long a file must stay as it is before it is taken [s]: slow links stall for seconds, seldom longer."""

POLL_S = 2.0
MAX_FILE = 2**29
"""Bytes. A logger's file has megabytes; to read the times of one this large takes hundreds of megabytes."""

_UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".swp", "~")
_MOST_TRIES = 10_000  # of names for a file whose own is taken


class _Look(NamedTuple):
    """What a file looks like from outside; any of it changes while it is written."""

    inode: int
    size: int
    changed: int


@dataclass
class WatchStats:
    """done, failed: files moved, since the start. waiting: files that are there. problem: one line on what is
    wrong now, "" while all is well."""

    done: int = 0
    failed: int = 0
    waiting: int = 0
    problem: str = ""


class Watch:
    """Stores the files that come into ``folder``, as ``mapping`` describes them.

    settle_s: how long a file must stay as it is [s]. clock: seconds that only go on.
    """

    def __init__(
        self,
        folder: Path,
        mapping: Mapping,
        site: Site,
        store: ReadingStore,
        rejected: RejectedLog | None = None,
        *,
        settle_s: float = SETTLE_S,
        max_file: int = MAX_FILE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stats = WatchStats()
        self._folder, self._mapping, self._site = folder, mapping, site
        self._store, self._rejected = store, rejected
        self._settle_s, self._max_file, self._clock = settle_s, max_file, clock
        self._seen: dict[Path, tuple[_Look, float]] = {}  # how each file looks, and since when
        self._stuck: dict[Path, _Look] = {}  # dealt with, but not to be moved

    def run(self, stop: threading.Event, *, poll_s: float = POLL_S) -> None:
        """Work until ``stop`` is set. What cannot be done now is tried again, and told in ``stats``."""
        backoff = Backoff(poll_s, 60.0)
        while not stop.is_set():
            wait = poll_s
            try:
                self.look(stop)
            except (StoreUnavailable, StoreError) as e:
                wait = backoff.next()
                self._ill(f"files wait, as the store takes nothing: {e}")
            except OSError as e:
                wait = backoff.next()
                self._ill(f"folder {self._folder} cannot be used: {e.strerror or e}")
            else:
                backoff.reset()
            stop.wait(wait)

    def look(self, stop: threading.Event | None = None) -> int:
        """Deal with the files that are complete, the oldest first; how many there were.

        Raises StoreUnavailable and StoreError from the store (the file stays where it is), OSError where the
        folder cannot be read.
        """
        for name in (DONE, FAILED):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        ready = self._complete()
        dealt = 0
        for path, look in ready:
            if stop is not None and stop.is_set():
                break
            dealt += self._take(path, look)
        self.stats.waiting = len(self._seen) - dealt
        if not self._stuck:
            self._well()
        return dealt

    def _complete(self) -> list[tuple[Path, _Look]]:
        """Files that looked the same for long enough, the oldest first."""
        now = self._clock()
        seen: dict[Path, tuple[_Look, float]] = {}
        for entry in os.scandir(self._folder):
            path = Path(entry.path)
            if entry.name.startswith(".") or entry.name.lower().endswith(_UNFINISHED):
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(found.st_mode):
                continue
            look = _Look(found.st_ino, found.st_size, found.st_mtime_ns)
            before, since = self._seen.get(path, (look, now))
            seen[path] = look, since if before == look else now
        self._seen = seen
        self._stuck = {p: look for p, look in self._stuck.items() if seen.get(p, (None,))[0] == look}
        ready = [
            (path, look)
            for path, (look, since) in seen.items()
            if now - since >= self._settle_s and path not in self._stuck
        ]
        return sorted(ready, key=lambda found: (found[1].changed, found[0].name))

    def _take(self, path: Path, look: _Look) -> bool:
        """Store a file and move it; False where it changed meanwhile."""
        said, into = self._read(path, look)
        if _look_of(path) != look:  # it grew after all: what it has now is read another time
            return False
        if not self._move(path, look, into, said):
            return False
        if into == FAILED:
            self.stats.failed += 1
            log.warning("%s: %s", path.name, said.splitlines()[0])
        else:
            self.stats.done += 1
            log.info("%s: %s", path.name, said.splitlines()[0])
        return True

    def _read(self, path: Path, look: _Look) -> tuple[str, str]:
        """Store a file: what to say of it, and where it belongs."""
        if look.size > self._max_file:
            return f"has {look.size:,} bytes, and at most {self._max_file:,} are read: divide it", FAILED
        try:
            report = backfill(self._store, self._site, [path], self._mapping, rejected=self._rejected)
        except DataFileError as e:
            told = [p.message if p.line is None else f"line {p.line}: {p.message}" for p in e.problems]
            return "\n".join(told), FAILED
        return _told(report), DONE

    def _move(self, path: Path, look: _Look, folder: str, why: str) -> bool:
        target = _free(self._folder / folder / path.name)
        try:
            path.rename(target)
        except OSError as e:
            self._stuck[path] = look
            self._ill(
                f"{path} was read, but cannot be moved into {folder}/ ({e.strerror}): give Twuin's user the "
                "right to write in the folder"
            )
            return False
        self._seen.pop(path, None)
        note = target.with_name(f"{target.name}.txt")
        try:
            note.write_text(why + "\n", encoding="utf-8")
        except OSError as e:
            log.warning("%s cannot be written (%s): %s", note, e.strerror, why)
        return True

    def _ill(self, message: str) -> None:
        if message != self.stats.problem:
            log.warning("%s", message)
        self.stats.problem = message

    def _well(self) -> None:
        if self.stats.problem:
            log.info("files can be stored again")
        self.stats.problem = ""


def _look_of(path: Path) -> _Look | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return _Look(found.st_ino, found.st_size, found.st_mtime_ns)


def _free(path: Path) -> Path:
    """``path``, or with a number where that is taken, or its note would be."""
    for k in range(1, _MOST_TRIES):
        name = path if k == 1 else path.with_name(f"{path.stem}-{k}{path.suffix}")
        if not name.exists() and not name.with_name(f"{name.name}.txt").exists():
            return name
    return path.with_name(f"{path.stem}-{time.time_ns()}{path.suffix}")


def _told(report: BackfillReport) -> str:
    """What became of a file, in a line; with the first cells that were rejected below it."""
    parts = [f"{report.stored:,} stored"]
    if report.duplicates:
        parts.append(f"{report.duplicates:,} there already")
    if report.replaced:
        parts.append(f"{report.replaced:,} corrected")
    if report.expired:
        parts.append(f"{report.expired:,} older than what the store keeps")
    if report.rejected_total:
        parts.append(f"{report.rejected_total:,} rejected")
    first = f"{counted(report.read, 'reading')} read: {', '.join(parts)}"
    return "\n".join([first, *map(str, report.examples)])
