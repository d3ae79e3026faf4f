"""Losses: water balance, indicators, night flow, service pressure, costs (docs/losses.md)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from twuin.client.records.limited import Limited


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The IWA water balance [m3] of ``days`` days, each component with its 95 % limits."""

    days: int
    system_input: Limited | None
    billed_metered: Limited | None
    billed_unmetered: Limited | None
    billed: Limited | None
    """Billed authorised consumption: revenue water"""
    unbilled_metered: Limited | None
    unbilled_unmetered: Limited | None
    unbilled: Limited | None
    authorised: Limited | None
    losses: Limited | None
    unauthorised: Limited | None
    meter_error: Limited | None
    data_error: Limited | None
    apparent: Limited | None
    real: Limited | None
    nrw: Limited | None
    """Non-revenue water: input less what is billed"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Losses of a DMA, of a zone, or of the whole site (`id` is then empty)."""

    id: str
    name: str
    zone: str
    """Of a DMA: the zone it is counted in; empty for none"""
    connections: int
    measured_share: float
    """Share of the time for which the inflow is known"""
    supply_h_day: float | None
    """Hours of supply a day"""
    nights: int
    night_use_l_connection_h: float | None
    """Legitimate night use of a connection"""
    night_use_assumed: bool
    """Whether the site did not say it"""
    night_flow_m3h: Limited | None
    """Mean of the usual minimum night flow"""
    legitimate_m3h: Limited | None
    leakage_m3h: Limited | None
    """Night flow less legitimate night use"""
    background_m3h: float | None
    burst_m3h: float | None
    pressure_m: float | None
    """Mean zone pressure while supplied"""
    night_pressure_m: float | None
    """Zone pressure at the hour of the night flow"""
    pressure_source: str
    """measured, given (dmas.csv) or empty"""
    n1: Limited | None
    """FAVAD exponent in use"""
    n1_source: str
    """given, estimated, assumed or empty"""
    n1_why: str
    """Why it was not estimated"""
    ndf_h_day: Limited | None
    """Night-day factor"""
    excess_m3day: Limited | None
    """Real losses as night flow has them"""
    balance: Balance
    nrw_share: Limited | None
    nrw_l_connection_day: Limited | None
    real_m3day: Limited | None
    """Current real losses (CARL), a day"""
    real_source: str
    """balance, night or empty"""
    real_l_connection_day: Limited | None
    uarl_m3day: float | None
    ili: Limited | None
    ili_bands: dict[str, str]
    """Band by kind of economy: developed, developing"""
    ili_limits: tuple[str, ...]
    """Limits of validity that the ILI is beyond"""
    cost_day: float | None
    payback_days: float | None
    """Of one repair that ends the burst part"""
    rise_m3day_year: Limited | None
    """Rate of rise of leakage over the last half year"""
    survey_months: float | None
    """Economic interval of leak surveys"""
    economic_m3day: float | None
    """Background and unreported leakage at that interval"""
    why: dict[str, str]
    """Why a figure is missing"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorService:
    """Service pressure at one sensor."""

    sensor: str
    dma: str
    share: float
    """Share of its time at or above the minimum"""
    lowest_m: float
    mean_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Compliance with the minimum service pressure, by hourly means."""

    minimum_m: float
    share: float
    """Of the time of all sensors"""
    everywhere_share: float
    """Share of time in which no sensor was below"""
    sensors_always_share: float
    """Share of sensors at or above it 99 % of their time"""
    by_dma: dict[str, float]
    sensors: tuple[SensorService, ...]
    """The poorest first"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Valve:
    """A pressure reducing valve by its outlet pressure.

    state: steady, hunting, drifting, open (does not regulate), unsteady or unknown.
    """

    valve: str
    sensor: str
    dma: str
    state: str
    set_m: float | None
    ripple_m: float | None
    swing_m: float | None
    drift_m: float | None
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLeak:
    """A leak that runs, and what it costs."""

    alert: str
    dma: str
    dma_name: str
    flow_m3h: float
    cost_day: float | None
    until_mended_m3: float | None
    """What it will have lost, found and mended in the site's usual time"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Losses of the local days from `start` up to and with `end`."""

    start: date
    end: date
    days: int
    currency: str
    economy: str
    """developing, developed, or empty where the site does not say"""
    site: Loss
    dmas: tuple[Loss, ...]
    zones: tuple[Loss, ...]
    """DMAs of a zone together (`zone` of dmas.csv); `id` is its name"""
    service: Service | None
    service_why: str
    """Why compliance is not told"""
    valves: tuple[Valve, ...]
    open_leaks: tuple[OpenLeak, ...]
