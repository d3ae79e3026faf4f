"""Losses as API and pages get them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from twuin.alerts.model import Kind, Reason
from twuin.alerts.work import Cause
from twuin.losses.model import LossReport
from twuin.views.losses import DAYS, MAX_DAYS, Kept, days_of, wrong_days
from twuin.views.views import Views
from waterworks.losses import LossOptions


def test_a_report_is_of_four_whole_weeks_before_what_is_analysed(views: Views) -> None:
    found = views.losses()
    assert found.end == date(2026, 3, 9)  # readings reach to the morning of 10 March
    assert (found.end - found.start).days + 1 == found.days == DAYS


def test_every_missing_figure_has_its_reason(views: Views) -> None:
    """36 hours of readings: less than half of four weeks, and too few nights."""
    found = views.losses()
    for loss in (*found.dmas, found.site):
        assert loss.night_flow_m3h is None and "night_flow" in loss.why
        assert loss.balance.system_input is None and "system_input" in loss.why
        assert loss.nrw_share is None and "nrw" in loss.why
        assert loss.ili is None and "ili" in loss.why
        assert loss.cost_day is None and "cost" in loss.why
    assert found.service is None and found.service_why == "no_minimum"


def test_days_may_be_chosen(views: Views) -> None:
    found = views.losses(date(2026, 3, 9), date(2026, 3, 9))
    assert found.days == 1
    d2 = next(d for d in found.dmas if d.id == "D2")
    assert d2.balance.system_input is not None
    assert d2.balance.system_input.value == pytest.approx(864.0)  # 10 L/s
    assert d2.balance.system_input.low == pytest.approx(864 * 0.98)


def test_leaks_that_run_cost_by_the_day_until_they_are_mended(small_town: Any) -> None:
    t = small_town
    site = replace(t.site, losses=LossOptions(location_h=24, repair_h=11))
    views = Views(site, t.store, t.alerts, clock=t.clock)
    t.alerts.apply([t.leak("D1"), t.leak("D2", onset_h=-20, ended_h=-10)])
    (leak,) = views.losses().open_leaks
    assert leak.dma == "D1"
    assert leak.cost_day == pytest.approx(12 * 24 * 5000)
    assert leak.until_mended_m3 == pytest.approx(12 * (1 + 24 + 11))


def test_the_night_day_factor_of_the_week_is_in_a_dmas_excess(small_town: Any) -> None:
    t = small_town
    views = Views(t.site, t.store, t.alerts, clock=t.clock)
    d1 = next(d for d in views.dmas() if d.id == "D1")
    # 36 hours at 35 m throughout: a factor of 24
    assert d1.night_day_factor_h == pytest.approx(24.0)
    assert d1.excess_m3day == pytest.approx((22 - 1.7) * 24)
    assert next(d for d in views.dmas() if d.id == "D2").night_day_factor_h is None


def test_wrong_days_are_told() -> None:
    day = date(2026, 3, 9)
    assert wrong_days(None, None) is wrong_days(day, day) is None
    assert wrong_days(day, day - timedelta(days=1)) == ("start", "must not lie after the last day")
    assert wrong_days(day - timedelta(days=MAX_DAYS), day) is not None
    assert wrong_days(day - timedelta(days=MAX_DAYS - 1), day) is None
    assert wrong_days(date(1, 1, 1), None) is not None


def test_a_start_alone_reaches_to_the_newest_but_never_too_far() -> None:
    newest = date(2026, 3, 9)
    assert days_of(date(2026, 3, 1), None, newest) == (date(2026, 3, 1), newest)
    start, end = days_of(date(2000, 1, 1), None, newest)
    assert (end - start).days == MAX_DAYS - 1
    assert days_of(date(2027, 1, 1), None, newest) == (date(2027, 1, 1), date(2027, 1, 1))
    assert days_of(None, newest, newest) == (newest - timedelta(days=DAYS - 1), newest)


def test_a_report_that_was_just_made_is_not_made_again() -> None:
    made: list[tuple[date, date]] = []

    def make(start: date, end: date) -> LossReport:
        made.append((start, end))
        return object()  # type: ignore[return-value]

    kept = Kept(make)
    days = [date(2026, 3, d) for d in range(1, 12)]
    assert kept.get(days[0], days[0]) is kept.get(days[0], days[0])
    assert len(made) == 1
    for day in days:
        kept.get(day, day)
    kept.get(days[0], days[0])  # long pushed out by others
    assert len(made) == 12


def test_a_meter_that_was_found_wrong_counts_for_nothing_until_it_recovers(small_town: Any) -> None:
    t = small_town
    day = date(2026, 3, 9)
    wrong = replace(t.leak("D2", onset_h=-48), kind=Kind.SENSOR, subject="D1-D2")

    def metered() -> bool:
        views = Views(t.site, t.store, t.alerts, clock=t.clock)
        d2 = next(d for d in views.losses(day, day).dmas if d.id == "D2")
        return d2.balance.system_input is not None

    assert metered()
    t.alerts.apply([wrong])
    assert not metered()
    t.alerts.apply([replace(wrong, ended=wrong.onset + timedelta(hours=2))])
    assert metered(), "it told the truth again before that day"
    t.alerts.apply([wrong])
    (alert,) = t.alerts.list(kinds=[Kind.SENSOR]).items
    t.alerts.act(alert.id, "close", version=alert.version, reason=Reason.FALSE_ALARM, cause=Cause.METER)
    assert metered(), "a person says that it was right"
