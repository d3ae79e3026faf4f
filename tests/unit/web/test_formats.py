"""Numbers, money and times as each language writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from twuin.web.entered import number
from twuin.web.formats import Formats, zone_names
from twuin.web.locales import language


def formats(code: str, zone: str = "Asia/Jakarta", currency: str = "IDR", year: int = 2026) -> Formats:
    messages = language(code).messages
    return Formats(code, messages.gettext, messages.ngettext, ZoneInfo(zone), currency, year)


@pytest.mark.parametrize(
    ("value", "indonesian", "english"),
    [
        (None, "–", "–"),
        (0.04, "0,04", "0.04"),
        (-0.001, "0,00", "0.00"),
        (12.44, "12,4", "12.4"),
        (1234.5, "1.234", "1,234"),
        (99.96, "100,0", "100.0"),
    ],
)
def test_numbers_keep_three_figures_and_the_mark_of_the_language(
    value: float | None, indonesian: str, english: str
) -> None:
    assert formats("id").number(value) == indonesian
    assert formats("en").number(value) == english


@pytest.mark.parametrize("value", [33.2, 20.0, 0.125, 99999.5])
def test_a_form_shows_numbers_as_they_are_typed_and_reads_them_back(value: float) -> None:
    indonesian, english = formats("id").plain(value), formats("en").plain(value)
    assert indonesian == english.replace(".", ",")
    assert number(indonesian) == number(english) == value
    assert formats("id").plain(None) == ""


def test_units_are_words_of_the_language() -> None:
    assert formats("id").quantity(12.4, "m3/h") == "12,4\u00a0m³/jam"
    assert formats("en").quantity(12.4, "m3/h") == "12.4\u00a0m³/h"
    assert formats("en").quantity(0.5, "1") == "0.50"


def test_a_small_share_is_not_shown_as_nothing() -> None:
    shown = [formats("en").percent(share) for share in (0.0, 0.001, 0.005, 0.0051, 1.0)]
    assert shown == ["0\u00a0%", "<\u00a01\u00a0%", "<\u00a01\u00a0%", "1\u00a0%", "100\u00a0%"]
    assert formats("id").percent(0.001) == "<\u00a01\u00a0%"


def test_money_is_in_whole_units_of_the_sites_currency() -> None:
    assert formats("id").money(1729800.4) == "Rp\u00a01.729.800"
    assert formats("en", currency="EUR").money(-12.0) == "-€\u00a012"
    assert formats("id").money(None) == "–"


def test_times_are_local_and_name_their_zone() -> None:
    when = datetime(2026, 11, 20, 20, 10, tzinfo=UTC)
    assert formats("id").time(when) == "Sab 21 Nov 03.10\u00a0WIB"
    assert formats("en").time(when) == "Sat 21 Nov 03:10\u00a0WIB"
    assert formats("en", "Asia/Jayapura").time(when) == "Sat 21 Nov 05:10\u00a0WIT"


def test_times_of_another_year_name_the_year() -> None:
    when = datetime(2023, 3, 1, 12, 0, tzinfo=UTC)
    assert formats("en").night(when) == "Wed 1 Mar 2023"
    assert formats("en").time(when, "minute") == "Wed 1 Mar 2023 19:00"


def test_zone_is_named_by_the_season() -> None:
    rome = formats("en", "Europe/Rome")
    assert rome.time(datetime(2026, 1, 5, 12, tzinfo=UTC)).endswith("13:00\u00a0CET")
    assert rome.time(datetime(2026, 7, 5, 12, tzinfo=UTC)).endswith("14:00\u00a0CEST")
    assert zone_names(ZoneInfo("Europe/Rome"), 2026) == "CET/CEST"
    assert zone_names(ZoneInfo("Asia/Jakarta"), 2026) == "WIB"
    assert zone_names(ZoneInfo("America/Sao_Paulo"), 2026) == "UTC-03"


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=10), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=119), "119 minutes"),
        (timedelta(hours=2.5), "2.5 hours"),
        (timedelta(hours=3.1), "3 hours"),
        (timedelta(hours=9.5), "9.5 hours"),
        (timedelta(hours=31.4), "31 hours"),
        (timedelta(days=500), "500 days"),
        (timedelta(seconds=-5), "less than a minute"),
    ],
)
def test_spans_are_told_in_their_largest_fitting_unit(span: timedelta, text: str) -> None:
    assert formats("en").duration(span) == text


def test_days_sizes_and_short_intervals() -> None:
    assert formats("id").day(date(2026, 11, 21)) == "Sab 21 Nov 2026"
    assert formats("id").bytes(1536) == "1,5\u00a0kB"
    assert formats("en").span(60) == "60 seconds"
    assert formats("en").span(300) == "5 minutes"
