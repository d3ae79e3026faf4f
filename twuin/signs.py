"""Signs of life: what each process of an installation tells the others of itself.

A process writes one small file for each of its jobs into the data folder, every second, and marks it when it
ends in order. So pages that run apart from ingest and monitor know how far these are, a container's health
check can ask a process that serves no pages, and none of it needs a server to be there.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ingest.stats import Stats, plus
from twuin import __version__

log = logging.getLogger(__name__)

FOLDER = "processes"
"""Of the data folder: its files are ``JOB.json``."""

BEAT_S = 1.0
"""How often a process gives a sign [s]."""

SILENT_S = 30.0
"""A process that gave none for so long [s] is taken for dead."""

FORGOTTEN = timedelta(days=1)
"""After so long a process that ended without a word is no longer told of."""

MONITOR, INGEST, FILES = "monitor", "ingest", "files"
"""Names of jobs; an ingest process adds its own name: ``ingest-main``."""


class Sign(BaseModel):
    """What a process said of one of its jobs.

    parts: each with "status" (ok, degraded, down) and "detail". watermark: up to where readings are
    analysed. stats: an ingest's counters. ended: it stopped in order.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    job: str
    host: str
    pid: int
    version: str
    began: datetime
    at: datetime
    parts: dict[str, dict[str, Any]] = {}
    watermark: datetime | None = None
    stats: dict[str, Any] | None = None
    ended: bool = False

    def silent(self, now: datetime) -> bool:
        """Whether nothing was heard for too long."""
        return now - self.at > timedelta(seconds=SILENT_S)

    def health(self, now: datetime) -> dict[str, dict[str, Any]]:
        """Its parts as they are now: what does not answer any more is down."""
        if self.ended or self.silent(now):
            gone = "was stopped" if self.ended else "gave its last sign of life"
            return {
                self.job: {"status": "down", "detail": f"{gone} at {self.at.isoformat(timespec='seconds')}"}
            }
        return self.parts or {self.job: {"status": "ok", "detail": "runs"}}


class Signs:
    """The signs in a data folder. Reads and writes files; never raises for what others left there."""

    def __init__(self, data_dir: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._folder = data_dir / FOLDER
        self._now = now

    def read(self, job: str) -> Sign | None:
        """The last sign of ``job``; None where there is none that can be understood."""
        try:
            return Sign.model_validate_json((self._folder / f"{job}.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def all(self) -> list[Sign]:
        """The last sign of every job, by name; of who died long ago, none."""
        try:
            names = sorted(p.stem for p in self._folder.glob("*.json"))
        except OSError:
            return []
        found = [sign for sign in map(self.read, names) if sign is not None]
        return [s for s in found if self._now() - s.at < FORGOTTEN]

    def write(self, sign: Sign) -> None:
        """Put ``sign`` in the place of the job's last one, whole. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._folder / f".{sign.job}.{os.getpid()}.new"
        try:
            new.write_text(sign.model_dump_json(), encoding="utf-8")
            new.replace(self._folder / f"{sign.job}.json")
        finally:
            new.unlink(missing_ok=True)

    def ingests(self, without: Collection[str] = ()) -> list[Sign]:
        """Ingest processes that were not stopped in order, but for some jobs."""
        return [
            s
            for s in self.all()
            if s.job.partition("-")[0] in (INGEST, FILES) and not s.ended and s.job not in without
        ]

    def stats(self) -> Stats | None:
        """The counters of all ingest processes that live, added up; None where there is none."""
        now = self._now()
        counted = [stats_of(s.stats) for s in self.ingests() if s.stats and not s.silent(now)]
        return reduce(added, counted) if counted else None


class Beat:
    """Gives signs of one job until it is stopped.

    look: what there is to tell now. A disk that takes none is waited for, and told of in the log once.
    """

    def __init__(self, signs: Signs, job: str, look: Callable[[], dict[str, Any]]) -> None:
        self._signs, self._job, self._look = signs, job, look
        self._began = datetime.now(UTC)
        self._told = False

    def run(self, stop: threading.Event) -> None:
        """Give a sign every ``BEAT_S``, and a last one at the end."""
        while True:
            ending = stop.is_set()
            self._give(ended=ending)
            if ending:
                return
            stop.wait(BEAT_S)

    def _give(self, *, ended: bool) -> None:
        sign = Sign(
            job=self._job,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            began=self._began,
            at=datetime.now(UTC),
            ended=ended,
            **self._look(),
        )
        try:
            self._signs.write(sign)
            self._told = False
        except OSError as e:
            if not self._told:
                log.warning("%s cannot give signs of life to other processes: %s", self._job, e.strerror)
            self._told = True


def stats_fields(stats: Stats) -> dict[str, Any]:
    """Counters as a sign carries them."""
    return {**asdict(replace(stats, rejected=Counter())), "rejected": dict(stats.rejected)}


def stats_of(said: dict[str, Any]) -> Stats:
    """The counters that a sign carries."""
    known = {f.name for f in fields(Stats)}
    given = {k: v for k, v in said.items() if k in known}
    for name in ("last_message", "spool_oldest"):
        if given.get(name) is not None:
            given[name] = datetime.fromisoformat(given[name])
    return Stats(**{**given, "rejected": Counter(given.get("rejected", {}))})


_NULLABLE = ("duplicates", "replaced")
_TEXTS = ("problem", "ledger_problem", "spool_problem")


def added(a: Stats, b: Stats) -> Stats:
    """Two processes as one: counters added up, connected if both are, with the problems of both."""
    out = a.copy()
    for f in fields(Stats):
        one, other = getattr(a, f.name), getattr(b, f.name)
        if f.name in _NULLABLE:
            value: Any = plus(one, other)
        elif f.name in _TEXTS:
            value = "; ".join(t for t in (one, other) if t)
        elif f.name == "connected":
            value = one and other
        elif f.name == "last_message":
            value = max((t for t in (one, other) if t), default=None)
        elif f.name == "spool_oldest":
            value = min((t for t in (one, other) if t), default=None)
        else:
            value = one + other
        setattr(out, f.name, value)
    return out


def health_of_others(
    signs: Signs, own: Sequence[str], needed: Collection[str], now: datetime
) -> dict[str, Any]:
    """Parts that run in other processes, each under its job's name where it stands for more than one part.

    own: jobs of this process. needed: those of ``MONITOR`` and ``INGEST`` that some process should do.
    """
    report: dict[str, Any] = {}
    several = len(signs.ingests(own)) > 1
    for sign in signs.ingests(own):
        for name, part in sign.health(now).items():
            which = sign.job.removeprefix(f"{INGEST}-")
            report[f"{name} ({which})" if several and name != sign.job else name] = part
    if INGEST in needed and not report:
        report[INGEST] = {
            "status": "degraded",
            "detail": "no process takes readings in: start `twuin ingest`",
        }
    if MONITOR in needed and MONITOR not in own:
        monitor = signs.read(MONITOR)
        if monitor is None:
            missing = "no monitor has run with this data folder: start `twuin monitor`"
            report[MONITOR] = {"status": "down", "detail": missing}
        else:
            report.update(monitor.health(now))
    return report
