"""What pages say about the work on an alert: steps, what was found, how it was mended; in one language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from twuin.alerts.crew import Why
from twuin.alerts.model import State
from twuin.alerts.promises import Stage, Standing
from twuin.alerts.score import SAID, SCORED
from twuin.alerts.steps import STEPS
from twuin.alerts.work import Cause, LeakType, Method
from twuin.views.models import AlertDetail, CheckOut, EntryOut, PlaceOut
from twuin.web.check_words import CheckWords
from twuin.web.formats import Formats
from twuin.web.resident_words import ResidentWords
from twuin.web.score_words import ScoreWords

WAY = (
    State.OPEN,
    State.ACKNOWLEDGED,
    State.ASSIGNED,
    State.ON_SITE,
    State.LOCATED,
    State.REPAIRING,
    State.REPAIRED,
    State.VERIFIED,
    State.CLOSED,
)
"""The states in the order of the work."""

REACHED = {s.done: {s.target} for s in STEPS if s.target is not None} | {"verified": {State.VERIFIED}}
"""Where an entry of an alert's history led."""


@dataclass(frozen=True)
class WorkWords:
    """Names and sentences in the language of ``formats``."""

    formats: Formats

    @property
    def check(self) -> CheckWords:
        """Whether the loss fell."""
        return CheckWords(self.formats)

    def state(self, state: str) -> str:
        _ = self.formats.gettext
        return {
            State.OPEN: _("Open"),
            State.ACKNOWLEDGED: _("Acknowledged"),
            State.ASSIGNED: _("Assigned"),
            State.ON_SITE: _("On site"),
            State.LOCATED: _("Located"),
            State.REPAIRING: _("Being repaired"),
            State.REPAIRED: _("Repaired"),
            State.VERIFIED: _("Verified"),
            State.CLOSED: _("Closed"),
        }[State(state)]

    def way(self, alert: AlertDetail) -> list[tuple[str, str]]:
        """The states that an alert goes through, each by name and as "past", "now" or "next". What it went
        past, as one that was withdrawn was never repaired, is left out."""
        at, been = WAY.index(alert.state), {State.OPEN}
        for entry in alert.history:
            been = {State.OPEN} if entry.action == "reopened" else been | REACHED.get(entry.action, set())
        return [
            (self.state(s), "now" if i == at else "past" if i < at else "next")
            for i, s in enumerate(WAY)
            if i >= at or s in been
        ]

    def button(self, action: str) -> str:
        """A step as the button that takes it says."""
        _ = self.formats.gettext
        return {
            "acknowledge": _("Acknowledge"),
            "assign": _("Assign"),
            "accept": _("Accept the job"),
            "arrive": _("We are on site"),
            "locate": _("Found here"),
            "not_found": _("Not found"),
            "start_repair": _("Repair begins"),
            "repaired": _("It is repaired"),
            "close": _("Close alert"),
            "reopen": _("Reopen"),
            "note": _("Add note"),
        }[action]

    def done(self, action: str) -> str:
        """What is said when a step was taken; "" for one that is not known."""
        _ = self.formats.gettext
        return {
            "acknowledge": _("You took this alert on."),
            "assign": _("The alert is assigned."),
            "accept": _("You accepted the job."),
            "arrive": _("You are on site."),
            "locate": _("The place is kept."),
            "not_found": _("The search goes on."),
            "start_repair": _("The repair has begun."),
            "repaired": _("The repair is kept."),
            "close": _("The alert is closed."),
            "reopen": _("The alert is open again."),
            "note": _("The note is kept in the history."),
        }.get(action, "")

    def happened(self, action: str) -> str:
        """What happened to an alert, as its history tells."""
        _ = self.formats.gettext
        return {
            "opened": _("Opened"),
            "updated": _("Updated"),
            "acknowledged": _("Acknowledged"),
            "assigned": _("Assigned"),
            "accepted": _("Accepted"),
            "arrived": _("On site"),
            "located": _("Located"),
            "not_found": _("Not found"),
            "repairing": _("Repair begun"),
            "repaired": _("Repaired"),
            "closed": _("Closed"),
            "reopened": _("Reopened"),
            "note": _("Note"),
            "verified": _("Verified"),
            "undecided": _("Could not be verified"),
            "escalated": _("Promise"),
            "said": _("Twuin's word"),
            "scored": _("Twuin's word held against the place"),
            "joined": _("Joined"),
            "parted": _("Parted again"),
            "reported": _("Told later"),
            "heard": _("Residents report it"),
        }.get(action, action)

    def leak_type(self, what: str) -> str:
        _ = self.formats.gettext
        return {
            LeakType.MAIN_BREAK: _("Main burst"),
            LeakType.MAIN_HOLE: _("Hole in a main"),
            LeakType.JOINT: _("Pipe joint"),
            LeakType.FITTING: _("Valve, hydrant or fitting"),
            LeakType.SERVICE: _("Service pipe"),
            LeakType.ILLEGAL: _("Illegal connection"),
            LeakType.OTHER: _("Something else"),
        }[LeakType(what)]

    def method(self, how: str) -> str:
        _ = self.formats.gettext
        return {
            Method.CLAMP: _("Repair clamp"),
            Method.SECTION: _("Piece of pipe replaced"),
            Method.JOINT: _("Joint remade"),
            Method.FITTING: _("Fitting mended or replaced"),
            Method.SERVICE: _("Service pipe mended or replaced"),
            Method.SHUT_OFF: _("Shut off or disconnected"),
            Method.OTHER: _("Another way"),
        }[Method(how)]

    def cause(self, cause: str) -> str:
        _ = self.formats.gettext
        return {
            Cause.NOT_FOUND: _("Searched, nothing found"),
            Cause.LARGE_USE: _("A customer took much water"),
            Cause.OPERATION: _("Valves or pumps were moved"),
            Cause.METER: _("A meter or logger was wrong"),
            Cause.SUPPLY: _("Supply by the hours, refilling"),
            Cause.SITE_DATA: _("Data about the DMA were wrong"),
            Cause.OTHER: _("Something else (see note)"),
        }[Cause(cause)]

    def lesson(self, cause: str) -> str:
        """What to set right where false alarms of one cause come again and again."""
        _ = self.formats.gettext
        return {
            Cause.NOT_FOUND: _("Nothing by itself: often a small leak whose time comes."),
            Cause.LARGE_USE: _("Meter that customer, or give the DMA's large night use in dmas.csv."),
            Cause.OPERATION: _("Look at the DMA's boundary; enter such work beforehand."),
            Cause.METER: _("Repair the meter; give its range in sensors.csv."),
            Cause.SUPPLY: _("Enter the hours of supply as a planned work."),
            Cause.SITE_DATA: _("Put dmas.csv and sensors.csv right: connections, night use, missing feeds."),
            Cause.OTHER: _("See the notes of these alerts."),
        }[Cause(cause)]

    def place(self, place: PlaceOut | None) -> str:
        """Where something is; "" where that is not known."""
        if place is None:
            return ""
        _ = self.formats.gettext
        position = "" if place.lon is None or place.lat is None else f"{place.lat:.5f}, {place.lon:.5f}"
        if not place.pipe:
            return position
        if place.along_m is None:
            text = _("pipe %(pipe)s") % {"pipe": place.pipe}
        else:
            values = {"pipe": place.pipe, "along": self.formats.quantity(place.along_m, "m", 0)}
            text = _("pipe %(pipe)s, %(along)s along it") % values
        return f"{text} ({position})" if position else text

    def promise(self, told: dict[str, Any]) -> str:
        """Which promise is near its end or broken."""
        _ = self.formats.gettext
        near = told["standing"] == Standing.NEAR
        text = {
            Stage.RESPOND: (_("to be taken on by %(due)s"), _("nobody had taken it on by %(due)s")),
            Stage.LOCATE: (_("leak to be found by %(due)s"), _("leak not found by %(due)s")),
            Stage.REPAIR: (_("to be repaired by %(due)s"), _("not repaired by %(due)s")),
        }[Stage(told["stage"])][0 if near else 1]
        return text % {"due": self.formats.time(datetime.fromisoformat(told["due"]), "minute")}

    def kept(self, asked: str, why: str) -> str:
        """What a crew's phone told that came too late to count as a step, and why."""
        _ = self.formats.gettext
        text = {
            Why.ANOTHERS: _("%(what)s: the job was another's by then, kept as a note"),
            Why.NEWER: _("%(what)s: something newer had been told by then, kept as a note"),
            Why.STATE: _("%(what)s: the alert had gone on by then, kept as a note"),
        }[Why(why)]
        return text % {"what": self.happened(asked)}

    def details(self, entry: EntryOut) -> list[str]:
        """What goes with a line of the history, one fact each."""
        _ = self.formats.gettext
        found: list[str] = []
        told: dict[str, Any] = entry.details
        if asked := told.get("asked"):
            found.append(self.kept(asked, told.get("why", "")))
        if who := told.get("assignee"):
            found.append(_("to %(who)s") % {"who": who})
        if where := told.get("place"):
            found.append(self.place(PlaceOut(**where)))
        if told.get("leak_type"):
            found.append(self.leak_type(told["leak_type"]))
        if told.get("method"):
            found.append(self.method(told["method"]))
        if told.get("cause"):
            found.append(self.cause(told["cause"]))
        if told.get("reports"):
            found.append(ResidentWords(self.formats).counted(told["reports"], told["reporters"]))
        if verdict := told.get("check"):
            found.append(self.check.sentence(CheckOut.model_validate(verdict)))
        if told.get("stage"):
            found.append(self.promise(told))
        if entry.action == SAID:
            found.append(ScoreWords(self.formats).said(told))
        if entry.action == SCORED:
            found.append(ScoreWords(self.formats).scored(told))
        if entry.happened is not None and abs((entry.at - entry.happened).total_seconds()) >= 60:
            found.append(_("done at %(time)s") % {"time": self.formats.time(entry.happened)})
        return found
