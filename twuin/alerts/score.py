"""What Twuin said of where a leak is, and how good that was once the crew has found it. Pure.

What Twuin says goes on changing; what it had said when the crew was sent, and when the leak was found, is
kept in lines of the alert's history, which nothing changes any more. A place that is corrected adds another
line: the last one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from twuin.alerts.lifecycle import MONITOR
from twuin.alerts.model import Alert, Entry, Finding
from twuin.alerts.ports import Change
from twuin.alerts.steps import WATER
from twuin.alerts.work import Place

SAID, SCORED = "said", "scored"
"""What the history calls these lines."""

_SENDING = ("assigned", "accepted", "arrived")
_FINDING = ("located", "repaired")


@dataclass(frozen=True, slots=True)
class Said:
    """What Twuin said of a leak by the readings up to ``as_of``.

    suspects: pipes and their probability, best first. centre, radii [m] and flow [m3/s]: as of ``Finding``.
    """

    as_of: datetime
    suspects: tuple[tuple[str, float], ...] = ()
    centre: str = ""
    radius_50_m: float | None = None
    radius_90_m: float | None = None
    flow: float = 0.0
    flow_low: float = 0.0
    flow_high: float = 0.0


@dataclass(frozen=True, slots=True)
class Hit:
    """How near what was said is to where the leak was found. None: not known, or nothing was said of it.

    rank: of the true pipe among the suspects, from 1; None where it is not among them. probability: of the
    true pipe [0..1], 0 where it is not among them. All distances [m] from the middle of a pipe to the place:
    best_m, best_air_m: of the first suspect, along the pipes and as the crow flies; nearest_m,
    nearest_air_m: of whichever suspect is nearest; centre_m: along the pipes from where a search was to
    begin. inside_50, inside_90: whether that is within the radii.
    """

    rank: int | None = None
    probability: float | None = None
    best_m: float | None = None
    best_air_m: float | None = None
    nearest_m: float | None = None
    nearest_air_m: float | None = None
    centre_m: float | None = None
    inside_50: bool | None = None
    inside_90: bool | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """pipe: where it was found, "" where none is near the position that the crew gave. exact: where on that
    pipe is known; else its middle stands for it. hits: of what was said, in order."""

    pipe: str
    exact: bool
    hits: tuple[Hit, ...]


class Measure(Protocol):
    """Holds places against what was said; None where it cannot."""

    def __call__(self, place: Place, said: Sequence[Said]) -> Measured | None: ...


@dataclass(frozen=True, slots=True)
class Score:
    """found: when, as the crew says; detected: when Twuin had said that there is a leak. said, hit: what
    Twuin said as the place was told, and how good that was; sent, sent_said, sent_hit: likewise as the crew
    was sent, None where nobody was."""

    pipe: str
    exact: bool
    detected: datetime
    found: datetime
    said: Said
    hit: Hit
    sent: datetime | None = None
    sent_said: Said | None = None
    sent_hit: Hit | None = None


def said_of(finding: Finding) -> Said:
    """What ``finding`` says of where and how much."""
    return Said(
        finding.as_of,
        tuple((s.pipe, s.probability) for s in finding.suspects),
        finding.centre,
        finding.radius_50_m,
        finding.radius_90_m,
        finding.flow,
        finding.flow_low,
        finding.flow_high,
    )


def noted(before: Alert, change: Change, history: Sequence[Entry], measure: Measure) -> Change:
    """``change``, a person's step, with the line that keeps what Twuin says as a crew is sent, or how good it
    was as the leak is found. before: the alert before the step; history: its lines, oldest first."""
    finding, step = before.finding, change.entries[0]
    if finding.kind not in WATER:
        return change
    line: Entry | None = None
    if step.action in _SENDING:
        if step.action == "assigned" or _sent(history) is None:
            line = Entry(before.id, step.at, MONITOR, SAID, details=said_json(said_of(finding)))
    elif step.action in _FINDING and "place" in step.details:
        place = change.alert.work.place
        if place is not None and (place != before.work.place or score_of(history) is None):
            line = _scored(step, finding, place, _sent(history), measure)
    return change if line is None else replace(change, entries=(*change.entries, line))


def score_of(history: Sequence[Entry]) -> Score | None:
    """The score that counts: that of the place where the leak was last found, None where there is none."""
    found: Score | None = None
    for entry in history:
        if entry.action == SCORED:
            found = score_from(entry.details)
        elif entry.action == "not_found":
            found = None
    return found


def _sent(history: Sequence[Entry]) -> Entry | None:
    """The line of what was said as a crew was sent last, since the alert was opened."""
    found = None
    for entry in history:
        if entry.action == SAID:
            found = entry
        elif entry.action == "reopened":
            found = None
    return found


def _scored(
    step: Entry, finding: Finding, place: Place, sent: Entry | None, measure: Measure
) -> Entry | None:
    now = said_of(finding)
    then = None if sent is None else said_from(sent.details)
    measured = measure(place, [now] if then is None else [now, then])
    if measured is None:
        return None
    score = Score(
        measured.pipe,
        measured.exact,
        finding.detected,
        step.when,
        now,
        measured.hits[0],
        None if sent is None else sent.when,
        then,
        None if then is None else measured.hits[1],
    )
    return Entry(step.alert, step.at, MONITOR, SCORED, details=score_json(score))


# As JSON, in the units in which people read


def _time(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def said_json(said: Said) -> dict[str, Any]:
    """``said`` in what JSON knows, flows in m3/h, without what is not known."""
    found: dict[str, Any] = {
        "as_of": _time(said.as_of),
        "suspects": [[pipe, round(p, 6)] for pipe, p in said.suspects],
        "search_from": said.centre or None,
        "radius_50_m": None if said.radius_50_m is None else round(said.radius_50_m, 1),
        "radius_90_m": None if said.radius_90_m is None else round(said.radius_90_m, 1),
        "flow_m3h": round(said.flow * 3600.0, 4),
        "flow_low_m3h": round(said.flow_low * 3600.0, 4),
        "flow_high_m3h": round(said.flow_high * 3600.0, 4),
    }
    return {k: v for k, v in found.items() if v is not None}


def said_from(told: dict[str, Any]) -> Said:
    """``said_json`` backwards."""
    return Said(
        datetime.fromisoformat(told["as_of"]),
        tuple((str(pipe), float(p)) for pipe, p in told["suspects"]),
        told.get("search_from", ""),
        told.get("radius_50_m"),
        told.get("radius_90_m"),
        told["flow_m3h"] / 3600.0,
        told["flow_low_m3h"] / 3600.0,
        told["flow_high_m3h"] / 3600.0,
    )


def hit_json(hit: Hit) -> dict[str, Any]:
    """``hit`` in what JSON knows, without what is not known."""
    found = {f.name: getattr(hit, f.name) for f in fields(Hit)}
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in found.items() if v is not None}


def score_json(score: Score) -> dict[str, Any]:
    """``score`` in what JSON knows."""
    found: dict[str, Any] = {
        "pipe": score.pipe,
        "exact": score.exact,
        "detected": _time(score.detected),
        "found": _time(score.found),
        "said": said_json(score.said),
        "hit": hit_json(score.hit),
    }
    if score.sent is not None and score.sent_said is not None and score.sent_hit is not None:
        found |= {
            "sent": _time(score.sent),
            "sent_said": said_json(score.sent_said),
            "sent_hit": hit_json(score.sent_hit),
        }
    return found


def score_from(told: dict[str, Any]) -> Score:
    """``score_json`` backwards."""
    sent = "sent" in told
    return Score(
        told["pipe"],
        told["exact"],
        datetime.fromisoformat(told["detected"]),
        datetime.fromisoformat(told["found"]),
        said_from(told["said"]),
        Hit(**told["hit"]),
        datetime.fromisoformat(told["sent"]) if sent else None,
        said_from(told["sent_said"]) if sent else None,
        Hit(**told["sent_hit"]) if sent else None,
    )
