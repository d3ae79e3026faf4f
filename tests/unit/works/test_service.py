"""Entering, changing and cancelling works; what is refused; who sees what; tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from twuin.works.entry import make_plan, read_plans
from twuin.works.model import Action, Plan, StaleWork, Weekly, WorkKind, WorkRefused
from twuin.works.service import WorkService
from waterworks.errors import DataFileError, NotFound

ZONE = ZoneInfo("Asia/Jakarta")
T0 = datetime(2026, 3, 11, 1, tzinfo=UTC)
PLAN = Plan(WorkKind.FLUSHING, T0, T0 + timedelta(hours=4), ("D1",), extra_flow=0.005)


@pytest.fixture
def works(small_town: Any) -> WorkService:
    return small_town.works  # type: ignore[no-any-return]


def test_a_work_keeps_its_whole_history(works: WorkService) -> None:
    made = works.enter(PLAN, actor=" Sari ")
    later = replace(PLAN, extra_flow=0.01)
    works.change(made.id, later, version=1, actor="Budi", note="two hydrants")
    gone = works.cancel(made.id, version=2, note="rain")
    assert [(x.action, x.actor, x.note, x.plan.extra_flow) for x in gone.lines] == [
        (Action.ENTERED, "Sari", "", 0.005),
        (Action.CHANGED, "Budi", "two hydrants", 0.01),
        (Action.CANCELLED, "someone", "rain", 0.01),
    ]
    assert gone.cancelled and gone.version == 3 and gone.by == "Sari"
    with pytest.raises(WorkRefused, match="cancelled"):
        works.change(made.id, PLAN, version=3)


def test_who_saw_an_older_version_changes_nothing(works: WorkService) -> None:
    made = works.enter(PLAN)
    works.change(made.id, replace(PLAN, note="x"), version=1)
    with pytest.raises(StaleWork) as e:
        works.cancel(made.id, version=1)
    assert e.value.current.version == 2


def test_the_same_key_enters_one_work_and_never_another(works: WorkService) -> None:
    first = works.enter(PLAN, key="k")
    assert works.enter(PLAN, key="k").id == first.id and len(works.works()) == 1
    with pytest.raises(WorkRefused, match="another work"):
        works.enter(replace(PLAN, note="other"), key="k")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("dmas", {"dmas": ()}),
        ("dmas", {"dmas": ("D9",)}),
        ("pipes", {"pipes": ("nowhere",)}),
        ("sensors", {"sensors": ("nobody",)}),
        ("dmas", {"dmas": (), "sensors": ("D1-P",)}),
        ("end", {"end": T0}),
        ("end", {"end": None}),
        ("end", {"end": T0 + timedelta(days=93)}),
        ("start", {"start": datetime(1990, 1, 1, tzinfo=UTC)}),
        ("start", {"start": T0.replace(tzinfo=None)}),
        ("weekdays", {"weekly": Weekly((), 60, 120)}),
        ("weekdays", {"weekly": Weekly((7,), 60, 120)}),
        ("from_time", {"weekly": Weekly((1,), 2000, 120)}),
        ("to_time", {"weekly": Weekly((1,), 60, 60)}),
        ("extra_m3h", {"extra_flow": None}),
        ("extra_m3h", {"extra_flow": float("nan")}),
        ("extra_m3h", {"extra_flow": -1.0}),
        ("refill_h", {"refill_s": 1e6}),
        ("note", {"note": "x" * 2001}),
    ],
    ids=lambda given: given if isinstance(given, str) else "-".join(given),
)
def test_what_cannot_be_is_refused_by_the_name_of_its_field(
    works: WorkService, field: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(WorkRefused) as e:
        works.enter(replace(PLAN, **wrong))
    assert e.value.field == field
    assert works.works() == []


def test_who_is_limited_sees_and_enters_works_of_their_dmas_only(works: WorkService) -> None:
    own, other = works.enter(PLAN), works.enter(replace(PLAN, dmas=("D2",)))
    both = works.enter(replace(PLAN, dmas=("D1", "D2")))
    limited = works.limited_to(frozenset({"D1"}))
    assert {w.id for w in limited.works()} == {own.id, both.id}
    with pytest.raises(NotFound):
        limited.get(other.id)
    with pytest.raises(WorkRefused):
        limited.enter(replace(PLAN, dmas=("D2",)))
    with pytest.raises(WorkRefused, match="other DMAs"):
        limited.cancel(both.id, version=1)
    assert limited.cancel(own.id, version=1).cancelled


def test_the_calendar_is_the_same_until_something_is_entered(works: WorkService) -> None:
    before = works.calendar()
    assert works.calendar() is before
    works.enter(PLAN)
    assert works.calendar() is not before


def test_after_a_cut_refilling_takes_two_hours_unless_said_otherwise() -> None:
    cut = make_plan(WorkKind.REPAIR, T0, T0 + timedelta(hours=1), dmas=["D1", "D1", " "], no_supply=True)
    assert cut.refill_s == 7200 and cut.dmas == ("D1",)
    quick = make_plan(WorkKind.REPAIR, T0, None, no_supply=True, refill_h=0)
    assert quick.refill_s == 0


def test_a_table_is_read_in_local_time_and_its_example_is_right(root: Path, tmp_path: Path) -> None:
    text = (root / "docs" / "works.md").read_text("utf-8")
    example = text[text.index("    kind,start,end") :]
    lines = [line.strip() for line in example.splitlines() if line.startswith("    ")]
    path = tmp_path / "october.csv"
    path.write_text("\n".join(lines), "utf-8")
    plans = read_plans(path, ZONE)
    assert [p.kind for p in plans] == [WorkKind.FLUSHING, WorkKind.REPAIR, WorkKind.INTERMITTENT]
    assert plans[0].start == datetime(2026, 10, 5, 1, tzinfo=UTC)
    assert plans[0].extra_flow == pytest.approx(20 / 3600)
    assert plans[1].no_supply and plans[1].refill_s == 3 * 3600
    assert plans[2].weekly == Weekly((0, 1, 2, 3, 4, 5, 6), 22 * 60, 4 * 60) and plans[2].end is None


def test_every_mistake_of_a_table_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "works.csv"
    path.write_text(
        "kind;start;end;dmas;extra_m3h;no_supply;weekdays\n"
        "picnic;2026-10-05 08:00;2026-10-05 12:00;D1;1,5;;\n"
        "flushing;soon;2026-10-05 12:00;D1;;;\n"
        "flushing;2026-10-05 08:00;2026-10-05 12:00;D1;much;;\n"
        "flushing;2026-10-05 08:00;2026-10-05 12:00;D1;1;perhaps;\n"
        "flushing;2026-10-05 08:00;2026-10-05 12:00;D1;1;;someday\n",
        "utf-8",
    )
    with pytest.raises(DataFileError) as e:
        read_plans(path, ZONE)
    assert [p.line for p in e.value.problems] == [2, 3, 4, 5, 6]
