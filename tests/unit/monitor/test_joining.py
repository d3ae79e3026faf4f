"""One leak is one finding, whoever has seen it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from twuin.alerts.model import Finding, Kind, Suspect
from twuin.monitor.joining import joined, with_tracked
from twuin.monitor.network_watch import Told, Tracked
from waterworks.site import MonitorOptions

T = datetime(2026, 3, 1, tzinfo=UTC)
ZONE = ZoneInfo("UTC")
COSTED = MonitorOptions(water_cost=0.8, visit_cost=100.0)


def finding(onset_h: float, detected_h: float, until_h: float = 500, **rest: Any) -> Finding:
    hours = [T + timedelta(hours=h) for h in (onset_h, detected_h, until_h)]
    return replace(Finding(Kind.LEAK, "D1", "D1", *hours), **rest)


def tracked(first_day: int, flow: float, last_day: int = 20, **rest: Any) -> Tracked:
    """A leak of steady flow [m3/s] by the model, from the midnight of ``first_day`` on."""
    share = rest.pop("share", {"D1": 1.0})
    ended = rest.pop("ended_day", None)
    begun = T.toordinal()
    found = finding(
        24 * first_day,
        24 * (first_day + 2),
        24 * (last_day + 1),
        flow=flow,
        flow_low=0.8 * flow,
        flow_high=1.2 * flow,
        confidence=0.9,
        suspects=(Suspect("P1", 0.7),),
        evidence={"found_by": "model"},
        **rest,
    )
    if ended is not None:
        found = replace(found, ended=T + timedelta(days=ended))
    told = Told(found, 0.5, share, found.detected, fallen=ended is not None)
    return Tracked(told, {begun + d: flow for d in range(first_day, last_day + 1)})


def join(leaks: list[Finding], found: list[Tracked]) -> list[Finding]:
    return with_tracked(leaks, found, ZONE, COSTED)


def test_a_leak_that_inflow_and_the_model_show_is_one_finding_with_the_hours_of_the_inflow() -> None:
    inflow = finding(100, 104, flow=0.004, confidence=0.8, evidence={"test": "sudden"})
    (both,) = join([inflow], [tracked(4, 0.003)])
    assert (both.onset, both.detected) == (inflow.onset, inflow.detected)
    assert both.flow == 0.003 and both.suspects[0].pipe == "P1"
    assert both.confidence > 0.95
    assert both.evidence == {"found_by": "model", "inflow": {"test": "sudden"}}
    assert both.as_of == max(inflow.as_of, T + timedelta(days=21))
    assert both.gain is not None and both.gain > 0


def test_an_excess_that_tracked_leaks_do_not_account_for_stands_for_itself() -> None:
    inflow = finding(240, 244, flow=0.004)
    old = tracked(1, 0.006)
    assert join([inflow], [old]) == [inflow, old.finding], "it had run for days and has not grown"
    small = tracked(10, 0.001)
    assert join([inflow], [small]) == [inflow, small.finding]
    elsewhere = tracked(10, 0.004, share={"D1": 0.1, "D2": 0.9})
    assert join([inflow], [elsewhere]) == [inflow, elsewhere.finding]


def test_of_two_leaks_the_one_that_began_with_the_excess_is_its_cause() -> None:
    inflow = finding(245, 250, flow=0.004)
    first, second = tracked(2, 0.005), tracked(10, 0.0035)
    a, b = join([inflow], [first, second])
    assert a == first.finding
    assert b.onset == inflow.onset and b.flow == 0.0035


def test_two_excesses_of_one_growing_leak_are_one_finding() -> None:
    leak = tracked(2, 0.004)
    grown = leak._replace(flow={day: 0.0005 * k for k, day in enumerate(leak.flow, 1)})
    early, late = finding(60, 90, 200, flow=0.001), finding(150, 260, flow=0.002)
    (one,) = join([early, late], [grown])
    assert one.detected == early.detected


def test_it_lasts_as_long_as_either_says_so() -> None:
    running, over = finding(100, 104, flow=0.004), finding(100, 104, 300, flow=0.004)
    over = replace(over, ended=T + timedelta(hours=290))
    assert join([over], [tracked(4, 0.003)])[0].ended is None
    assert join([running], [tracked(4, 0.003, 12, ended_day=13)])[0].ended is None
    doubted = tracked(4, 0.003, 12)
    doubted = doubted._replace(told=doubted.told._replace(fallen=True))
    assert join([over], [doubted])[0].ended == over.ended, "two days on the model will say so too"
    (both,) = join([over], [tracked(4, 0.003, 12, ended_day=13)])
    assert both.ended == over.ended, "the inflow has it to the hour"
    assert both.gain is None


def test_a_model_that_learns_of_a_leak_on_the_day_of_its_end_moves_it_nowhere_and_does_not_wake_it() -> None:
    over = finding(78, 80, 500, flow=0.004, ended=T + timedelta(hours=110), suspects=(Suspect("P9", 0.3),))
    told = {"detected": T + timedelta(days=5)}  # the evening after
    halved = tracked(3, 0.002, 4)
    evening = halved._replace(told=halved.told._replace(finding=replace(halved.finding, **told)))
    assert join([over], [evening]) == [over]
    next_day = evening._replace(flow={**evening.flow, T.toordinal() + 5: 0.0001})
    assert join([over], [next_day]) == [over]
    runs = evening._replace(flow={**evening.flow, T.toordinal() + 5: 0.0018})
    (on,) = join([over], [runs])
    assert on.ended is None and on.suspects[0].pipe == "P1", "the inflow was wrong: it has not ended"
    before = evening._replace(told=evening.told._replace(finding=halved.finding))
    (known,) = join(
        [over],
        [
            before._replace(
                told=before.told._replace(finding=replace(halved.finding, detected=T + timedelta(days=4)))
            )
        ],
    )
    assert known.suspects[0].pipe == "P1", "it was told of while it ran"


def test_an_excess_belongs_to_the_leak_that_made_it_however_large_a_later_one_is() -> None:
    inflow = finding(100, 130, flow=0.008)
    first, later = tracked(4, 0.003), tracked(12, 0.009)
    made, second = join([inflow], [first, later])
    assert made.onset == inflow.onset and made.flow == 0.003
    assert second == later.finding


def test_an_excess_that_other_leaks_keep_up_is_over_with_the_leak_that_made_it() -> None:
    inflow = finding(100, 130, flow=0.008)
    mended = tracked(4, 0.003, 10, ended_day=11)
    assert join([inflow], [mended, tracked(8, 0.007)])[0].ended == mended.finding.ended
    for other in (
        tracked(8, 0.002),
        tracked(8, 0.007, share={"D2": 1.0}),
        tracked(8, 0.007, 15, ended_day=16),
    ):
        assert join([inflow], [mended, other])[0].ended is None, "something runs that nobody tracks"


def test_what_was_lost_counts_from_the_hour_that_the_inflow_knows() -> None:
    # The model: from a day's start, half of that day; so far (0.5 + 16) days.
    leak = tracked(4, 0.003, volume=0.003 * 86_400 * 16.5)
    for onset_h in (90, 100, 125):
        (one,) = join([finding(onset_h, onset_h + 4, 21 * 24, flow=0.004)], [leak])
        lasted_h = 24 * 21 - min(onset_h, 24 * 5)
        assert abs(one.volume - 0.003 * 3600 * lasted_h) < 1e-6
    (far,) = join([finding(30, 120, 21 * 24, flow=0.004)], [leak])
    assert far.volume == leak.finding.volume, (
        "what it lost while it was smaller than the model sees is not known"
    )


def test_a_leak_that_only_the_model_shows_is_told_when_it_is_proven() -> None:
    leak = tracked(4, 0.0005)
    early = leak._replace(told=leak.told._replace(proven=None))
    assert join([], [early]) == []
    later = T + timedelta(days=12)
    (found,) = join([], [leak._replace(told=leak.told._replace(proven=later))])
    assert found.detected == later
    inflow = finding(100, 104, flow=0.0006)
    assert [f.detected for f in join([inflow], [early])] == [inflow.detected], "inflow has shown it"


def test_missing_inflow_is_no_part_of_a_leak() -> None:
    low = finding(100, 104, flow=-0.004, kind=Kind.LOW_INFLOW)
    leak = tracked(4, 0.004)
    assert join([low], [leak]) == [low, leak.finding]


def test_a_leak_that_inflow_and_pressure_show_is_one_finding_seen_by_whichever_was_first() -> None:
    flow = finding(100, 130, flow=0.004)
    near = finding(96, 110, near=("P1",), evidence={"statistic": 9.0})
    other = finding(300, 310, near=("P2",))
    both = joined([flow], [near, other])
    assert [f.detected for f in both] == [near.detected, other.detected]
    assert both[0].flow == 0.004 and both[0].near == ("P1",) and both[0].onset == flow.onset
    assert both[0].evidence == {"pressure": {"statistic": 9.0}}
    low = replace(flow, kind=Kind.LOW_INFLOW)
    assert joined([low], [near]) == [low, near]
    old = replace(near, onset=flow.onset - timedelta(days=22), detected=flow.onset - timedelta(days=20))
    assert joined([flow], [old]) == [flow, old], "what began weeks before is another matter"
    assert joined([replace(flow, dma="D2")], [near])[1:] == [near]
