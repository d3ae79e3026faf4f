"""Residents' reports: for the public to send and follow, for staff to work on; and the service promise."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from twuin.access import guarded_router, needs
from twuin.access.current import current, permit
from twuin.access.door import source_of
from twuin.access.personal import person_of, photo_of
from twuin.accounts.model import Via
from twuin.accounts.rights import Anyone, Right, right_of_report_action
from twuin.api.params import PREFIX
from twuin.residents.desk import MESSAGE_MOST, Asked
from twuin.residents.model import BadReport, Category, Outcome, Sent, Standing
from twuin.residents.parts import Residents
from twuin.residents.photo import MOST_BYTES
from twuin.views.models import Model, Page
from twuin.views.residents import (
    CharterOut,
    PersonOut,
    PublicReportDetail,
    PublicReportOut,
    TakenOut,
    TrackOut,
    charter,
    report_detail,
    report_out,
    track_out,
)

ReportId = Annotated[str, Path(max_length=40, description="Id of a resident's report")]
Code = Annotated[str, Path(max_length=60, description="Tracking code", examples=["k3f9-w7ta-m2qd"])]

_PUBLIC: dict[int | str, dict[str, Any]] = {429: {}}
_ONE: dict[int | str, dict[str, Any]] = {404: {}}


class FormOut(Model):
    """moment: goes with the report, and tells when its form was shown. Good for a day, and for one report."""

    moment: str


class ReportIn(BaseModel):
    """A report. `lon` and `lat` of the phone or a map, or `where` in words, or both."""

    model_config = ConfigDict(extra="forbid")

    category: Category
    moment: str = Field(max_length=200, description="Of GET /api/v1/public-reports/form")
    phone: str = Field(max_length=60, examples=["0812 3456 7890"])
    where: str = Field("", max_length=400, description="Street or landmark")
    words: str = Field("", max_length=4000, description="What is to be seen")
    lon: float | None = Field(None, ge=-180, le=180, allow_inf_nan=False)
    lat: float | None = Field(None, ge=-90, le=90, allow_inf_nan=False)
    photo: str | None = Field(
        None, max_length=MOST_BYTES * 4 // 3 + 4, description="JPEG, PNG or WebP in base64, at most 8 MB"
    )


class WithdrawIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    phone: str = Field(max_length=60, description="The number that the report came with")


class ActionIn(BaseModel):
    """What to do with a report. docs/public-reports.md says what each action takes."""

    model_config = ConfigDict(extra="forbid")

    action: str = Field(max_length=20, examples=["answer"])
    version: int = Field(ge=1, le=2**31 - 1, description="Of the report as the person saw it")
    alert: str = Field("", max_length=40)
    message: str = Field("", max_length=4 * MESSAGE_MOST)
    outcome: Outcome | None = None
    dma: str = Field("", max_length=200)
    lon: float | None = Field(None, ge=-180, le=180, allow_inf_nan=False)
    lat: float | None = Field(None, ge=-90, le=90, allow_inf_nan=False)
    category: Category | None = None


def resident_routes(residents: Residents) -> APIRouter:
    """/public-reports and /charter. What is for the public is there only where the installation opens it."""
    routes = guarded_router(prefix=PREFIX, tags=["residents"])
    if residents.open:
        _public_routes(routes, residents)
    desk = residents.desk

    @routes.get("/public-reports", summary="Residents' reports, newest first")
    @needs(Right.SEE)
    def listed(
        state: Annotated[list[Standing] | None, Query(description="May be repeated; default: all")] = None,
        category: Annotated[list[Category] | None, Query(description="May be repeated; default: all")] = None,
        alert: Annotated[str, Query(max_length=40, description="Only those that joined this alert")] = "",
        joined: Annotated[bool | None, Query(description="With or without an alert; default: both")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str, Query(max_length=40, description="`next` of the page before")] = "",
    ) -> Page[PublicReportOut]:
        found = desk.page(
            dmas=current().dmas,
            states=state or (),
            categories=category or (),
            alert=alert,
            joined=joined,
            limit=limit,
            after=cursor,
        )
        return Page[PublicReportOut](items=[report_out(r, desk.site) for r in found.items], next=found.next)

    @routes.get("/public-reports/{id}", summary="One report with its history", responses=_ONE)
    @needs(Right.SEE)
    def one(id: ReportId) -> PublicReportDetail:
        return report_detail(residents, id, current().dmas)

    @routes.post(
        "/public-reports/{id}/actions",
        summary="Put a report to an alert, answer it, close it",
        responses={404: {}, 403: {}, 409: {}},
    )
    @needs(Right.ACT)
    def act(id: ReportId, asked: ActionIn) -> PublicReportDetail:
        """`accept`, `place`, `join`, `part`, `alert`, `answer`, `close`, `reopen`. Where the report has
        changed since `version`, the answer is 409."""
        permit(right_of_report_action(asked.action))
        asker = current()
        actor = "staff" if asker.via is Via.OPEN else asker.shown
        desk.act(id, Asked(**asked.model_dump()), actor, asker.dmas)
        return report_detail(residents, id, asker.dmas)

    @routes.get("/public-reports/{id}/person", summary="Who sent a report, in their words", responses=_ONE)
    @needs(Right.PERSONAL)
    def person(request: Request, id: ReportId, answer: Response) -> PersonOut:
        """Every look is written into the security log. 404 once it was erased."""
        found = person_of(request, residents, id)
        answer.headers["cache-control"] = "no-store"
        return PersonOut(phone=found.phone, where=found.where, words=found.words)

    @routes.get(
        "/public-reports/{id}/photo",
        summary="The photo of a report",
        response_class=Response,
        responses={
            200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
            404: {},
        },
    )
    @needs(Right.PERSONAL)
    def photo(request: Request, id: ReportId) -> Response:
        """Every look is written into the security log. 404 where there is none, or it was erased."""
        return photo_of(request, residents, id)

    return routes


def _public_routes(routes: APIRouter, residents: Residents) -> None:
    public = residents.public

    @routes.get("/public-reports/form", summary="The mark that a report takes")
    @needs(Anyone.PUBLIC)
    def form(answer: Response) -> FormOut:
        answer.headers["cache-control"] = "no-store"
        return FormOut(moment=public.moment())

    @routes.post("/public-reports", summary="Report a leak or no water", responses=_PUBLIC, status_code=201)
    @needs(Anyone.PUBLIC)
    def submit(request: Request, said: ReportIn) -> TakenOut:
        """For everybody, without an account. The same `moment` again is the same report. 429: too many came
        from the same address, network or phone number."""
        try:
            photo = None if said.photo is None else base64.b64decode(said.photo, validate=True)
        except (binascii.Error, ValueError):
            raise BadReport("photo", "the photo is not base64") from None
        sent = Sent(
            said.category.value, said.moment, said.phone, said.where, said.words, said.lon, said.lat, photo
        )
        taken = public.submit(sent, source_of(request))
        return TakenOut(code=taken.code, photo=taken.photo)

    @routes.get("/public-reports/track/{code}", summary="How a report stands", responses={404: {}, **_PUBLIC})
    @needs(Anyone.PUBLIC)
    def track(request: Request, code: Code, answer: Response) -> TrackOut:
        answer.headers["cache-control"] = "no-store"
        return track_out(public.track(code, source_of(request)))

    @routes.post(
        "/public-reports/track/{code}/withdraw",
        summary="Withdraw a report",
        responses={404: {}, **_PUBLIC},
        status_code=204,
        response_class=Response,
    )
    @needs(Anyone.PUBLIC)
    def withdraw(request: Request, code: Code, said: WithdrawIn) -> Response:
        """Closes it, and erases who sent it at once. By its code and the phone number that it came with."""
        public.withdraw(code, said.phone, source_of(request))
        return Response(status_code=204)

    @routes.get("/charter", summary="What is promised to residents, and how that is kept this month")
    @needs(Anyone.PUBLIC)
    def promise() -> CharterOut:
        return charter(residents)
