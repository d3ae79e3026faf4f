"""What pages say about sensors that err and DMAs without water, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from twuin.alerts.model import Kind
from twuin.views.models import AlertOut
from twuin.web.formats import Formats


@dataclass(frozen=True)
class FaultWords:
    """Names and sentences in the language of ``formats``."""

    formats: Formats

    def name(self, alert: AlertOut) -> str:
        """What is wrong with the sensor, in a word or two."""
        _ = self.formats.gettext
        fault = str(alert.evidence.get("fault", ""))
        return {
            "stuck": _("stuck"),
            "offset": _("shifted"),
            "drift": _("drifting"),
            "spike": _("single wrong values"),
            "noise": _("scattering"),
            "clock": _("wrong clock"),
            "reversed": _("reads backwards"),
            "impossible": _("impossible values"),
        }.get(fault, _("not to be trusted"))

    def sentence(self, alert: AlertOut, values: dict[str, str]) -> str:
        """What the gate saw and what follows, in two or three sentences. values: as ``Words`` has them."""
        if alert.kind is Kind.SUPPLY:
            return self._supply(alert, values)
        if alert.kind is not Kind.SENSOR:
            return self._meter(alert, values)
        _ = self.formats.gettext
        told = [self._fault(alert) % {**values, "size": self._size(alert)}]
        if alert.evidence.get("adopted"):
            told.append(_("It has kept this for four weeks and is taken as it now is."))
        elif alert.ended is not None:
            told.append(_("Since %(ended)s it has read right again, and counts again.") % values)
        else:
            told.append(_("Its readings are left out of leak detection until they are right again."))
        unwatched = alert.evidence.get("unwatched")
        if isinstance(unwatched, list) and unwatched:
            names = ", ".join(str(d) for d in unwatched)
            told.append(
                _("Without it the inflow of %(dmas)s is not known: leaks there are not seen meanwhile.")
                % {"dmas": names}
            )
        return " ".join(told)

    def _fault(self, alert: AlertOut) -> str:
        _ = self.formats.gettext
        size = alert.evidence.get("size")
        more = not isinstance(size, int | float) or size >= 0
        match alert.evidence.get("fault"):
            case "stuck":
                return _("From %(onset)s on, sensor %(sensor)s showed %(size)s again and again.")
            case "offset" if more:
                return _(
                    "From %(onset)s on, sensor %(sensor)s read %(size)s more than its neighbours and its own "
                    "past let expect, all at once and while nothing else moved."
                )
            case "offset":
                return _(
                    "From %(onset)s on, sensor %(sensor)s read %(size)s less than its neighbours and its own "
                    "past let expect, all at once and while nothing else moved."
                )
            case "drift":
                return _(
                    "From %(onset)s on, sensor %(sensor)s drifted away from what its neighbours say, so far "
                    "by %(size)s."
                )
            case "spike":
                return _(
                    "From %(onset)s on, sensor %(sensor)s sent single values that were far off, by some "
                    "%(size)s."
                )
            case "noise":
                return _(
                    "From %(onset)s on, sensor %(sensor)s scattered by %(size)s around what its neighbours "
                    "say, far more than before."
                )
            case "clock" if more:
                return _(
                    "From %(onset)s on, the clock of sensor %(sensor)s was %(size)s ahead: its day came too "
                    "late. Check its time and its time zone."
                )
            case "clock":
                return _(
                    "From %(onset)s on, the clock of sensor %(sensor)s was %(size)s behind: its day came too "
                    "early. Check its time and its time zone."
                )
            case "reversed":
                return _(
                    "From %(onset)s on, sensor %(sensor)s read backwards, minus instead of plus. Check which "
                    "way round it is built in and wired."
                )
            case "impossible":
                return _("From %(onset)s on, sensor %(sensor)s read what cannot be there: %(size)s.")
        return _("From %(onset)s on, sensor %(sensor)s was not to be trusted.")

    def _size(self, alert: AlertOut) -> str:
        size, unit = alert.evidence.get("size"), str(alert.evidence.get("unit", ""))
        fault = alert.evidence.get("fault")
        if not isinstance(size, int | float):
            return self.formats.quantity(None, "")
        if unit == "s":
            return self.formats.duration(timedelta(seconds=abs(size)))
        if unit == "m3/s":
            size, unit = size * 3600, "m3/h"
        return self.formats.quantity(size if fault in ("stuck", "impossible") else abs(size), unit)

    def _supply(self, alert: AlertOut, values: dict[str, str]) -> str:
        _ = self.formats.gettext
        hours = alert.evidence.get("hours_without")
        spent = self.formats.duration(timedelta(hours=float(hours if isinstance(hours, int | float) else 0)))
        if alert.ended is not None:
            text = _(
                "From %(onset)s to %(ended)s, %(dma)s had no water for %(hours)s in all: pressures and "
                "inflow were next to nothing."
            )
        else:
            text = _(
                "Since %(onset)s, %(dma)s has had no water for %(hours)s in all: pressures and inflow were "
                "next to nothing."
            )
        what = _("Hours without water and the filling after them count neither in night flow nor as a leak.")
        return f"{text % {**values, 'hours': spent}} {what}"

    def _meter(self, alert: AlertOut, values: dict[str, str]) -> str:
        _ = self.formats.gettext
        told = {**values, "meter": str(alert.evidence.get("meter", ""))}
        if alert.kind is Kind.LOW_INFLOW:
            return (
                _(
                    "From %(onset)s on, %(dma)s seemed to take in %(flow)s less water than it usually does. "
                    "That was meter %(meter)s, not water: see its own alert."
                )
                % told
            )
        return (
            _(
                "From %(onset)s on, %(dma)s seemed to take in %(flow)s more water than it usually does. "
                "That was meter %(meter)s, not water: see its own alert."
            )
            % told
        )
