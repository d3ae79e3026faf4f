"""What a report says: of which days, of which leaks, of which sensors; and that it makes up nothing."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from twuin.alerts.model import Kind, Reason, State
from twuin.alerts.promises import Stage, Standing
from twuin.alerts.work import Outcome as Seen
from twuin.views.indicators import indicators
from twuin.views.ledger_models import LedgerLine
from twuin.views.models import AlertDetail, CheckOut, ClockOut
from twuin.views.report_models import ComplaintsOut, Outcome, ReportOut
from twuin.views.reports import Period, availability, leaks, promises, ranked_nights
from twuin.web.report_tables import Num
from twuin.web.report_words import document
from waterworks.errors import SettingsError
from waterworks.site import Site


def _samples() -> ModuleType:
    name = "report_samples"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("conftest.py"))
        assert spec is not None and spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


samples = _samples()
BEGIN, OVER, leak_of = samples.BEGIN, samples.OVER, samples.leak_of
DAY = timedelta(days=1)
Maker = Callable[..., ReportOut]


@pytest.mark.parametrize(
    ("said", "first", "last", "before"),
    [
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29), "2024-01"),
        ("2026-01", date(2026, 1, 1), date(2026, 1, 31), "2025-12"),
        ("2026", date(2026, 1, 1), date(2026, 12, 31), "2025"),
    ],
)
def test_a_period_is_a_calendar_month_or_year(said: str, first: date, last: date, before: str) -> None:
    period = Period.of(said)
    assert (period.first, period.last, str(period)) == (first, last, said)
    assert str(period.before()) == before


@pytest.mark.parametrize("said", ["", "2026-13", "2026-00", "26-10", "2026-1", "0026", "२०२६", "../2026"])
def test_what_is_no_period_is_told_with_what_would_be_right(said: str) -> None:
    with pytest.raises(SettingsError, match="write 2026-10 or 2026"):
        Period.of(said)


def test_a_leak_of_the_month_is_told_with_its_times(site: Site) -> None:
    alert = leak_of(
        "a", site, BEGIN + 5 * DAY, state=State.CLOSED, reason=Reason.REPAIRED, ended=BEGIN + 7 * DAY,
        history=(("opened", BEGIN + 5 * DAY), ("located", BEGIN + 6 * DAY), ("closed", BEGIN + 9 * DAY)),
    )  # fmt: skip
    [line], aside = leaks([alert], BEGIN, OVER)
    assert (line.found_in, line.over_in, line.outcome, aside) == (True, True, Outcome.REPAIRED, 0)
    # The crew mended it on the seventh day; that somebody closed the alert on the ninth adds nothing.
    assert line.repaired == BEGIN + 7 * DAY
    assert (line.awareness_h, line.location_h, line.repair_h) == (6.0, 24.0, 48.0)
    assert line.lost_m3 == alert.lost_m3


def test_who_repairs_a_leak_at_once_has_located_it(site: Site) -> None:
    alert = leak_of(
        "a", site, BEGIN + 5 * DAY, state=State.REPAIRED, ended=BEGIN + 7 * DAY,
        history=(("opened", BEGIN + 5 * DAY), ("repaired", BEGIN + 6 * DAY)),
    )  # fmt: skip
    [line], _aside = leaks([alert], BEGIN, OVER)
    assert line.located == line.repaired == BEGIN + 6 * DAY
    assert (line.location_h, line.mending_h) == (24.0, 0.0)


def test_only_leaks_that_touch_the_days_are_listed(site: Site) -> None:
    closed = {"state": State.CLOSED, "reason": Reason.ENDED}
    before = leak_of("before", site, BEGIN - 9 * DAY, ended=BEGIN - 2 * DAY, **closed)
    into = leak_of("into", site, BEGIN - 9 * DAY, ended=BEGIN + 2 * DAY, **closed)
    runs = leak_of("runs", site, BEGIN - 90 * DAY)
    after = leak_of("after", site, OVER + DAY)
    found, _aside = leaks([after, runs, into, before], BEGIN, OVER)
    assert [x.alert for x in found] == ["runs", "into"]
    assert [x.outcome for x in found] == [Outcome.RUNNING, Outcome.ENDED]
    assert not any(x.found_in for x in found)


def test_a_leak_that_was_over_after_the_month_runs_in_its_report(site: Site) -> None:
    alert = leak_of(
        "a", site, OVER - 3 * DAY, ended=OVER + DAY, state=State.CLOSED, reason=Reason.REPAIRED,
        history=(("closed", OVER + 2 * DAY),),
    )  # fmt: skip
    [line], _aside = leaks([alert], BEGIN, OVER)
    assert (line.outcome, line.over_in) == (Outcome.RUNNING, False)


@pytest.mark.parametrize("reason", [Reason.FALSE_ALARM, Reason.PLANNED, Reason.WITHDRAWN])
def test_what_was_no_leak_is_counted_but_not_listed(site: Site, reason: Reason) -> None:
    alert = leak_of("a", site, BEGIN + DAY, state=State.CLOSED, reason=reason)
    assert leaks([alert], BEGIN, OVER) == ([], 1)


def test_a_repair_that_was_taken_back_by_reopening_is_none(site: Site) -> None:
    alert = leak_of(
        "a", site, BEGIN + DAY,
        history=(("repaired", BEGIN + 2 * DAY), ("reopened", BEGIN + 3 * DAY)),
    )  # fmt: skip
    [line], _aside = leaks([alert], BEGIN, OVER)
    assert (line.repaired, line.outcome) == (None, Outcome.RUNNING)


def test_a_repair_that_twuin_saw_is_told_with_what_the_flow_fell_by(site: Site) -> None:
    check = CheckOut(outcome=Seen.FELL, fell_m3h=11.5)
    history = (("repaired", BEGIN + 3 * DAY), ("verified", BEGIN + 6 * DAY))
    alert = leak_of("a", site, BEGIN + DAY, history=history).model_copy(update={"check": check})
    [line], _aside = leaks([alert], BEGIN, OVER)
    assert (line.fell_m3h, line.repaired) == (11.5, BEGIN + 3 * DAY)


def test_a_step_that_this_version_does_not_know_changes_nothing(site: Site) -> None:
    history = (("assigned", BEGIN + DAY), ("blessed", BEGIN + 2 * DAY), ("repaired", BEGIN + 3 * DAY))
    [line], _aside = leaks([leak_of("a", site, BEGIN + DAY, history=history)], BEGIN, OVER)
    assert (line.repaired, line.outcome) == (BEGIN + 3 * DAY, Outcome.REPAIRED)


def test_a_promise_counts_in_the_month_of_its_time_and_once(site: Site) -> None:
    def alert(*clocks: tuple[Stage, datetime, Standing]) -> AlertDetail:
        told = [
            ClockOut(stage=stage, begun=due - DAY, due=due, done=None, standing=standing)
            for stage, due, standing in clocks
        ]
        return leak_of("a", site, BEGIN).model_copy(update={"promises": told})

    found = promises(
        [
            alert((Stage.RESPOND, BEGIN, Standing.KEPT), (Stage.REPAIR, BEGIN + DAY, Standing.BROKEN)),
            alert((Stage.RESPOND, OVER - DAY, Standing.KEPT), (Stage.REPAIR, OVER, Standing.KEPT)),
            alert((Stage.RESPOND, BEGIN - DAY, Standing.BROKEN), (Stage.LOCATE, BEGIN, Standing.STOPPED)),
        ],
        BEGIN,
        OVER,
    )
    assert [(p.stage, p.kept, p.broken) for p in found] == [(Stage.RESPOND, 2, 0), (Stage.REPAIR, 0, 1)]


def test_totals_count_leaks_and_not_the_night_flow_that_may_be_theirs(made: Maker) -> None:
    found = made(leaks=5)  # the fifth is high night flow
    assert [x.kind for x in found.leaks].count(Kind.NIGHT_FLOW) == 1
    totals = found.leak_totals
    assert totals.found == 4
    assert totals.lost_m3 == pytest.approx(sum(x.lost_m3 for x in found.leaks if x.kind is Kind.LEAK))


def test_nights_are_ranked_by_leakage_and_the_unknown_come_last(site: Site) -> None:
    losses = samples.all_losses(site, unknown="D2")
    assert ranked_nights(losses) == ["D1", "D3", "D4", "D2"]


def test_availability_adds_days_and_tells_the_poorest_first(site: Site) -> None:
    def line(sensor: str, expected: int, received: int) -> LedgerLine:
        return LedgerLine(
            day=date(2026, 10, 1), sensor=sensor, device="d", expected=expected, received=received, late=0,
            duplicate=0, rejected=0, missing=max(expected - received, 0),
        )  # fmt: skip

    sensors, dmas, every = availability(
        site, [line("D1-IN", 100, 90), line("D1-IN", 100, 80), line("D2-IN", 100, 20), line("D2-P1", 0, 5)]
    )
    assert [(s.sensor, s.share) for s in sensors[:2]] == [("D2-IN", 0.2), ("D1-IN", 0.85)]
    assert all(s.share is None for s in sensors[2:]), "of what nothing was expected nothing is known"
    assert [(d.id, d.share) for d in dmas][:2] == [
        ("D1", 0.85),
        ("D2", 0.2),  # what one sensor sent too much makes up for no gap of another
    ]
    assert (every.expected, every.received) == (300, 195)


def test_no_more_readings_are_told_to_have_come_than_were_to_come(made: Maker) -> None:
    def counts(expected: int, received: int, missing: int) -> dict[str, int]:
        return {"expected": expected, "received": received, "missing": missing}

    report = made()
    early, gap, sooner, *rest = report.availability_sensors
    told = [
        early.model_copy(update=counts(1470, 1488, 0)),  # eighteen are not due yet
        gap.model_copy(update=counts(1470, 1480, 18)),
        sooner.model_copy(update=counts(0, 3, 0)),
        *(s.model_copy(update=counts(100, 90, 10)) for s in rest),
    ]
    report = report.model_copy(update={"availability_sensors": told})
    (table,) = [s.table for s in document(report, "en").sections if s.sheet == "Sensors"]
    shown = {row.cells[0]: row.cells for row in table.rows}
    assert [shown[s.sensor][4] for s in told[:3]] == [1470, 1452, 0]
    assert shown[told[3].sensor][3:5] == (100, 90)


def test_indicators_are_the_losses_own_figures_or_none(site: Site) -> None:
    losses = samples.all_losses(site)
    found = {x.code: x for x in indicators(losses)}
    assert len(found) == 18
    assert found["water_losses"].value == losses.site.nrw_share.value * 100
    assert found["supply_hours"].value == losses.site.supply_h_day
    assert (found["pressure"].value, found["pressure"].status) == (losses.service.share * 100, "near")
    assert {x.code for x in found.values() if x.value is not None} == {
        "water_losses", "supply_hours", "pressure",
    }  # fmt: skip
    nothing = losses.model_copy(update={"service": None, "service_why": "no_minimum"})
    assert indicators(nothing)[12].model_dump() == indicators(losses)[12].model_dump()
    assert {x.code: x.remark for x in indicators(nothing)}["pressure"] == "no_minimum"


def test_complaints_settled_stand_for_what_residents_reported(site: Site) -> None:
    losses = samples.all_losses(site)

    def complaints(**counts: int) -> Any:
        given = {"received": 8, "settled": 6, "open": 2, "answers_kept": 7, "answers_broken": 1}
        return ComplaintsOut(**{**given, "settled_in_time": 5, "settled_late": 3, **counts})

    def found(told: Any) -> Any:
        return next(x for x in indicators(losses, told) if x.code == "complaints")

    assert (found(complaints()).value, found(complaints()).status) == (75.0, "near")
    none = found(complaints(received=0, settled=0))
    assert (none.value, none.status, none.remark) == (None, "missing", "none_received")
    assert found(None).remark == "no_complaints"
    assert len(indicators(losses, complaints())) == 18


@pytest.mark.parametrize("code", ["id", "en"])
def test_what_complaints_settled_rests_on_is_said(made: Maker, code: str) -> None:
    told = ComplaintsOut(
        received=8, settled=6, open=2, answers_kept=7, answers_broken=1, settled_in_time=5, settled_late=0
    )
    report = made().model_copy(update={"complaints": told})
    report.indicators[:] = indicators(report.losses, told)
    (row,) = [
        r.cells
        for s in document(report, code).sections
        for r in s.table.rows
        if len(r.cells) == 5 and r.cells[2] == Num(0.75, 1, percent=True)
    ]
    assert all(n in str(row[4]) for n in ("6", "8", "7", "5")) and "%(" not in str(row[4])


def test_a_report_says_whether_its_month_is_complete(made: Maker) -> None:
    found = made()
    assert (found.period, found.kind, found.complete) == ("2026-10", "month", True)
    assert found.made == datetime(2026, 11, 2, 23, 5, tzinfo=UTC)
