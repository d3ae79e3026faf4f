"""What pages say about priorities, about promises and about valves to shut, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from twuin.alerts.priority import Why
from twuin.alerts.promises import Stage, Standing
from twuin.views.isolation import IsolationOut
from twuin.views.models import AlertOut, ClockOut
from twuin.web.formats import Formats


@dataclass(frozen=True)
class ServiceWords:
    """Sentences in the language of ``formats``."""

    formats: Formats

    def priority(self, word: str) -> str:
        """The name of a priority."""
        _ = self.formats.gettext
        return {"high": _("High"), "medium": _("Medium"), "low": _("Low")}[word]

    def why(self, alert: AlertOut) -> str:
        """What gave an alert its priority."""
        _ = self.formats.gettext
        return ", ".join(
            {
                Why.WATER: _("by the water lost a day"),
                Why.COST: _("by its cost a day"),
                Why.SUPPLY: _("by the customers without water"),
                Why.PRESSURE: _("by the customers whose pressure fell"),
                Why.SIZE_UNKNOWN: _("its size is not known"),
                Why.CRITICAL: _("because of %(names)s") % {"names": ", ".join(alert.critical)},
                Why.WATCHED: _("a visit costs more than it saves now"),
                Why.INSTRUMENT: _("about an instrument, not about water"),
                Why.SEEN: _("residents see the water run"),
            }[w]
            for w in alert.priority_why
        )

    def stage(self, stage: Stage) -> str:
        """What is promised."""
        _ = self.formats.gettext
        return {
            Stage.RESPOND: _("Promised: response"),
            Stage.LOCATE: _("Promised: leak found"),
            Stage.REPAIR: _("Promised: repair"),
        }[stage]

    def clock(self, clock: ClockOut, now: datetime) -> tuple[str, str]:
        """How a promise stands, and by when it was to be done."""
        _, fmt = self.formats.gettext, self.formats
        times = {"due": fmt.time(clock.due, "minute"), "done": fmt.time(clock.done, "minute")}
        by = _("promised by %(due)s") % times
        if clock.standing is Standing.STOPPED:
            return _("no longer needed"), by
        if clock.done is not None:
            by = _("done %(done)s, promised by %(due)s") % times
            if clock.standing is Standing.KEPT:
                return _("in time"), by
            return _("%(span)s late") % {"span": fmt.duration(clock.done - clock.due)}, by
        if clock.standing is Standing.BROKEN:
            return _("overdue by %(span)s") % {"span": fmt.duration(now - clock.due)}, by
        return _("%(span)s left") % {"span": fmt.duration(clock.due - now)}, by

    def shut(self, found: IsolationOut) -> str:
        """How many valves to shut before the pipe is dug up."""
        _, ngettext, fmt = self.formats.gettext, self.formats.ngettext, self.formats
        if not found.possible:
            text = _("Pipe %(pipe)s cannot be shut off: no valve stands between it and a source.")
            return text % {"pipe": found.pipe}
        if not found.shut:
            text = _("No water comes to pipe %(pipe)s as it stands: no valve need be shut.")
            return text % {"pipe": found.pipe}
        n = len(found.shut)
        if found.assumed:
            text = ngettext(
                "To work on pipe %(pipe)s, stop the flow in %(n)s pipe:",
                "To work on pipe %(pipe)s, stop the flow in %(n)s pipes:",
                n,
            )
        else:
            text = ngettext(
                "To work on pipe %(pipe)s, shut %(n)s valve:",
                "To work on pipe %(pipe)s, shut %(n)s valves:",
                n,
            )
        return text % {"pipe": found.pipe, "n": fmt.number(n, 0)}

    def dry(self, found: IsolationOut) -> str:
        """Who has no water then."""
        _, ngettext, fmt = self.formats.gettext, self.formats.ngettext, self.formats
        if not found.connections:
            return _("Nobody is without water then.")
        return ngettext(
            "About %(n)s connection is without water then.",
            "About %(n)s connections are without water then.",
            found.connections,
        ) % {"n": fmt.number(found.connections, 0)}
