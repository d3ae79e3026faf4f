"""The report on losses: night flow, balance, indicators and costs of every DMA and of the site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from analytics.losses.balance import WaterBalance, metered_input, volume_of, water_balance
from analytics.losses.economics import (
    YEAR_DAYS,
    cost_a_day,
    economic_intervention,
    economic_level,
    payback_days,
)
from analytics.losses.indicators import (
    ili_limits,
    infrastructure_leakage_index,
    nrw_share,
    per_connection,
)
from analytics.losses.uncertain import UNKNOWN, ZERO, Uncertain, measured
from twuin.losses.bills import Billed, billed_of_dma, billed_of_dmas, billed_of_site
from twuin.losses.model import NAN, Loss, LossReport, Why
from twuin.losses.night import night_losses, nights_of
from twuin.losses.service import service_report, valve_reports
from twuin.losses.window import Readings, read
from twuin.works.calendar import Calendar
from waterworks.localtime import local_time, utc_seconds
from waterworks.metering import balance
from waterworks.network import Network
from waterworks.ports import ReadingStore
from waterworks.site import Dma, Site

DAY_S = 86400.0
HISTORY_DAYS = 180
"""How far back pressure steps and the rise of leakage are looked for: half a year, as leaks are surveyed."""


def loss_report(
    site: Site,
    store: ReadingStore,
    network: Network | None,
    start: date,
    end: date,
    works: Calendar | None = None,
) -> LossReport:
    """Losses from local day ``start`` up to and with ``end``. Uses no reading after ``end``, and no night
    flow of hours in which ``works`` went on."""
    days = (end - start).days + 1
    first = min(start, _first_day(site, store, network, end - timedelta(days=HISTORY_DAYS - 1), end))
    readings = read(site, store, network, first, (end - first).days + 1)
    rows = readings.rows(start, days)
    found = night_losses(site, readings, nights_of(site, readings, works), rows)
    losses = [
        _costs(site, _indicators(site, _balanced(site, readings, d, i, loss, start, days), [d]), d)
        for i, (d, loss) in enumerate(zip(site.dmas, found, strict=True))
    ]
    column = {d.id: i for i, d in enumerate(site.dmas)}
    zones = []
    for name, dmas in site.zones.items():
        billed = billed_of_dmas(site, dmas, start, days)
        part = _together(site, readings, losses, [column[d.id] for d in dmas], billed, start)
        if part.balance is not None and not part.balance.nrw.known and any(not b.dma for b in site.billing):
            part = replace(part, why={**part.why, "nrw": Why.SITE_BILLS})
        zones.append(_costs(site, _indicators(site, replace(part, id=name, name=name), dmas), None))
    billed = billed_of_site(site, start, days)
    whole = _together(site, readings, losses, list(column.values()), billed, start)
    whole = _costs(site, _indicators(site, whole, site.dmas), None)
    service, why = service_report(site, readings, start, days)
    valves = valve_reports(site, store, network, readings, end)
    return LossReport(start, end, losses, whole, service, why, valves, zones)


def _first_day(site: Site, store: ReadingStore, network: Network | None, first: date, end: date) -> date:
    """``first``, or the day of the first reading if that is later; at most ``end``."""
    how = balance(site, network)
    extent = store.extent([*how.meters, *how.tanks])
    if extent is None:
        return end
    seconds = utc_seconds(np.array([extent[0]]))
    begun = date.fromordinal(int(local_time(seconds, 900, site.timezone, frozenset()).day[0]))
    return min(max(first, begun), end)


# -- the balance ---------------------------------------------------------------------------------------


def _input(site: Site, readings: Readings, column: int, rows: NDArray[np.bool_]) -> Uncertain:
    """What went into a DMA in the steps ``rows`` [m3], with the errors of its meters and of filled gaps."""
    r, dma = readings, site.dmas[column].id
    local = r.local
    net = volume_of(r.inflow[rows][:, [column]], local.slot[rows], local.day[rows], r.step_s)
    if np.isnan(net.volume[0]):
        return UNKNOWN
    through = volume_of(r.meters[rows], local.slot[rows], local.day[rows], r.step_s).volume
    signs = r.balance.signs[:, column]
    errors = metered_input(through, signs, site.losses.inlet_accuracy, r.balance.meters)
    parts = dict(errors.parts) if errors.known else {}
    return Uncertain(float(net.volume[0]), {**parts, f"gaps {dma}": float(net.half[0])})


def _balance(site: Site, given: Uncertain, billed: Billed, days: NDArray[np.bool_]) -> WaterBalance:
    """The balance of the days ``days`` (D,). An estimate that the site does not give is not known."""
    o = site.losses
    volume = [float(v[days].sum()) for v in billed]
    bills = [measured(v, o.billed_accuracy, "bills") for v in volume]

    def estimate(share: float | None, name: str) -> Uncertain:
        return UNKNOWN if share is None else measured(share, o.estimate_accuracy, name)

    return water_balance(
        given,
        billed_metered=bills[0],
        billed_unmetered=bills[1],
        unbilled_metered=bills[2],
        unbilled_unmetered=given * estimate(o.unbilled_unmetered, "unbilled"),
        unauthorised=given * estimate(o.unauthorised, "unauthorised"),
        under_registration=estimate(o.under_registration, "under-registration"),
        data_error=(bills[0] + bills[1]) * estimate(o.data_error, "data error") if o.data_error else ZERO,
    )


def _balanced(
    site: Site, readings: Readings, dma: Dma, column: int, loss: Loss, start: date, days: int
) -> Loss:
    billed = billed_of_dma(site, dma, start, days)
    known = np.isfinite(billed.metered)
    if not known.any():
        whole = any(not b.dma for b in site.billing)
        return _unbalanced(
            site, readings, column, loss, start, days, Why.SITE_BILLS if whole else Why.NO_BILLS
        )
    given = _input(site, readings, column, _rows_of(readings, start, known))
    why = {} if given.known else {"system_input": Why.GAPS if loss.measured > 0 else Why.NO_READINGS}
    return replace(
        loss,
        days=int(known.sum()),
        balance=_balance(site, given, billed, known),
        why={**loss.why, **why},
    )


def _unbalanced(
    site: Site, readings: Readings, column: int, loss: Loss, start: date, days: int, why: Why
) -> Loss:
    """System input alone, of all days."""
    given = _input(site, readings, column, readings.rows(start, days))
    missing = {"nrw": why}
    if not given.known:
        missing["system_input"] = Why.GAPS if loss.measured > 0 else Why.NO_READINGS
    return replace(loss, days=days, balance=_only_input(given), why={**loss.why, **missing})


def _only_input(given: Uncertain) -> WaterBalance:
    nothing = dict.fromkeys(WaterBalance._fields, UNKNOWN)
    return WaterBalance(**{**nothing, "system_input": given})


def _rows_of(readings: Readings, start: date, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Steps of the days from ``start`` on that ``known`` (D,) marks."""
    offset = readings.local.day - start.toordinal()
    inside = (offset >= 0) & (offset < len(known))
    return inside & known[np.clip(offset, 0, len(known) - 1)]


def _together(
    site: Site,
    readings: Readings,
    every: Sequence[Loss],
    columns: Sequence[int],
    billed: Billed,
    start: date,
) -> Loss:
    """DMAs (``columns`` of the site's) together: what is known of every one of them. billed: of them, by day
    from ``start`` on."""
    why: dict[str, Why] = {}
    losses, days = [every[c] for c in columns], len(billed.metered)

    def reason(name: str) -> Why:
        """The DMAs' own, where all of them lack it for the same."""
        said = {x.why.get(name, Why.OTHER_DMAS) for x in losses}
        return said.pop() if len(said) == 1 else Why.OTHER_DMAS

    def total(values: Sequence[Uncertain], name: str) -> Uncertain:
        if all(v.known for v in values):
            out = ZERO
            for v in values:
                out = out + v
            return out
        why[name] = reason(name)
        return UNKNOWN

    def plain(values: Sequence[float], name: str) -> float:
        return total([Uncertain(v) for v in values], name).value

    known = np.isfinite(billed.metered)
    covered = known if known.any() else np.ones(days, bool)
    rows = _rows_of(readings, start, covered)
    given = total([_input(site, readings, c, rows) for c in columns], "system_input")
    if known.any():
        table = _balance(site, given, billed, known)
    else:
        table, why["nrw"] = _only_input(given), Why.NO_BILLS
    connections = np.array([max(x.connections, 0) for x in losses], np.float64)
    weight = connections if connections.sum() > 0 else np.ones(len(losses))

    def mean(values: Sequence[float], name: str) -> float:
        found = float(np.average(np.array(values, np.float64), weights=weight)) if losses else NAN
        if np.isnan(found):
            why[name] = reason(name)
        return found

    sources = {x.pressure_source for x in losses}
    return Loss(
        "",
        site.name,
        int(connections.sum()),
        nights=min((x.nights for x in losses), default=0),
        night_flow=total([x.night_flow for x in losses], "night_flow"),
        legitimate=total([x.legitimate for x in losses], "legitimate"),
        leakage=total([x.leakage for x in losses], "leakage"),
        background=plain([x.background for x in losses], "background"),
        burst=plain([x.burst for x in losses], "burst"),
        pressure=mean([x.pressure for x in losses], "pressure"),
        pressure_source=sources.pop() if len(sources) == 1 else "",
        excess=total([x.excess for x in losses], "excess"),
        supply_h=mean([x.supply_h for x in losses], "supply"),
        measured=float(np.mean([x.measured for x in losses])) if losses else 0.0,
        days=int(covered.sum()),
        balance=table,
        uarl=plain([x.uarl for x in losses], "uarl"),
        rise=(plain([x.rise[0] for x in losses], "rise"), NAN, NAN),
        why=why,
    )


# -- indicators and costs ------------------------------------------------------------------------------


def _indicators(site: Site, loss: Loss, dmas: Sequence[Dma]) -> Loss:
    table = loss.balance
    assert table is not None
    why, days = dict(loss.why), float(max(loss.days, 1))
    supply = 24.0 if np.isnan(loss.supply_h) else loss.supply_h
    top_down = table.real * (1.0 / days)
    real, source = UNKNOWN, ""
    if top_down.known and top_down.value >= 0:
        real, source = top_down, "balance"
    elif loss.excess.known:
        real, source = loss.excess, "night"
    if not table.nrw.known:
        why.setdefault("nrw", why.get("system_input", Why.NO_READINGS))
    if not table.real.known:
        why["real_balance"] = Why.NO_ESTIMATES if table.nrw.known else why["nrw"]
    elif top_down.value < 0:
        why["real_balance"] = Why.NEGATIVE
    if not real.known:
        why["real"] = why["real_balance"]
    if loss.connections == 0:
        why["per_connection"] = Why.NO_CONNECTIONS
    ili = infrastructure_leakage_index(real, loss.uarl, 1.0, supply)
    limits: tuple[str, ...] = ()
    if ili.known:
        mains = _mains(dmas)
        limits = ili_limits(mains, loss.connections, loss.pressure, supply)
    else:
        why["ili"] = why.get("real") or why.get("uarl") or Why.NO_CONNECTIONS
    return replace(
        loss,
        nrw_share=nrw_share(table.nrw, table.system_input),
        nrw_l_connection_day=per_connection(table.nrw, loss.connections, days, supply),
        real=real,
        real_source=source,
        real_l_connection_day=per_connection(real, loss.connections, 1.0, supply),
        ili=ili,
        limits=limits,
        why=why,
    )


def _mains(dmas: Sequence[Dma]) -> float:
    return sum((NAN if d.mains_m is None else d.mains_m) for d in dmas)


def _costs(site: Site, loss: Loss, dma: Dma | None) -> Loss:
    """What losses cost, and what it takes to lower them. dma: None for several together."""
    o, price, why = site.losses, site.monitor.water_cost, dict(loss.why)
    if not price > 0:
        return replace(loss, why={**why, "cost": Why.NO_COST, "payback": Why.NO_COST, "survey": Why.NO_COST})
    cost = cost_a_day(loss.real.value / DAY_S, price) if loss.real.known else NAN
    if not loss.real.known:
        why["cost"] = why["real"]
    if dma is None:  # repairs and surveys are planned by DMA
        return replace(loss, cost_day=cost, why=why)
    payback = NAN
    burst_day = loss.burst * 3600.0 * loss.ndf.value  # m3/day
    if o.repair_cost is None:
        why["payback"] = Why.NO_REPAIR_COST
    elif np.isnan(burst_day):
        why["payback"] = why.get("background") or why.get("ndf") or Why.NO_NIGHT_LEAKAGE
    else:
        payback = payback_days(o.repair_cost, burst_day / DAY_S, price)
        if not np.isfinite(payback):
            why["payback"] = Why.NO_LEAKAGE
    months = level = NAN
    mains = _mains([dma])
    if o.survey_cost_per_m is None:
        why["survey"] = Why.NO_SURVEY_COST
    elif np.isnan(mains):
        why["survey"] = Why.NO_MAINS
    elif np.isnan(loss.rise[0]):
        why["survey"] = why.get("ndf") or why.get("excess") or Why.SHORT_HISTORY
    elif not loss.rise[1] > 0:
        why["survey"] = Why.NO_RISE
    else:
        policy = economic_intervention(loss.rise[0], o.survey_cost_per_m * mains, price)
        months = policy.months
        quiet = loss.background * 3600.0 * loss.ndf.value * YEAR_DAYS
        level = economic_level(quiet, 0.0, policy) / YEAR_DAYS
    return replace(
        loss, cost_day=cost, payback_days=payback, survey_months=months, economic_m3day=level, why=why
    )
