"""Planned works and known events: list, enter, change, cancel."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from twuin.access import guarded_router, needs
from twuin.accounts.rights import Right
from twuin.api.alerts import actor_of
from twuin.api.params import PREFIX, When
from twuin.views.models import Model
from twuin.views.views import Views
from twuin.views.works import WorkDetail, WorkOut, work_detail, work_out
from twuin.works.calendar import overlapping
from twuin.works.entry import make_plan
from twuin.works.model import Plan, WorkKind
from twuin.works.service import WorkService

BACK = timedelta(days=30)

WorkId = Annotated[str, Path(description="Id of a planned work", examples=["p6ucmrb7bc"])]
Names = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=500)]


class WorkIn(Model):
    """A planned work as it is entered. What it explains is what is announced here, and no more."""

    kind: WorkKind
    start: When
    end: When | None = Field(None, description="May be left out for weekly hours: until they are cancelled")
    dmas: Names = Field(default_factory=list)
    pipes: Names = Field(default_factory=list, description="A pipe stands for its DMA")
    sensors: Names = Field(default_factory=list, description="Not trusted meanwhile; may be silent")
    weekdays: list[Annotated[int, Field(ge=0, le=6)]] = Field(
        default_factory=list, max_length=7, description="0 Monday .. 6 Sunday, on which the hours begin"
    )
    from_time: str = Field("", max_length=5, description="Local time of day, 22:00")
    to_time: str = Field("", max_length=5, description="On the next day where that is not later")
    extra_m3h: float | None = Field(None, gt=0, le=10_000, description="Extra flow, at most")
    no_supply: bool = False
    low_pressure: bool = False
    silent: bool = Field(False, description="All sensors of the DMAs may send nothing")
    refill_h: float | None = Field(None, ge=0, le=72, description="Default: 2 after a cut, else 0")
    note: str = Field("", max_length=2000)
    actor: str = Field("", max_length=80)

    def plan(self) -> Plan:
        """Raises WorkRefused."""
        told = {name: value for name, value in dict(self).items() if name in WorkIn.model_fields}
        told.pop("actor")
        return make_plan(told.pop("kind"), told.pop("start"), told.pop("end"), **told)


class NewWork(WorkIn):
    key: str = Field("", max_length=80, description="Made anew for each work, which is entered once")


class WorkChange(WorkIn):
    version: int = Field(ge=1, le=2**31 - 1, description="As the person saw it")
    why: str = Field("", max_length=2000, description="For the history")


class WorkCancel(Model):
    version: int = Field(ge=1, le=2**31 - 1, description="As the person saw it")
    why: str = Field("", max_length=2000, description="For the history")
    actor: str = Field("", max_length=80)


_NAMED: dict[int | str, dict[str, Any]] = {404: {}}
_WRITTEN: dict[int | str, dict[str, Any]] = {403: {}, 413: {}}
_CHANGED: dict[int | str, dict[str, Any]] = {403: {}, 404: {}, 409: {}, 413: {}}


def work_routes(views: Views) -> APIRouter:
    """/works."""
    routes = guarded_router(prefix=PREFIX, tags=["planned works"])

    def works() -> WorkService:
        found = views.works
        assert found is not None  # there are no such routes without
        return found

    @routes.get("/works", summary="Planned works and known events, by their start")
    @needs(Right.SEE)
    def listed(
        since: Annotated[
            When | None, Query(description="Those that end later; default: 30 days back")
        ] = None,
        until: Annotated[When | None, Query(description="Those that begin earlier; default: all")] = None,
        dma: Annotated[str | None, Query(max_length=200, description="Id of a DMA")] = None,
    ) -> list[WorkOut]:
        now = works().now()
        last = until or now + timedelta(days=36_500)
        found = overlapping(works().works(), since or now - BACK, last)
        return [work_out(w, works(), now) for w in found if dma is None or dma in works().areas(w)]

    @routes.post("/works", summary="Enter a planned work", status_code=201, responses=_WRITTEN)
    @needs(Right.PLAN)
    def enter(asked: NewWork) -> WorkDetail:
        """It counts for what is measured from now on, and excuses alerts that are there as far as it explains
        them. docs/works.md says how far that is."""
        made = works().enter(asked.plan(), actor=actor_of(asked.actor), key=asked.key)
        return work_detail(made, works(), works().now())

    @routes.get("/works/{id}", summary="One planned work with its history", responses=_NAMED)
    @needs(Right.SEE)
    def one(id: WorkId) -> WorkDetail:
        return work_detail(works().get(id), works(), works().now())

    @routes.put("/works/{id}", summary="Another plan in its place", responses=_CHANGED)
    @needs(Right.PLAN)
    def change(id: WorkId, asked: WorkChange) -> WorkDetail:
        """Counts from now on. Where someone else has changed it since, the answer is 409 with
        `current_version`."""
        plan = asked.plan()
        changed = works().change(id, plan, version=asked.version, actor=actor_of(asked.actor), note=asked.why)
        return work_detail(changed, works(), works().now())

    @routes.post("/works/{id}/cancel", summary="It does not take place, or is over", responses=_CHANGED)
    @needs(Right.PLAN)
    def cancel(id: WorkId, asked: WorkCancel) -> WorkDetail:
        """Counts from now on: what it would have excused is no longer excused."""
        gone = works().cancel(id, version=asked.version, actor=actor_of(asked.actor), note=asked.why)
        return work_detail(gone, works(), works().now())

    return routes
