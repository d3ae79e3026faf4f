"""How urgent an alert is, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from twuin.alerts.model import Alert, Finding, Kind, State
from twuin.alerts.priority import Priority, Ranked, Why, rank
from waterworks.priorities import Critical, PriorityLimits
from waterworks.site import Dma, MonitorOptions, Sensor, Site
from waterworks.units import Quantity

T = datetime(2026, 11, 22, tzinfo=UTC)


def site(**more: Any) -> Site:
    dmas = (Dma("D1", "One", 40), Dma("D2", "Two", 600))
    return Site("kota", "Kota", ZoneInfo("Asia/Jakarta"), dmas, (), Path(), **more)


def alert(kind: Kind = Kind.LEAK, m3_day: float = 0.0, dma: str = "D1", **more: Any) -> Alert:
    finding = Finding(kind, dma, dma, T, T, T, flow=m3_day / 86400, **more)
    return Alert("a", "kota", State.OPEN, finding)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (alert(m3_day=300), Ranked(Priority.HIGH, (Why.WATER,))),
        (alert(Kind.NIGHT_FLOW, 50), Ranked(Priority.MEDIUM, (Why.WATER,))),
        (alert(m3_day=10), Ranked(Priority.LOW, (Why.WATER,))),
        (alert(), Ranked(Priority.MEDIUM, (Why.SIZE_UNKNOWN,))),
        (alert(Kind.LOW_INFLOW, -900), Ranked(Priority.MEDIUM, (Why.SIZE_UNKNOWN,))),
        (alert(Kind.SUPPLY), Ranked(Priority.MEDIUM, (Why.SUPPLY,))),
        (alert(Kind.SUPPLY, dma="D2"), Ranked(Priority.HIGH, (Why.SUPPLY,))),
        (alert(Kind.SENSOR), Ranked(Priority.LOW, (Why.INSTRUMENT,))),
        (alert(m3_day=300, gain=-5.0), Ranked(Priority.LOW, (Why.WATCHED,))),
    ],
)
def test_the_highest_of_what_applies_counts(of: Alert, expected: Ranked) -> None:
    assert rank(of, site()) == expected


def test_money_counts_where_water_has_a_price_and_money_a_limit() -> None:
    limits = PriorityLimits(high_cost_day=1_000_000, medium_cost_day=100_000)
    dear = site(priority=limits, monitor=MonitorOptions(water_cost=20_000))
    assert rank(alert(m3_day=60), dear) == Ranked(Priority.HIGH, (Why.COST,))
    assert rank(alert(m3_day=300), dear) == Ranked(Priority.HIGH, (Why.WATER, Why.COST))
    assert rank(alert(m3_day=60), replace(dear, monitor=MonitorOptions())).priority is Priority.MEDIUM


def test_a_leak_that_somebody_took_on_is_as_urgent_as_it_is_large() -> None:
    taken = replace(alert(m3_day=60, gain=-5.0), state=State.ACKNOWLEDGED)
    assert rank(taken, site()).priority is Priority.MEDIUM


def test_a_fall_of_pressure_that_customers_notice_counts_by_how_many_they_are() -> None:
    sensors = tuple(Sensor(f"{d}-P", Quantity.PRESSURE, "bar", d, "dev") for d in ("D1", "D2"))
    there = replace(site(), sensors=sensors)

    def leak(dma: str, drops: dict[str, Any], **more: Any) -> Alert:
        return alert(m3_day=10, dma=dma, evidence={"pressure_drop_m": drops, **more})

    assert rank(leak("D1", {"D1-P": 12.0}), there) == Ranked(Priority.MEDIUM, (Why.PRESSURE,))
    assert rank(leak("D2", {"D2-P": 12.0}), there) == Ranked(Priority.HIGH, (Why.PRESSURE,))
    assert rank(leak("D2", {}, inflow={"pressure_drop_m": {"D2-P": 12.0}}), there).priority is Priority.HIGH
    for drops in ({"D2-P": 9.9}, {"D1-P": 30.0}, {"D2-P": None}, {"gone": 30.0}, {}):
        assert rank(leak("D2", drops), there) == Ranked(Priority.LOW, (Why.WATER,))
    careful = replace(there, priority=PriorityLimits(pressure_drop_m=5.0))
    assert rank(leak("D2", {"D2-P": 9.9}), careful).priority is Priority.HIGH


def test_a_critical_customer_raises_it_by_one_but_no_sensor() -> None:
    hospital = site(critical=(Critical("RSUD", "D1"),))
    assert rank(alert(m3_day=10), hospital) == Ranked(Priority.MEDIUM, (Why.WATER, Why.CRITICAL), ("RSUD",))
    assert rank(alert(m3_day=60), hospital).priority is Priority.HIGH
    assert rank(alert(m3_day=300), hospital) == Ranked(Priority.HIGH, (Why.WATER,))
    assert rank(alert(m3_day=60, dma="D2"), hospital).priority is Priority.MEDIUM
    assert rank(alert(Kind.SILENT), hospital).priority is Priority.LOW
