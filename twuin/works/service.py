"""What the rest of the program does with planned works: enter, change, cancel, look up."""

from __future__ import annotations

import base64
import hashlib
import threading
import uuid
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from datetime import datetime

from twuin.works.calendar import Calendar, areas_of
from twuin.works.check import Known, check, utc
from twuin.works.model import Action, Line, Plan, PlannedWork, StaleWork, WorkRefused
from twuin.works.ports import LineConflict, WorkStore
from waterworks.errors import NotFound
from waterworks.ports import Clock
from waterworks.reading import as_datetime
from waterworks.site import Site, part_of

SOMEONE = "someone"
"""The actor where nobody is named."""


class WorkService:
    """The planned works of one site. Safe to use from several threads.

    pipe_dma: the DMA of each pipe of the network ("" for one in none); empty without a network.
    """

    def __init__(
        self, site: Site, store: WorkStore, clock: Clock, pipe_dma: Mapping[str, str] | None = None
    ) -> None:
        self._site, self._store, self._clock = site, store, clock
        self._pipe_dma = pipe_dma or {}
        self._dmas: frozenset[str] | None = None
        self._cache = _Cache(site, store, self._pipe_dma)

    def limited_to(self, dmas: frozenset[str]) -> WorkService:
        """The works that touch these DMAs, to look at; to enter and change only those that touch no other."""
        limited = copy(self)
        limited._dmas = dmas
        return limited

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    # -- look up -----------------------------------------------------------------------------------

    def works(self) -> list[PlannedWork]:
        """All works, those that are cancelled or long over included, by their start."""
        found = [w for w in self._cache.get()[0].values() if self._sees(w)]
        return sorted(found, key=lambda w: (w.plan.start, w.id))

    def get(self, id: str) -> PlannedWork:
        """One work. Raises NotFound."""
        work = self._cache.get()[0].get(id)
        if work is None or not self._sees(work):
            raise NotFound(f"no planned work {id[:40]!r} at site {self._site.id}")
        return work

    def keyed(self, key: str) -> PlannedWork:
        """The work that was entered with this key. Raises NotFound."""
        return self.get(_new_id(self._site.id, key))

    def calendar(self) -> Calendar:
        """When which works are under way; the same object until something is entered."""
        return self._cache.get()[1]

    def areas(self, work: PlannedWork) -> frozenset[str]:
        """DMAs that a work is about."""
        return areas_of(work.plan, self._pipe_dma)

    def pipes(self) -> Mapping[str, str]:
        """Pipes that may be named, with their DMAs."""
        if self._dmas is None:
            return self._pipe_dma
        return {p: d for p, d in self._pipe_dma.items() if d in self._dmas}

    def now(self) -> datetime:
        """The present on the site's clock."""
        return as_datetime(self._clock.now())

    # -- enter -------------------------------------------------------------------------------------

    def enter(self, plan: Plan, *, actor: str = "", key: str = "", note: str = "") -> PlannedWork:
        """Enter a work. key: made by the client, the same when it sends the same again: one work.

        Raises WorkRefused.
        """
        plan = self._checked(plan)
        id = _new_id(self._site.id, key or uuid.uuid4().hex)
        line = Line(self._site.id, id, 1, self.now(), _who(actor), Action.ENTERED, plan, _clean(note))
        try:
            self._store.append(line)
        except LineConflict:
            known = self.get(id)
            if known.lines[0].plan != plan:
                raise WorkRefused("key", f"key {key[:40]!r} came with another work before") from None
        return self.get(id)

    def change(self, id: str, plan: Plan, *, version: int, actor: str = "", note: str = "") -> PlannedWork:
        """Another plan in its place, from now on. Raises NotFound, StaleWork, WorkRefused."""
        return self._write(id, Action.CHANGED, version, actor, note, self._checked(plan))

    def cancel(self, id: str, *, version: int, actor: str = "", note: str = "") -> PlannedWork:
        """It does not take place, or is over, from now on. Raises NotFound, StaleWork, WorkRefused."""
        return self._write(id, Action.CANCELLED, version, actor, note, None)

    def _write(
        self, id: str, action: Action, version: int, actor: str, note: str, plan: Plan | None
    ) -> PlannedWork:
        work = self.get(id)
        if work.version != version:
            raise StaleWork(work, version)
        if work.cancelled:
            raise WorkRefused("version", f"planned work {id} was cancelled: enter it anew")
        self._own(work.plan)
        if plan is not None and plan == work.plan and not note:
            return work
        line = Line(
            self._site.id, id, version + 1, self.now(), _who(actor), action, plan or work.plan, _clean(note)
        )
        try:
            self._store.append(line)
        except LineConflict:
            raise StaleWork(self.get(id), version) from None
        return self.get(id)

    def check(self, plan: Plan) -> None:
        """Raises WorkRefused for a plan that cannot be entered."""
        self._checked(plan)

    def _checked(self, plan: Plan) -> Plan:
        plan = replace(
            plan,
            start=utc(plan.start),
            end=None if plan.end is None else utc(plan.end),
            note=_clean(plan.note),
        )
        seen = self._site if self._dmas is None else part_of(self._site, self._dmas)
        check(plan, Known([d.id for d in seen.dmas], seen.sensor, self.pipes()))
        return plan

    def _own(self, plan: Plan) -> None:
        """What touches another's DMA is not for who is limited to some."""
        if self._dmas is not None and not areas_of(plan, self._pipe_dma) <= self._dmas:
            raise WorkRefused(
                "dmas", "this work touches other DMAs too: somebody who sees them may change it"
            )

    def _sees(self, work: PlannedWork) -> bool:
        if self._dmas is None:
            return True
        inside = part_of(self._site, self._dmas).sensor
        return bool(self.areas(work) & self._dmas) or any(s in inside for s in work.plan.sensors)


class _Cache:
    """Works and calendar as of the newest line that was read."""

    def __init__(self, site: Site, store: WorkStore, pipe_dma: Mapping[str, str]) -> None:
        self._site, self._store, self._pipe_dma = site, store, pipe_dma
        self._lock = threading.Lock()
        self._seq = 0
        self._works: dict[str, PlannedWork] = {}
        self._calendar = Calendar(site, (), pipe_dma)

    def get(self) -> tuple[dict[str, PlannedWork], Calendar]:
        with self._lock:
            if self._store.newest(self._site.id) != self._seq:
                works = dict(self._works)
                for line in self._store.lines(self._site.id, self._seq):
                    before = works.get(line.work)
                    lines = (line,) if before is None else (*before.lines, line)
                    works[line.work] = PlannedWork(line.work, lines)
                    self._seq = max(self._seq, line.seq)
                self._works = works
                self._calendar = Calendar(self._site, list(works.values()), self._pipe_dma)
            return self._works, self._calendar


def _new_id(site: str, key: str) -> str:
    """Ten letters and digits, safe in a URL, the same for the same key."""
    digest = hashlib.blake2b(f"{site}\nwork\n{key}".encode(), digest_size=7).digest()
    return base64.b32encode(digest).decode().lower()[:10]


def _who(actor: str) -> str:
    return _clean(actor)[:80] or SOMEONE


def _clean(text: str) -> str:
    return text.replace("\0", "").strip()
