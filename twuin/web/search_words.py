"""What pages say about where to search, since when, and whether a visit pays, in one language."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from twuin.alerts.model import UNREPAIRED, Kind
from twuin.views.models import AlertOut
from twuin.web.formats import Formats


@dataclass(frozen=True)
class SearchWords:
    """Sentences in the language of ``formats``."""

    formats: Formats

    def radius(self, alert: AlertOut) -> str:
        """How far to search, in one or two sentences; "" where no place is known."""
        if not alert.search_from or alert.radius_50_m is None:
            return ""
        _ = self.formats.gettext
        values = {
            "pipe": alert.search_from,
            "half": self._metres(alert.radius_50_m),
            "most": "" if alert.radius_90_m is None else self._metres(alert.radius_90_m),
        }
        if alert.radius_90_m is None:
            text = _(
                "Begin at pipe %(pipe)s and search within %(half)s along the pipes: half of the probability "
                "lies there."
            )
        else:
            text = _(
                "Begin at pipe %(pipe)s and search within %(half)s along the pipes: half of the probability "
                "lies there, nine tenths within %(most)s."
            )
        return text % values

    def short(self, alert: AlertOut) -> str:
        """How far to search, for a list; "" where no place is known or the alert is no more."""
        if not alert.search_from or alert.radius_50_m is None or alert.state not in UNREPAIRED:
            return ""
        return self.formats.gettext("Search within %(half)s along the pipes around %(pipe)s") % {
            "pipe": alert.search_from,
            "half": self._metres(alert.radius_50_m),
        }

    def began(self, alert: AlertOut) -> str:
        """Between when and when it began; "" where that is not known or closer than an hour."""
        if alert.onset_low is None or alert.onset_high is None:
            return ""
        if alert.onset_high - alert.onset_low < timedelta(hours=1):
            return ""
        return self.formats.gettext("likely between %(low)s and %(high)s") % {
            "low": self.formats.time(alert.onset_low, "minute"),
            "high": self.formats.time(alert.onset_high, "minute"),
        }

    def visit(self, alert: AlertOut) -> str:
        """Whether a visit pays now; "" where that cannot be told or nobody need go any more."""
        if alert.kind is not Kind.LEAK or alert.gain is None or alert.ended is not None:
            return ""
        if alert.state not in UNREPAIRED:
            return ""
        _ = self.formats.gettext
        values = {"gain": self.formats.money(_rounded(abs(alert.gain)))}
        if alert.gain >= 0:
            return _("A visit now is expected to save %(gain)s more than it costs.") % values
        return _("A visit now costs %(gain)s more than it is expected to save.") % values

    def watched(self) -> str:
        """What it means that an alert is watched."""
        return self.formats.gettext(
            "Twuin keeps watching it: as the leak grows or its place becomes clearer, a visit may pay."
        )

    def measured(self, alert: AlertOut) -> bool:
        """Whether the flow is known: pressures alone tell of a leak, not of its size."""
        return not (alert.kind is Kind.LEAK and alert.flow_m3h == 0 and self.by_pressure(alert))

    def by_pressure(self, alert: AlertOut) -> bool:
        """Whether a leak was found by pressures alone."""
        return alert.kind is Kind.LEAK and alert.evidence.get("found_by") == "pressure"

    def by_model(self, alert: AlertOut) -> bool:
        """Whether a leak was found by the hydraulic model, and inflow alone would not show it."""
        found = alert.evidence
        return alert.kind is Kind.LEAK and found.get("found_by") == "model" and "inflow" not in found

    def _metres(self, metres: float) -> str:
        return self.formats.quantity(_rounded(max(metres, 10.0)), "m", 0)


def _rounded(value: float) -> float:
    """To two digits that count: more would feign a precision that no estimate has."""
    if value <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return round(value / step) * step
