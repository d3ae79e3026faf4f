"""A made-up report with everything in it: DMAs, a balance, leaks, sensors; as many and as badly named as
asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from twuin.alerts.model import Kind, Reason, State
from twuin.views.ledger_models import LedgerLine
from twuin.views.loss_models import (
    BalanceOut,
    Limited,
    LossesOut,
    LossOut,
    SensorServiceOut,
    ServiceOut,
)
from twuin.views.models import AlertDetail, EntryOut, SiteOut
from twuin.views.report_models import ReportOut
from twuin.views.reports import Period, report
from waterworks.site import Dma, Role, Sensor, Site
from waterworks.units import Quantity

ZONE = ZoneInfo("Asia/Jakarta")
MADE = datetime(2026, 11, 2, 23, 5, tzinfo=UTC)
BEGIN = datetime(2026, 10, 1, tzinfo=ZONE)
OVER = datetime(2026, 11, 1, tzinfo=ZONE)

Maker = Callable[..., ReportOut]


def around(value: float, share: float = 0.1) -> Limited:
    return Limited(value=value, low=value * (1 - share), high=value * (1 + share))


def losses_of(id: str, name: str, scale: float, *, known: bool = True, connections: int = 1200) -> LossOut:
    """A DMA whose figures add up; ``known`` False: without meters, so that every one of them is missing."""
    given = around(52_000.5 * scale, 0.02)
    parts = {
        "billed_metered": 0.66, "billed_unmetered": 0.01, "billed": 0.67, "unbilled_metered": 0.004,
        "unbilled_unmetered": 0.006, "unbilled": 0.01, "authorised": 0.68, "losses": 0.32,
        "unauthorised": 0.02, "meter_error": 0.05, "data_error": 0.01, "apparent": 0.08, "real": 0.24,
        "nrw": 0.33,
    }  # fmt: skip
    shares = {n: around(given.value * v) if known else None for n, v in parts.items()}
    balance = BalanceOut(days=31, system_input=given if known else None, **shares)
    figure = around if known else (lambda value, share=0.1: None)
    return LossOut(
        id=id, name=name, connections=connections, measured_share=0.987 if known else 0.0,
        supply_h_day=21.4 if known else None, nights=31 if known else 0, night_use_l_connection_h=1.7,
        night_use_assumed=True, night_flow_m3h=figure(20.0 * scale), legitimate_m3h=figure(2.1),
        leakage_m3h=figure(20.0 * scale - 2.1), background_m3h=4.0 if known else None,
        burst_m3h=20.0 * scale - 6.1 if known else None, pressure_m=31.4 if known else None,
        night_pressure_m=38.2 if known else None, pressure_source="measured" if known else "",
        n1=figure(1.0, 0.5), n1_source="assumed", n1_why="no_step", ndf_h_day=figure(21.0),
        excess_m3day=figure((20.0 * scale - 2.1) * 21), balance=balance,
        nrw_share=Limited(value=0.331, low=0.287, high=0.375) if known else None,
        nrw_l_connection_day=figure(412.0), real_m3day=figure(12_480.0 * scale / 31),
        real_source="balance" if known else "", real_l_connection_day=figure(300.0),
        uarl_m3day=61.25 if known else None, ili=figure(6.57 * scale),
        ili_bands={"developing": "B", "developed": "C"} if known else {},
        ili_limits=["small", "low_pressure"] if id == "D1" else [], cost_day=1_811_612.9 * scale,
        payback_days=None, rise_m3day_year=None, survey_months=None, economic_m3day=None,
        why={"payback": "no_repair_cost"} if known
        else {"system_input": "no_readings", "nrw": "no_readings", "night_flow": "no_readings",
              "uarl": "no_mains", "ili": "no_readings"},
    )  # fmt: skip


def all_losses(site: Site, unknown: str = "") -> LossesOut:
    dmas = [losses_of(d.id, d.name, 1.3 - 0.02 * i, known=d.id != unknown) for i, d in enumerate(site.dmas)]
    return LossesOut(
        start=date(2026, 10, 1), end=date(2026, 10, 31), days=31, currency="IDR", economy="",
        site=losses_of("", site.name, float(len(dmas)), connections=1200 * len(dmas)), dmas=dmas,
        service=ServiceOut(
            minimum_m=10.0, share=0.9634, everywhere_share=0.81, sensors_always_share=0.7,
            by_dma={d.id: 0.97 for d in site.dmas},
            sensors=[
                SensorServiceOut(sensor=f"{d.id}-P1", dma=d.id, share=0.97, lowest_m=6.31, mean_m=28.0)
                for d in site.dmas
            ],
        ),
        service_why="", valves=[], open_leaks=[],
    )  # fmt: skip


def leak_of(
    id: str, site: Site, detected: datetime, *, kind: Kind = Kind.LEAK, dma: int = 0,
    ended: datetime | None = None, state: State = State.OPEN, reason: Reason | None = None,
    history: tuple[tuple[str, datetime], ...] = (), m3h: float = 12.4, onset: datetime | None = None,
    **more: Any,
) -> AlertDetail:  # fmt: skip
    onset = onset or detected - timedelta(hours=6)
    hours = ((ended or OVER) - onset) / timedelta(hours=1)
    d = site.dmas[dma % len(site.dmas)]
    return AlertDetail.model_construct(  # only what a report reads
        id=id, kind=kind, state=state, reason=reason, dma=d.id, dma_name=d.name, subject=d.id, onset=onset,
        detected=detected, ended=ended, as_of=ended or OVER, flow_m3h=m3h, flow_low_m3h=0.9 * m3h,
        flow_high_m3h=1.1 * m3h, lost_m3=m3h * hours, cost=4500.0 * m3h * hours, confidence=0.97,
        suspects=[], near=[], evidence={}, search_from="P-0117", version=3, priority="high",
        history=[EntryOut(at=at, actor="Rina", action=action, note="") for action, at in history], **more,
    )  # fmt: skip


def town_of(count: int, name: str, folder: Path) -> Site:
    dmas = tuple(Dma(f"D{i + 1}", name % {"n": i + 1}, 1200, mains_m=11_000.0) for i in range(count))
    sensors = tuple(
        s
        for d in dmas
        for s in (
            Sensor(f"{d.id}-IN", Quantity.FLOW, "m3/h", d.id, d.id, Role.INLET, name=f"Inlet {d.name}"),
            Sensor(f"{d.id}-P1", Quantity.PRESSURE, "bar", d.id, d.id),
        )
    )
    return Site("kota", "Perumda Tirta Kota", ZONE, dmas, sensors, folder)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Four DMAs with plain names."""
    return town_of(4, "DMA %(n)s", tmp_path)


@pytest.fixture
def made(tmp_path: Path) -> Maker:
    """A report of October 2026 of ``count`` DMAs called ``name``."""

    def make(count: int = 4, name: str = "DMA %(n)s", unknown: str = "", leaks: int = 3) -> ReportOut:
        site = town_of(count, name, tmp_path)
        day = timedelta(days=1)
        alerts = [
            leak_of(
                f"leak{i:06}", site, BEGIN + (3 + i) * 0.2 * day, dma=i,
                ended=None if i % 3 == 0 else BEGIN + (8 + 0.2 * i) * day,
                state=State.OPEN if i % 3 == 0 else State.CLOSED,
                reason=None if i % 3 == 0 else Reason.REPAIRED if i % 3 == 1 else Reason.ENDED,
                history=(("located", BEGIN + (7 + 0.2 * i) * day), ("closed", BEGIN + (9 + 0.2 * i) * day)),
                kind=Kind.NIGHT_FLOW if i == 4 else Kind.LEAK,
            )
            for i in range(leaks)
        ]  # fmt: skip
        ledger = [
            LedgerLine(
                day=date(2026, 10, 1), sensor=s.id, device=s.device, expected=8928, received=8928 - 37 * i,
                late=12, duplicate=3, rejected=i, missing=36 * i,
            )
            for i, s in enumerate(site.sensors)
        ]  # fmt: skip
        shown = SiteOut(
            id=site.id, name=site.name, timezone=ZONE.key, now=MADE, clock_speed=1.0, watermark=MADE,
            has_network=False, currency="IDR", bounds=None,
        )  # fmt: skip
        losses = all_losses(site, unknown)
        return report(shown, site, Period(2026, 10), losses, alerts, ledger, begin=BEGIN, over=OVER)

    return make
