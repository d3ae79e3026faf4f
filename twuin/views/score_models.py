"""How well leaks were located, as the API shows it. Distances in metres; null: not known."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from twuin.alerts.model import Kind
from twuin.alerts.score import Said, Score
from twuin.alerts.work import Outcome
from twuin.views.base import Model


class SaidOut(Model):
    """What Twuin said of a leak by the readings up to `as_of`."""

    as_of: datetime
    suspects: int = Field(description="How many pipes it named")
    first: str = Field(description="The likeliest of them; empty where it named none")
    first_probability: float | None
    search_from: str
    radius_50_m: float | None
    radius_90_m: float | None
    flow_m3h: float
    flow_low_m3h: float
    flow_high_m3h: float


class HitOut(Model):
    """How near that is to where the leak was found. Distances run from the middle of a pipe to the place."""

    rank: int | None = Field(description="Of the true pipe among those named; null: it is not among them")
    probability: float | None = Field(description="Of the true pipe; null where no pipe was named")
    best_m: float | None = Field(description="From the likeliest pipe, along the pipes")
    best_air_m: float | None = Field(description="The same as the crow flies")
    nearest_m: float | None = Field(description="From whichever named pipe is nearest, along the pipes")
    nearest_air_m: float | None
    centre_m: float | None = Field(description="From where a search was to begin, along the pipes")
    inside_50: bool | None = Field(description="Within `radius_50_m`; null where none was told")
    inside_90: bool | None


class ScoreOut(Model):
    """What Twuin said as the leak was found, and as the crew was sent, held against where it was."""

    pipe: str = Field(description="On which it was found; empty where no pipe is near the position given")
    exact: bool = Field(description="False: where on the pipe is not known, its middle stands for it")
    detected: datetime
    found: datetime
    hours: float = Field(description="From detection until it was found")
    said: SaidOut
    hit: HitOut
    sent: datetime | None = Field(None, description="When a crew was sent; null where nobody was")
    sent_hours: float | None = Field(None, description="From then until it was found")
    sent_said: SaidOut | None = None
    sent_hit: HitOut | None = None


class RangeOut(Model):
    """A value with its 95 % interval; null where there are too few cases for one."""

    value: float | None
    low: float | None
    high: float | None


class RadiusOut(Model):
    """How often leaks lay within a radius. verdict: agrees, narrow (clearly fewer than promised), wide
    (clearly more), or few (too few leaks to tell)."""

    promised: float
    leaks: int = Field(description="For which such a radius was told")
    inside: int
    share: RangeOut
    verdict: str


class CalibrationOut(Model):
    """How well leaks were located."""

    leaks: int = Field(description="That crews found")
    named: int = Field(description="Of these, with pipes named by Twuin")
    first: int = Field(description="The first pipe named was the right one")
    among: int = Field(description="The right pipe was among those named")
    half: RadiusOut
    most: RadiusOut
    first_m: RangeOut = Field(description="Median distance from the first pipe named, along the pipes")
    search_m: RangeOut = Field(description="Median distance from where a search was to begin")


class DmaCalibrationOut(CalibrationOut):
    dma: str
    dma_name: str


class FindOut(Model):
    """A leak that was found, and by how much the flow fell after its repair."""

    alert: str
    kind: Kind
    dma: str
    dma_name: str
    score: ScoreOut
    outcome: Outcome | None = Field(description="What the readings say of the repair; null: not repaired")
    fell_m3h: float | None
    fell_low_m3h: float | None
    fell_high_m3h: float | None


class LocatorOut(Model):
    """How well Twuin located the leaks that crews found from the local day `start` up to and with `end`."""

    start: date
    end: date
    found: CalibrationOut = Field(description="By what Twuin said as each leak was found")
    sent: CalibrationOut = Field(description="By what it said as the crew was sent, where one was")
    dmas: list[DmaCalibrationOut] = Field(description="As `found`, of DMAs in which leaks were found")
    finds: list[FindOut] = Field(description="Newest first")


def said_out(said: Said) -> SaidOut:
    """What was said, as the API shows it."""
    return SaidOut(
        as_of=said.as_of,
        suspects=len(said.suspects),
        first=said.suspects[0][0] if said.suspects else "",
        first_probability=said.suspects[0][1] if said.suspects else None,
        search_from=said.centre,
        radius_50_m=said.radius_50_m,
        radius_90_m=said.radius_90_m,
        flow_m3h=said.flow * 3600.0,
        flow_low_m3h=said.flow_low * 3600.0,
        flow_high_m3h=said.flow_high * 3600.0,
    )


def score_out(score: Score | None) -> ScoreOut | None:
    """A score as the API shows it."""
    if score is None:
        return None
    sent = score.sent
    return ScoreOut(
        pipe=score.pipe,
        exact=score.exact,
        detected=score.detected,
        found=score.found,
        hours=_hours(score.detected, score.found),
        said=said_out(score.said),
        hit=HitOut.model_validate(score.hit, from_attributes=True),
        sent=sent,
        sent_hours=None if sent is None else _hours(sent, score.found),
        sent_said=None if score.sent_said is None else said_out(score.sent_said),
        sent_hit=None
        if score.sent_hit is None
        else HitOut.model_validate(score.sent_hit, from_attributes=True),
    )


def _hours(start: datetime, end: datetime) -> float:
    return max((end - start).total_seconds() / 3600.0, 0.0)
