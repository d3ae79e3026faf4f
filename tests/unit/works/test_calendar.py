"""When works are under way, for rows of readings: what was known, where, how much."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from twuin.works.calendar import Calendar
from twuin.works.model import Action, Line, Plan, PlannedWork, Weekly, WorkKind
from waterworks.site import Dma, Role, Sensor, Site
from waterworks.units import Quantity

T0 = datetime(2026, 3, 2, 1, tzinfo=UTC)  # Monday, 08.00 in Jakarta
HOUR = timedelta(hours=1)
ENTERED = T0 - timedelta(days=2)
QUARTER = 900


@pytest.fixture
def site(tmp_path: Path) -> Site:
    sensors = (
        Sensor("M1", Quantity.FLOW, "m3/h", "D1", "M1", Role.INLET),
        Sensor("M2", Quantity.FLOW, "m3/h", "D2", "M2", Role.INLET, "D1"),
        Sensor("P1", Quantity.PRESSURE, "m", "D1", "P1"),
        Sensor("P2", Quantity.PRESSURE, "m", "D2", "P2"),
    )
    dmas = (Dma("D1", "Upper", 800), Dma("D2", "Lower", 500))
    return Site("town", "Town", ZoneInfo("Asia/Jakarta"), dmas, sensors, tmp_path)


def flushing(**rest: object) -> Plan:
    given = {"dmas": ("D1",), "extra_flow": 0.005, **rest}
    return Plan(WorkKind.FLUSHING, T0, T0 + 4 * HOUR, **given)  # type: ignore[arg-type]


def work(*lines: tuple[datetime, Action, Plan], id: str = "w") -> PlannedWork:
    return PlannedWork(
        id, tuple(Line("town", id, k + 1, at, "Sari", what, plan) for k, (at, what, plan) in enumerate(lines))
    )


def entered(plan: Plan, at: datetime = ENTERED, id: str = "w") -> PlannedWork:
    return work((at, Action.ENTERED, plan), id=id)


def rows(first: datetime, hours: float) -> np.ndarray:
    return int(first.timestamp()) + QUARTER * np.arange(round(hours * 4), dtype=np.int64)


def worked(calendar: Calendar, seconds: np.ndarray, column: int = 0) -> list[bool]:
    found = calendar.explained(seconds, QUARTER)
    return [False] * len(seconds) if found is None else found.worked[:, column].tolist()


def test_a_work_shows_from_its_start_to_the_end_of_refilling_in_its_dma(site: Site) -> None:
    calendar = Calendar(site, [entered(flushing(refill_s=1800.0))], {})
    seconds = rows(T0 - HOUR, 8)
    assert worked(calendar, seconds) == [False] * 4 + [True] * 18 + [False] * 10
    assert not any(worked(calendar, seconds, 1))
    found = calendar.explained(seconds, QUARTER)
    assert found is not None
    assert found.high[5, 0] == 0.005 and found.high[0, 0] == 0 and found.low[5, 0] == 0


def test_a_row_sees_what_was_known_at_its_end(site: Site) -> None:
    calendar = Calendar(site, [entered(flushing(), T0 + HOUR)], {})
    assert worked(calendar, rows(T0, 4)) == [False] * 3 + [True] * 13
    all_known = calendar.worked(["D1", "D2"], rows(T0, 4), QUARTER)
    assert all_known is not None and all_known[:, 0].all() and not all_known[:, 1].any()


def test_what_is_changed_or_cancelled_counts_from_then_on(site: Site) -> None:
    longer = flushing()
    longer = Plan(longer.kind, longer.start, T0 + 6 * HOUR, longer.dmas, extra_flow=0.01)
    changed = work((ENTERED, Action.ENTERED, flushing()), (T0 + 2 * HOUR, Action.CHANGED, longer))
    found = Calendar(site, [changed], {}).explained(rows(T0, 7), QUARTER)
    assert found is not None
    assert found.high[:, 0].tolist() == [0.005] * 7 + [0.01] * 17 + [0.0] * 4
    gone = work((ENTERED, Action.ENTERED, flushing()), (T0 + 2 * HOUR, Action.CANCELLED, flushing()))
    assert worked(Calendar(site, [gone], {}), rows(T0, 4)) == [True] * 7 + [False] * 9
    assert Calendar(site, [gone], {}).standing(T0.timestamp(), (T0 + HOUR).timestamp()) == []


def test_two_works_in_one_dma_add_up(site: Site) -> None:
    calendar = Calendar(site, [entered(flushing()), entered(flushing(extra_flow=0.002), id="v")], {})
    found = calendar.explained(rows(T0, 1), QUARTER)
    assert found is not None and found.high[0, 0] == pytest.approx(0.007)


def test_a_cut_explains_less_and_afterwards_more(site: Site) -> None:
    cut = Plan(WorkKind.REPAIR, T0, T0 + HOUR, ("D1",), no_supply=True, refill_s=3600.0)
    found = Calendar(site, [entered(cut)], {}).explained(rows(T0, 2), QUARTER)
    assert found is not None
    assert np.isneginf(found.low[:, 0]).all()
    assert found.high[:4, 0].tolist() == [0.0] * 4 and np.isposinf(found.high[4:, 0]).all()


def test_a_pipe_stands_for_its_dma(site: Site) -> None:
    calendar = Calendar(site, [entered(flushing(dmas=(), pipes=("p7",)))], {"p7": "D2", "p8": ""})
    assert worked(calendar, rows(T0, 1), 1) == [True] * 4


@pytest.mark.parametrize(
    ("hours", "expected"),
    [((22 * 60, 4 * 60), [(22, 28)]), ((6 * 60, 8 * 60), [(6, 8)])],
    ids=["over-midnight", "in-the-morning"],
)
def test_weekly_hours_are_local_and_may_pass_midnight(
    site: Site, hours: tuple[int, int], expected: list[tuple[int, int]]
) -> None:
    monday = datetime(2026, 3, 2, tzinfo=site.timezone)
    plan = Plan(
        WorkKind.INTERMITTENT, monday - timedelta(days=10), None, ("D1",), weekly=Weekly((0,), *hours),
        no_supply=True,
    )  # fmt: skip
    calendar = Calendar(site, [entered(plan, monday - timedelta(days=20))], {})
    for week in (0, 3):
        start = monday + timedelta(days=7 * week)
        spells = calendar.standing(start.timestamp(), (start + timedelta(days=7)).timestamp())
        found = [((s.start - start.timestamp()) / 3600, (s.end - start.timestamp()) / 3600) for s in spells]
        assert [f for f in found if f[0] >= 0] == expected


def test_weekly_hours_count_between_their_dates_only(site: Site) -> None:
    monday = datetime(2026, 3, 2, tzinfo=site.timezone)
    weekly = Weekly(tuple(range(7)), 20 * 60, 6 * 60)
    plan = Plan(
        WorkKind.INTERMITTENT, monday, monday + timedelta(days=2), ("D1",), weekly=weekly, no_supply=True
    )
    calendar = Calendar(site, [entered(plan, monday - timedelta(days=1))], {})
    spells = calendar.standing(
        (monday - timedelta(days=5)).timestamp(), (monday + timedelta(days=9)).timestamp()
    )
    hours = [((s.start - monday.timestamp()) / 3600, (s.end - monday.timestamp()) / 3600) for s in spells]
    assert hours == [(0, 6), (20, 30), (44, 48)]


def test_which_readings_say_nothing(site: Site) -> None:
    names = ["M1", "M2", "P1", "P2", "unknown"]
    seconds = rows(T0, 1)

    def marked(what: str, plan: Plan) -> set[str]:
        found = getattr(Calendar(site, [entered(plan)], {}), what)(names, seconds, QUARTER)
        return set() if found is None else {n for k, n in enumerate(names) if found[:, k].any()}

    meter = Plan(WorkKind.METER, T0, T0 + HOUR, sensors=("P2",))
    cut = Plan(WorkKind.REPAIR, T0, T0 + HOUR, ("D1",), no_supply=True)
    low = Plan(WorkKind.VALVE, T0, T0 + HOUR, ("D1",), low_pressure=True)
    assert [marked("named", p) for p in (meter, cut)] == [{"P2"}, set()]
    assert [marked("unread", p) for p in (meter, cut, low, flushing())] == [
        {"P2"},
        {"M1", "M2", "P1"},
        {"P1"},
        set(),
    ]
    assert [marked("disturbed", p) for p in (meter, flushing())] == [{"P2"}, {"M1", "M2", "P1"}]


def test_what_has_changed_since_is_known_by_its_first_instant(site: Site) -> None:
    before = Calendar(site, [entered(flushing())], {})
    assert before.changed_since(Calendar(site, [], {})) == ENTERED.timestamp()
    assert before.changed_since(before) is None
    cancelled = work((ENTERED, Action.ENTERED, flushing()), (T0, Action.CANCELLED, flushing()))
    assert Calendar(site, [cancelled], {}).changed_since(before) == T0.timestamp()
