"""Losses as people read them: m3/h and m3/day, null where not known, each null with its reason."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from twuin.losses.current import CurrentBills
from twuin.views.loss_models import (
    BalanceOut,
    Limited,
    LossesOut,
    LossOut,
    OpenLeakOut,
    SensorServiceOut,
    ServiceOut,
    ValveOut,
)
from twuin.views.models import AlertOut
from twuin.works.calendar import Calendar
from waterworks.network import Network
from waterworks.ports import ReadingStore
from waterworks.site import Site

if TYPE_CHECKING:
    from analytics.losses.balance import WaterBalance
    from analytics.losses.uncertain import Uncertain
    from twuin.losses.model import Loss, LossReport

DAYS = 28
"""Days of a report where none are asked for: whole weeks, as weekends are not like other days."""
MAX_DAYS = 731
YEARS = (1900, 2200)
KEEP_S = 60.0
"""How long a report is taken as current [s]: late readings change it, but pages ask again and again."""
KEPT = 8
FACTORS_KEEP_S = 600.0

M3H = 3600.0
M3DAY = 86400.0


class Kept:
    """Reports that were made lately, by the days they are of. Safe from several threads."""

    def __init__(self, make: Callable[[date, date], LossReport]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._known: dict[tuple[date, date], tuple[float, LossReport]] = {}

    def get(self, start: date, end: date) -> LossReport:
        with self._lock:
            now = time.monotonic()
            kept = self._known.get((start, end))
            if kept is None or now - kept[0] > KEEP_S:
                kept = (time.monotonic(), self._make(start, end))
                self._known.pop((start, end), None)
                self._known[start, end] = kept
                while len(self._known) > KEPT:
                    self._known.pop(next(iter(self._known)))
            return kept[1]


class Factors:
    """Night-day factors of the week before a day, worked out anew a few times an hour at most."""

    def __init__(self, site: Site, store: ReadingStore, network: Network | None) -> None:
        self._of = (site, store, network)
        self._lock = threading.Lock()
        self._known: tuple[date, float, dict[str, float]] | None = None

    def get(self, today: date) -> dict[str, float]:
        """By DMA [h/day], of the week that ended before ``today``."""
        with self._lock:
            now = time.monotonic()
            if self._known is None or self._known[0] != today or now - self._known[1] > FACTORS_KEEP_S:
                from twuin.losses.factors import night_day_factors

                self._known = (today, now, night_day_factors(*self._of, today - timedelta(days=1)))
            return self._known[2]


def report_maker(
    site: Site,
    store: ReadingStore,
    network: Network | None,
    works: Callable[[], Calendar] | None = None,
) -> Kept:
    """Reports of one site; the numerics are loaded with the first of them. works: those that stand."""
    current = CurrentBills(site)

    def make(start: date, end: date) -> LossReport:
        from twuin.losses.report import loss_report  # brings SciPy with it: pages need not wait for that

        calendar = None if works is None else works()
        return loss_report(current.site(), store, network, start, end, calendar)

    return Kept(make)


def wrong_days(start: date | None, end: date | None) -> tuple[str, str] | None:
    """Which of the days of a report is wrong, and why; None where they will do."""
    for name, day in (("start", start), ("end", end)):
        if day is not None and not YEARS[0] <= day.year < YEARS[1]:
            return name, f"use a day between {YEARS[0]} and {YEARS[1]}"
    if start is not None and end is not None:
        if start > end:
            return "start", "must not lie after the last day"
        if (end - start).days >= MAX_DAYS:
            return "start", f"at most {MAX_DAYS} days are reported on at once"
    return None


def days_of(start: date | None, end: date | None, newest: date) -> tuple[date, date]:
    """First and last day of a report; without ``end`` up to ``newest``, where that is not too far from
    ``start``; without ``start`` four weeks."""
    last = end or newest
    if start is None:
        return last - timedelta(days=DAYS - 1), last
    if end is None:
        last = max(start, min(last, start + timedelta(days=MAX_DAYS - 1)))
    return start, last


def losses_out(report: LossReport, site: Site, leaks: Sequence[AlertOut]) -> LossesOut:
    """``leaks``: leak alerts that are not closed."""
    service = report.service
    return LossesOut(
        start=report.start,
        end=report.end,
        days=(report.end - report.start).days + 1,
        currency=site.monitor.currency,
        economy=site.losses.economy,
        site=loss_out(report.site),
        dmas=[loss_out(x, d.zone if (d := site.dma.get(x.id)) else "") for x in report.dmas],
        zones=[loss_out(x) for x in report.zones],
        service=None
        if service is None
        else ServiceOut(
            minimum_m=service.minimum,
            share=service.together,
            everywhere_share=service.everywhere,
            sensors_always_share=service.sensors_always,
            by_dma=service.by_dma,
            sensors=[
                SensorServiceOut(
                    sensor=s.sensor,
                    dma=s.dma,
                    share=round(s.share, 6),
                    lowest_m=round(s.lowest, 3),
                    mean_m=round(s.mean, 3),
                )
                for s in service.sensors
            ],
        ),
        service_why="" if report.service_why is None else report.service_why.value,
        valves=[
            ValveOut(
                valve=v.valve,
                sensor=v.sensor,
                dma=v.dma,
                state=v.state,
                set_m=_known(v.set_m, 3),
                ripple_m=_known(v.ripple_m, 3),
                swing_m=_known(v.swing_m, 3),
                drift_m=_known(v.drift_m, 3),
                days=v.days,
            )
            for v in report.valves
        ],
        open_leaks=[_open_leak(a, site) for a in leaks if a.ended is None],
    )


def loss_out(loss: Loss, zone: str = "") -> LossOut:
    """Losses of a DMA (in ``zone``), of a zone or of the site."""
    from analytics.losses.indicators import BANDS, ili_band

    n1, rate = loss.exponent, loss.rise
    assert loss.balance is not None
    return LossOut(
        id=loss.id,
        name=loss.name,
        zone=zone,
        connections=loss.connections,
        measured_share=round(loss.measured, 6),
        supply_h_day=_known(loss.supply_h, 3),
        nights=loss.nights,
        night_use_l_connection_h=_known(loss.night_use * M3H * 1000, 3),
        night_use_assumed=loss.night_use_assumed,
        night_flow_m3h=_limited(loss.night_flow, M3H),
        legitimate_m3h=_limited(loss.legitimate, M3H),
        leakage_m3h=_limited(loss.leakage, M3H),
        background_m3h=_known(loss.background * M3H),
        burst_m3h=_known(loss.burst * M3H),
        pressure_m=_known(loss.pressure, 3),
        night_pressure_m=_known(loss.night_pressure, 3),
        pressure_source=loss.pressure_source,
        n1=None if n1 is None else _limited(n1.n1),
        n1_source="" if n1 is None else n1.source,
        n1_why="" if n1 is None else n1.why,
        ndf_h_day=_limited(loss.ndf),
        excess_m3day=_limited(loss.excess),
        balance=_balance(loss.balance, loss.days),
        nrw_share=_limited(loss.nrw_share),
        nrw_l_connection_day=_limited(loss.nrw_l_connection_day),
        real_m3day=_limited(loss.real),
        real_source=loss.real_source,
        real_l_connection_day=_limited(loss.real_l_connection_day),
        uarl_m3day=_known(loss.uarl * M3DAY),
        ili=_limited(loss.ili),
        ili_bands={name: band for name in BANDS if (band := ili_band(loss.ili.value, name))},
        ili_limits=list(loss.limits),
        cost_day=_known(loss.cost_day, 2),
        payback_days=_known(loss.payback_days, 3),
        rise_m3day_year=Limited(value=rate[0], low=rate[1], high=rate[2])
        if all(math.isfinite(v) for v in rate)
        else None,
        survey_months=_known(loss.survey_months, 3),
        economic_m3day=_known(loss.economic_m3day, 3),
        why={name: why.value for name, why in loss.why.items()},
    )


def _balance(table: WaterBalance, days: int) -> BalanceOut:
    return BalanceOut(days=days, **{name: _limited(v) for name, v in table._asdict().items()})


def _limited(value: Uncertain, factor: float = 1.0) -> Limited | None:
    if not value.known:
        return None
    return Limited(
        value=round(value.value * factor, 6),
        low=round(value.low * factor, 6),
        high=round(value.high * factor, 6),
    )


def _known(value: float, digits: int = 6) -> float | None:
    return round(value, digits) if math.isfinite(value) else None


def _open_leak(alert: AlertOut, site: Site) -> OpenLeakOut:
    from analytics.losses.economics import cost_a_day, leak_volume

    flow, price, o = alert.flow_m3h / M3H, site.monitor.water_cost, site.losses
    volume = None
    if o.location_h is not None and o.repair_h is not None:
        awareness = max((alert.detected - alert.onset).total_seconds() / 3600.0, 0.0)
        volume = round(leak_volume(flow, awareness, o.location_h, o.repair_h), 3)
    return OpenLeakOut(
        alert=alert.id,
        dma=alert.dma,
        dma_name=alert.dma_name,
        flow_m3h=alert.flow_m3h,
        cost_day=round(cost_a_day(flow, price), 2) if price > 0 else None,
        until_mended_m3=volume,
    )
