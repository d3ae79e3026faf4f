"""What the API sends about losses. Units stand in the names; a null figure has its reason in `why`."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from twuin.views.base import Limited as Limited
from twuin.views.base import Model


class BalanceOut(Model):
    """The IWA water balance [m3] of ``days`` days, each component with its 95 % limits."""

    days: int
    system_input: Limited | None
    billed_metered: Limited | None
    billed_unmetered: Limited | None
    billed: Limited | None = Field(description="Billed authorised consumption: revenue water")
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
    nrw: Limited | None = Field(description="Non-revenue water: input less what is billed")


class LossOut(Model):
    """Losses of a DMA, of a zone, or of the whole site (`id` is then empty)."""

    id: str
    name: str
    zone: str = Field("", description="Of a DMA: the zone it is counted in; empty for none")
    connections: int
    measured_share: float = Field(description="Share of the time for which the inflow is known")
    supply_h_day: float | None = Field(description="Hours of supply a day")
    nights: int
    night_use_l_connection_h: float | None = Field(description="Legitimate night use of a connection")
    night_use_assumed: bool = Field(description="Whether the site did not say it")
    night_flow_m3h: Limited | None = Field(description="Mean of the usual minimum night flow")
    legitimate_m3h: Limited | None
    leakage_m3h: Limited | None = Field(description="Night flow less legitimate night use")
    background_m3h: float | None
    burst_m3h: float | None
    pressure_m: float | None = Field(description="Mean zone pressure while supplied")
    night_pressure_m: float | None = Field(description="Zone pressure at the hour of the night flow")
    pressure_source: str = Field(description="measured, given (dmas.csv) or empty")
    n1: Limited | None = Field(description="FAVAD exponent in use")
    n1_source: str = Field(description="given, estimated, assumed or empty")
    n1_why: str = Field(description="Why it was not estimated")
    ndf_h_day: Limited | None = Field(description="Night-day factor")
    excess_m3day: Limited | None = Field(description="Real losses as night flow has them")
    balance: BalanceOut
    nrw_share: Limited | None
    nrw_l_connection_day: Limited | None
    real_m3day: Limited | None = Field(description="Current real losses (CARL), a day")
    real_source: str = Field(description="balance, night or empty")
    real_l_connection_day: Limited | None
    uarl_m3day: float | None
    ili: Limited | None
    ili_bands: dict[str, str] = Field(description="Band by kind of economy: developed, developing")
    ili_limits: list[str] = Field(description="Limits of validity that the ILI is beyond")
    cost_day: float | None
    payback_days: float | None = Field(description="Of one repair that ends the burst part")
    rise_m3day_year: Limited | None = Field(description="Rate of rise of leakage over the last half year")
    survey_months: float | None = Field(description="Economic interval of leak surveys")
    economic_m3day: float | None = Field(description="Background and unreported leakage at that interval")
    why: dict[str, str] = Field(description="Why a figure is missing")


class SensorServiceOut(Model):
    sensor: str
    dma: str
    share: float = Field(description="Share of its time at or above the minimum")
    lowest_m: float
    mean_m: float


class ServiceOut(Model):
    """Compliance with the minimum service pressure, by hourly means."""

    minimum_m: float
    share: float = Field(description="Of the time of all sensors")
    everywhere_share: float = Field(description="Share of time in which no sensor was below")
    sensors_always_share: float = Field(description="Share of sensors at or above it 99 % of their time")
    by_dma: dict[str, float]
    sensors: list[SensorServiceOut] = Field(description="The poorest first")


class ValveOut(Model):
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


class OpenLeakOut(Model):
    """A leak that runs, and what it costs."""

    alert: str
    dma: str
    dma_name: str
    flow_m3h: float
    cost_day: float | None
    until_mended_m3: float | None = Field(
        description="What it will have lost, found and mended in the site's usual time"
    )


class LossesOut(Model):
    """Losses of the local days from `start` up to and with `end`."""

    start: date
    end: date
    days: int
    currency: str
    economy: str = Field(description="developing, developed, or empty where the site does not say")
    site: LossOut
    dmas: list[LossOut]
    zones: list[LossOut] = Field(
        default_factory=list, description="DMAs of a zone together (`zone` of dmas.csv); `id` is its name"
    )
    service: ServiceOut | None
    service_why: str = Field(description="Why compliance is not told")
    valves: list[ValveOut]
    open_leaks: list[OpenLeakOut]
