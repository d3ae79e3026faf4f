"""Residents' reports for staff: the list, and one with what can be done with it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.access.current import current, permit
from twuin.access.personal import person_of, photo_of
from twuin.accounts.model import Via
from twuin.accounts.rights import Right, right_of_report_action
from twuin.alerts.model import PENDING
from twuin.residents.desk import Asked
from twuin.residents.joining import KINDS
from twuin.residents.model import Category, Outcome, ReportChanged, ReportRefused, Standing
from twuin.residents.parts import Residents
from twuin.views.residents import report_detail, report_out
from twuin.views.views import Views
from twuin.web.forms import Form, read_form
from twuin.web.render import Page, Templates
from twuin.web.resident_words import ResidentWords
from waterworks.errors import NotFound

WAITING = "waiting"
"""Of the list: what a person has to look at, held or without an alert."""


def resident_desk_routes(templates: Templates, views: Views, residents: Residents) -> APIRouter:
    """/public-reports, /public-reports/{id}."""
    routes = guarded_router(GuardedRoute)
    desk = residents.desk

    def page(request: Request) -> Page:
        return Page(templates, request, views.frame())

    @routes.get("/public-reports")
    @needs(Right.SEE)
    def listed(
        request: Request,
        state: str = "",
        category: str = "",
        alert: str = "",
        code: str = "",
        cursor: str = "",
    ) -> Response:
        p, dmas = page(request), current().dmas
        if code.strip():
            found = desk.by_code(code, dmas)
            if found is not None:
                return RedirectResponse(f"{p.base}/public-reports/{found.id}", 303)
        chosen = {
            "state": state if state in {*Standing, WAITING} else "",
            "category": category if category in set(Category) else "",
            "alert": alert[:40],
        }
        states = [Standing(chosen["state"])] if chosen["state"] in set(Standing) else []
        waiting = chosen["state"] == WAITING
        reports = desk.page(
            dmas=dmas,
            states=[Standing.HELD, Standing.OPEN] if waiting else states,
            categories=[Category(chosen["category"])] if chosen["category"] else (),
            alert=chosen["alert"],
            joined=False if waiting else None,
            limit=50,
            after=cursor[:40],
        )
        kept = {k: v for k, v in chosen.items() if v}
        return p.response(
            "public_reports.html",
            rw=ResidentWords(p.formats),
            reports=[report_out(r, desk.site) for r in reports.items],
            next=f"?{urlencode({**kept, 'cursor': reports.next})}" if reports.next else None,
            chosen=chosen,
            states=list(Standing),
            categories=list(Category),
            counts=desk.counts(dmas),
            open=residents.open,
            no_code=code.strip()[:40],
        )

    def shown(
        request: Request, id: str, *, problem: str = "", personal: bool = False, status: int = 200
    ) -> Response:
        p, dmas = page(request), current().dmas
        report = report_detail(residents, id, dmas)
        person = None
        if personal:
            try:
                person = person_of(request, residents, id)
            except NotFound:
                person = None
        living = views.alerts(state=PENDING, kind=KINDS, limit=100).items
        # Those of the same DMA first: the likeliest to be the same event.
        living = sorted(living, key=lambda a: a.dma != report.dma)[:50]
        joined = None
        if report.alert:
            try:
                joined = views.alert(report.alert)
            except NotFound:  # of a DMA that is not theirs
                joined = None
        return p.response(
            "public_report.html",
            status,
            rw=ResidentWords(p.formats),
            report=report,
            joined=joined,
            alerts=living,
            dmas=views.known_dmas,
            outcomes=[o for o in Outcome if o is not Outcome.WITHDRAWN],
            categories=list(Category),
            problem=problem,
            person=person,
            asked_personal=personal,
        )

    @routes.get("/public-reports/{id}")
    @needs(Right.SEE)
    def one(request: Request, id: str) -> Response:
        return shown(request, id)

    @routes.post("/public-reports/{id}")
    @needs(Right.ACT)
    async def act(request: Request, id: str) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_act, request, id, form)

    def _act(request: Request, id: str, form: Form) -> Response:
        asker, action = current(), form.get("action", "")
        permit(right_of_report_action(action))
        actor = "staff" if asker.via is Via.OPEN else asker.shown
        try:
            desk.act(id, _asked(action, form), actor, asker.dmas)
        except ReportChanged:
            return shown(request, id, problem="changed", status=409)
        except ReportRefused as e:
            return shown(request, id, problem=e.word, status=422)
        base = str(request.scope.get("root_path", "")).rstrip("/")
        return RedirectResponse(f"{base}/public-reports/{quote(id, safe='')}", 303)

    @routes.post("/public-reports/{id}/person")
    @needs(Right.PERSONAL)
    async def person(request: Request, id: str) -> Response:
        """Who reported. By a button and not by a link, as each look is written down."""
        await read_form(request)
        return await run_in_threadpool(_person, request, id)

    def _person(request: Request, id: str) -> Response:
        return shown(request, id, personal=True)

    @routes.get("/public-reports/{id}/photo")
    @needs(Right.PERSONAL)
    def photo(request: Request, id: str) -> Response:
        return photo_of(request, residents, id)

    return routes


def _asked(action: str, form: Form) -> Asked:
    """What a form asks. It sends all its fields, whichever button was pressed; only what belongs is taken."""
    version = form.get("version", "")
    given: dict[str, Any] = {"version": int(version) if version.isascii() and version.isdigit() else 0}
    if action in ("answer", "close"):
        given["message"] = form.get("message", "")[:2000]
    if action == "close" and form.get("outcome") in set(Outcome):
        given["outcome"] = Outcome(form["outcome"])
    if action == "join":
        given["alert"] = form.get("alert", "").strip()[:40]
    if action == "place":
        given["dma"] = form.get("dma", "")[:200]
        if form.get("category") in set(Category):
            given["category"] = Category(form["category"])
    return Asked(action, **given)
