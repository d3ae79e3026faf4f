"""A crew's jobs, and what it tells of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from twuin.access import guarded_router, needs
from twuin.access.current import current, permit
from twuin.accounts.rights import Right, right_of_action
from twuin.alerts.crew import CREW_ACTIONS
from twuin.alerts.service import SOMEONE, AlertService
from twuin.alerts.steps import Asked
from twuin.alerts.work import LeakType, Method, Place
from twuin.api.alerts import actor_of
from twuin.api.params import PREFIX, AlertId, When
from twuin.views.field import meanwhile
from twuin.views.field_models import JobDetail, JobsOut, ReportOutcome
from twuin.views.models import Model, PlaceOut
from twuin.views.views import Views

_NAMED: dict[int | str, dict[str, Any]] = {404: {}}

Crew = Annotated[
    list[str],
    Query(max_length=3, description="The crew one goes with, beside one's own name; may be repeated"),
]


class Report(Model):
    """What a crew tells of a job, perhaps hours after it happened."""

    action: str = Field(pattern=f"^({'|'.join(CREW_ACTIONS)})$")
    key: str = Field(min_length=1, max_length=80, pattern=r"\S", description="Made anew for each; done once")
    happened: When | None = Field(None, description="When it was done, by the site's clock")
    crew: str = Field("", max_length=80, description="The crew that tells it; accepts go to it")
    note: str = Field("", max_length=2000)
    place: PlaceOut | None = Field(None, description="Required to locate")
    leak_type: LeakType | None = None
    method: Method | None = Field(None, description="How it was mended")
    actor: str = Field("", max_length=80, description="For a demo, which has no accounts")


def field_routes(views: Views, alerts: AlertService) -> APIRouter:
    """/field."""
    routes = guarded_router(prefix=PREFIX, tags=["field"])

    @routes.get("/field/jobs", summary="One's own jobs and those that nobody took, most urgent first")
    @needs(Right.SEE)
    def jobs(crew: Crew = []) -> JobsOut:  # noqa: B006 - FastAPI copies it
        """Alerts assigned to whoever asks or to `crew`, until their repair is verified; and leaks and the
        like that are open and nobody's. By priority, then by the promise that ends first, then by age."""
        return views.field.jobs(names_of(crew))

    @routes.get("/field/jobs/{id}", summary="All that a crew takes along of one job", responses=_NAMED)
    @needs(Right.SEE)
    def job(id: AlertId, crew: Crew = []) -> JobDetail:  # noqa: B006
        """The alert with its history and area, where to go and to listen, the valves to shut, and the
        network around it as GeoJSON: good without a line."""
        return views.field.job(id, names_of(crew))

    @routes.post(
        "/field/jobs/{id}/reports",
        summary="Tell what was done",
        responses={404: {}, 403: {}, 413: {}},
    )
    @needs(Right.WORK)
    def report(id: AlertId, told: Report) -> ReportOutcome:
        """Taken as a step of the alert where its state allows that now. Where it does not (the alert was
        closed or given to another crew meanwhile, or something newer was told) nothing of it is lost: it
        stands in the history as `reported`, `done` is false and `why` says why. The same `key` again is done
        once and gets the same answer."""
        permit(right_of_action(told.action))
        names = names_of([told.crew])
        asked = Asked(
            told.action,
            actor_of(told.actor) or SOMEONE,
            told.note,
            assignee=told.crew if told.action == "accept" else "",
            place=None if told.place is None else Place(**told.place.model_dump()),
            leak_type=told.leak_type,
            method=told.method,
            happened=told.happened,
            key=told.key,
        )
        found = alerts.report(id, asked, names)
        return ReportOutcome(
            done=found.why is None,
            why=found.why,
            meanwhile=meanwhile(alerts.history(id), asked.key, asked.happened),
            alert=views.alert_out(found.alert),
        )

    return routes


def names_of(crews: list[str]) -> list[str]:
    """The names by which whoever asks goes: their own, and their crew's."""
    asker = current()
    return [n for n in (asker.name, asker.shown, *(c.strip()[:80] for c in crews)) if n]
