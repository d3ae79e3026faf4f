"""The site, its DMAs, sensors and nights."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The site, and what time it is there."""

    id: str
    name: str
    timezone: str
    now: datetime
    """The present on the site's clock (in a demo or replay not the wall's)"""
    clock_speed: float
    """Site seconds per second; 1 in operation"""
    clock: str
    """wall, scaled (a demo's pace), data (the newest reading)"""
    watermark: datetime | None
    """Up to here the readings have been analysed"""
    stale_after_s: float | None
    """Analysis further behind `now` does not keep up; null where the clock follows data"""
    catching_up: bool
    """Past readings are being worked off, faster than time goes"""
    has_readings: bool
    """Some sensor has sent a reading"""
    has_network: bool
    currency: str
    bounds: tuple[float, float, float, float] | None
    """west, south, east, north"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dma:
    """A DMA and how it stands. state: normal, watch (night flow high), leak, nodata."""

    id: str
    name: str
    state: str
    connections: int
    inflow_m3h: float | None
    expected_m3h: float | None
    night_flow_m3h: float | None
    """Last night's lowest rolling hour"""
    night_flow_usual_m3h: float | None
    """20th percentile of the last 7 nights"""
    legitimate_night_use_m3h: float
    excess_m3day: float | None
    """Last night's flow beyond legitimate use, times the night-day factor, else 24 h"""
    night_day_factor_h: float | None
    """From pressure of the last week; null: none"""
    open_alerts: int
    works: tuple[str, ...]
    """Kinds of planned works that go on now"""
    spark_m3h: tuple[float | None, ...]
    """Inflow of 24 h, hourly means"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NightFlow:
    """Minimum night flow of one night. ``night`` is the local day that begins with it."""

    night: date
    night_flow_m3h: float | None
    usual_m3h: float | None
    legitimate_m3h: float
    excess_m3h: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A sensor with its place, its state and its newest reading."""

    id: str
    name: str
    quantity: str
    unit: str
    """Unit that people read here; `latest` is in it"""
    dma: str
    device: str
    role: str
    element: str
    interval_s: float
    lon: float | None
    lat: float | None
    state: str
    """ok, silent, suspect, nodata"""
    latest: float | None
    latest_at: datetime | None
