"""Numbers, money and times as people of a language and a site read them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal, get_currency_symbol, get_decimal_symbol

NOTHING = "–"
"""Shown where there is no value."""

_UNITS = {
    "m3/h": "m³/h",
    "m3/s": "m³/s",
    "m3/d": "m³/day",
    "m3": "m³",
    "L/s": "L/s",
    "degC": "°C",
    "1": "",
}


# CLDR writes Indonesian clock times with a full stop.
_CLOCK = {"id": "HH.mm"}


# The charts' dates are the browser's, which begins an English one with the day only for Britain ("28 Sept").
_DATES = {"en": "en_GB"}


# Where the language's own list has only the code: people write rupiah as Rp in English too.
_SIGNS = {"IDR": "Rp"}


def currency_sign(currency: str, code: str) -> str:
    """What stands before an amount of money: "Rp", "€"."""
    return _SIGNS.get(currency) or str(get_currency_symbol(currency, code))


def zone_names(zone: ZoneInfo, year: int) -> str:
    """What a zone is called in a year: "WIB", or "CET/CEST" where clocks change."""
    names = dict.fromkeys(_zone_name(datetime(year, month, 15, tzinfo=zone)) for month in (1, 7))
    return "/".join(names)


def _zone_name(when: datetime) -> str:
    name = when.tzname() or ""
    return f"UTC{name}" if name[:1] in "+-" else name


def decimals(value: float) -> int:
    """Digits after the decimal mark that keep about three figures of a measured value."""
    size = abs(value)
    if size >= 100:
        return 0
    return 1 if size >= 10 else 2


@dataclass(frozen=True)
class Formats:
    """Formatting in one language, for one site's zone and currency. Times of another ``year`` name theirs.

    year: the present one; 0 where every time names its year.
    """

    code: str
    gettext: Callable[[str], str]
    ngettext: Callable[[str, str, int], str]
    zone: ZoneInfo
    currency: str
    year: int

    def number(self, value: float | None, digits: int | None = None) -> str:
        """A number with ``digits`` after the decimal mark; None: as many as its size calls for."""
        if value is None:
            return NOTHING
        places = decimals(value) if digits is None else digits
        rounded = round(value, places) + 0.0  # no "-0"
        pattern = "#,##0" + ("." + "0" * places if places else "")
        return format_decimal(rounded, format=pattern, locale=self.code)

    def unit(self, unit: str) -> str:
        """A unit as it is written on pages."""
        _ = self.gettext
        shown = _UNITS.get(unit, unit)
        return {
            "m³/h": _("m³/h"),
            "m³/day": _("m³/day"),
            "L/h": _("L/h"),
            "h/day": _("h/day"),
            "h": _("h"),
        }.get(shown, shown)

    def quantity(self, value: float | None, unit: str, digits: int | None = None) -> str:
        """A number and its unit, held together."""
        if value is None:
            return NOTHING
        return f"{self.number(value, digits)}\u00a0{self.unit(unit)}".rstrip("\u00a0")

    def plain(self, value: float | None) -> str:
        """A number as it is typed into a form, with the language's decimal mark; "" where there is none."""
        return "" if value is None else f"{value:.12g}".replace(".", get_decimal_symbol(self.code))

    def money(self, value: float | None) -> str:
        """An amount of the site's currency, in whole units."""
        if value is None:
            return NOTHING
        sign = "-" if round(value) < 0 else ""
        return f"{sign}{currency_sign(self.currency, self.code)}\u00a0{self.number(abs(value), 0)}"

    def percent(self, share: float) -> str:
        """In whole ones; what is there at all is never shown as nothing."""
        if 0 < share <= 0.005:
            return f"<\u00a0{self.quantity(1, '%', 0)}"
        return self.quantity(share * 100, "%", 0)

    def bytes(self, size: int) -> str:
        return f"{self.number(size, 0)}\u00a0B" if size < 1024 else f"{self.number(size / 1024, 1)}\u00a0kB"

    @property
    def _dates(self) -> str:
        return _DATES.get(self.code, self.code)

    def time(self, when: datetime | None, style: str = "full") -> str:
        """A local instant. style: "full" (with the zone's name), "minute", "clock" (hour and minute)."""
        if when is None:
            return NOTHING
        local = when.astimezone(self.zone)
        clock = _CLOCK.get(self.code, "HH:mm")
        if style == "clock":
            return str(format_datetime(local, clock, self.zone, self._dates))
        year = "" if local.year == self.year else " y"
        shown = format_datetime(local, f"EEE d MMM{year} {clock}", self.zone, self._dates)
        return f"{shown}\u00a0{_zone_name(local)}" if style == "full" else str(shown)

    def year_of(self, when: datetime) -> str:
        """The local year of an instant."""
        return str(when.astimezone(self.zone).year)

    def night(self, when: datetime) -> str:
        """The local day that an instant belongs to, as short as ``time``."""
        local = when.astimezone(self.zone)
        year = "" if local.year == self.year else " y"
        return str(format_datetime(local, f"EEE d MMM{year}", self.zone, self._dates))

    def day(self, day: date) -> str:
        return str(format_date(day, "EEE d MMM y", self._dates))

    def span(self, seconds: float) -> str:
        """An interval between readings, to the second below two minutes."""
        if seconds < 120:
            whole = round(seconds)
            return self.ngettext("%(n)s second", "%(n)s seconds", whole) % {"n": self.number(whole, 0)}
        return self.duration(timedelta(seconds=seconds))

    def duration(self, span: timedelta) -> str:
        """A span in its largest fitting unit: minutes, hours (to the half below ten), days."""
        minutes = max(0, round(span.total_seconds() / 60))
        if minutes < 1:
            return self.gettext("less than a minute")
        if minutes < 120:
            return self.ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": self.number(minutes, 0)}
        hours = round(minutes / 30) / 2
        if hours >= 10 or hours.is_integer():
            hours = round(minutes / 60)
        if hours < 48:
            shown = self.number(hours, 0 if isinstance(hours, int) else 1)
            return self.ngettext("%(n)s hour", "%(n)s hours", math.ceil(hours)) % {"n": shown}
        days = round(hours / 24)
        return self.ngettext("%(n)s day", "%(n)s days", days) % {"n": self.number(days, 0)}
