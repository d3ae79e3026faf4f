"""All routes, put together."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest.handed_in import HandIn
from twuin.access import guarded_router, needs
from twuin.access.current import seen_alerts, seen_reports, seen_views
from twuin.accounts.rights import Anyone
from twuin.accounts.service import AccountService
from twuin.alerts.service import AlertService
from twuin.api.accounts import account_routes, own_routes
from twuin.api.alerts import alert_routes
from twuin.api.bills import bill_routes
from twuin.api.events import Hub, event_routes
from twuin.api.exports import export_routes
from twuin.api.field import field_routes
from twuin.api.ingest import ingest_routes
from twuin.api.losses import loss_routes
from twuin.api.messages import message_routes
from twuin.api.network import network_routes
from twuin.api.operations import metrics_route, operation_routes
from twuin.api.params import PREFIX
from twuin.api.photos import photo_routes
from twuin.api.problems import problem
from twuin.api.reports import report_routes
from twuin.api.residents import resident_routes
from twuin.api.results import result_routes
from twuin.api.sensors import sensor_routes
from twuin.api.sensorthings import sensorthings_routes
from twuin.api.step_tests import step_test_routes
from twuin.api.webhooks import webhook_routes
from twuin.api.what_if import what_if_routes
from twuin.api.works import work_routes
from twuin.hooks.senders import Senders
from twuin.photos.service import PhotoService
from twuin.residents.parts import Residents
from twuin.views.report_desk import ReportDesk
from twuin.views.views import Views

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def api_router(
    views: Views,
    alerts: AlertService,
    accounts: AccountService | None = None,
    *,
    reports: ReportDesk | None = None,
    stopping: threading.Event | None = None,
    messages: Callable[[], dict[str, int]] | None = None,
    photos: PhotoService | None = None,
    residents: Residents | None = None,
    senders: Senders | None = None,
    hand_in: HandIn | None = None,
) -> APIRouter:
    """The routes under /api/v1, and /metrics for Prometheus.

    accounts: None in a demo, which has none: then there are no routes about them. reports: makes reports;
    photos: of alerts; without these there are no such routes. stopping: set when the program is about to end;
    open event streams end with it. messages: to people, by state, where anybody is told anything. residents:
    their reports. senders: of webhooks; without them none are taken. hand_in: takes messages of devices.
    Include the router after ``install_errors``, ``install_access`` and ``install_guards``, before anything
    that takes all paths.
    """
    api = guarded_router()
    # What routes are given is what whoever asks may see; only these three see all, and guard it themselves.
    whole = (
        metrics_route(views, alerts, messages),
        operation_routes(views),
        event_routes(Hub(views, alerts, stopping=stopping)),
    )
    seen, own = seen_views(views), seen_alerts(alerts, views)
    parts = (
        *whole,
        network_routes(seen),
        sensor_routes(seen),
        sensorthings_routes(seen),
        export_routes(seen),
        loss_routes(seen),
        step_test_routes(seen),
        result_routes(seen),
        what_if_routes(seen),
        alert_routes(seen, own),
        field_routes(seen, own),
        *(() if photos is None else (photo_routes(seen, own, photos),)),
        ingest_routes(seen),
        *(() if hand_in is None else (message_routes(hand_in),)),
        *(() if reports is None else (report_routes(seen_reports(reports, views)),)),
        *(() if reports is None else (bill_routes(reports.bills),)),
        *(() if views.works is None else (work_routes(seen),)),
        *(() if residents is None else (resident_routes(residents),)),
        # A signature says who sends, so these are given all there is, too.
        *(() if senders is None else (webhook_routes(senders, views.works, alerts, residents),)),
        *(() if accounts is None else (own_routes(accounts), account_routes(accounts))),
    )
    for part in parts:
        api.include_router(part)
    known = [route for part in parts for route in part.routes if isinstance(route, APIRoute)]

    @api.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    @needs(Anyone.PUBLIC)
    def description(request: Request) -> JSONResponse:
        """The description of this interface (OpenAPI 3.1)."""
        return JSONResponse(request.app.openapi())

    @api.api_route(PREFIX + "/{rest:path}", methods=_METHODS, include_in_schema=False)
    @needs(Anyone.PUBLIC)
    def unknown(request: Request, rest: str) -> Response:
        """What no route takes: an unknown path, or a method that a known one does not have."""
        found = [r.methods or () for r in known if r.path_regex.match(f"{PREFIX}/{rest}")]
        allowed = {"GET", "HEAD"} if rest == "openapi.json" else {m for methods in found for m in methods}
        if allowed:
            names = ", ".join(sorted(allowed))
            return problem(
                405, f"{request.method} is not possible here: use {names}", headers={"Allow": names}
            )
        return problem(404, "the API has nothing of this name")

    return api
