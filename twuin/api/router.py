"""All routes, put together."""

from __future__ import annotations

import threading

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from twuin.alerts.service import AlertService
from twuin.api.alerts import alert_routes
from twuin.api.events import Hub, event_routes
from twuin.api.ingest import ingest_routes
from twuin.api.network import network_routes
from twuin.api.operations import metrics_route, operation_routes
from twuin.api.problems import problem
from twuin.api.sensors import sensor_routes
from twuin.views.views import Views

PREFIX = "/api/v1"
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def api_router(views: Views, alerts: AlertService, *, stopping: threading.Event | None = None) -> APIRouter:
    """The routes under /api/v1, and /metrics for Prometheus.

    stopping: set when the program is about to end; open event streams end with it. Include the router
    after ``install_errors`` and ``install_guards``, before anything that takes all paths.
    """
    api = APIRouter(prefix=PREFIX)
    for part in (
        network_routes(views),
        sensor_routes(views),
        alert_routes(views, alerts),
        event_routes(Hub(views, alerts, stopping=stopping)),
        ingest_routes(views),
        operation_routes(views),
    ):
        api.include_router(part)
    known = list(api.routes)

    @api.api_route("/{rest:path}", methods=_METHODS, include_in_schema=False)
    def unknown(request: Request, rest: str) -> Response:
        """What no route takes: an unknown path, or a method that a known one does not have."""
        if request.url.path == f"{PREFIX}/openapi.json":
            allowed = {"GET", "HEAD"}
        else:
            partial = [r for r in known if r.matches(request.scope)[0] is Match.PARTIAL]
            allowed = {m for r in partial for m in getattr(r, "methods", None) or ()}
        if allowed:
            names = ", ".join(sorted(allowed))
            return problem(
                405, f"{request.method} is not possible here: use {names}", headers={"Allow": names}
            )
        return problem(404, "the API has nothing of this name")

    root = APIRouter()
    root.include_router(metrics_route(views, alerts))
    root.include_router(api)
    return root
