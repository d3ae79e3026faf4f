"""How urgent an alert is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from twuin.alerts.model import Alert, Finding, Kind, State
from twuin.notify.model import Priority, Thresholds
from twuin.notify.priority import priority_of

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def alert(kind: Kind, m3_day: float, gain: float | None = None) -> Alert:
    finding = Finding(kind, "D1", "D1", NOW, NOW, NOW, flow=m3_day / 86_400, gain=gain)
    return Alert("a1", "kota", State.OPEN, finding)


@pytest.mark.parametrize(
    ("kind", "m3_day", "priority"),
    [
        (Kind.LEAK, 240.1, Priority.HIGH),
        (Kind.LEAK, 239, Priority.MEDIUM),
        (Kind.LEAK, 48.1, Priority.MEDIUM),
        (Kind.LEAK, 47, Priority.LOW),
        (Kind.LEAK, 0, Priority.MEDIUM),
        (Kind.NIGHT_FLOW, 300, Priority.HIGH),
        (Kind.LOW_INFLOW, -1000, Priority.MEDIUM),
        (Kind.SUPPLY, 0, Priority.HIGH),
        (Kind.SILENT, 0, Priority.LOW),
        (Kind.SENSOR, 0, Priority.LOW),
    ],
)
def test_lost_water_makes_an_alert_urgent(kind: Kind, m3_day: float, priority: Priority) -> None:
    assert priority_of(alert(kind, m3_day), Thresholds(), 0.0) is priority


def test_lost_money_makes_it_urgent_too_where_water_has_a_price() -> None:
    limits = Thresholds(high_cost_day=100_000, medium_cost_day=50_000)
    small = alert(Kind.LEAK, 20)
    assert priority_of(small, limits, 5_000) is Priority.HIGH
    assert priority_of(small, limits, 2_600) is Priority.MEDIUM
    assert priority_of(small, limits, 0) is Priority.LOW


def test_a_leak_that_no_visit_is_worth_is_low_until_somebody_takes_it_on() -> None:
    watched = alert(Kind.LEAK, 100, gain=-5.0)
    assert priority_of(watched, Thresholds(), 0) is Priority.LOW
    taken = replace(watched, state=State.ACKNOWLEDGED)
    assert priority_of(taken, Thresholds(), 0) is Priority.MEDIUM
