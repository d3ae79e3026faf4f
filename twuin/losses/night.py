"""Night flow, its parts, and real losses as night flow has them, DMA by DMA."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.losses.babe import background_leakage, unavoidable_real_losses
from analytics.losses.balance import metered_input
from analytics.losses.economics import Rise, rate_of_rise
from analytics.losses.favad import leakage_exponent, pressure_steps
from analytics.losses.mnf import (
    legitimate_night_use,
    night_parts,
    settled,
    supplied,
    supplied_night_flow,
)
from analytics.losses.ndf import (
    DEFAULT_N1,
    daily_profile,
    lowest_night_slot,
    night_day_factor,
    pressure_of_hour,
)
from analytics.losses.pressure import supply_hours
from analytics.losses.uncertain import UNKNOWN, Uncertain
from twuin.losses.model import NAN, Exponent, Loss, Why
from twuin.losses.window import Readings
from twuin.works.calendar import Calendar
from waterworks.site import NIGHT_USE, Site

Floats = NDArray[np.float64]

LEAST_NIGHTS = 3
ASSUMED_N1_HALF = 0.5
"""95 % limits of an N1 that nobody measured: from leaks of fixed (0.5) to leaks of variable area (1.5)."""


@dataclass(frozen=True)
class Nights:
    """All nights that were read (D,): local day, lowest and usual flow [m3/s], pressure of its hours [m].

    on (T, S): steps with supply; calm: those in which no works went on that people had entered.
    """

    day: NDArray[np.int64]
    lowest: Floats
    usual: Floats
    pressure: Floats
    on: NDArray[np.bool_]
    calm: NDArray[np.bool_]


def nights_of(site: Site, readings: Readings, works: Calendar | None = None) -> Nights:
    """Night flow of supplied hours of all DMAs in which no works went on, and zone pressure at night."""
    r, night = readings, site.monitor.night
    usual = np.array([_median(r.inflow[r.inflow[:, c] > 0, c]) for c in range(len(site.dmas))])
    on = supplied(r.inflow, r.pressure, usual, r.step_s)
    calm = np.ones_like(on)
    if works:
        worked = works.worked([d.id for d in site.dmas], r.seconds, r.step_s)
        calm = calm if worked is None else ~worked
    full = settled(on, r.step_s) & calm
    found = supplied_night_flow(r.inflow, full, r.local.day, r.local.hour, r.step_s, night)
    inside = (r.local.hour >= night[0]) & (r.local.hour < night[1])
    pressure = np.full(found.lowest.shape, np.nan)
    wet = np.where(on, r.pressure, np.nan)
    for i, n in enumerate(found.night):
        rows = inside & (r.local.day == n)
        for c in range(len(site.dmas)):
            pressure[i, c] = _mean(wet[rows, c])
    return Nights(found.night, found.lowest, found.usual, pressure, on, calm)


def night_losses(site: Site, readings: Readings, nights: Nights, rows: NDArray[np.bool_]) -> list[Loss]:
    """The night's side of the report for the steps ``rows`` (T,) of the readings; history helps N1 and
    rise."""
    r = readings
    slots = 86400 // r.step_s
    slot = r.local.slot[rows]
    full = settled(nights.on[rows], r.step_s) & nights.calm[rows]
    inflow = daily_profile(np.where(full, r.inflow[rows], np.nan), slot, slots, least=1)
    meters = daily_profile(r.meters[rows], slot, slots, least=1)
    heads = daily_profile(r.pressure[rows], slot, slots, least=1)
    start = lowest_night_slot(inflow, site.monitor.night)
    wet = np.where(nights.on[rows], r.pressure[rows], np.nan)
    at_night = pressure_of_hour(daily_profile(wet, slot, slots, least=1), start)
    known = np.isfinite(r.inflow) | np.isfinite(r.pressure)
    hours = supply_hours(nights.on[rows], known[rows])
    days = np.unique(r.local.day[rows])
    chosen = np.isin(nights.day, days)
    out = []
    for c, dma in enumerate(site.dmas):
        why: dict[str, Why] = {}
        used = legitimate_night_use(
            np.array(float(dma.connections)), np.array(dma.night_use_m3s_per_connection),
            np.array(dma.large_night_m3s),
        )  # fmt: skip
        legitimate = Uncertain(
            float(used), {f"night use {dma.id}": float(used) * site.losses.estimate_accuracy}
        )
        usual = nights.usual[chosen, c]
        usual = usual[np.isfinite(usual)]
        flow = UNKNOWN
        if len(usual) >= LEAST_NIGHTS:
            through = np.array(
                [_hour(meters[:, i], int(start[c])) for i in range(len(r.balance.meters))], np.float64
            )
            errors = metered_input(
                through, r.balance.signs[:, c], site.losses.inlet_accuracy, r.balance.meters
            )
            flow = Uncertain(float(usual.mean()), errors.parts if errors.known else {})
        else:
            why["night_flow"] = Why.FEW_NIGHTS if np.isfinite(r.inflow[rows, c]).any() else Why.NO_READINGS

        measured = _mean(wet[:, c])
        pressure, source = measured, "measured"
        if np.isnan(measured):
            pressure, source = (NAN, "") if dma.pressure_m is None else (dma.pressure_m, "given")
        night_pressure = float(at_night[c]) if source == "measured" else pressure
        if np.isnan(pressure):
            why["pressure"] = Why.NO_PRESSURE

        exponent = _exponent(dma.id, dma.n1, nights.lowest[:, c] - float(used), nights.pressure[:, c])
        ndf = _factor(heads[:, c], night_pressure, exponent.n1) if source == "measured" else UNKNOWN
        if not ndf.known:
            why["ndf"] = Why.NO_SENSOR
            if source == "measured":
                why["ndf"] = why.get("night_flow", Why.PRESSURE_GAPS)

        mains = NAN if dma.mains_m is None else dma.mains_m
        quiet = float(background_leakage(mains, dma.connections, dma.service_m, night_pressure, dma.icf))
        parts = night_parts(np.array([flow.value]), np.array([float(used)]), np.array([quiet]))
        leakage = UNKNOWN
        if flow.known:
            leakage = flow - legitimate
            leakage = Uncertain(max(leakage.value, 0.0), leakage.parts)
        excess = leakage * ndf * 3600.0
        why |= _missing_parts(dma.connections, mains, pressure, flow)
        if not excess.known:
            why["excess"] = why.get("night_flow") or why.get("ndf") or Why.NO_NIGHT_LEAKAGE
        uarl = float(unavoidable_real_losses(mains, dma.connections, dma.service_m, pressure))
        if np.isnan(uarl):
            why["uarl"] = Why.NO_MAINS if np.isnan(mains) else Why.NO_PRESSURE
        rise = _rise(nights, c, float(used), ndf)
        out.append(
            Loss(
                dma.id, dma.name, dma.connections,
                nights=len(usual), night_use=dma.night_use_m3s_per_connection,
                night_use_assumed=dma.night_use_m3s_per_connection == NIGHT_USE,
                night_flow=flow, legitimate=legitimate, leakage=leakage,
                background=float(parts.background[0]), burst=float(parts.burst[0]), pressure=pressure,
                night_pressure=night_pressure, pressure_source=source, exponent=exponent, ndf=ndf,
                excess=excess, supply_h=float(hours[c]), measured=_share(r.inflow[rows, c]), uarl=uarl,
                rise=(rise.rate, rise.low, rise.high), why=why,
            )
        )  # fmt: skip
    return out


def _exponent(dma: str, given: float | None, leakage: Floats, pressure: Floats) -> Exponent:
    if given is not None:
        return Exponent(Uncertain(given), "given")
    found = leakage_exponent(leakage, pressure, pressure_steps(pressure))
    if found.reason:
        reason = Why(found.reason) if np.isfinite(pressure).any() else Why.NO_PRESSURE
        # One assumption for all DMAs: if it is wrong, it is wrong for all of them.
        assumed = Uncertain(DEFAULT_N1, {"N1": ASSUMED_N1_HALF})
        return Exponent(assumed, "assumed", reason, found.steps, found.nights)
    half = (found.high - found.low) / 2
    return Exponent(Uncertain(found.n1, {f"N1 {dma}": half}), "estimated", "", found.steps, found.nights)


def _factor(heads: Floats, night: float, n1: Uncertain) -> Uncertain:
    """Night-day factor with what is not known of N1 [h/day]."""
    values = [
        float(night_day_factor(heads[:, None], np.array([night]), max(x, 0.0))[0])
        for x in (n1.low, n1.value, n1.high)
    ]
    if np.isnan(values[1]):
        return UNKNOWN
    return Uncertain(values[1], dict.fromkeys(n1.parts, (values[2] - values[0]) / 2))


def _missing_parts(connections: int, mains: float, pressure: float, flow: Uncertain) -> dict[str, Why]:
    if not flow.known:
        return {"leakage": Why.NO_NIGHT_LEAKAGE, "background": Why.NO_NIGHT_LEAKAGE}
    if connections == 0:
        return {"background": Why.NO_CONNECTIONS}
    if np.isnan(mains):
        return {"background": Why.NO_MAINS}
    return {"background": Why.NO_PRESSURE} if np.isnan(pressure) else {}


def _rise(nights: Nights, column: int, used: float, ndf: Uncertain) -> Rise:
    """Rate of rise of leakage over all nights that were read; not known without a night-day factor."""
    leakage = np.maximum(nights.usual[:, column] - used, 0.0)
    return rate_of_rise(nights.day, leakage * 3600.0 * ndf.value)


def _hour(profile: Floats, start: int) -> float:
    """Mean of the hour that begins at step ``start`` of a daily profile (slots,), NaN where that is -1."""
    if start < 0:
        return NAN
    width = max(1, round(len(profile) / 24))
    return float(profile[(start + np.arange(width)) % len(profile)].mean())


def _share(values: Floats) -> float:
    return float(np.isfinite(values).mean()) if len(values) else 0.0


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else NAN


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else NAN
