"""How long leaks ran, what they lost in each part of that, and what repairs saved, as the API shows it."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from twuin.alerts.promises import Stage
from twuin.views.base import Limited, Model


class RunOut(Model):
    """Awareness, location and repair of one leak, with the water lost in each. A step that was not taken has
    no time; what was lost meanwhile counts for the step that was being waited for."""

    awareness_h: float = Field(description="From onset to detection")
    location_h: float | None = Field(description="From detection until it was found")
    mending_h: float | None = Field(description="From then until it was repaired, or the flow had fallen")
    lost_m3: Limited = Field(description="Since its onset; as uncertain as its flow")
    awareness_m3: Limited
    location_m3: Limited
    mending_m3: Limited
    saved_m3: Limited | None = Field(
        description="Not lost since the repair, by what the flow fell; null where that is not verified"
    )
    saved_days: float | None = Field(description="That these are counted for: a year at most")
    saved_why: str = Field(
        description="Why nothing counts as saved: no_repair, waiting, undecided, runs_on, no_flow; or empty"
    )


class MedianOut(Model):
    """A median time [h] of `leaks` leaks with its 95 % interval; null where there are too few for one."""

    leaks: int
    value: float | None
    low: float | None
    high: float | None


class StageOut(Model):
    """A promise of one priority and how it was kept, of those due in these days."""

    stage: Stage
    promised_h: float | None = Field(description="null: nothing is promised")
    working: bool = Field(description="Whether that counts working hours only")
    kept: int
    broken: int
    share: Limited | None = Field(description="Kept of those due [0..1]")


class ResponseOut(Model):
    """How leaks of a priority were dealt with (`priority` empty: of all)."""

    priority: str
    stages: list[StageOut] = Field(description="Respond, locate, repair: of all alerts about water")
    awareness: MedianOut = Field(description="Of leaks detected in these days")
    location: MedianOut = Field(description="Of leaks found in these days, since their detection")
    mending: MedianOut = Field(description="Of leaks repaired in these days, since they were found")
    over: int = Field(description="Leaks whose repair, or end, was in these days")
    lost_m3: Limited = Field(description="By those, since their onset: each counts once, when it is over")
    awareness_m3: Limited
    location_m3: Limited
    mending_m3: Limited
    late_m3: Limited = Field(description="Of it after the promised time of repair was over")
    repairs: int = Field(description="Repairs, up to a year before, whose effect is verified")
    saved_m3: Limited | None = Field(description="Not lost in these days because of them")
    saved_new_m3: Limited | None = Field(description="Of it by repairs of these days")
    unverified: int = Field(description="Repairs of these days that are not verified, or not yet")
    unverified_m3h: float = Field(description="Flow of their leaks, as it was estimated; in no sum")
    ndf_assumed: bool = Field(description="Whether 24 h a day stand for a night-day factor not known")


class ResponsesOut(Model):
    """From the local day `start` up to and with `end`."""

    start: date
    end: date
    all: ResponseOut
    priorities: list[ResponseOut] = Field(description="Those of which there was any")
