"""What pages say about planned works, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from babel.dates import get_day_names

from twuin.views.works import WorkEntry, WorkOut, WorkPlan
from twuin.web.formats import Formats
from twuin.works.model import Action, WorkKind


@dataclass(frozen=True)
class PlannedWords:
    """Names and sentences in the language of ``formats``."""

    formats: Formats

    def kind(self, kind: str) -> str:
        _ = self.formats.gettext
        names = {
            WorkKind.FLUSHING: _("Flushing of hydrants or mains"),
            WorkKind.VALVE: _("Work on valves or PRVs"),
            WorkKind.REPAIR: _("Repair with the water cut"),
            WorkKind.REFILLING: _("Refilling"),
            WorkKind.TANK: _("Tank cleaning"),
            WorkKind.INTERMITTENT: _("Supply by the hours"),
            WorkKind.METER: _("Maintenance of meters or sensors"),
            WorkKind.FIRE: _("Fire fighting"),
            WorkKind.GATHERING: _("Holiday or large gathering"),
            WorkKind.OTHER: _("Other work"),
        }
        return names[WorkKind(kind)] if kind in set(WorkKind) else kind

    def state(self, state: str) -> str:
        _ = self.formats.gettext
        return {
            "coming": _("coming"),
            "now": _("under way"),
            "refilling": _("refilling"),
            "over": _("over"),
            "cancelled": _("cancelled"),
        }.get(state, state)

    def action(self, action: str) -> str:
        _ = self.formats.gettext
        return {
            Action.ENTERED: _("Entered"),
            Action.CHANGED: _("Changed"),
            Action.CANCELLED: _("Cancelled"),
        }[Action(action)]

    def day_name(self, weekday: int, width: Literal["abbreviated", "wide"] = "abbreviated") -> str:
        """A day of the week; 0 is Monday."""
        return str(get_day_names(width, locale=self.formats.code)[weekday])

    def when(self, work: WorkPlan) -> str:
        """From when to when, or on which days at what hours."""
        _ = self.formats.gettext
        if not work.weekdays:
            return self.stretch(work.start, work.end)
        if len(work.weekdays) == 7:
            days = _("every day")
        else:
            days = ", ".join(self.day_name(d) for d in work.weekdays)
        dot = "." if self.formats.code == "id" else ":"
        hours = f"{work.from_time.replace(':', dot)}–{work.to_time.replace(':', dot)}"
        values = {
            "days": days,
            "hours": hours,
            "start": self.formats.night(work.start),
            "end": "" if work.end is None else self.formats.night(work.end),
        }
        if work.end is None:
            return _("%(days)s %(hours)s, from %(start)s until further notice") % values
        return _("%(days)s %(hours)s, from %(start)s to %(end)s") % values

    def stretch(self, start: datetime, end: datetime | None) -> str:
        """From when to when, the day said once where it is the same."""
        _ = self.formats.gettext
        f = self.formats
        if end is None:
            return _("from %(start)s") % {"start": f.time(start)}
        same = start.astimezone(f.zone).date() == end.astimezone(f.zone).date()
        last = f.time(end, "clock") if same else f.time(end, "minute")
        return f"{f.time(start, 'minute')} – {last}"

    def hours_on(self, day: date, start: datetime, end: datetime) -> str:
        """The part of a stretch that lies on one day, by the clock; of some hours over midnight all."""
        f = self.formats
        first, last = start.astimezone(f.zone), end.astimezone(f.zone)
        short = end - start < timedelta(days=1)
        begins = f.time(start, "clock") if first.date() == day else "…"
        ends = f.time(end, "clock") if last.date() == day or (short and first.date() == day) else "…"
        if begins == ends == "…":
            return f.gettext("all day")
        return f"{begins}–{ends}"

    def effects(self, work: WorkPlan) -> list[str]:
        """What it may do, in short."""
        _ = self.formats.gettext
        found = []
        if work.extra_m3h is not None:
            flow = self.formats.quantity(work.extra_m3h, "m3/h")
            found.append(_("up to %(flow)s more than usual") % {"flow": flow})
        if work.no_supply:
            found.append(_("no water, or less"))
        if work.low_pressure:
            found.append(_("low pressure"))
        if work.silent:
            found.append(_("all sensors may be silent"))
        if work.sensors:
            found.append(_("named sensors are not trusted"))
        if work.refill_h:
            span = self.formats.duration(timedelta(hours=work.refill_h))
            found.append(_("shows for %(span)s after its end") % {"span": span})
        return found

    def where(self, work: WorkOut, names: dict[str, str]) -> str:
        """DMAs by name, then pipes and sensors."""
        shown = [names.get(d, d) for d in work.areas]
        return ", ".join([*shown, *work.pipes, *work.sensors])

    def late(self, work: WorkOut) -> str:
        """That it was entered after it had begun; "" where it was not."""
        if not work.late:
            return ""
        return self.formats.gettext(
            "Entered after it had begun: what was measured before is judged as if nobody had known of it, "
            "and alerts that it explains are closed as planned work."
        )

    def history(self, entry: WorkEntry) -> list[str]:
        return [self.kind(entry.plan.kind), self.when(entry.plan), *self.effects(entry.plan)]

    def done(self, word: str) -> str:
        """What is said when something was done; "" for what is not known."""
        _ = self.formats.gettext
        return {
            "entered": _("The work is entered. What it explains raises no alarm; what goes beyond it does."),
            "changed": _("The change is kept. It counts from now on."),
            "cancelled": _("The work is cancelled. It explains nothing from now on."),
        }.get(word, "")

    def problem(self, word: str) -> str:
        """What is wrong with a form, and what would be right; "" for nothing."""
        _ = self.formats.gettext
        if not word:
            return ""
        return {
            "stale": _(
                "This work was changed while you were looking at it. Nothing was saved. Below is how it "
                "stands now: look at it again, then change it."
            ),
            "dmas": _(
                "Say where: at least one DMA, pipe or sensor that you may see. An effect on flow or pressure "
                "needs a DMA or a pipe."
            ),
            "pipes": _("One of these pipes is not in the network: write their names with blanks between."),
            "sensors": _("One of these sensors is not known: write their names with blanks between."),
            "start": _("The start needs a day and a time."),
            "end": _(
                "The end needs a day and a time after the start, at most 92 days later. Only weekly hours "
                "may go on without an end."
            ),
            "weekdays": _("Weekly hours need both: days of the week and times of day."),
            "from_time": _("Write times of day as 06:30."),
            "to_time": _("Write times of day as 06:30; hours that end when they begin are none."),
            "extra_m3h": _(
                "Say what it does: extra flow (how much at most, in m³/h), no water, low pressure, or "
                "sensors that may be silent."
            ),
            "refill_h": _("Refilling takes between 0 and 72 hours."),
            "note": _("The note is too long: at most 2,000 characters."),
            "version": _("This work was cancelled: enter it anew."),
        }.get(word, _("That cannot be entered as it stands: look at the form again."))
