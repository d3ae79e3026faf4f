"""What became of leaks: times, water lost and saved, promises kept, how well they were located."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from analytics.losses.uncertain import Uncertain
from twuin.alerts.model import Kind, Reason, State
from twuin.alerts.promises import Stage, Standing
from twuin.alerts.work import Outcome
from twuin.views.locator import calibration, found_in, locator_out
from twuin.views.models import AlertDetail, CheckOut, ClockOut, EntryOut
from twuin.views.response import responses_out
from twuin.views.run import course, parts_of, run_out, saving_of
from twuin.views.run_models import ResponsesOut
from twuin.views.score_models import HitOut, SaidOut, ScoreOut
from waterworks.site import Site

BEGIN, OVER = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
DAYS = date(2026, 10, 1), date(2026, 10, 31)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

Leak = Callable[..., AlertDetail]


def check(outcome: Outcome, m3h: float | None = 4.0, by: str = "night_flow") -> CheckOut:
    low, high = (None, None) if m3h is None else (m3h - 1, m3h + 1)
    return CheckOut(outcome=outcome, by=by, fell_m3h=m3h, low_m3h=low, high_m3h=high, leak_m3h=5.0)


@pytest.fixture
def leak() -> Leak:
    """A leak of 5 m3/h that was detected after 12 h, found 6 h later and mended 2 h after that."""

    def make(
        id: str = "a", *, onset: datetime = BEGIN + DAY, mended: bool = True, **more: Any
    ) -> AlertDetail:
        found, repaired = onset + 18 * HOUR, onset + 20 * HOUR
        steps = (("located", found), ("repaired", repaired)) if mended else ()
        given = {
            "kind": Kind.LEAK, "state": State.VERIFIED if mended else State.OPEN, "reason": None,
            "dma": "D1", "dma_name": "Dinoyo", "subject": "D1", "onset": onset,
            "detected": onset + 12 * HOUR, "ended": repaired if mended else None,
            "as_of": repaired if mended else OVER, "flow_m3h": 5.0, "flow_low_m3h": 4.0,
            "flow_high_m3h": 6.0, "lost_m3": 100.0, "cost": None, "confidence": 0.9, "suspects": [],
            "near": [], "evidence": {}, "priority": "high", "version": 3,
            "repaired_at": repaired if mended else None,
            "check": check(Outcome.FELL) if mended else None,
            "history": [EntryOut(at=at, actor="Regu", action=action, note="") for action, at in steps],
        }  # fmt: skip
        return AlertDetail(id=id, **{**given, **more})

    return make


def dealt(site: Site, *alerts: AlertDetail, **factors: Uncertain) -> ResponsesOut:
    return responses_out(alerts, site, factors, DAYS, BEGIN, OVER)


@pytest.fixture
def site(small_town: Any) -> Site:
    found: Site = small_town.site
    return found


def test_awareness_location_and_repair_divide_time_and_water(leak: Leak) -> None:
    run = run_out(leak(), {}, OVER)
    assert run is not None
    assert (run.awareness_h, run.location_h, run.mending_h) == (12, 6, 2)
    volumes = [p.value for p in (run.awareness_m3, run.location_m3, run.mending_m3)]
    assert volumes == pytest.approx([60, 30, 10])
    assert run.lost_m3.value == 100
    assert run.lost_m3.high - run.lost_m3.value == pytest.approx(20 * 1.96 / 1.6449)  # 90 % to 95 %


def test_what_an_alert_counts_on_after_the_repair_was_not_lost(leak: Leak) -> None:
    """The readings do not show the end yet: of 40 h counted the leak ran for 20."""
    alert = leak(ended=None, as_of=BEGIN + DAY + 40 * HOUR, lost_m3=200.0)
    run = run_out(alert, {}, OVER)
    assert run is not None and run.lost_m3.value == pytest.approx(100)
    assert run.mending_m3.value == pytest.approx(10)


def test_who_repairs_at_once_has_found_it(leak: Leak) -> None:
    alert = leak(history=[EntryOut(at=BEGIN + DAY + 20 * HOUR, actor="Regu", action="repaired", note="")])
    assert course(alert).times(alert) == (12, 8, 0)


def test_a_leak_that_nobody_found_is_still_being_looked_for(leak: Leak) -> None:
    alert = leak(mended=False, lost_m3=300.0, as_of=BEGIN + DAY + 30 * HOUR)
    run = run_out(alert, {}, OVER)
    assert run is not None and (run.location_h, run.mending_h, run.saved_m3) == (None, None, None)
    volumes = [p.value for p in parts_of(alert, course(alert))]
    assert volumes == pytest.approx([120, 180, 0])


def test_a_place_that_was_none_and_a_repair_that_was_undone_count_no_more(leak: Leak) -> None:
    at = BEGIN + 2 * DAY
    steps = ["located", "not_found", "located", "repaired", "repairing"]
    history = [EntryOut(at=at + i * HOUR, actor="Regu", action=a, note="") for i, a in enumerate(steps)]
    found = course(leak(history=history, ended=None))
    assert (found.located, found.repaired) == (at + 2 * HOUR, None)


def test_what_is_saved_is_what_fell_since_the_repair(leak: Leak) -> None:
    repaired = BEGIN + DAY + 20 * HOUR
    saved, days, why = saving_of(leak(), {"D1": Uncertain(21.0)}, BEGIN, OVER)
    assert days == pytest.approx((OVER - repaired) / DAY) and why == ""
    assert saved is not None and saved.value == pytest.approx(4 * 21 * days)
    assert saved.half == pytest.approx(1 * 21 * days)


def test_the_models_estimate_is_of_the_day_and_takes_no_night_day_factor(leak: Leak) -> None:
    alert = leak(check=check(Outcome.FELL, by="model"))
    saved, days, _ = saving_of(alert, {"D1": Uncertain(21.0)}, BEGIN, OVER)
    assert saved is not None and days is not None and saved.value == pytest.approx(4 * 24 * days)


def test_a_repair_saves_in_later_months_too_and_for_a_year_at_most(leak: Leak) -> None:
    old = leak(onset=BEGIN - 100 * DAY)
    saved, days, _ = saving_of(old, {}, BEGIN, OVER)
    assert saved is not None and days == pytest.approx(31)
    older = leak(onset=BEGIN - 360 * DAY)
    assert saving_of(older, {}, BEGIN, OVER)[1] == pytest.approx(5 + 20 / 24)
    assert saving_of(leak(onset=BEGIN - 400 * DAY), {}, BEGIN, OVER)[1] == 0


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"check": check(Outcome.WAITING)}, "waiting"),
        ({"check": check(Outcome.UNDECIDED)}, "undecided"),
        ({"check": None}, "waiting"),
        ({"check": check(Outcome.RUNS_ON), "repaired_at": None}, "runs_on"),
        ({"check": check(Outcome.FELL, None, "readings")}, "no_flow"),
        ({"mended": False}, "no_repair"),
        ({"reason": Reason.FALSE_ALARM, "state": State.CLOSED}, "no_repair"),
    ],
    ids=str,
)
def test_nothing_is_saved_that_the_readings_do_not_show(leak: Leak, more: dict[str, Any], why: str) -> None:
    assert saving_of(leak(**more), {}, BEGIN, OVER) == (None, None, why)


def test_leaks_are_summed_by_priority_and_what_is_not_verified_stands_apart(leak: Leak, site: Site) -> None:
    found = dealt(
        site,
        leak("a"),
        leak("b", priority="low", check=check(Outcome.UNDECIDED)),
        leak("c", onset=BEGIN - 30 * DAY),  # of the month before: saves on, and counts for nothing else
        leak("d", kind=Kind.NIGHT_FLOW),
        leak("e", reason=Reason.DUPLICATE, state=State.CLOSED),
        D1=Uncertain(24.0),
    )
    assert [r.priority for r in found.priorities] == ["high", "low"]
    high, low = found.priorities
    assert (high.awareness.leaks, high.awareness.value, high.awareness.low) == (1, 12, None)
    assert (high.over, high.lost_m3.value, high.repairs) == (1, 100, 2)
    assert high.saved_m3 is not None and high.saved_new_m3 is not None
    assert high.saved_m3.value == pytest.approx(high.saved_new_m3.value + 4 * 24 * 31)
    assert (low.repairs, low.saved_m3, low.unverified, low.unverified_m3h) == (0, None, 1, 5.0)
    assert (found.all.over, found.all.lost_m3.value, found.all.unverified) == (2, 200, 1)
    assert not found.all.ndf_assumed


def test_a_night_day_factor_that_is_not_known_is_told(leak: Leak, site: Site) -> None:
    assert dealt(site, leak()).all.ndf_assumed


def test_water_lost_after_the_promised_time_of_repair_is_told(leak: Leak, site: Site) -> None:
    due = BEGIN + DAY + 15 * HOUR
    clock = ClockOut(
        stage=Stage.REPAIR, begun=BEGIN, due=due, done=BEGIN + DAY + 20 * HOUR, standing=Standing.BROKEN
    )
    found = dealt(site, leak(promises=[clock])).all
    assert found.late_m3.value == pytest.approx(25)  # five of twenty hours
    (stage,) = found.stages
    assert (stage.kept, stage.broken) == (0, 1)
    assert stage.share is not None and (stage.share.value, stage.share.low) == (0, 0)
    assert stage.share.high == pytest.approx(0.975)


# The locator's score


def said(named: int = 3) -> SaidOut:
    return SaidOut(
        as_of=BEGIN, suspects=named, first="P1" if named else "", first_probability=0.4, search_from="P1",
        radius_50_m=100.0, radius_90_m=300.0, flow_m3h=5.0, flow_low_m3h=4.0, flow_high_m3h=6.0,
    )  # fmt: skip


def hit(rank: int | None = 1, metres: float | None = 50.0) -> HitOut:
    half, most = (None if metres is None else metres <= radius for radius in (100, 300))
    return HitOut(
        rank=rank, probability=0.4, best_m=metres, best_air_m=metres, nearest_m=metres,
        nearest_air_m=metres, centre_m=metres, inside_50=half, inside_90=most,
    )  # fmt: skip


def score(found: datetime, of: HitOut, sent: HitOut | None = None) -> ScoreOut:
    return ScoreOut(
        pipe="P2", exact=True, detected=found - DAY, found=found, hours=24, said=said(), hit=of,
        sent=None if sent is None else found - HOUR, sent_hours=None if sent is None else 1,
        sent_said=None if sent is None else said(), sent_hit=sent,
    )  # fmt: skip


def test_calibration_counts_only_what_was_told() -> None:
    cases = [
        (said(), hit(1, 40.0)),
        (said(), hit(3, 200.0)),
        (said(), hit(None, 800.0)),
        (said(0), hit(None, None)),
    ]
    found = calibration(cases)
    assert (found.leaks, found.named, found.first, found.among) == (4, 3, 1, 2)
    assert (found.half.inside, found.half.leaks, found.half.verdict) == (1, 3, "few")
    assert (found.most.inside, found.most.leaks) == (2, 3)
    assert (found.first_m.value, found.first_m.low) == (200, None)


def test_radii_that_hold_clearly_too_few_are_called_narrow_and_too_many_wide() -> None:
    far = calibration([(said(), hit(None, 400.0))] * 12)
    assert (far.half.verdict, far.most.verdict) == ("narrow", "narrow")
    assert calibration([(said(), hit(1, 20.0))] * 12).half.verdict == "wide"


def test_leaks_are_told_by_dma_newest_first_and_false_ones_not(leak: Leak) -> None:
    alerts = [
        leak("a", score=score(BEGIN + DAY, hit(1, 50.0), hit(2, 150.0))),
        leak("b", score=score(BEGIN + 3 * DAY, hit(2, 250.0)), dma="D2", dma_name="Lowokwaru"),
        leak("c", score=score(BEGIN - 400 * DAY, hit())),
        leak("d", score=score(BEGIN + DAY, hit()), reason=Reason.FALSE_ALARM, state=State.CLOSED),
        leak("e"),
    ]
    found = locator_out(found_in(alerts, BEGIN - 334 * DAY, OVER), *DAYS)
    assert [f.alert for f in found.finds] == ["b", "a"]
    assert (found.finds[0].outcome, found.finds[0].fell_m3h) == (Outcome.FELL, 4.0)
    assert (found.found.leaks, found.found.half.inside, found.sent.leaks, found.sent.half.inside) == (
        2,
        1,
        1,
        0,
    )
    assert [(d.dma, d.leaks) for d in found.dmas] == [("D1", 1), ("D2", 1)]
    listed = locator_out(found_in(alerts, BEGIN - 334 * DAY, OVER), *DAYS, listed_from=BEGIN + 2 * DAY)
    assert [f.alert for f in listed.finds] == ["b"] and listed.found.leaks == 2
