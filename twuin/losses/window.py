"""Readings of a stretch of whole local days, on grids that the loss numerics take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from analytics.inflow import net_inflow, storage_rate
from analytics.losses.mnf import SUPPLIED_M
from analytics.resample import last_in_steps, to_rows
from waterworks.localtime import LocalTime, instant_of, local_time, midnight, second_of, utc_seconds
from waterworks.metering import UNUSABLE, Balance, balance
from waterworks.network import Network
from waterworks.ports import ReadingStore
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEP_S = 900
"""Of inflow: the rolling hour of a night flow needs quarters. Longer where inlet meters read less often."""
HOUR_S = 3600
"""Of pressure: night-day factors are sums over hours."""
CHUNK_DAYS = 60
"""How much is read from the store at once."""


@dataclass(frozen=True)
class Readings:
    """What was measured from local day ``first`` on, ``days`` days.

    step_s, local (T,): grid of inflow. inflow (T, S): net inflow of each DMA; meters (T, M): flow of each
    inlet meter [m3/s]; balance: how they make up the inflow. pressure (T, S): mean zone pressure [m] of the
    hour that the step lies in; sensors: those with pressures; heads (H, P): their hourly mean pressures [m],
    hour_dma (P,) the column of each one's DMA (-1: none). NaN: not measured. seconds (T,): of the grid of
    inflow, since 1970.
    """

    first: date
    days: int
    step_s: int
    local: LocalTime
    inflow: Floats
    meters: Floats
    balance: Balance
    pressure: Floats
    sensors: list[Sensor]
    heads: Floats
    hour_day: Ints
    seconds: Ints

    def rows(self, first: date, days: int) -> NDArray[np.bool_]:
        """The steps of these local days, (T,)."""
        a = first.toordinal()
        return (self.local.day >= a) & (self.local.day < a + days)

    def hours(self, first: date, days: int) -> NDArray[np.bool_]:
        """The hours of these local days, (H,)."""
        a = first.toordinal()
        return (self.hour_day >= a) & (self.hour_day < a + days)


def read(site: Site, store: ReadingStore, network: Network | None, first: date, days: int) -> Readings:
    """All that losses need of ``days`` whole local days from ``first`` on."""
    zone = site.timezone
    begin = second_of(midnight(first.toordinal(), zone))
    end = second_of(midnight((first + timedelta(days=days)).toordinal(), zone))
    # Zones such as Kathmandu's are off by quarters: the grid begins at a whole hour of UTC before the day.
    begin, end = begin // HOUR_S * HOUR_S, -(-end // HOUR_S) * HOUR_S
    step_s = _step(site)
    begin = begin // step_s * step_s
    count = -(-(end - begin) // step_s)
    how = balance(site, network)
    meters, rate = _flows(store, how, begin // step_s, count, step_s)
    inflow = net_inflow(meters, how.signs, rate, how.tank_signs)
    seconds = begin + np.arange(count, dtype=np.int64) * step_s
    local = local_time(seconds, step_s, zone, frozenset())

    sensors = [s for s in site.sensors if s.quantity is Quantity.PRESSURE and s.role is Role.MONITOR]
    hours = -(-count * step_s // HOUR_S)
    heads = _means(store, [s.id for s in sensors], begin // HOUR_S, hours, HOUR_S)
    hour = local_time(begin + np.arange(hours, dtype=np.int64) * HOUR_S, HOUR_S, zone, frozenset())
    zone_pressure = _zone_pressure(site, network, sensors, heads)
    within = np.minimum(np.arange(count) * step_s // HOUR_S, max(hours - 1, 0))
    pressure = zone_pressure[within] if hours else np.full((count, len(site.dmas)), np.nan)
    return Readings(
        first, days, step_s, local, inflow, meters, how, pressure, sensors, heads, hour.day, seconds
    )


def regular(
    store: ReadingStore, sensor: Sensor, start: date, days: int, site: Site
) -> tuple[Floats, Ints, int]:
    """One sensor on a grid of its own interval: values (T,), local days (T,), step [s]; at most 15
    minutes."""
    step_s = int(min(max(sensor.interval_s, 60.0), STEP_S))
    begin = second_of(midnight(start.toordinal(), site.timezone)) // step_s
    end = second_of(midnight(start.toordinal() + days, site.timezone)) // step_s
    values = _means(store, [sensor.id], begin, end - begin, step_s)[:, 0]
    seconds = (begin + np.arange(end - begin, dtype=np.int64)) * step_s
    return values, local_time(seconds, step_s, site.timezone, frozenset()).day, step_s


def _step(site: Site) -> int:
    intervals = [s.interval_s for s in site.sensors if s.role in (Role.INLET, Role.STORAGE)]
    wanted = float(np.median(intervals)) if intervals else float(STEP_S)
    return STEP_S if wanted <= STEP_S else -(-int(wanted) // HOUR_S) * HOUR_S


def _means(store: ReadingStore, names: list[str], first: int, count: int, step_s: int) -> Floats:
    """Means of steps [first, first + count), (count, len(names))."""
    out = np.full((count, len(names)), np.nan)
    if not names:
        return out
    chunk = CHUNK_DAYS * 86400 // step_s
    for a in range(0, count, chunk):
        n = min(chunk, count - a)
        window = store.window(
            names,
            instant_of((first + a) * step_s),
            instant_of((first + a + n) * step_s),
            step=np.timedelta64(step_s, "s"),
            exclude=UNUSABLE,
        )
        out[a : a + n] = to_rows(utc_seconds(window.times) // step_s, window.values, first + a, n)
    return out


def _flows(store: ReadingStore, how: Balance, first: int, count: int, step_s: int) -> tuple[Floats, Floats]:
    """Flows of the meters (T, M) and rates at which tanks fill (T, K) [m3/s]."""
    meters = _means(store, how.meters, first, count, step_s)
    if not how.tanks:
        return meters, np.empty((count, 0))
    back = 2
    raw = store.window(
        how.tanks,
        instant_of((first - back) * step_s),
        instant_of((first + count) * step_s),
        exclude=UNUSABLE,
    )
    times = raw.times.astype("datetime64[us]").astype(np.int64)
    level, when = last_in_steps(times, raw.values, step_s * 1_000_000, first - back, count + back)
    return meters, storage_rate(level, when, how.areas, step_s)[back:]


def _zone_pressure(site: Site, network: Network | None, sensors: list[Sensor], heads: Floats) -> Floats:
    """Mean pressure of each DMA (H, S) [m] by its sensors, NaN where none was read.

    What each sensor reads apart from its own median is averaged, so that a sensor that is silent for a while
    leaves no step; 0 while none of them has water. With a network model the level is that of the DMA's mean
    elevation, weighted by demand, else the mean of the sensors'.
    """
    out = np.full((len(heads), len(site.dmas)), np.nan)
    for column, dma in enumerate(site.dmas):
        own = [i for i, s in enumerate(sensors) if s.dma == dma.id and np.isfinite(heads[:, i]).any()]
        if not own:
            continue
        read = heads[:, own]
        middle = np.nanmedian(read, axis=0)
        known = np.isfinite(read)
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = np.where(known, read - middle, 0.0).sum(axis=1) / known.sum(axis=1)
        level = float(middle.mean()) + _lift(site, network, dma.id, [sensors[i] for i in own])
        dry = known.any(axis=1) & ~(known & (read >= SUPPLIED_M)).any(axis=1)
        out[:, column] = np.where(dry, 0.0, np.maximum(apart + level, 0.0))
    return out


def _lift(site: Site, network: Network | None, dma: str, sensors: list[Sensor]) -> float:
    """What to add to the sensors' mean pressure for that at the DMA's mean elevation [m]."""
    if network is None or any(s.element not in network.node_index for s in sensors):
        return 0.0
    nodes = np.array([network.node_index[n] for n, d in site.node_dma.items() if d == dma], np.int64)
    if not len(nodes):
        return 0.0
    weight = np.maximum(network.base_demand[nodes], 0.0)
    if not weight.sum() > 0:
        weight = np.ones(len(nodes))
    mean = float((network.elevation[nodes] * weight).sum() / weight.sum())
    where = np.mean([network.elevation[network.node_index[s.element]] for s in sensors])
    return float(where) - mean
