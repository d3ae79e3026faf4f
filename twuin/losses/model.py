"""What is known of a site's losses, in SI, and why what is not known is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from analytics.losses.balance import WaterBalance
from analytics.losses.uncertain import UNKNOWN, Uncertain

NAN = float("nan")


class Why(StrEnum):
    """Why a figure is not there."""

    NO_READINGS = "no_readings"  # no inflow was measured
    GAPS = "gaps"  # less than half of the inflow was measured, or an hour of the day never
    FEW_NIGHTS = "few_nights"  # fewer than three nights with a night flow
    NO_PRESSURE = "no_pressure"  # no pressure measured, none given
    NO_SENSOR = "no_sensor"  # no pressure measured: one that is given does not tell day from night
    PRESSURE_GAPS = "pressure_gaps"  # an hour of the day at which pressure was never measured
    NO_MAINS = "no_mains"  # length of mains not given
    NO_CONNECTIONS = "no_connections"
    NO_BILLS = "no_bills"  # nothing billed is given for these days
    SITE_BILLS = "site_bills"  # bills are given for the whole site only
    NO_ESTIMATES = "no_estimates"  # theft, unbilled use or what meters miss are not given
    NEGATIVE = "negative"  # bills and estimates are more than what went in
    NO_NIGHT_LEAKAGE = "no_night_leakage"  # what it rests on is not known
    OTHER_DMAS = "other_dmas"  # not known for every DMA
    NO_MINIMUM = "no_minimum"  # minimum service pressure not given
    NO_COST = "no_cost"  # value of water not given
    NO_REPAIR_COST = "no_repair_cost"
    NO_SURVEY_COST = "no_survey_cost"
    SHORT_HISTORY = "short_history"  # too few nights for a rate of rise
    NO_RISE = "no_rise"  # no rise of leakage stands out from its noise
    NO_STEP = "no_step"  # night pressure never changed enough to learn N1
    OPPOSITE = "opposite"  # leakage rose as pressure fell: a leak, not a valve
    NO_LEAKAGE = "no_leakage"  # no leakage beside night use
    IMPLAUSIBLE = "implausible"  # outside of all N1 that were ever measured


@dataclass(frozen=True)
class Exponent:
    """FAVAD N1 in use. source: given, estimated or assumed; why: what kept it from being estimated.

    Where it was estimated, ``steps`` changes of pressure and ``nights`` are what it rests on.
    """

    n1: Uncertain
    source: str
    why: str = ""
    steps: int = 0
    nights: int = 0


@dataclass(frozen=True)
class Loss:
    """Losses of a DMA or of the whole site. Flows [m3/s], volumes [m3], pressures [m]; NaN: not known.

    nights: that the night flow is the mean of. night_use: of a connection [m3/s], assumed where the site
    does not say. usual night flow = legitimate + background + burst. leakage:
    night flow less legitimate use. pressure: mean while supplied, night_pressure: at the hour of the night
    flow; pressure_source: measured, given or "". ndf [h/day]. excess [m3/day] = leakage x ndf: real losses as
    night flow has them. supply_h: hours of supply a day. days: of the balance, 0 where there is none.
    real: current real losses [m3/day] and where they come from ("balance", "night" or ""). uarl [m3/s].
    limits: of validity that the ILI is beyond. cost_day, payback_days, rise [m3/day in a year],
    survey_months: see ``analytics.losses.economics``. why: for each figure that is missing, why.
    """

    id: str
    name: str
    connections: int
    nights: int = 0
    night_use: float = NAN
    night_use_assumed: bool = False
    night_flow: Uncertain = UNKNOWN
    legitimate: Uncertain = UNKNOWN
    leakage: Uncertain = UNKNOWN
    background: float = NAN
    burst: float = NAN
    pressure: float = NAN
    night_pressure: float = NAN
    pressure_source: str = ""
    exponent: Exponent | None = None
    ndf: Uncertain = UNKNOWN
    excess: Uncertain = UNKNOWN
    supply_h: float = NAN
    measured: float = NAN
    days: int = 0
    balance: WaterBalance | None = None
    nrw_share: Uncertain = UNKNOWN
    nrw_l_connection_day: Uncertain = UNKNOWN
    real: Uncertain = UNKNOWN
    real_source: str = ""
    real_l_connection_day: Uncertain = UNKNOWN
    uarl: float = NAN
    ili: Uncertain = UNKNOWN
    limits: tuple[str, ...] = ()
    cost_day: float = NAN
    payback_days: float = NAN
    rise: tuple[float, float, float] = (NAN, NAN, NAN)
    survey_months: float = NAN
    economic_m3day: float = NAN
    why: dict[str, Why] = field(default_factory=dict)


@dataclass(frozen=True)
class SensorService:
    """Share of a pressure sensor's time at or above the minimum [-], its lowest and mean pressure [m]."""

    sensor: str
    dma: str
    share: float
    lowest: float
    mean: float


@dataclass(frozen=True)
class ServiceReport:
    """Compliance with the minimum service pressure. by_dma: share of the known time of its sensors."""

    minimum: float
    together: float
    everywhere: float
    sensors_always: float
    by_dma: dict[str, float]
    sensors: list[SensorService]


@dataclass(frozen=True)
class ValveReport:
    """Health of a pressure reducing valve by its outlet; see ``analytics.losses.pressure.ValveHealth``."""

    valve: str
    sensor: str
    dma: str
    state: str
    set_m: float
    ripple_m: float
    swing_m: float
    drift_m: float
    days: int


@dataclass(frozen=True)
class LossReport:
    """Losses from ``start`` up to and with ``end`` (local days), DMA by DMA, zone by zone and together."""

    start: date
    end: date
    dmas: list[Loss]
    site: Loss
    service: ServiceReport | None
    service_why: Why | None
    valves: list[ValveReport]
    zones: list[Loss] = field(default_factory=list)
