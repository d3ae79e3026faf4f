"""All routes, put together."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from twuin.alerts.service import AlertService
from twuin.api.alerts import alert_routes
from twuin.api.events import Hub, event_routes
from twuin.api.ingest import ingest_routes
from twuin.api.losses import loss_routes
from twuin.api.network import network_routes
from twuin.api.operations import metrics_route, operation_routes
from twuin.api.params import PREFIX
from twuin.api.problems import problem
from twuin.api.reports import report_routes
from twuin.api.sensors import sensor_routes
from twuin.views.report_desk import ReportDesk
from twuin.views.views import Views

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def api_router(
    views: Views,
    alerts: AlertService,
    *,
    reports: ReportDesk | None = None,
    stopping: threading.Event | None = None,
    messages: Callable[[], dict[str, int]] | None = None,
) -> APIRouter:
    """The routes under /api/v1, and /metrics for Prometheus.

    reports: makes reports; without it there are none.
    stopping: set when the program is about to end; open event streams end with it. messages: to people, by
    state, where anybody is told anything. Include the router
    after ``install_errors`` and ``install_guards``, before anything that takes all paths.
    """
    api = APIRouter()
    parts = (
        metrics_route(views, alerts, messages),
        network_routes(views),
        sensor_routes(views),
        loss_routes(views),
        *(() if reports is None else (report_routes(reports),)),
        alert_routes(views, alerts),
        event_routes(Hub(views, alerts, stopping=stopping)),
        ingest_routes(views),
        operation_routes(views),
    )
    for part in parts:
        api.include_router(part)
    known = [route for part in parts for route in part.routes if isinstance(route, APIRoute)]

    @api.api_route(PREFIX + "/{rest:path}", methods=_METHODS, include_in_schema=False)
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
