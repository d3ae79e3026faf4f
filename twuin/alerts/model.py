"""Findings (what the analytics conclude from data) and alerts (what people work on)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from twuin.alerts.work import NOTHING_DONE, Cause, Work


class Kind(StrEnum):
    """What an alert is about."""

    LEAK = "leak"  # inflow above expectation from an onset on
    NIGHT_FLOW = "night_flow"  # minimum night flow above what the DMA's past and its customers explain
    LOW_INFLOW = "low_inflow"  # inflow below expectation: supply cut, or a meter that lost its count
    SILENT = "silent"  # a sensor from which nothing has come for far longer than its interval
    SENSOR = "sensor"  # a sensor that does not tell the truth; evidence["fault"] says in what way
    SUPPLY = "supply"  # a DMA that has no water, all the time or for hours of the day
    REPORTED = "reported"  # what residents see and no reading shows; work.reported says what and where


@dataclass(frozen=True, slots=True)
class Suspect:
    """A pipe that may leak. probability: share of the ranking's weight [0..1]."""

    pipe: str
    probability: float
    lon: float | None = None
    lat: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One event as the analytics see it at event time ``as_of``. All instants are UTC and aware.

    A finding is a pure function of the readings up to ``as_of``: the same readings, in whatever order and
    at whatever speed they came, give the same findings.

    subject: the DMA, or the sensor for ``silent`` and ``sensor``. onset: when it began; detected: when the
    evidence sufficed; ended: when it was over, None while it lasts. flow, flow_low, flow_high: estimate and
    its 90 % interval [m3/s], negative for missing inflow. volume: water lost from onset to ``as_of`` or the
    end [m3]. confidence [0..1]. suspects: ranked, best first. near: sensors that saw most of it.
    evidence: small JSON-able facts for the page (test statistic, threshold, baseline weeks, ...).
    onset_low, onset_high: 90 % interval of the onset. centre: pipe in whose middle a search best begins, ""
    where none is known; radius_50_m, radius_90_m: distance along the pipes from there within which it lies
    with that probability. gain: what sending a crew now is expected to save beyond its cost [currency of
    the site]. None: not known.
    """

    kind: Kind
    subject: str
    dma: str
    onset: datetime
    detected: datetime
    as_of: datetime
    ended: datetime | None = None
    flow: float = 0.0
    flow_low: float = 0.0
    flow_high: float = 0.0
    volume: float = 0.0
    confidence: float = 0.0
    suspects: tuple[Suspect, ...] = ()
    near: tuple[str, ...] = ()
    evidence: dict[str, Any] = field(default_factory=dict)
    onset_low: datetime | None = None
    onset_high: datetime | None = None
    centre: str = ""
    radius_50_m: float | None = None
    radius_90_m: float | None = None
    gain: float | None = None

    @property
    def planned_work(self) -> str:
        """Id of the planned work that explains it as it stands; "" where none does."""
        return str(self.evidence.get("planned_work", ""))


def not_worth_a_visit(finding: Finding) -> bool:
    """Whether it lasts and a visit costs more than it is expected to save."""
    return finding.ended is None and finding.gain is not None and finding.gain < 0


RIGHT = 0.6
"""Share of residents' reports at a place that are taken to be right about what they say. An assumption, on
the careful side: water on a street may be rain, a drain or a customer's own pipe."""

SUREST = 0.99
"""However many report it: they may all see the same puddle."""


def raised(confidence: float, reporters: int) -> float:
    """A confidence [0..1] with what ``reporters`` independent residents say beside it.

    It is wrong only where the readings are wrong and every one of them is, each for reasons of its own:
    1 - (1 - c)(1 - 0.6)^n. Never lower than it was, and never beyond 0.99 by reports.
    """
    return max(confidence, min(1.0 - (1.0 - confidence) * (1.0 - RIGHT) ** reporters, SUREST))


class State(StrEnum):
    """Where an alert stands. Its event may end by itself (``Finding.ended``) in any state."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"  # someone has seen it
    ASSIGNED = "assigned"  # to a person or crew
    ON_SITE = "on_site"
    LOCATED = "located"
    REPAIRING = "repairing"
    REPAIRED = "repaired"  # by word of the crew; Twuin looks whether the loss fell
    VERIFIED = "verified"  # it fell
    CLOSED = "closed"


UNREPAIRED = (
    State.OPEN,
    State.ACKNOWLEDGED,
    State.ASSIGNED,
    State.ON_SITE,
    State.LOCATED,
    State.REPAIRING,
)
"""States in which there is something to do for people, in the order of the work."""

LIVING = (*UNREPAIRED, State.REPAIRED, State.VERIFIED)
"""All states but the last."""

PENDING = (*UNREPAIRED, State.REPAIRED)
"""Nobody knows yet that it is over."""


class Reason(StrEnum):
    """Why an alert was closed."""

    REPAIRED = "repaired"
    ENDED = "ended"  # the readings returned to what is expected
    FALSE_ALARM = "false_alarm"
    PLANNED = "planned"  # by people, or as a work that was entered explains it: ``Finding.planned_work``
    DUPLICATE = "duplicate"  # its event is another alert's: ``Work.duplicate_of``
    WITHDRAWN = "withdrawn"  # later data no longer support it


@dataclass(frozen=True, slots=True)
class Told:
    """What of a finding was last announced: the measure of whether news of it are worth an event.

    Units as in ``Finding``; suspects: the ids of the first few pipes; watched: as of ``Alert``.
    """

    as_of: datetime
    onset: datetime
    ended: datetime | None
    flow: float
    volume: float
    confidence: float
    suspects: tuple[str, ...] = ()
    watched: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    """A finding with a life. ``id`` is short, unique and safe in a URL.

    finding: always the newest. version: counts announced changes; a client that sends an old one is told
    so. revision: counts every write, also those that announce nothing; stores guard by it.
    held: a person reopened it, so only a person closes it. told: what was last announced. work: what people
    did about it. supported: False where later data no longer support it but people are at it, who decide.
    """

    id: str
    site: str
    state: State
    finding: Finding
    reason: Reason | None = None
    version: int = 1
    revision: int = 1
    held: bool = False
    told: Told | None = None
    work: Work = NOTHING_DONE
    supported: bool = True

    @property
    def watched(self) -> bool:
        """Open, but a visit costs more than it is expected to save: kept in view until that changes.

        It says what is worth doing now, not what to show: it is listed, counted and found like any other.
        What a person acknowledged or reopened is theirs, whatever it is worth.
        """
        seen = self.work.reported is not None and self.work.reported.leaks > 0  # where, is known: go there
        return self.state is State.OPEN and not self.held and not seen and not_worth_a_visit(self.finding)

    @property
    def confidence(self) -> float:
        """That it is what it says [0..1]: of the readings, raised by what residents see."""
        reported = self.work.reported
        if reported is None:
            return self.finding.confidence
        return raised(self.finding.confidence, reported.reporters)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an alert's history; never changed, never removed.

    at: when it was written, by the site's clock. happened: when it was done where the one who did it says so
    (a phone without a line sends it later), else None. key: made by the client, the same when it sends the
    same again; "" for none. details: what goes with the action, in what JSON knows: whom it was assigned to,
    where it was found.
    """

    alert: str
    at: datetime
    actor: str  # "monitor", or who did it
    action: str  # see ``twuin.alerts.steps``
    note: str = ""  # a person's words; of "updated" what changed: "flow, volume"
    reason: Reason | None = None  # of "closed"
    details: dict[str, Any] = field(default_factory=dict)
    happened: datetime | None = None
    key: str = ""

    @property
    def when(self) -> datetime:
        """When it was done: as the one who did it says, but never after it was written."""
        return self.at if self.happened is None else min(self.happened, self.at)


Causes = dict[tuple[str, Kind, Cause], int]
"""How many false alarms there were by DMA, kind and cause."""
