"""What the API sends and takes. Units stand in the names; instants are RFC 3339 UTC."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from twuin.alerts.model import Kind, Reason, State
from twuin.alerts.priority import Why
from twuin.alerts.promises import Stage, Standing
from twuin.alerts.work import Cause, LeakType, Method, Outcome
from twuin.views.base import Model as Model
from twuin.views.run_models import RunOut
from twuin.views.score_models import ScoreOut

T = TypeVar("T")


class Page(Model, Generic[T]):
    """One page of a list. ``next`` is the cursor of the following page, null on the last."""

    items: list[T]
    next: str | None = None


class Problem(BaseModel):
    """An error as RFC 9457 describes it (application/problem+json)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    errors: list[dict[str, Any]] | None = None


class SiteOut(Model):
    id: str
    name: str
    timezone: str
    now: datetime = Field(description="The present on the site's clock (in a demo or replay not the wall's)")
    clock_speed: float = Field(description="Site seconds per second; 1 in operation")
    clock: str = Field("wall", description="wall, scaled (a demo's pace), data (the newest reading)")
    watermark: datetime | None = Field(description="Up to here the readings have been analysed")
    stale_after_s: float | None = Field(
        None, description="Analysis further behind `now` does not keep up; null where the clock follows data"
    )
    catching_up: bool = Field(False, description="Past readings are being worked off, faster than time goes")
    has_readings: bool = Field(True, description="Some sensor has sent a reading")
    has_network: bool
    currency: str
    bounds: tuple[float, float, float, float] | None = Field(description="west, south, east, north")


class SiteFrame(SiteOut):
    """The site for what needs no readings itself. away: their store does not answer, and all about them here
    is as it was last seen."""

    away: bool


class DmaState(Model):
    """A DMA and how it stands. state: normal, watch (night flow high), leak, nodata."""

    id: str
    name: str
    state: str
    connections: int
    inflow_m3h: float | None = None
    expected_m3h: float | None = None
    night_flow_m3h: float | None = Field(None, description="Last night's lowest rolling hour")
    night_flow_usual_m3h: float | None = Field(None, description="20th percentile of the last 7 nights")
    legitimate_night_use_m3h: float
    excess_m3day: float | None = Field(
        None, description="Last night's flow beyond legitimate use, times the night-day factor, else 24 h"
    )
    night_day_factor_h: float | None = Field(None, description="From pressure of the last week; null: none")
    open_alerts: int = 0
    works: list[str] = Field(default_factory=list, description="Kinds of planned works that go on now")
    spark_m3h: list[float | None] = Field(default_factory=list, description="Inflow of 24 h, hourly means")


class NightFlow(Model):
    night: date
    night_flow_m3h: float | None
    usual_m3h: float | None
    legitimate_m3h: float
    excess_m3h: float | None


class SensorOut(Model):
    id: str
    name: str
    quantity: str
    unit: str = Field(description="Unit that people read here; `latest` is in it")
    dma: str
    device: str
    role: str
    element: str
    interval_s: float
    lon: float | None
    lat: float | None
    state: str = Field(
        description="ok, silent, suspect (newest reading doubtful, or an alert of a fault), nodata"
    )
    latest: float | None = None
    latest_at: datetime | None = None


class Series(Model):
    """One or more series over common times. Values in ``unit``, null where there is none."""

    unit: str
    times: list[datetime]
    values: dict[str, list[float | None]]
    quality: dict[str, list[int]] = Field(default_factory=dict)
    step_s: float | None = None


class SuspectOut(Model):
    pipe: str
    probability: float
    lon: float | None
    lat: float | None


class AreaPipe(Model):
    """A pipe within the distance that a search takes; distances along the pipes from where it begins."""

    pipe: str
    share: int = Field(description="50: some of it lies within the radius of 50 %, else 90")
    near_m: float = Field(description="To its nearest point")
    far_m: float = Field(description="To its furthest point")


class PlaceOut(Model):
    """Where a leak was found: on a pipe, or by position, or both."""

    pipe: str = Field("", max_length=80)
    along_m: float | None = Field(None, description="From the pipe's first node, along it")
    lon: float | None = None
    lat: float | None = None


class ReportedOut(Model):
    """What residents reported of an alert's event (docs/public-reports.md)."""

    count: int = Field(description="Reports that are evidence")
    reporters: int = Field(description="Of those who sent them, how many are independent of each other")
    category: str = Field(description="What most say: leak, no_water, low_pressure, dirty_water")
    leaks: int = Field(description="How many saw a leak")
    first: datetime
    last: datetime
    lon: float | None = None
    lat: float | None = None


class CheckOut(Model):
    """What Twuin says of a repair. fell: by how much the flow fell; leak: what it was estimated at before."""

    outcome: Outcome
    by: str = Field("", description="night_flow, model, readings; empty while nothing is known")
    fell_m3h: float | None = None
    low_m3h: float | None = Field(None, description="It fell by between this and `high_m3h` (95 %)")
    high_m3h: float | None = None
    leak_m3h: float | None = None
    before: int = Field(0, description="Nights (by the model: days) before the repair that this rests on")
    after: int = Field(0, description="Nights (by the model: days) after it")
    at: datetime | None = Field(None, description="Up to when readings were looked at")
    until: datetime | None = Field(None, description="When Twuin gives up waiting")


class AlertOut(Model):
    id: str
    kind: Kind
    state: State
    reason: Reason | None
    dma: str
    dma_name: str
    subject: str
    onset: datetime
    detected: datetime
    ended: datetime | None
    as_of: datetime
    flow_m3h: float
    flow_low_m3h: float
    flow_high_m3h: float
    lost_m3: float
    cost: float | None = Field(description="Water lost at the site's cost of water, in its currency")
    confidence: float = Field(description="Of the readings, raised by what residents report")
    reported: ReportedOut | None = None
    suspects: list[SuspectOut]
    near: list[str]
    evidence: dict[str, Any]
    onset_low: datetime | None = Field(None, description="It began between this and `onset_high` (90 %)")
    onset_high: datetime | None = None
    search_from: str = Field("", description="Pipe in whose middle a search best begins")
    radius_50_m: float | None = Field(None, description="Half of the probability is so near, along the pipes")
    radius_90_m: float | None = None
    gain: float | None = Field(
        None, description="What a visit now is expected to save beyond its cost, in the site's currency"
    )
    priority: str = Field(description="high, medium or low")
    priority_why: list[Why] = Field(default_factory=list, description="What gave it that")
    critical: list[str] = Field(default_factory=list, description="Critical customers who raised it")
    watched: bool = Field(False, description="Open, but a visit costs more than it is expected to save")
    assignee: str = Field("", description="Person or crew")
    place: PlaceOut | None = Field(None, description="Where it was found last")
    leak_type: LeakType | None = None
    method: Method | None = Field(None, description="How it was mended")
    repaired_at: datetime | None = None
    check: CheckOut | None = Field(None, description="Whether the last repair took the leak away")
    cause: Cause | None = Field(None, description="What a false alarm was")
    duplicate_of: str = Field("", description="Id of the alert that its event belongs to")
    supported: bool = Field(True, description="False: later readings do not support it, but people are at it")
    actions: list[str] = Field(default_factory=list, description="What people may do with it now")
    version: int


class EntryOut(Model):
    at: datetime = Field(description="When it was written, by the site's clock")
    actor: str
    action: str
    note: str
    reason: Reason | None = None
    details: dict[str, Any] = Field(default_factory=dict, description="What goes with the action")
    happened: datetime | None = Field(None, description="When it was done, where whoever did it says so")


class ClockOut(Model):
    """A service promise: what was to be done by when, and whether it was."""

    stage: Stage
    begun: datetime
    due: datetime
    done: datetime | None
    standing: Standing


class AlertDetail(AlertOut):
    history: list[EntryOut]
    promises: list[ClockOut] = Field(default_factory=list, description="By priority, in the order of work")
    area: list[AreaPipe] = Field(default_factory=list, description="Pipes within the radii, nearest first")
    duplicates: list[str] = Field(default_factory=list, description="Ids of alerts that are duplicates of it")
    score: ScoreOut | None = Field(None, description="How well Twuin had located it, once it is found")
    run: RunOut | None = Field(None, description="What was lost when, and saved since its repair; of leaks")


class CauseOut(Model):
    """How often alerts of a kind in a DMA were false alarms of one cause."""

    dma: str
    dma_name: str
    kind: Kind
    cause: Cause
    alerts: int


class RejectedOut(Model):
    id: int
    received: datetime
    topic: str
    reason: str
    detail: str
    size: int


class UnknownNameOut(Model):
    """A name that messages bring and no sensor has, with what it said last."""

    name: str
    topic: str
    value: float | None = Field(description="As sent; null where it was no finite number")
    unit: str = Field(description="As the message says; empty where it names none")
    time: datetime | None = Field(description="Of the value, by the device; null where in no calendar")
    heard: datetime = Field(description="When it last came")
    readings: int = Field(description="So many came under this name since it is in the list")


class RejectedSummary(Model):
    total: int
    by_reason: dict[str, int]


class DeviceOut(Model):
    """What a device last said of itself."""

    id: str
    state: str = Field(description="online or offline")
    heard_at: datetime
    battery_v: float | None
    signal_dbm: float | None
    firmware: str
    interval_s: float | None
    sensors: list[str]


class IngestStats(Model):
    """Counters of the MQTT consumer since its process began; ``running``: whether it runs in this process."""

    running: bool
    connected: bool = False
    messages: int = 0
    readings_stored: int = 0
    readings_duplicate: int | None = Field(default=0, description="null: the store counts them as stored")
    readings_replaced: int | None = Field(default=0, description="Likewise")
    readings_expired: int = Field(default=0, description="Older than what the store keeps: not stored")
    readings_unwanted: int = Field(default=0, description="Under names that the site does not want")
    rejected_here: dict[str, int] = Field(default_factory=dict, description="By reason, by this process")
    messages_unacknowledged: int = 0
    readings_spooled: int = Field(default=0, description="Put into the disk spool by this process")
    readings_drained: int = Field(default=0, description="Taken by the store from the spool")
    spool_readings: int = Field(default=0, description="Waiting in the spool now")
    spool_bytes: int = Field(default=0, description="Of the spool's files")
    spool_oldest: datetime | None = Field(default=None, description="When the oldest of them was received")
    spool_damaged: int = Field(default=0, description="Parts of the spool that could not be read")
    reconnects: int = 0
    stalls: int = Field(default=0, description="Of these, because nothing came back on an open connection")
    receipts: int = Field(default=0, description="Told to devices: which of their messages are stored")
    readings_uncounted: int = Field(default=0, description="That the ledger had no room for")
    last_message: datetime | None = None
    rejected: RejectedSummary = Field(description="By all processes, ever")


class Health(Model):
    """status: ok, degraded or down; parts: each with its own status and one line of explanation."""

    status: str
    version: str
    parts: dict[str, dict[str, Any]]
