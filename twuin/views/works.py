"""Planned works as the API sends them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from twuin.views.models import Model
from twuin.works.calendar import Calendar, Spell
from twuin.works.entry import clock_of
from twuin.works.model import HOUR_S, Action, PlannedWork, WorkKind
from twuin.works.service import WorkService
from waterworks.localtime import moment

M3H = 3600.0


class WorkPlan(Model):
    """What is planned, where, when, and what it may do."""

    kind: WorkKind
    start: datetime = Field(description="Of weekly hours: they count from then on")
    end: datetime | None = Field(None, description="null: weekly hours until they are cancelled")
    dmas: list[str] = Field(default_factory=list)
    pipes: list[str] = Field(default_factory=list, description="A pipe stands for its DMA")
    sensors: list[str] = Field(default_factory=list, description="Not trusted meanwhile; may be silent")
    weekdays: list[int] = Field(default_factory=list, description="0 Monday .. 6 Sunday; none: no pattern")
    from_time: str = Field("", description="Local time of day at which weekly hours begin, 22:00")
    to_time: str = Field("", description="At which they end, on the next day where that is not later")
    extra_m3h: float | None = Field(None, description="Up to so much more is taken than usual")
    no_supply: bool = False
    low_pressure: bool = False
    silent: bool = Field(False, description="All sensors of the DMAs may send nothing")
    refill_h: float = Field(0.0, description="So long after its end it still shows")
    note: str = ""


class WorkOut(WorkPlan):
    """A planned work. state: coming, now, refilling, over, cancelled."""

    id: str
    version: int
    state: str
    areas: list[str] = Field(description="DMAs that it is about, those of its pipes included")
    begins: datetime | None = Field(description="Of the present stretch, or the next; null: none comes")
    ends: datetime | None
    entered: datetime
    entered_by: str
    late: bool = Field(description="Entered after it had begun")


class WorkEntry(Model):
    """A line of a work's history. ``plan``: as it stood then."""

    at: datetime
    actor: str
    action: Action
    note: str
    plan: WorkPlan


class WorkDetail(WorkOut):
    history: list[WorkEntry]


def work_out(work: PlannedWork, works: WorkService, now: datetime) -> WorkOut:
    """A work as it stands at ``now``."""
    return WorkOut(**_fields(work, works, now))


def work_detail(work: PlannedWork, works: WorkService, now: datetime) -> WorkDetail:
    """The same with its history."""
    lines = [
        WorkEntry(
            at=x.at, actor=x.actor, action=x.action, note=x.note, plan=_plan(PlannedWork(work.id, (x,)))
        )
        for x in work.lines
    ]
    return WorkDetail(**_fields(work, works, now), history=lines)


def _fields(work: PlannedWork, works: WorkService, now: datetime) -> dict[str, Any]:
    spell = None if work.cancelled else near(work, works.calendar(), now)
    state, at = "over", now.timestamp()
    if work.cancelled:
        state = "cancelled"
    elif spell is not None and at < spell.over:
        state = "coming" if at < spell.start else "now" if at < spell.end else "refilling"
    return {
        **_plan(work).model_dump(),
        "id": work.id,
        "version": work.version,
        "state": state,
        "areas": sorted(works.areas(work)),
        "begins": None if spell is None else moment(spell.start),
        "ends": None if spell is None else moment(spell.end),
        "entered": work.entered,
        "entered_by": work.by,
        "late": work.entered > work.lines[0].plan.start,
    }


def _plan(work: PlannedWork) -> WorkPlan:
    p = work.plan
    weekly = p.weekly
    return WorkPlan(
        kind=p.kind,
        start=p.start,
        end=p.end,
        dmas=list(p.dmas),
        pipes=list(p.pipes),
        sensors=list(p.sensors),
        weekdays=[] if weekly is None else list(weekly.days),
        from_time="" if weekly is None else clock_of(weekly.start_min),
        to_time="" if weekly is None else clock_of(weekly.end_min),
        extra_m3h=None if p.extra_flow is None else round(p.extra_flow * M3H, 6),
        no_supply=p.no_supply,
        low_pressure=p.low_pressure,
        silent=p.silent,
        refill_h=round(p.refill_s / HOUR_S, 6),
        note=p.note,
    )


def near(work: PlannedWork, calendar: Calendar, now: datetime) -> Spell | None:
    """The stretch of a work that goes on, else the next, else (of one without pattern) its only one."""
    at = now.timestamp()
    plan = work.plan
    first, last = at, (now + timedelta(days=15)).timestamp()
    if plan.weekly is None:
        assert plan.end is not None
        first, last = plan.start.timestamp(), plan.end.timestamp()
    elif plan.start > now:
        first, last = plan.start.timestamp(), (plan.start + timedelta(days=15)).timestamp()
    own = [s for s in calendar.standing(first, last) if s.work == work.id and s.over > first]
    return next((s for s in own if s.over > at), own[0] if own and plan.weekly is None else None)


def now_by_dma(calendar: Calendar, now: datetime) -> dict[str, list[str]]:
    """Kinds of works that go on now, refilling included, by DMA."""
    at = now.timestamp()
    found: dict[str, list[str]] = {}
    for s in calendar.standing(at, at + 1):
        for dma in sorted(s.areas):
            kinds = found.setdefault(dma, [])
            if s.plan.kind.value not in kinds:
                kinds.append(s.plan.kind.value)
    return found
