"""What pages say about residents' reports, to staff and to residents, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from babel.dates import format_date

from twuin.residents.model import Category, Odd, Outcome, Standing
from twuin.views.models import AlertOut
from twuin.views.residents import KeptOut, PromiseOut
from twuin.web.formats import Formats

FEW = 20
"""Of fewer than these a share says nothing: both numbers are told instead."""


@dataclass(frozen=True)
class ResidentWords:
    """Names and sentences in the language of ``formats``."""

    formats: Formats

    # Of alerts

    def title(self, alert: AlertOut, dma: str) -> str:
        """An alert of residents' making, in a few words."""
        _ = self.formats.gettext
        what = Category.LEAK if alert.reported is None else Category(alert.reported.category)
        return {
            Category.LEAK: _("Leak in %(dma)s, reported by residents"),
            Category.NO_WATER: _("No water in %(dma)s, reported by residents"),
            Category.LOW_PRESSURE: _("Low pressure in %(dma)s, reported by residents"),
            Category.DIRTY_WATER: _("Dirty water in %(dma)s, reported by residents"),
        }[what] % {"dma": dma}

    def sentence(self, alert: AlertOut) -> str:
        """What residents say of an alert of their making."""
        _ = self.formats.gettext
        text = _(
            "Residents of %(dma)s have reported this since %(first)s. No reading of a sensor shows it yet."
        ) % {"dma": alert.dma_name or alert.dma or _("no DMA"), "first": self.formats.time(alert.onset)}
        found = alert.reported
        return text if found is None else f"{text} {self.counted(found.count, found.reporters)}."

    def counted(self, reports: int, reporters: int) -> str:
        """How many reports, and of how many people who do not belong together."""
        said = self.formats.ngettext("%(n)s report", "%(n)s reports", reports) % {
            "n": self.formats.number(reports, 0)
        }
        by = self.formats.ngettext("%(n)s independent reporter", "%(n)s independent reporters", reporters) % {
            "n": self.formats.number(reporters, 0)
        }
        return f"{said}, {by}"

    # Of reports

    def category(self, category: str) -> str:
        _ = self.formats.gettext
        return {
            Category.LEAK: _("Leaking water"),
            Category.NO_WATER: _("No water"),
            Category.LOW_PRESSURE: _("Weak flow"),
            Category.DIRTY_WATER: _("Dirty water"),
        }[Category(category)]

    def hint(self, category: str) -> str:
        """What is meant by a category."""
        _ = self.formats.gettext
        return {
            Category.LEAK: _("on the road, at a pipe, at a meter"),
            Category.NO_WATER: _("nothing comes out of the tap"),
            Category.LOW_PRESSURE: _("only a trickle comes"),
            Category.DIRTY_WATER: _("cloudy, coloured, or it smells"),
        }[Category(category)]

    def step(self, word: str) -> str:
        """Where a report stands, to whoever sent it."""
        _ = self.formats.gettext
        return {
            "received": _("Received"),
            "checking": _("Being looked into"),
            "sent": _("A crew is on it"),
            "found": _("The place is found"),
            "repairing": _("Being repaired"),
            "repaired": _("Repaired"),
        }[word]

    def month(self, first: date) -> str:
        """A month by its name, with the year."""
        return format_date(first, "LLLL y", locale=self.formats.code)

    def standing(self, state: str) -> str:
        _ = self.formats.gettext
        return {
            Standing.HELD: _("To be looked at"),
            Standing.OPEN: _("Open"),
            Standing.CLOSED: _("Closed"),
        }[Standing(state)]

    def odd(self, why: str) -> str:
        _ = self.formats.gettext
        return {
            Odd.TRAP: _("a hidden field was filled in"),
            Odd.QUICK: _("filled in too fast for a person"),
            Odd.LINKS: _("it holds web addresses"),
            Odd.ADDRESS: _("many from one address"),
            Odd.NETWORK: _("many from one network"),
            Odd.PHONE: _("many with one phone number"),
            Odd.FLOOD: _("very many at once"),
            Odd.FAR: _("far from every pipe"),
        }[Odd(why)]

    def outcome(self, outcome: str) -> str:
        """For staff."""
        _ = self.formats.gettext
        return {
            Outcome.SOLVED: _("Solved"),
            Outcome.NOTHING_FOUND: _("Nothing found"),
            Outcome.NOT_OURS: _("Not ours (behind the meter, another's pipe)"),
            Outcome.DUPLICATE: _("Reported twice by the same person"),
            Outcome.SPAM: _("Spam"),
            Outcome.WITHDRAWN: _("Withdrawn"),
        }[Outcome(outcome)]

    def ended(self, outcome: Outcome | None) -> str:
        """For whoever reported."""
        _ = self.formats.gettext
        if outcome is None:
            return ""
        return {
            Outcome.SOLVED: _("It has been dealt with. Thank you for reporting it."),
            Outcome.NOTHING_FOUND: _("We looked, and found nothing. If you still see it, report it again."),
            Outcome.NOT_OURS: _("It is not on our pipes: behind the meter, or a pipe of somebody else."),
            Outcome.DUPLICATE: _("You had reported this already: your first report counts."),
            Outcome.SPAM: _("We could not follow this report up. If it was meant, please call us."),
            Outcome.WITHDRAWN: _("You have withdrawn this report. What you told about yourself is erased."),
        }[outcome]

    def happened(self, action: str) -> str:
        """A line of a report's history."""
        _ = self.formats.gettext
        return {
            "received": _("Received"),
            "grouped": _("Put with others of the same event"),
            "accepted": _("Accepted"),
            "placed": _("Place or kind changed"),
            "joined": _("Joined an alert"),
            "parted": _("Parted from its alert"),
            "taken_on": _("Its alert was taken on"),
            "answered": _("Answered"),
            "closed": _("Closed"),
            "reopened": _("Reopened"),
            "withdrawn": _("Withdrawn"),
            "erased": _("Who sent it was erased"),
        }.get(action, action)

    def problem(self, word: str) -> str:
        """What is wrong with a report, to whoever sends it."""
        _ = self.formats.gettext
        return {
            "category": _("Choose what you want to report."),
            "place": _("Tell us where: a street and a landmark, or your position."),
            "phone": _("Give your phone number, as in 0812 3456 7890."),
            "photo": _("This photo cannot be read. Take another (JPEG or PNG, at most 8 MB), or send none."),
            "moment": _("This page was open for too long. Look through it and send it once more."),
            "many": _("Very many reports have come from your network. Try again in an hour, or call us."),
            "many_phone": _(
                "Many reports have come with this phone number today. Try again tomorrow, or call us."
            ),
            "many_all": _("Very many reports are coming in. Try again in an hour, or call us."),
            "large": _("That was too much to send. Leave the photo out, or take a smaller one."),
        }.get(word, "")

    # Of promises

    def hours(self, hours: float) -> str:
        """A promised time."""
        ngettext, number = self.formats.ngettext, self.formats.number
        if hours >= 48 and hours % 24 == 0:
            days = round(hours / 24)
            return ngettext("%(n)s day", "%(n)s days", days) % {"n": number(days, 0)}
        whole = hours == round(hours)
        shown = number(hours, 0 if whole else 1)
        return ngettext("%(n)s hour", "%(n)s hours", round(hours) if whole else 2) % {"n": shown}

    def promised(self, promise: PromiseOut | None) -> list[str]:
        """What whoever reports is promised, in sentences."""
        _ = self.formats.gettext
        if promise is None:
            return []
        found = []
        if promise.respond_h is not None:
            found.append(_("We answer within %(time)s.") % {"time": self.hours(promise.respond_h)})
        if promise.repair_h is not None:
            found.append(
                _("What you report is dealt with within %(time)s.") % {"time": self.hours(promise.repair_h)}
            )
        if found and promise.working:
            found.append(_("Only our working hours count."))
        return found

    def kept(self, kept: KeptOut | None) -> str:
        """How a promise is being kept: a share where there are enough, else the numbers alone."""
        _ = self.formats.gettext
        if kept is None:
            return ""
        total = kept.kept + kept.broken
        if not total:
            return _("none was due yet")
        values = {
            "kept": self.formats.number(kept.kept, 0),
            "total": self.formats.number(total, 0),
            "share": self.formats.percent(kept.kept / total),
        }
        if total < FEW:
            return _("%(kept)s of %(total)s in time") % values
        return _("%(kept)s of %(total)s in time (%(share)s)") % values
