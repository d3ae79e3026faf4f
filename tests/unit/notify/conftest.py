"""A small site, alerts of it, and a desk whose channels are lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Finding, Kind, Suspect
from twuin.alerts.service import AlertService
from twuin.db.outbox import SqlOutbox, open_outbox
from twuin.notify.desk import Desk
from twuin.notify.links import Links
from twuin.notify.model import (
    Address,
    Channel,
    Form,
    Message,
    NotifyConfig,
    Outcome,
    Receiver,
    Result,
    Rule,
)
from twuin.web.notice_words import NoticeWords
from waterworks.reading import as_datetime, instant
from waterworks.site import Dma, MonitorOptions, Site

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)  # Friday, 10.00 WIB
M3H = 1 / 3600


@dataclass
class TestClock:
    """Shows what it is told, to the program as instant and to tests as datetime."""

    __test__ = False

    time: datetime = NOW

    def now(self) -> Any:
        return instant(self.time)

    def wall(self) -> datetime:
        return self.time

    def ahead(self, **span: float) -> None:
        self.time += timedelta(**span)


@dataclass
class FakeChannel:
    """Keeps what it is given; answers as told, then delivers."""

    repeats_are_known: bool = False
    attaches: bool = False
    answers: list[Outcome] = field(default_factory=list)
    tried: list[Message] = field(default_factory=list)
    got: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> Outcome:
        self.tried.append(message)
        outcome = self.answers.pop(0) if self.answers else Outcome(Result.DELIVERED)
        if outcome.result is Result.DELIVERED:
            self.got.append(message)
        return outcome


def leak(dma: str = "D1", m3h: float = 20.0, *, hours: float = -5, ended: datetime | None = None) -> Finding:
    onset = NOW + timedelta(hours=hours)
    return Finding(
        Kind.LEAK,
        dma,
        dma,
        onset,
        onset + timedelta(hours=1),
        max(NOW, ended or NOW),
        ended,
        flow=m3h * M3H,
        flow_low=0.9 * m3h * M3H,
        flow_high=1.1 * m3h * M3H,
        volume=m3h * 5,
        confidence=0.97,
        suspects=(Suspect("P2", 0.8, 112.62123, -7.95456), Suspect("P1", 0.2)),
        centre="P2",
        radius_50_m=120.0,
    )


def silence(sensor: str, dma: str = "D1") -> Finding:
    onset = NOW - timedelta(hours=3)
    return Finding(Kind.SILENT, sensor, dma, onset, onset + timedelta(hours=1), NOW)


@dataclass
class Office:
    """A desk with everything around it."""

    site: Site
    alerts: AlertService
    clock: TestClock
    desk: Desk
    channels: dict[Address, FakeChannel]
    findings: list[Finding] = field(default_factory=list)

    def find(self, *findings: Finding) -> list[str]:
        """These are found now, beside what was; the ids of alerts that changed."""
        for finding in findings:
            key = (finding.kind, finding.subject, finding.onset)
            self.findings = [f for f in self.findings if (f.kind, f.subject, f.onset) != key]
            self.findings.append(finding)
        return [a.id for a in self.alerts.apply(self.findings)]

    def tick(self) -> int:
        """Look and write; how many messages were made."""
        self.desk.look()
        made = self.desk.write()
        self.clock.ahead(microseconds=1)  # as real clocks do: what comes later is later
        return made

    def messages(self, name: str = "") -> list[Message]:
        found = self.desk.outbox.messages(self.site.id)
        return [m for m in found if not name or m.address.receiver == name]


def make_site(folder: Path) -> Site:
    dmas = (Dma("D1", "Dinoyo", 1000), Dma("D2", "Lowokwaru", 500), Dma("D3", "Sukun", 700))
    return Site(
        "kota",
        "Tirta Kota",
        ZoneInfo("Asia/Jakarta"),
        dmas,
        (),
        folder,
        monitor=MonitorOptions(water_cost=5000.0, holidays=frozenset({date(2026, 12, 25)})),
    )


def receiver(name: str = "budi", **more: Any) -> Receiver:
    channel = Channel("chat", "json://127.0.0.1/", Form.TEXT)
    return Receiver(name, more.pop("channels", (channel,)), **more)


def config(*rules: Rule, receivers: tuple[Receiver, ...] = (), **more: Any) -> NotifyConfig:
    return NotifyConfig(receivers or (receiver(),), rules or (Rule(to=("budi",)),), **more)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Opens a desk under some rules. A second one on the same ``url`` is what another process would be."""
    opened: list[SqlOutbox] = []

    def make(
        rules: NotifyConfig | None = None,
        *,
        url: str = "",
        known: bool = False,
        beside: Office | None = None,
        begun: bool = True,
    ) -> Office:
        site = make_site(tmp_path)
        clock = beside.clock if beside else TestClock()
        alerts = beside.alerts if beside else AlertService(site.id, MemoryAlertStore(), clock)
        outbox = open_outbox(url or f"sqlite:///{tmp_path}/twuin.sqlite")
        opened.append(outbox)
        cfg = rules or config()
        channels = {a: FakeChannel(known) for a in cfg.addresses}
        desk = Desk(
            site=site,
            alerts=alerts,
            outbox=outbox,
            config=cfg,
            channels=channels,
            wording=NoticeWords(site, lambda: as_datetime(clock.now())),
            links=Links(site.id, b"k" * 32, "https://twuin.example"),
            clock=clock,
            holder="here",
            wall=clock.wall,
        )
        if begun:
            desk.look()
        return Office(site, alerts, clock, desk, channels, beside.findings if beside else [])

    yield make
    for outbox in opened:
        outbox.close()


@pytest.fixture
def kit() -> SimpleNamespace:
    """What tests make things with."""
    return SimpleNamespace(
        NOW=NOW,
        FakeChannel=FakeChannel,
        config=config,
        leak=leak,
        receiver=receiver,
        silence=silence,
        site=make_site,
    )
