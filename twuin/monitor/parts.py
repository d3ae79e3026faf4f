"""A site watched in parts, by this process or by workers on several machines.

A part is a site of its own: its monitor reads its sensors from the store, writes what it derives there, and
says what it has found. Where it is done, and how often it is begun anew, changes nothing in that. What passes
between the parts and the one who keeps the alerts is small: names, times, what was entered by people, and
findings that are new or gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

import numpy as np

from twuin.alerts.model import Alert, Finding
from twuin.alerts.work import Check
from twuin.monitor.cut import cut
from twuin.monitor.monitor import Alerts, Monitor, Works
from twuin.monitor.part_store import ChangesOnce, PartStore
from twuin.monitor.repairs import Repairs
from twuin.monitor.watching import MonitorStatus, Watching
from twuin.works.calendar import Calendar, Version
from waterworks.errors import ClusterError
from waterworks.network import Network
from waterworks.ports import Clock, ReadingStore
from waterworks.site import Site

FORGET = 3
"""A worker drops a part that it was not asked for in so many rounds: others have it."""


class Order(NamedTuple):
    """Look at one part, as far as its readings go.

    run: of which monitor; turn: its how-manieth round; site: what the site must be (``digest``); most: how it
    is cut; now: the present, UTC; repaired: alerts of the part whose repair is to be looked at; known: which
    findings of it are known already (``version``).
    """

    run: str
    turn: int
    site: str
    most: int
    part: int
    now: np.datetime64
    lateness_s: float
    final: bool
    works: tuple[Version, ...]
    repaired: tuple[Alert, ...]
    known: str


class Report(NamedTuple):
    """What one part came to. mark: analysed up to there; cursor: grows with what was read; whole: ``new`` is
    all there is, else what is to be added and taken away; version: of all findings then."""

    part: int
    mark: datetime | None
    cursor: int
    whole: bool
    new: tuple[tuple[str, Finding], ...]
    gone: tuple[str, ...]
    version: str
    checks: tuple[tuple[str, datetime, Check], ...]


def digest(site: Site) -> str:
    """Of all in a site that decides what is found."""
    said = (
        site.id, site.timezone.key, site.dmas, site.sensors, site.monitor, site.clocks,
        sorted(site.node_dma.items()),
    )  # fmt: skip
    found = hashlib.sha256(repr(said).encode())
    if site.network_file is not None:
        found.update(site.network_file.read_bytes())
    return found.hexdigest()[:16]


def version(keys: Sequence[str]) -> str:
    """Of findings by their keys, in whatever order."""
    return hashlib.sha256("".join(sorted(keys)).encode()).hexdigest()[:16]


def _keyed(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {hashlib.sha256(repr(f).encode()).hexdigest()[:16]: f for f in findings}


class _Desk:
    """Stands before a part's monitor where the alerts, the repairs, the works and the clock are elsewhere."""

    def __init__(self, site: Site) -> None:
        self.findings: dict[str, Finding] = {}
        self.waiting: tuple[Alert, ...] = ()
        self.checks: list[tuple[str, datetime, Check]] = []
        self.time: np.datetime64 = np.datetime64(0, "us")
        self._site, self._versions = site, tuple[Version, ...]()
        self._calendar = Calendar(site, (), {})

    def apply(self, findings: Sequence[Finding], *, since: datetime | None = None) -> None:
        self.findings = _keyed(findings)

    def repaired(self) -> Sequence[Alert]:
        return self.waiting

    def judge(self, id: str, repaired_at: datetime, check: Check) -> None:
        self.checks.append((id, repaired_at, check))

    def now(self) -> np.datetime64:
        return self.time

    def calendar(self) -> Calendar:
        return self._calendar

    def enter(self, versions: tuple[Version, ...]) -> None:
        if versions != self._versions:
            self._versions, self._calendar = versions, Calendar(self._site, (), {}, versions)


class _Part:
    """The monitor of one part, alive."""

    def __init__(self, site: Site, store: ReadingStore, network: Network | None, lateness_s: float) -> None:
        self.turn = 0
        self._desk = desk = _Desk(site)
        self._told: tuple[str, dict[str, Finding]] = ("", {})
        self.monitor = Monitor(
            site, store, desk, clock=desk, network=network, repairs=desk, works=desk, lateness_s=lateness_s
        )

    def look(self, order: Order) -> Report:
        desk, self.turn = self._desk, order.turn
        desk.time, desk.waiting, desk.checks = order.now, order.repaired, []
        desk.enter(order.works)
        mark = self.monitor.catch_up(final=order.final)
        before, found = self._told[1], desk.findings
        whole = order.known != self._told[0]
        if whole:
            before = {}
        self._told = (version(list(found)), found)
        return Report(
            order.part,
            mark,
            self.monitor.cursor,
            whole,
            tuple((key, f) for key, f in found.items() if key not in before),
            tuple(key for key in before if key not in found),
            self._told[0],
            tuple(desk.checks),
        )


class PartWork:
    """Looks at parts as it is asked to, and keeps alive those that it is asked for again.

    What it does not have it makes anew from the store. open_: opens the site, its readings and its network,
    at the first order.
    """

    def __init__(self, open_: Callable[[], tuple[Site, ReadingStore, Network | None]]) -> None:
        self._open = open_
        self._opened: tuple[Site, ReadingStore, Network | None] | None = None
        self._digest, self._run = "", ""
        self._most, self._cut = 0, list[Site]()
        self._changes: ChangesOnce | None = None
        self._parts: dict[int, _Part] = {}

    def __call__(self, order: Order) -> Report:
        """Raises ClusterError where this is another site; StoreUnavailable."""
        if self._opened is None:
            self._opened = self._open()
            self._digest = digest(self._opened[0])
        site, store, network = self._opened
        if order.site != self._digest:
            self.close()
            raise ClusterError(
                f"its site folder {site.folder} is not the monitor's: give both the same files, then start "
                "this worker anew"
            )
        if (order.run, order.most) != (self._run, self._most):
            self._forget(list(self._parts))
            self._run, self._most, self._cut = order.run, order.most, cut(site, order.most)
            self._changes = ChangesOnce(store, self._cut)
        assert self._changes is not None
        self._changes.turn(order.turn)
        self._forget([n for n, p in self._parts.items() if order.turn - p.turn > FORGET])
        part = self._parts.get(order.part)
        if part is None:
            own = PartStore(store, self._changes, order.part)
            part = _Part(self._cut[order.part], own, network, order.lateness_s)
        try:
            report = part.look(order)
        except BaseException:
            if self._parts.get(order.part) is not part:
                part.monitor.close()
            raise
        self._parts[order.part] = part
        return report

    def close(self) -> None:
        self._forget(list(self._parts))
        self._opened = None

    def _forget(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._parts.pop(number).monitor.close()


class Crew(Protocol):
    """Who looks at the parts."""

    def look(self, orders: Sequence[Order]) -> Iterator[Report]:
        """Reports as they come. Raises StoreUnavailable or ClusterUnavailable: asking again may help."""
        ...

    def close(self) -> None: ...


class Alone:
    """This process, one part after the other."""

    def __init__(self, site: Site, store: ReadingStore, network: Network | None) -> None:
        self._work = PartWork(lambda: (site, store, network))

    def look(self, orders: Sequence[Order]) -> Iterator[Report]:
        for order in orders:
            yield self._work(order)

    def close(self) -> None:
        self._work.close()


class PartedMonitor(Watching):
    """Watches a site part by part, with whoever does the work.

    The alerts hear nothing before each part was looked at once; from then on they always hear of all parts
    together, in one order, as of when each was last looked at.
    """

    def __init__(
        self,
        site: Site,
        alerts: Alerts,
        crew: Crew,
        *,
        clock: Clock,
        repairs: Repairs | None = None,
        works: Works | None = None,
        lateness_s: float = 900.0,
        most: int = 250,
    ) -> None:
        super().__init__()
        self._alerts, self._crew, self._clock, self._most = alerts, crew, clock, most
        self._repairs, self._works, self._lateness_s = repairs, works, lateness_s
        self._parts = cut(site, most)
        self._part_of = {d.id: n for n, part in enumerate(self._parts) for d in part.dmas}
        self._site, self._run, self._turn = digest(site), uuid4().hex, 0
        self._found: list[dict[str, Finding] | None] = [None] * len(self._parts)
        self._marks: list[datetime | None] = [None] * len(self._parts)
        self._cursors = [0] * len(self._parts)
        self._said: list[Finding] | None = None
        self._calendar: Calendar | None = None
        self._entered: list[tuple[Version, ...]] = [()] * len(self._parts)

    def close(self) -> None:
        self._crew.close()

    def catch_up(
        self, final: bool = False, progress: Callable[[float], None] | None = None
    ) -> datetime | None:
        """Have every part looked at. Raises StoreUnavailable and ClusterUnavailable; what was reported until
        then stays, and the rest is asked for again the next time."""
        orders = self._orders(final)
        checks: list[tuple[str, datetime, Check]] = []
        try:
            for done, report in enumerate(self._crew.look(orders), 1):
                self._take(report)
                checks += report.checks
                if progress is not None:
                    progress(done / len(orders))
        finally:
            self._cursor = sum(self._cursors)
        self._tell()
        if self._repairs is not None:
            for id, when, check in sorted(checks, key=lambda c: c[:2]):
                self._repairs.judge(id, when, check)
        return self._status.watermark

    def _orders(self, final: bool) -> list[Order]:
        self._turn += 1
        now = self._clock.now()
        if self._works is not None and (calendar := self._works.calendar()) is not self._calendar:
            self._calendar = calendar
            self._entered = [calendar.of(part) for part in self._parts]
        waiting: list[list[Alert]] = [[] for _ in self._parts]
        for alert in () if self._repairs is None else self._repairs.repaired():
            waiting[self._part_of.get(alert.finding.dma, 0)].append(alert)
        return [
            Order(
                self._run, self._turn, self._site, self._most, n, now, self._lateness_s, final,
                self._entered[n], tuple(waiting[n]), "" if found is None else version(list(found)),
            )
            for n, found in enumerate(self._found)
        ]  # fmt: skip

    def _take(self, report: Report) -> None:
        found = {} if report.whole else dict(self._found[report.part] or {})
        for key in report.gone:
            found.pop(key, None)
        found.update(report.new)
        if version(list(found)) != report.version:
            raise ClusterError(f"the findings of part {report.part} came incomplete")
        self._found[report.part] = found
        self._marks[report.part], self._cursors[report.part] = report.mark, report.cursor

    def _tell(self) -> None:
        findings = [f for found in self._found for f in (found or {}).values()]
        findings.sort(key=_place)
        if findings != self._said:
            self._alerts.apply(findings)
            self._said = findings
        marks = [m for m in self._marks if m is not None]
        self._status = MonitorStatus(min(marks, default=None), len(findings))


def _place(finding: Finding) -> tuple[Any, ...]:
    return finding.onset, finding.kind.value, finding.subject, finding.detected
