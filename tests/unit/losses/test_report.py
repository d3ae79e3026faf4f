"""The report on losses against what truly happened, and the reasons where it cannot know."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from twuin.losses.bills import billed_of_dma, billed_of_site
from twuin.losses.factors import night_day_factors
from twuin.losses.model import Why
from twuin.losses.report import loss_report
from twuin.works.calendar import Calendar
from twuin.works.model import Action, Line, Plan, PlannedWork, Weekly, WorkKind
from waterworks.losses import Bill, LossOptions
from waterworks.reading import as_datetime
from waterworks.site import part_of

Make = Callable[..., Any]
Span = tuple[date, date]
M3H = 3600.0
ESTIMATES = LossOptions(unbilled_unmetered=0.0, unauthorised=0.0, under_registration=0.0)


def bills(u: Any, share: float = 1.0) -> tuple[Bill, ...]:
    """What A's and B's customers truly used in March and April 2026, by the day."""
    daily = {d: float(u.demand[d].mean()) * 86400 for d in ("A", "B")}
    return tuple(
        Bill(d, date(2026, m, 1), daily[d] * days * share) for d in daily for m, days in ((3, 31), (4, 30))
    )


def test_night_flow_is_divided_as_it_truly_was(utility: Make, span: Span) -> None:
    u = utility(service_m=3_000.0, icf=1.5)
    u.fill()
    a, b = loss_report(u.site, u.store, None, *span).dmas
    assert a.nights == 28
    assert a.night_flow.value * M3H == pytest.approx(8.0)
    assert a.legitimate.value * M3H == pytest.approx(2.0)
    assert a.leakage.value * M3H == pytest.approx(6.0)
    # (240 + 1,250 + 99) l/h at 50 m, the night's pressure, times 1.5
    assert a.background * M3H == pytest.approx(2.3835)
    assert a.burst * M3H == pytest.approx(6 - 2.3835)
    assert (a.pressure_source, a.night_pressure) == ("measured", 50.0)
    assert a.ndf.value == pytest.approx(5 + 19 * 0.8)
    # B has no pressure and no mains: what rests on them is not known, and says so
    assert b.leakage.value * M3H == pytest.approx(2.0)
    assert math.isnan(b.burst) and not b.excess.known and not b.ili.known
    assert b.why["background"] is Why.NO_MAINS
    assert b.why["ndf"] is b.why["excess"] is Why.NO_SENSOR
    assert b.why["pressure"] is Why.NO_PRESSURE


def test_night_flow_and_balance_come_to_the_same_real_losses(utility: Make, span: Span) -> None:
    """Worked out by two ways from different readings, and both equal to what was put in."""
    u = utility(ESTIMATES)
    u.site = replace(u.site, billing=bills(u))
    u.fill()
    report = loss_report(u.site, u.store, None, *span)
    a, b = report.dmas
    truth = float(u.leakage["A"].mean()) * 86400
    assert a.excess.value == pytest.approx(truth)
    assert a.real_source == "balance"
    assert a.real.value == pytest.approx(truth, rel=1e-6)
    assert b.real.value == pytest.approx(48.0, rel=1e-6)
    assert report.site.real.value == pytest.approx(truth + 48.0, rel=1e-6)
    assert a.ili.value == pytest.approx(truth / (a.uarl * 86400))
    assert a.limits == ("small",)
    assert a.nrw_l_connection_day.value == pytest.approx(truth / 1000 * 1000)
    assert a.cost_day == pytest.approx(truth * 5000)


def test_a_meter_between_dmas_widens_their_limits_and_not_the_sites(utility: Make, span: Span) -> None:
    u = utility()
    u.fill()
    report = loss_report(u.site, u.store, None, *span)
    tables = [x.balance for x in (*report.dmas, report.site)]
    a, b, whole = (t.system_input for t in tables if t is not None)
    main = a.value + b.value
    assert whole.value == pytest.approx(main)
    assert a.half == pytest.approx(0.02 * math.hypot(main, b.value))
    assert whole.half == pytest.approx(0.02 * main)


def zoned(u: Any, a: str, b: str) -> Any:
    return replace(u.site, dmas=tuple(replace(d, zone=z) for d, z in zip(u.site.dmas, (a, b), strict=True)))


def test_a_zone_of_all_dmas_is_balanced_as_the_site_is(utility: Make, span: Span) -> None:
    u = utility(ESTIMATES)
    u.site = replace(zoned(u, "Utara", "Utara"), billing=bills(u))
    u.fill()
    report = loss_report(u.site, u.store, None, *span)
    [zone] = report.zones
    assert (zone.id, zone.name, zone.connections) == ("Utara", "Utara", 1400)
    assert zone.balance == report.site.balance
    for name in ("nrw_share", "real", "leakage", "excess", "cost_day", "real_l_connection_day"):
        assert getattr(zone, name) == getattr(report.site, name)


def test_zones_are_sums_of_their_dmas_with_the_errors_of_meters_between_them(
    utility: Make, span: Span
) -> None:
    u = utility(ESTIMATES)
    u.site = replace(zoned(u, "Utara", "Selatan"), billing=bills(u))
    u.fill()
    report = loss_report(u.site, u.store, None, *span)
    assert [z.id for z in report.zones] == ["Utara", "Selatan"]
    for zone, dma in zip(report.zones, report.dmas, strict=True):
        assert zone.balance is not None and dma.balance is not None
        assert zone.balance.nrw.value == pytest.approx(dma.balance.nrw.value)
        assert zone.balance.system_input.half == pytest.approx(dma.balance.system_input.half)
    assert sum(z.balance.nrw.value for z in report.zones) == pytest.approx(report.site.balance.nrw.value)


def test_a_dma_without_bills_leaves_its_zone_unbalanced_and_others_not(utility: Make, span: Span) -> None:
    u = utility(ESTIMATES)
    u.site = replace(zoned(u, "Utara", ""), billing=tuple(b for b in bills(u) if b.dma == "A"))
    u.fill()
    [zone] = loss_report(u.site, u.store, None, *span).zones
    assert zone.nrw_share.known
    both = replace(zoned(u, "Utara", "Utara"), billing=u.site.billing)
    [zone] = loss_report(both, u.store, None, *span).zones
    assert not zone.nrw_share.known and zone.why["nrw"] is Why.NO_BILLS
    whole = replace(both, billing=(Bill("", date(2026, 3, 1), 9e4), Bill("", date(2026, 4, 1), 9e4)))
    [zone] = loss_report(whole, u.store, None, *span).zones
    assert not zone.nrw_share.known and zone.why["nrw"] is Why.SITE_BILLS


def test_part_of_a_zone_is_no_zone(utility: Make) -> None:
    site = zoned(utility(), "Utara", "Utara")
    assert part_of(site, {"A"}).zones == {}
    assert list(part_of(site, {"A", "B"}).zones) == ["Utara"]


def test_without_bills_real_losses_come_from_night_flow(utility: Make, span: Span) -> None:
    u = utility()
    u.fill()
    report = loss_report(u.site, u.store, None, *span)
    a = report.dmas[0]
    assert a.real_source == "night" and a.real.value == a.excess.value
    assert a.why["nrw"] is Why.NO_BILLS
    assert not a.nrw_share.known
    assert report.site.real_source == "" and report.site.why["excess"] is Why.OTHER_DMAS


def test_without_estimates_nrw_is_known_and_real_losses_are_not(utility: Make, span: Span) -> None:
    u = utility(pressure_m=None)
    u.site = replace(u.site, billing=bills(u))
    u.fill()
    b = loss_report(u.site, u.store, None, *span).dmas[1]
    assert b.nrw_share.known
    assert b.why["real_balance"] is b.why["real"] is Why.NO_ESTIMATES


def test_bills_of_the_whole_site_balance_the_site_alone(utility: Make, span: Span) -> None:
    u = utility(ESTIMATES)
    u.site = replace(u.site, billing=(Bill("", date(2026, 3, 1), 15_000.0),))
    u.fill()
    report = loss_report(u.site, u.store, None, *span)
    assert report.dmas[0].why["nrw"] is Why.SITE_BILLS
    assert report.site.nrw_share.known
    assert report.site.days == 16  # of 16 March to 12 April those in March


def test_months_count_by_their_days_and_usual_ones_fill_in(utility: Make) -> None:
    u = utility(billed_m3_month=365.25 / 12 * 7)
    bill = Bill("A", date(2026, 3, 1), 310.0, 31.0, 62.0)
    u.site = replace(u.site, billing=(bill,))
    found = billed_of_dma(u.site, u.site.dmas[0], date(2026, 3, 31), 2)
    assert found.metered.tolist() == [10.0, pytest.approx(7.0)]
    assert (found.unmetered[0], found.unbilled_metered[0]) == (1.0, 2.0)
    assert np.isnan(billed_of_site(u.site, date(2026, 3, 31), 2).metered).all()  # B is not billed


def test_exceptional_users_are_no_leakage(utility: Make, span: Span) -> None:
    u = utility(large_night_m3s=1.5 / M3H)
    u.fill()
    a = loss_report(u.site, u.store, None, *span).dmas[0]
    assert a.legitimate.value * M3H == pytest.approx(3.5)
    assert a.leakage.value * M3H == pytest.approx(4.5)


def test_only_supplied_hours_count(utility: Make, span: Span) -> None:
    """Water is cut from 1 to 4 at night: the least flow is 0 then, and no night flow."""
    u = utility()
    cut = (u.hour >= 1) & (u.hour < 4)
    for d in ("A", "B"):
        u.demand[d][cut] = u.leakage[d][cut] = 0.0
    u.pressure[cut] = 0.2
    u.fill()
    a = loss_report(u.site, u.store, None, *span).dmas[0]
    assert a.night_flow.value * M3H == pytest.approx(8.0)
    assert a.supply_h == pytest.approx(21.0)
    assert a.pressure > 40  # while supplied
    assert a.night_pressure == 50.0
    assert a.ndf.value == pytest.approx(2 + 19 * 0.8)
    assert a.excess.value == pytest.approx(float(u.leakage["A"].mean()) * 86400)


def test_a_pressure_that_is_given_stands_for_one_that_is_not_measured(utility: Make, span: Span) -> None:
    u = utility(pressure_m=35.0)
    u.put("A-IN", u.demand["A"] + u.leakage["A"])
    u.put("AB", np.zeros(len(u.times)))
    a = loss_report(u.site, u.store, None, *span).dmas[0]
    assert (a.pressure_source, a.pressure) == ("given", 35.0)
    assert a.background * M3H == pytest.approx(1.49 * 0.7**1.5)
    assert not a.excess.known and a.why["ndf"] is Why.NO_SENSOR


def test_bills_beyond_what_went_in_are_told_and_no_negative_loss_is_used(utility: Make, span: Span) -> None:
    u = utility(ESTIMATES)
    u.site = replace(u.site, billing=bills(u, 3.0))
    u.fill()
    a = loss_report(u.site, u.store, None, *span).dmas[0]
    assert a.balance is not None and a.balance.real.value < 0
    assert a.why["real_balance"] is Why.NEGATIVE
    assert a.real_source == "night" and a.ili.value > 0


def test_n1_is_learnt_from_a_change_of_the_valve(utility: Make, span: Span) -> None:
    u = utility()
    u.pressure[len(u.pressure) // 2 :] *= 0.8
    u.leakage["A"] = 6 / M3H * (u.pressure / 50) ** 1.4
    u.leakage["A"] = u.leakage["A"] * np.repeat(1 + 0.01 * np.random.default_rng(1).standard_normal(42), 96)
    u.fill()
    a = loss_report(u.site, u.store, None, *span).dmas[0]
    assert a.exponent is not None and a.exponent.source == "estimated"
    assert a.exponent.n1.low < 1.4 < a.exponent.n1.high
    assert a.exponent.n1.half < 0.2
    assert (a.exponent.steps, a.exponent.nights) == (1, 14)
    given = utility(n1=1.2)
    given.fill()
    b = loss_report(given.site, given.store, None, *span).dmas[0]
    assert b.exponent is not None and (b.exponent.source, b.exponent.n1.value) == ("given", 1.2)


def test_nothing_after_the_end_is_looked_at(utility: Make, span: Span) -> None:
    whole, cut = utility(), utility()
    whole.fill()
    keep = len(cut.times) - 7 * 96
    for name in ("times", "hour", "pressure"):
        setattr(cut, name, getattr(cut, name)[:keep])
    for part in (cut.demand, cut.leakage):
        for d in part:
            part[d] = part[d][:keep]
    cut.fill()
    start, end = span[0] - timedelta(days=7), span[1] - timedelta(days=7)
    one = loss_report(whole.site, whole.store, None, start, end)
    two = loss_report(cut.site, cut.store, None, start, end)
    assert repr(one) == repr(two)


def test_gaps_widen_the_limits_and_long_ones_leave_nothing(utility: Make, span: Span) -> None:
    u = utility()
    holes = u.demand["B"] + u.leakage["B"]
    u.put("A-IN", u.demand["A"] + u.leakage["A"] + holes)
    lost = np.arange(len(holes)) % (3 * 96) < 96  # every third day
    u.put("AB", np.where(lost, np.nan, holes))
    b = loss_report(u.site, u.store, None, *span).dmas[1]
    assert b.measured == pytest.approx(2 / 3, abs=0.02)
    assert b.balance is not None
    truth = float(holes.mean()) * 28 * 86400
    assert b.balance.system_input.value == pytest.approx(truth, rel=1e-6)

    v = utility()
    v.put("A-IN", v.demand["A"])
    v.put("AB", np.where(np.arange(len(holes)) > 20 * 96, np.nan, holes))
    found = loss_report(v.site, v.store, None, *span).dmas[1]
    assert found.balance is not None and not found.balance.system_input.known
    assert found.why["system_input"] is Why.GAPS


def test_a_site_that_never_measured_anything_has_a_report_of_reasons(utility: Make, span: Span) -> None:
    u = utility()
    report = loss_report(u.site, u.store, None, *span)
    for x in report.dmas:
        assert not x.night_flow.known and x.why["night_flow"] is Why.NO_READINGS
        assert x.why["system_input"] is Why.NO_READINGS
    assert report.service_why is Why.NO_MINIMUM

    wanted = utility(LossOptions(min_pressure_m=10.0), pressure_m=35.0)
    unmeasured = loss_report(wanted.site, wanted.store, None, *span)
    assert unmeasured.service_why is Why.NO_SENSOR, "one that is given says nothing of service"


def test_service_pressure_and_a_valve_that_the_site_names(utility: Make, span: Span) -> None:
    u = utility(LossOptions(min_pressure_m=45.0, prv_outlets=("A-P",)))
    u.fill()
    report = loss_report(u.site, u.store, None, *span)
    assert report.service is not None
    assert report.service.together == pytest.approx(5 / 24)
    assert report.service.sensors[0].lowest == 40.0
    (valve,) = report.valves
    assert (valve.sensor, valve.dma) == ("A-P", "A")
    # 50 m at night and 40 m by day, while more flows by day: nothing regulates
    assert valve.state == "open"


def test_night_day_factors_of_the_last_week(utility: Make, span: Span) -> None:
    u = utility()
    u.fill()
    found = night_day_factors(u.site, u.store, None, span[1])
    assert found == {"A": pytest.approx(5 + 19 * 0.8)}


def test_costs_say_what_is_missing_and_pay_back_is_the_bursts(utility: Make, span: Span) -> None:
    u = utility()
    u.fill()
    a = loss_report(u.site, u.store, None, *span).dmas[0]
    assert a.why["payback"] is Why.NO_REPAIR_COST and a.why["survey"] is Why.NO_SURVEY_COST
    v = utility(LossOptions(repair_cost=1e6, survey_cost_per_m=400.0))
    v.fill()
    b = loss_report(v.site, v.store, None, *span).dmas[0]
    assert b.payback_days == pytest.approx(1e6 / (b.burst * M3H * b.ndf.value * 5000))
    assert b.why["survey"] is Why.SHORT_HISTORY  # 42 nights


def test_nights_under_works_do_not_count_and_their_water_does(utility: Make, span: Span) -> None:
    """Hydrants run for most of the month's nights: that is no leakage, and where only such nights are left
    nothing is told of them."""
    u = utility()
    u.fill()
    local = u.times.astype("datetime64[s]").astype(np.int64) + 7 * 3600
    day, hour = local // 86400, local % 86400 / 3600
    flushed = (day % 7 >= 2) & (hour < 6)
    through = u.demand["B"] + u.leakage["B"]
    u.put("A-IN", u.demand["A"] + u.leakage["A"] + through + np.where(flushed, 30 / M3H, 0.0))
    first, last = as_datetime(u.times[0]), as_datetime(u.times[-1])
    nights = Weekly(tuple(d for d in range(7) if (d + 4) % 7 not in (0, 1)), 0, 360)
    plan = Plan(WorkKind.FLUSHING, first, last, ("A",), weekly=nights, extra_flow=40 / M3H)
    line = Line("u", "w", 1, last, "Sari", Action.ENTERED, plan)
    calendar = Calendar(u.site, [PlannedWork("w", (line,))], {})
    plain, known = (loss_report(u.site, u.store, None, *span, works).dmas for works in (None, calendar))
    assert plain[0].night_flow.value * M3H > 9  # 8 m3/h and what is left of the hydrants
    assert not known[0].night_flow.known and known[0].why["night_flow"] is Why.FEW_NIGHTS
    assert known[1].night_flow.value == pytest.approx(plain[1].night_flow.value)
    assert known[0].balance.system_input.value == plain[0].balance.system_input.value
