"""Which findings a work explains that was entered after they were there, and which not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from twuin.alerts.lifecycle import reconcile
from twuin.alerts.model import Finding, Kind, Reason, State
from twuin.works.calendar import Calendar
from twuin.works.excuse import excused
from twuin.works.model import Action, Line, Plan, PlannedWork, Weekly, WorkKind
from waterworks.site import Dma, Sensor, Site
from waterworks.units import Quantity

T0 = datetime(2026, 3, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
M3H = 1 / 3600


@pytest.fixture
def site(tmp_path: Path) -> Site:
    sensors = tuple(Sensor(n, Quantity.PRESSURE, "m", "D1", n) for n in ("P1", "P2"))
    dmas = (Dma("D1", "Upper", 800), Dma("D2", "Lower", 500))
    return Site("town", "Town", ZoneInfo("Asia/Jakarta"), dmas, sensors, tmp_path)


def plan(kind: WorkKind = WorkKind.FLUSHING, hours: float = 4, **rest: Any) -> Plan:
    return Plan(kind, T0, T0 + hours * HOUR, **{"dmas": ("D1",), **rest})


FLUSHING = plan(extra_flow=20 * M3H)
CUT = plan(WorkKind.REPAIR, no_supply=True, refill_s=7200.0)
METER = plan(WorkKind.METER, 30, dmas=(), sensors=("P1",))


def finding(
    begins: float, ends: float | None, as_of: float = 6, kind: Kind = Kind.LEAK, **rest: Any
) -> Finding:
    """From hours after T0 to hours after it."""
    onset = T0 + begins * HOUR
    told = {"subject": "D1", "dma": "D1", "flow": 18 * M3H, "flow_low": 16 * M3H, **rest}
    ended = None if ends is None else T0 + ends * HOUR
    return Finding(kind, onset=onset, detected=onset + HOUR, as_of=T0 + as_of * HOUR, ended=ended, **told)


def explained(f: Finding, given: Plan, site: Site) -> bool:
    work = PlannedWork("w", (Line("town", "w", 1, T0 + 2 * HOUR, "Sari", Action.ENTERED, given),))
    found = excused(f, Calendar(site, [work], {}), site)
    assert (found.evidence.get("planned_kind") == given.kind.value) == bool(found.planned_work)
    return found.planned_work == "w"


@pytest.mark.parametrize(
    ("f", "given", "expected"),
    [
        (finding(0.2, 4.1), FLUSHING, True),
        (finding(0.2, None, 3), FLUSHING, True),
        (finding(0.2, None, 8), FLUSHING, True),  # it has as long to fall as it had run
        (finding(0.2, None, 10), FLUSHING, False),
        (finding(0.2, 7), FLUSHING, False),
        (finding(-3, 4), FLUSHING, False),
        (finding(0.2, 4.1, dma="D2", subject="D2"), FLUSHING, False),
        (finding(0.2, 4.1, flow=40 * M3H, flow_low=35 * M3H), FLUSHING, False),
        (finding(0.2, 4.1, kind=Kind.LOW_INFLOW, flow=-9 * M3H), FLUSHING, False),
        (finding(0.2, 4.1, kind=Kind.LOW_INFLOW, flow=-9 * M3H), CUT, True),
        (finding(4.2, 5.8), CUT, True),
        (finding(1, 3), CUT, False),  # while the water is cut nothing can take more
        (finding(0, 6, flow=0.0, evidence={"found_by": "pressure"}), FLUSHING, True),
        (finding(0, None, 90, flow=0.0, evidence={"found_by": "pressure"}), FLUSHING, False),
        (finding(-0.5, 29, kind=Kind.SILENT, subject="P1", evidence={"limit_s": 10800.0}), METER, True),
        (finding(-0.5, 40, kind=Kind.SILENT, subject="P1", evidence={"limit_s": 10800.0}), METER, False),
        (finding(-0.5, 29, kind=Kind.SILENT, subject="P2", evidence={"limit_s": 10800.0}), METER, False),
        (
            finding(0, 9, kind=Kind.SILENT, subject="P1", evidence={"sensors": ["P1", "P2"]}),
            METER,
            False,
        ),
        (finding(1, 20, kind=Kind.SENSOR, subject="P1"), METER, True),
        (
            finding(0, 9, kind=Kind.SUPPLY, evidence={"last_without": T0 + 3.9 * HOUR, "hours_without": 3.9}),
            CUT,
            True,
        ),
        (
            finding(0, 12, kind=Kind.SUPPLY, evidence={"last_without": T0 + 11 * HOUR, "hours_without": 11}),
            CUT,
            False,
        ),
    ],
    ids=lambda given: given.kind.value if isinstance(given, Finding | Plan) else str(given),
)
def test_what_a_work_explains(site: Site, f: Finding, given: Plan, expected: bool) -> None:
    assert explained(f, given, site) is expected


def test_hours_of_every_night_explain_a_supply_that_comes_and_goes(site: Site) -> None:
    weekly = Weekly(tuple(range(7)), 8 * 60, 12 * 60)
    hours = replace(CUT, start=T0 - HOUR, end=T0 + 240 * HOUR, weekly=weekly, kind=WorkKind.INTERMITTENT)
    last = T0 + (48 + 3.5) * HOUR
    week = {"last_without": last, "hours_without": 11.5}
    assert explained(finding(0.1, None, 60, kind=Kind.SUPPLY, evidence=week), hours, site)
    longer = {"last_without": last, "hours_without": 40.0}
    assert not explained(finding(0.1, None, 60, kind=Kind.SUPPLY, evidence=longer), hours, site)


NAMED = {"planned_work": "w", "planned_kind": "flushing"}


def after(*findings: Finding) -> tuple[Any, list[str]]:
    """The alert after these findings came one after the other, and what its history says."""
    stored: list[Any] = []
    said: list[str] = []
    for f in findings:
        for change in reconcile("town", stored, [f], since=None, at=f.as_of):
            stored = [change.alert]
            said += [e.action for e in change.entries]
    return stored[0], said


def test_a_finding_that_is_explained_from_the_start_bothers_nobody() -> None:
    alert, said = after(finding(0, None, evidence=NAMED))
    assert (alert.state, alert.reason, said) == (State.CLOSED, Reason.PLANNED, ["opened", "closed"])


def test_it_opens_when_the_work_explains_it_no_longer_and_stays_closed_as_ended_otherwise() -> None:
    lasting, over = finding(0, None, 3, evidence=NAMED), finding(0, None, 9)
    alert, said = after(lasting, over)
    assert (alert.state, said) == (State.OPEN, ["opened", "closed", "reopened"])
    alert, said = after(lasting, finding(0, 5, 9))
    assert (alert.state, alert.reason) == (State.CLOSED, Reason.ENDED)
    alert, said = after(lasting, finding(0, 5, 9, evidence=NAMED))
    assert (alert.reason, said) == (Reason.PLANNED, ["opened", "closed"])


def test_what_has_ended_by_itself_is_planned_once_the_work_is_entered() -> None:
    alert, said = after(finding(0, None, 3), finding(0, 4, 5), finding(0, 4, 6, evidence=NAMED))
    assert (alert.reason, said) == (Reason.PLANNED, ["opened", "closed", "closed"])


def test_whoever_is_at_it_is_told_and_decides() -> None:
    alert, _ = after(finding(0, None, 3))
    taken = replace(alert, state=State.ASSIGNED)
    (change,) = reconcile(
        "town", [taken], [finding(0, None, 4, evidence=NAMED)], since=None, at=T0 + 4 * HOUR
    )
    assert change.alert.state is State.ASSIGNED
    assert "planned" in change.entries[0].note
    (back,) = reconcile("town", [change.alert], [finding(0, None, 5)], since=None, at=T0 + 5 * HOUR)
    assert "unplanned" in back.entries[0].note


def test_what_a_person_opened_again_a_work_does_not_close() -> None:
    alert, _ = after(finding(0, None, 3))
    held = replace(alert, held=True)
    (change,) = reconcile("town", [held], [finding(0, None, 4, evidence=NAMED)], since=None, at=T0 + 4 * HOUR)
    assert change.alert.state is State.OPEN
