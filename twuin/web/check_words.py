"""What pages say of a repair: whether the loss fell, and by how much, in one language."""

from __future__ import annotations

from dataclasses import dataclass

from twuin.alerts.work import Outcome
from twuin.views.models import CheckOut
from twuin.web.formats import Formats


@dataclass(frozen=True)
class CheckWords:
    """Sentences in the language of ``formats``."""

    formats: Formats

    def sentence(self, check: CheckOut) -> str:
        """What Twuin says of a repair, in one or two plain sentences."""
        told = self._told(check)
        rests = self._rests_on(check)
        return " ".join(part for part in (told, rests, self._until(check)) if part)

    def _told(self, check: CheckOut) -> str:
        _ = self.formats.gettext
        values = {
            "fell": self._flow(check.fell_m3h),
            "range": self.range(check),
            "leak": self._flow(check.leak_m3h),
            "at": self.formats.time(check.at),
        }
        fell = check.fell_m3h is not None and check.low_m3h is not None and check.low_m3h > 0
        match check.outcome:
            case Outcome.FELL if check.by == "readings":
                text = _("The readings have been as they should be since %(at)s.")
            case Outcome.FELL if check.by == "model":
                text = _(
                    "The loss fell: by the network model this leak runs %(fell)s less (likely range "
                    "%(range)s). It was estimated at %(leak)s."
                )
            case Outcome.FELL:
                text = _(
                    "The loss fell: %(fell)s less runs at night (likely range %(range)s). The leak was "
                    "estimated at %(leak)s."
                )
            case Outcome.RUNS_ON if not fell:
                text = _(
                    "The loss did not fall: of a leak of %(leak)s, nothing measurable is gone. Another leak "
                    "may have been mended, or none."
                )
            case Outcome.RUNS_ON:
                text = _(
                    "The loss fell too little: %(fell)s (likely range %(range)s) of a leak of %(leak)s is "
                    "gone. Part of it runs on, there or near by."
                )
            case Outcome.UNDECIDED if check.fell_m3h is not None:
                text = _(
                    "It cannot be told whether the loss fell: %(fell)s less runs (likely range %(range)s), "
                    "of a leak of %(leak)s. Decide by what the crew saw."
                )
            case Outcome.UNDECIDED:
                text = _(
                    "It cannot be told from the readings whether the loss fell. Decide by what the crew saw."
                )
            case Outcome.WAITING if check.by == "readings":
                text = _("Twuin waits for the readings to be as they should be.")
            case Outcome.WAITING if check.fell_m3h is not None:
                text = _(
                    "Not sure yet: so far %(fell)s less runs (likely range %(range)s), of a leak of %(leak)s."
                )
            case Outcome.WAITING if check.by == "night_flow":
                text = _("Twuin waits for nights after the repair, to see whether the loss fell.")
            case Outcome.WAITING:
                text = _("Twuin waits to see whether the loss fell.")
        return text % values

    def _rests_on(self, check: CheckOut) -> str:
        _, ngettext = self.formats.gettext, self.formats.ngettext
        n = {"n": self.formats.number(check.after, 0), "before": self.formats.number(check.before, 0)}
        if check.by == "model" and check.after:
            return ngettext("%(n)s day after it is known.", "%(n)s days after it are known.", check.after) % n
        if check.by != "night_flow":
            return ""
        if check.fell_m3h is None:
            return ngettext("%(n)s night is known so far.", "%(n)s nights are known so far.", check.after) % n
        if check.before:
            return _("%(n)s nights after the repair were held against %(before)s before it.") % n
        return _("%(n)s nights after the repair were held against those before the leak began.") % n

    def _until(self, check: CheckOut) -> str:
        if check.outcome is not Outcome.WAITING or check.until is None:
            return ""
        text = self.formats.gettext("It waits until %(until)s at the latest.")
        return text % {"until": self.formats.time(check.until)}

    def short(self, check: CheckOut) -> str:
        """What was saved, for a list; "" where that is not known."""
        if check.outcome is not Outcome.FELL or check.fell_m3h is None:
            return ""
        return self.formats.gettext("%(fell)s saved") % {"fell": self._flow(check.fell_m3h)}

    def _flow(self, m3h: float | None) -> str:
        return self.formats.quantity(m3h, "m3/h")

    def range(self, check: CheckOut) -> str:
        """The 95 % interval of what fell, without its unit."""
        return f"{self.formats.number(check.low_m3h)}–{self.formats.number(check.high_m3h)}"
