"""A report of a site over a month or a year. Units stand in the names; null: not known."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from twuin.alerts.model import Kind
from twuin.alerts.promises import Stage
from twuin.views.base import Limited
from twuin.views.ledger_models import LedgerCounts
from twuin.views.loss_models import LossesOut
from twuin.views.models import Model
from twuin.views.run_models import ResponsesOut
from twuin.views.score_models import LocatorOut


class Outcome(StrEnum):
    """What became of a leak, as far as a report tells it."""

    RUNNING = "running"  # it still ran at the end of the report's days
    ENDED = "ended"  # it ended, and nobody said what ended it
    REPAIRED = "repaired"  # people said so


class LeakOut(Model):
    """A leak that was found, ran or was repaired in these days.

    Times come from the alert and its history, the volume from the monitor. A step that nobody entered is
    null.
    """

    alert: str
    kind: Kind = Field(description="leak, or night_flow: its water may be that of a leak in this list")
    dma: str
    dma_name: str
    outcome: Outcome
    state: str = Field(description="Of the alert when the report was made")
    place: str = Field(description="Pipe on which it was found, else where a search best begins")
    onset: datetime
    detected: datetime
    located: datetime | None = Field(description="Who repairs at once has found it")
    repaired: datetime | None = Field(description="When people said so, or the flow fell before that")
    ended: datetime | None = Field(description="When the readings showed its end")
    flow_m3h: float
    fell_m3h: float | None = Field(description="By how much the flow fell with the repair, where seen")
    lost_m3: float = Field(description="Since its onset, also before these days")
    cost: float | None
    awareness_h: float = Field(description="From onset to detection")
    location_h: float | None = Field(description="From detection until it was found")
    mending_h: float | None = Field(description="From when it was found until it was repaired")
    repair_h: float | None = Field(description="From detection until it was repaired or had ended")
    awareness_m3: float = Field(description="Of what was lost, before it was known")
    location_m3: float = Field(description="Of it, until it was found (or as long as it was not)")
    mending_m3: float = Field(description="Of it, from then on")
    saved_m3: Limited | None = Field(
        description="Not lost in these days since the repair; null where that is not verified"
    )
    saved_why: str = Field(
        description="Why nothing is saved: no_repair, waiting, undecided, runs_on, no_flow; or empty"
    )
    found_in: bool = Field(description="Whether it was detected in these days")
    over_in: bool = Field(description="Whether it was repaired, or ended, in these days")


class LeakTotals(Model):
    """Of leaks alone; high night flow is not added, as its water may be theirs."""

    found: int
    repaired: int
    ended: int = Field(description="Ended without anybody saying why")
    running: int = Field(description="At the end of these days")
    set_aside: int = Field(description="Alerts that were no leak: false, planned, withdrawn, doubled")
    lost_m3: float = Field(description="By all that are listed, since their onset")
    mean_awareness_h: float | None
    mean_repair_h: float | None


class PromiseCount(Model):
    """Service promises of one stage (respond, locate, repair) whose time was over in these days."""

    stage: Stage
    kept: int
    broken: int


class ComplaintsOut(Model):
    """Residents' reports that came in these days (docs/public-reports.md), spam and withdrawn ones left out.

    settled: of those received, up to the end of these days. Promises count in the days in which their time is
    over; null: nothing is promised.
    """

    received: int
    settled: int
    open: int
    answers_kept: int | None
    answers_broken: int | None
    settled_in_time: int | None
    settled_late: int | None = Field(description="Late, or not settled yet though it was due")


class SensorAvailability(LedgerCounts):
    """Readings of a sensor in these days. share: received of expected; null where none were expected."""

    sensor: str
    name: str
    dma: str
    quantity: str
    share: float | None


class DmaAvailability(LedgerCounts):
    """Readings of the sensors of a DMA together; id "": those of none."""

    id: str
    name: str
    sensors: int
    share: float | None


class IndicatorOut(Model):
    """An indicator of the yearly evaluation of Indonesian utilities (see docs/reports.md).

    status: measured (`value` is it), near (`value` stands for it, `remark` says how it differs), missing
    (Twuin could give it: `remark` says what for want of which) or other (Twuin has nothing to do with it).
    """

    code: str
    aspect: str = Field(description="finance, service, operation or staff")
    status: str
    value: float | None
    unit: str
    remark: str


class ReportOut(Model):
    """A report of the local days from `start` up to and with `end`.

    Figures of losses are those of /losses. `complete`: whether all of its days were analysed when it was
    made; if not, `end` lies before the end of the month or year.
    """

    period: str = Field(description="2026-10, or 2026 for a year")
    kind: str = Field(description="month or year")
    site: str
    site_name: str
    dmas: list[str] | None = Field(
        None, description="Ids of the DMAs that it is of, for who is limited to some; null: the whole site"
    )
    timezone: str
    start: date
    end: date
    complete: bool
    made: datetime
    losses: LossesOut
    nights: list[str] = Field(description="Ids of DMAs by leakage at night, the largest first")
    leaks: list[LeakOut]
    leak_totals: LeakTotals
    promises: list[PromiseCount] = Field(description="Of all alerts; empty where the site promises nothing")
    response: ResponsesOut = Field(description="Promises, times and water by priority")
    locator: LocatorOut = Field(
        description="How well leaks were located in the year up to `end`; `finds`: those of these days"
    )
    complaints: ComplaintsOut | None = Field(
        None, description="Reports of residents; null where they cannot report, or of some DMAs only"
    )
    availability: LedgerCounts
    availability_share: float | None
    availability_dmas: list[DmaAvailability]
    availability_sensors: list[SensorAvailability] = Field(description="The poorest first")
    indicators: list[IndicatorOut] = Field(description="Of the whole utility: none where `dmas` limits it")
