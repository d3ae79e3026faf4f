"""What the API sends about other settings of a reducing valve. Pressures in m of head."""

from __future__ import annotations

from pydantic import Field

from twuin.views.base import Limited
from twuin.views.models import Model


class PrvOut(Model):
    """A pressure reducing valve of the network model."""

    id: str
    set_m: float = Field(description="Its setting in the model")
    dmas: list[str] = Field(description="DMAs directly behind it")


class HoursOut(Model):
    """Pressure by hour of the day, from midnight: as it is, and with the other setting."""

    now_m: list[float]
    then_m: list[float]


class ZoneWhatIf(Model):
    """What the other setting does to one DMA."""

    dma: str
    dma_name: str
    zone: HoursOut = Field(description="Mean pressure of the DMA, weighted by demand")
    critical_node: str = Field(description="Where pressure is lowest with the other setting")
    critical: HoursOut
    measured_night_m: float | None = Field(
        description="Zone pressure at night as measured: the model's is shifted by what it is off"
    )
    below_now: int | None = Field(
        description="Connections that fall below the service pressure at some hour; null: the site sets none"
    )
    below_then: int | None
    leakage_now_m3day: float | None = Field(description="By night flow and pressure")
    saved_m3day: Limited | None
    background_m3day: float | None = Field(description="Of what is saved, background leakage (N1 1.5)")
    bursts_m3day: float | None
    n1: Limited | None
    n1_source: str = Field(description="given, estimated, assumed, or asked where the request names it")
    why: str = Field(description="Why nothing is told of water saved; empty where it is")
    breaks_share: Limited | None = Field(
        description="A hint only: share of new breaks that are spared, by 112 zones elsewhere"
    )


class WhatIfOut(Model):
    """What another setting of a valve would do, on a day of the network model."""

    valve: str
    set_now_m: float
    set_m: list[float] = Field(description="By hour of the day, from midnight")
    highest_m: float = Field(description="Most that the valve can give: the pressure before it")
    service_m: float | None = Field(description="Pressure that customers are owed")
    zones: list[ZoneWhatIf] = Field(description="DMAs whose pressure changes by 0.1 m or more")
    saved_m3day: Limited | None = Field(description="Of all of them; null where one is not known")
    saved_day: float | None = Field(description="Its value, in the site's currency")
    below_now: int | None
    below_then: int | None
    balanced: bool = Field(description="False: EPANET did not settle at some hour")
