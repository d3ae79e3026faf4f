"""What the history notes of promises that are near their end or broken, once each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Finding, Kind, State
from twuin.alerts.service import AlertService
from waterworks.promises import Promise, Promises, WorkingHours
from waterworks.site import Dma, Site

T = datetime(2026, 11, 23, 2, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Jakarta")
HOUR = timedelta(hours=1)


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = T

    def now(self) -> np.datetime64:
        return np.datetime64(self.at.replace(tzinfo=None), "us")


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def site() -> Site:
    promises = Promises(WorkingHours(ZONE), {"high": Promise(respond=HOUR, repair=10 * HOUR)})
    return Site("kota", "Kota", ZONE, (Dma("D1", "One", 10),), (), Path(), promises=promises)


@pytest.fixture
def alerts(clock: Any) -> AlertService:
    service = AlertService("kota", MemoryAlertStore(), clock)
    service.apply([Finding(Kind.LEAK, "D1", "D1", T - HOUR, T, T, flow=20 / 3600, volume=20.0)])
    return service


def noted(alerts: AlertService) -> list[tuple[str, str]]:
    (alert,) = alerts.list().items
    found = [e for e in alerts.history(alert.id) if e.action == "escalated"]
    assert all(e.actor == "monitor" for e in found)
    return [(e.details["stage"], e.details["standing"]) for e in found]


def test_each_is_noted_once_when_near_and_once_when_over(
    alerts: AlertService, site: Site, clock: Hand
) -> None:
    expected: list[tuple[str, str]] = []
    for hours, new in (
        (0.5, []),
        (0.9, [("respond", "near")]),
        (0.95, []),
        (1.1, [("respond", "broken")]),
        (9.0, [("repair", "near")]),
        (30.0, [("repair", "broken")]),
        (31.0, []),
    ):
        clock.at = T + hours * HOUR
        changed = alerts.escalate(site)
        expected += new
        assert noted(alerts) == expected
        assert len(changed) == bool(new)


def test_what_is_done_in_time_is_not_noted(alerts: AlertService, site: Site, clock: Hand) -> None:
    (alert,) = alerts.list().items
    clock.at = T + 0.5 * HOUR
    alerts.act(alert.id, "acknowledge", version=alert.version, actor="Rina")
    clock.at = T + 2 * HOUR
    assert alerts.escalate(site) == [] and noted(alerts) == []


def test_an_alert_that_is_over_or_of_another_priority_is_left_alone(
    alerts: AlertService, site: Site, clock: Hand
) -> None:
    clock.at = T + 40 * HOUR
    assert site.promises is not None
    low = replace(site, promises=replace(site.promises, by_priority={"low": Promise(respond=HOUR)}))
    assert alerts.escalate(low) == []
    assert alerts.escalate(replace(site, promises=None)) == []
    (alert,) = alerts.list().items
    alerts.act(alert.id, "repaired", version=alert.version, actor="Rina")
    assert alerts.get(alert.id).state is State.REPAIRED
    assert alerts.escalate(site) == []


def test_opened_again_it_is_noted_anew(alerts: AlertService, site: Site, clock: Hand) -> None:
    clock.at = T + 2 * HOUR
    alerts.escalate(site)
    (alert,) = alerts.list().items
    alerts.act(alert.id, "close", version=alert.version, actor="Rina", reason="planned")
    clock.at = T + 5 * HOUR
    (alert,) = alerts.list().items
    alerts.act(alert.id, "reopen", version=alert.version, actor="Rina")
    clock.at = T + 7 * HOUR
    alerts.escalate(site)
    assert noted(alerts) == [("respond", "broken"), ("respond", "broken")]


def test_a_history_is_read_anew_only_after_a_write_or_when_a_time_has_come(
    site: Site, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryAlertStore()
    alerts = AlertService("kota", store, clock)
    alerts.apply([Finding(Kind.LEAK, "D1", "D1", T - HOUR, T, T, flow=20 / 3600, volume=20.0)])
    read: list[str] = []
    history = store.history
    monkeypatch.setattr(store, "history", lambda *of: (read.append(of[1]), history(*of))[1])

    def reads(hours: float) -> int:
        clock.at = T + hours * HOUR
        read.clear()
        alerts.escalate(site)
        return len(read)

    # Due 1 h, of which 0.8 h is near, and 10 h, of which 8 h is; what was noted is looked at once more.
    asked = [0.1, 0.1, 0.7, 0.8, 0.81, 0.82, 1.0, 1.1, 1.1, 1.2, 7.9, 8.1, 8.1, 8.2]
    assert [reads(h) for h in asked] == [1, 0, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 0]
    (alert,) = alerts.list().items
    elsewhere = AlertService("kota", store, clock)  # as another process
    elsewhere.act(alert.id, "note", version=alert.version, actor="Rina", note="on the way")
    assert [reads(8.3), reads(8.4)] == [1, 0]
    assert [reads(h) for h in (10.1, 10.1, 50.0)] == [1, 1, 0]
    assert [(e.details["stage"], e.details["standing"]) for e in history("kota", alert.id) if e.details] == [
        ("respond", "near"), ("respond", "broken"), ("repair", "near"), ("repair", "broken"),
    ]  # fmt: skip
