"""What pages say of sensors that send nothing, in one language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twuin.alerts.model import Reason, State
from twuin.views.models import AlertOut
from twuin.web.formats import Formats


def sensors_of(alert: AlertOut) -> list[str]:
    """The sensors of a silence, the one that was noticed first before the others."""
    told = alert.evidence.get("sensors")
    return [str(id) for id in told] if isinstance(told, list) else [alert.subject]


def _times(alert: AlertOut) -> int:
    told = alert.evidence.get("silences")
    return told if isinstance(told, int) else 1


@dataclass(frozen=True)
class SilenceWords:
    """Names and sentences in the language of ``formats``."""

    formats: Formats

    def title(self, alert: AlertOut) -> str:
        """A silence in a few words."""
        _ = self.formats.gettext
        others = len(sensors_of(alert)) - 1
        over = alert.ended is not None or alert.state is State.CLOSED or not alert.supported
        values = {"sensor": alert.subject, "n": self.formats.number(others, 0)}
        if others and over:
            return _("Sensor %(sensor)s and %(n)s more were silent") % values
        if others:
            return _("Sensor %(sensor)s and %(n)s more are silent") % values
        if over:
            return _("Sensor %(sensor)s was silent") % values
        if _times(alert) > 1:
            return _("Sensor %(sensor)s comes and goes") % values
        return _("Sensor %(sensor)s is silent") % values

    def sentence(self, alert: AlertOut, values: Mapping[str, str]) -> str:
        """What Twuin saw. values: ``sensor``, ``onset`` and ``ended`` as they are written."""
        _ = self.formats.gettext
        count, times = len(sensors_of(alert)), _times(alert)
        many, over = count > 1, alert.ended is not None
        withdrawn = alert.reason is Reason.WITHDRAWN
        if (withdrawn or not alert.supported) and many:
            text = _("Nothing came from %(n)s sensors for a while from %(onset)s on.")
        elif withdrawn or not alert.supported:
            text = _("Nothing came from sensor %(sensor)s for a while from %(onset)s on.")
        elif many and over:
            text = _("%(n)s sensors sent nothing from %(onset)s on. The last was back by %(ended)s.")
        elif many:
            text = _(
                "Nothing has come from %(n)s sensors since %(onset)s, for far longer than their usual "
                "intervals. They fell silent at about the same time: look for what they have in common, a "
                "logger, its power, a line."
            )
        elif times > 1 and over:
            text = _(
                "Sensor %(sensor)s fell silent %(times)s times from %(onset)s to %(ended)s. It has been well "
                "for a day since."
            )
        elif times > 1:
            text = _(
                "Sensor %(sensor)s has fallen silent %(times)s times since %(onset)s and come back in "
                "between. Check its power, its signal and its aerial."
            )
        elif over:
            text = _("Sensor %(sensor)s sent nothing from %(onset)s to %(ended)s. It is back.")
        else:
            text = _(
                "Nothing has come from sensor %(sensor)s since %(onset)s, for far longer than its usual "
                "interval. Check its power, its signal and its meter."
            )
        numbers = {"n": self.formats.number(count, 0), "times": self.formats.number(times, 0)}
        if withdrawn:
            text += " " + _(
                "The readings of that time came later, from the device or from a file, so this alert was "
                "withdrawn."
            )
        return text % {**values, **numbers}
