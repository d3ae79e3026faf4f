"""Pressure as customers have it, and the valves that make it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from analytics.losses.pressure import service, valve_health
from twuin.losses.model import SensorService, ServiceReport, ValveReport, Why
from twuin.losses.window import Readings, regular
from waterworks.network import LinkKind, Network
from waterworks.ports import ReadingStore
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity

VALVE_DAYS = 28
"""What a valve is judged over: four weeks show drift and leave a change of setting behind."""


def service_report(
    site: Site, readings: Readings, start: date, days: int
) -> tuple[ServiceReport | None, Why | None]:
    """Compliance with the minimum service pressure by hourly means, or why it is not told."""
    minimum = site.losses.min_pressure_m
    if minimum is None:
        return None, Why.NO_MINIMUM
    own = [i for i, s in enumerate(readings.sensors) if s.dma in site.dma]
    heads = readings.heads[readings.hours(start, days)][:, own]
    if not np.isfinite(heads).any():
        return None, Why.NO_SENSOR
    sensors = [readings.sensors[i] for i in own]
    whole = service(heads, minimum)
    by_dma = {}
    for dma in site.dmas:
        columns = [i for i, s in enumerate(sensors) if s.dma == dma.id]
        if columns:
            by_dma[dma.id] = service(heads[:, columns], minimum).together
    shown = [
        SensorService(
            s.id, s.dma, float(whole.share[i]), float(np.nanmin(heads[:, i])), float(np.nanmean(heads[:, i]))
        )
        for i, s in enumerate(sensors)
        if np.isfinite(heads[:, i]).any()
    ]
    shown.sort(key=lambda s: (s.share, s.lowest))
    return ServiceReport(minimum, whole.together, whole.everywhere, whole.sensors, by_dma, shown), None


def valves_of(site: Site, network: Network | None) -> list[tuple[str, Sensor]]:
    """Reducing valves with the pressure sensor behind each: those of the network, then those the site names.

    The name of a valve that only ``service.prv_outlets`` knows is its sensor's.
    """
    pressures = [s for s in site.sensors if s.quantity is Quantity.PRESSURE and s.role is Role.MONITOR]
    found: list[tuple[str, Sensor]] = []
    if network is not None:
        for link in np.flatnonzero(network.link_kind == LinkKind.PRV):
            behind = network.node_ids[int(network.end[link])]
            found += [(network.link_ids[int(link)], s) for s in pressures if s.element == behind]
    known = {s.id for _, s in found}
    return found + [(s.id, s) for s in pressures if s.id in site.losses.prv_outlets and s.id not in known]


def valve_reports(
    site: Site, store: ReadingStore, network: Network | None, readings: Readings, end: date
) -> list[ValveReport]:
    """Health of every valve whose outlet pressure is read, over the four weeks up to ``end``."""
    out = []
    for valve, sensor in valves_of(site, network):
        start = max(readings.first, end - timedelta(days=VALVE_DAYS - 1))
        days = (end - start).days + 1
        outlet, day, step_s = regular(store, sensor, start, days, site)
        flow = np.full(len(outlet), np.nan)
        column = next((i for i, d in enumerate(site.dmas) if d.id == sensor.dma), None)
        if column is not None:
            rows = readings.rows(start, days)
            inflow = readings.inflow[rows, column]
            if len(inflow):
                at = np.arange(len(outlet)) * step_s // readings.step_s
                flow = inflow[np.minimum(at, len(inflow) - 1)]
        health = valve_health(outlet, flow, day, step_s)
        out.append(ValveReport(valve, sensor.id, sensor.dma, *health))
    return out
