"""Alerts: what is told of an event, its life, where to search."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from twuin.client.records.limited import Limited

Kind = Literal["leak", "night_flow", "low_inflow", "silent", "sensor", "supply", "reported"]
State = Literal[
    "open", "acknowledged", "assigned", "on_site", "located", "repairing", "repaired", "verified", "closed"
]
Reason = Literal["repaired", "ended", "false_alarm", "planned", "duplicate", "withdrawn"]
Why = Literal[
    "water", "cost", "supply", "pressure", "size_unknown", "critical", "watched", "instrument", "seen"
]
LeakType = Literal["main_break", "main_hole", "joint", "fitting", "service", "illegal", "other"]
Method = Literal["clamp", "section", "joint", "fitting", "service", "shut_off", "other"]
CheckOutcome = Literal["waiting", "fell", "runs_on", "undecided"]
Cause = Literal["not_found", "large_use", "operation", "meter", "supply", "site_data", "other"]
Stage = Literal["respond", "locate", "repair"]
PromiseStanding = Literal["running", "near", "broken", "kept", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A pipe that the leak may be on."""

    pipe: str
    probability: float
    lon: float | None
    lat: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a leak was found: on a pipe, or by position, or both."""

    pipe: str
    along_m: float | None
    """From the pipe's first node, along it"""
    lon: float | None
    lat: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What residents reported of an alert's event (docs/public-reports.md)."""

    count: int
    """Reports that are evidence"""
    reporters: int
    """Of those who sent them, how many are independent of each other"""
    category: str
    """What most say: leak, no_water, low_pressure, dirty_water"""
    leaks: int
    """How many saw a leak"""
    first: datetime
    last: datetime
    lon: float | None
    lat: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What Twuin says of a repair. fell: by how much the flow fell; leak: what it was estimated at before."""

    outcome: CheckOutcome
    by: str
    """night_flow, model, readings; empty while nothing is known"""
    fell_m3h: float | None
    low_m3h: float | None
    """It fell by between this and `high_m3h` (95 %)"""
    high_m3h: float | None
    leak_m3h: float | None
    before: int
    """Nights (by the model: days) before the repair that this rests on"""
    after: int
    """Nights (by the model: days) after it"""
    at: datetime | None
    """Up to when readings were looked at"""
    until: datetime | None
    """When Twuin gives up waiting"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert as it stands. docs/alerts.md tells its life, docs/api.md what its fields mean."""

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
    cost: float | None
    """Water lost at the site's cost of water, in its currency"""
    confidence: float
    """Of the readings, raised by what residents report"""
    reported: Reported | None
    suspects: tuple[Suspect, ...]
    near: tuple[str, ...]
    evidence: dict[str, Any]
    onset_low: datetime | None
    """It began between this and `onset_high` (90 %)"""
    onset_high: datetime | None
    search_from: str
    """Pipe in whose middle a search best begins"""
    radius_50_m: float | None
    """Half of the probability is so near, along the pipes"""
    radius_90_m: float | None
    gain: float | None
    """What a visit now is expected to save beyond its cost, in the site's currency"""
    priority: str
    """high, medium or low"""
    priority_why: tuple[Why, ...]
    """What gave it that"""
    critical: tuple[str, ...]
    """Critical customers who raised it"""
    watched: bool
    """Open, but a visit costs more than it is expected to save"""
    assignee: str
    """Person or crew"""
    place: Place | None
    """Where it was found last"""
    leak_type: LeakType | None
    method: Method | None
    """How it was mended"""
    repaired_at: datetime | None
    check: Check | None
    """Whether the last repair took the leak away"""
    cause: Cause | None
    """What a false alarm was"""
    duplicate_of: str
    """Id of the alert that its event belongs to"""
    supported: bool
    """False: later readings do not support it, but people are at it"""
    actions: tuple[str, ...]
    """What people may do with it now"""
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of an alert's history."""

    at: datetime
    """When it was written, by the site's clock"""
    actor: str
    action: str
    note: str
    reason: Reason | None
    details: dict[str, Any]
    """What goes with the action"""
    happened: datetime | None
    """When it was done, where whoever did it says so"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A service promise: what was to be done by when, and whether it was."""

    stage: Stage
    begun: datetime
    due: datetime
    done: datetime | None
    standing: PromiseStanding


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaPipe:
    """A pipe within the distance that a search takes; distances along the pipes from where it begins."""

    pipe: str
    share: int
    """50: some of it lies within the radius of 50 %, else 90"""
    near_m: float
    """To its nearest point"""
    far_m: float
    """To its furthest point"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What Twuin said of a leak by the readings up to `as_of`."""

    as_of: datetime
    suspects: int
    """How many pipes it named"""
    first: str
    """The likeliest of them; empty where it named none"""
    first_probability: float | None
    search_from: str
    radius_50_m: float | None
    radius_90_m: float | None
    flow_m3h: float
    flow_low_m3h: float
    flow_high_m3h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """How near that is to where the leak was found. Distances run from the middle of a pipe to the place."""

    rank: int | None
    """Of the true pipe among those named; null: it is not among them"""
    probability: float | None
    """Of the true pipe; null where no pipe was named"""
    best_m: float | None
    """From the likeliest pipe, along the pipes"""
    best_air_m: float | None
    """The same as the crow flies"""
    nearest_m: float | None
    """From whichever named pipe is nearest, along the pipes"""
    nearest_air_m: float | None
    centre_m: float | None
    """From where a search was to begin, along the pipes"""
    inside_50: bool | None
    """Within `radius_50_m`; null where none was told"""
    inside_90: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What Twuin said as the leak was found, and as the crew was sent, held against where it was."""

    pipe: str
    """On which it was found; empty where no pipe is near the position given"""
    exact: bool
    """False: where on the pipe is not known, its middle stands for it"""
    detected: datetime
    found: datetime
    hours: float
    """From detection until it was found"""
    said: Said
    hit: Hit
    sent: datetime | None
    """When a crew was sent; null where nobody was"""
    sent_hours: float | None
    """From then until it was found"""
    sent_said: Said | None
    sent_hit: Hit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Awareness, location and repair of one leak, with the water lost in each. A step that was not taken has
    no time; what was lost meanwhile counts for the step that was being waited for."""

    awareness_h: float
    """From onset to detection"""
    location_h: float | None
    """From detection until it was found"""
    mending_h: float | None
    """From then until it was repaired, or the flow had fallen"""
    lost_m3: Limited
    """Since its onset; as uncertain as its flow"""
    awareness_m3: Limited
    location_m3: Limited
    mending_m3: Limited
    saved_m3: Limited | None
    """Not lost since the repair, by what the flow fell; null where that is not verified"""
    saved_days: float | None
    """That these are counted for: a year at most"""
    saved_why: str
    """Why nothing counts as saved: no_repair, waiting, undecided, runs_on, no_flow; or empty"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDetail(Alert):
    """The same with its history, its promises and how far to search."""

    history: tuple[Entry, ...]
    promises: tuple[Promise, ...]
    """By priority, in the order of work"""
    area: tuple[AreaPipe, ...]
    """Pipes within the radii, nearest first"""
    duplicates: tuple[str, ...]
    """Ids of alerts that are duplicates of it"""
    score: Score | None
    """How well Twuin had located it, once it is found"""
    run: Run | None
    """What was lost when, and saved since its repair; of leaks"""
