"""What the API tells a crew. Units stand in the names."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from twuin.alerts.crew import Why
from twuin.views.isolation import IsolationOut
from twuin.views.models import AlertDetail, AlertOut, ClockOut, EntryOut, Model, SiteOut
from twuin.views.photos import PhotoOut


class JobOut(AlertOut):
    """An alert as a job: one's own, or one that nobody has taken."""

    mine: bool = Field(description="Assigned to whoever asks, or to the crew that is named")
    promises: list[ClockOut] = Field(default_factory=list, description="By priority, in the order of work")


class JobsOut(Model):
    """The jobs of whoever asks, most urgent first."""

    site: SiteOut
    crews: list[str] = Field(description="Names to whom living alerts are assigned")
    jobs: list[JobOut]


class ListenPoint(Model):
    """A fitting where one can listen to a pipe."""

    kind: str = Field(description="valve, hydrant, air_valve, washout, tap, other")
    id: str
    name: str
    pipe: str = Field(description="The pipe in which it is")
    node: str = Field(description="Near which end of it")
    state: str = Field("", description="Of a valve: open, shut, stuck")
    lon: float | None
    lat: float | None


class ListenPipe(Model):
    """A pipe to listen to, and where."""

    pipe: str
    probability: float | None = Field(description="Of the ranking; null: only near the suspects")
    share: int = Field(0, description="50, 90: within the radius of this probability; 0: beyond")
    length_m: float | None
    diameter_mm: float | None
    lon: float | None = Field(description="Its middle")
    lat: float | None
    points: list[ListenPoint]


class Landmark(Model):
    """Something with a name near the place to search."""

    kind: str = Field(description="valve, sensor, or the kind of fitting")
    id: str
    name: str
    distance_m: float = Field(description="As the crow flies")


class JobDetail(AlertDetail):
    """All that a crew takes along of one job; good without a line."""

    mine: bool
    landmarks: list[Landmark] = Field(description="Nearest first")
    listen: list[ListenPipe] = Field(description="In the order in which to listen to them")
    isolation: IsolationOut | None = Field(
        None, description="Of the pipe where it was found, else the likeliest"
    )
    lon: float | None = Field(description="Where to go")
    lat: float | None
    georeferenced: bool = Field(description="False: longitude and latitude have a frame of their own")
    photos: list[PhotoOut]
    map: dict[str, Any] = Field(description="GeoJSON: the network around it, with stop valves")


class ReportOutcome(Model):
    """What became of what a crew told."""

    done: bool = Field(description="The step was taken; else what was told is kept in the history")
    why: Why | None = Field(None, description="Why it was no step")
    meanwhile: list[EntryOut] = Field(description="What other people did since it happened, oldest first")
    alert: AlertOut
