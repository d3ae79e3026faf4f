"""Other settings of a reducing valve in words, and their curves."""

from __future__ import annotations

from collections.abc import Sequence

from twuin.views.base import Limited
from twuin.views.what_if_models import HoursOut, WhatIfOut
from twuin.web.formats import Formats
from twuin.web.loss_words import LossWords
from waterworks.errors import WrongInput

WIDTH, HEIGHT, LEFT, BOTTOM = 480.0, 170.0, 34.0, 22.0


class WhatIfWords:
    """Sentences and drawings of one language."""

    def __init__(self, formats: Formats) -> None:
        self.formats = formats
        self.losses = LossWords(formats)

    def problem(self, wrong: WrongInput) -> str:
        """What is wrong with what was asked for."""
        _, fmt = self.formats.gettext, self.formats
        known = {
            "beyond": _("The valve cannot give %(set)s: the pressure before it is %(highest)s at most."),
            "set": _("A set pressure is from 0 to 400 m, not %(set)s."),
            "n1": _("N1 is from 0.36 to 2.95 in all that was ever measured, not %(n1)s."),
            "hours": _("Hours are whole ones from 0 to 23."),
            "no_set": _("Enter a set pressure."),
            "not_a_number": _("“%(value)s” is no number: write 12.5 or 12,5."),
            "too_large": _("“%(value)s” is too large."),
        }
        values = {
            k: (fmt.number(v) if k == "n1" else fmt.quantity(v, "m", 1))
            if isinstance(v, float | int)
            else str(v)
            for k, v in wrong.values.items()
        }
        return known[wrong.code] % values if wrong.code in known else str(wrong)

    def limits(self, value: Limited | None, unit: str, digits: int | None = None) -> str:
        fmt = self.formats
        if value is None:
            return fmt.quantity(None, unit)
        low, high = fmt.number(value.low, digits), fmt.number(value.high, digits)
        return f"{low}…{high}"

    def money(self, found: WhatIfOut, days: float = 1.0) -> str:
        return self.formats.money(None if found.saved_day is None else found.saved_day * days)

    def source(self, source: str) -> str:
        """Where N1 comes from."""
        _ = self.formats.gettext
        return {
            "given": _("given"),
            "estimated": _("estimated from steps of pressure"),
            "assumed": _("assumed"),
            "asked": _("as asked for"),
        }.get(source, "")

    def span(self, hours: HoursOut) -> str:
        """Lowest and highest of the day, now and then."""
        fmt = self.formats
        return " → ".join(
            f"{fmt.number(min(v), 1)}–{fmt.quantity(max(v), 'm', 1)}" for v in (hours.now_m, hours.then_m)
        )


class Curve:
    """Pressure by the hour as steps of an SVG path, on one scale."""

    def __init__(self, *series: Sequence[float]) -> None:
        low, high = min(map(min, series)), max(map(max, series))
        room = max(high - low, 1.0)
        self.bottom, self.top = low - 0.1 * room, high + 0.1 * room
        self.width, self.height = WIDTH, HEIGHT
        self.marks = [
            (round(value), round(self._y(round(value)), 1)) for value in (low, (low + high) / 2, high)
        ]
        self.hours = [(hour, round(self._x(hour), 1)) for hour in (0, 6, 12, 18, 24)]
        self.axis = (LEFT, HEIGHT - BOTTOM)

    def path(self, values: Sequence[float]) -> str:
        out = []
        for hour, value in enumerate(values):
            y = f"{self._y(value):.1f}"
            out.append(f"{self._x(hour):.1f} {y} {self._x(hour + 1):.1f} {y}")
        return "M" + "L".join(out)

    def _x(self, hour: float) -> float:
        return LEFT + (WIDTH - LEFT - 8) * hour / 24

    def _y(self, value: float) -> float:
        return (HEIGHT - BOTTOM) - (HEIGHT - BOTTOM - 8) * (value - self.bottom) / (self.top - self.bottom)
