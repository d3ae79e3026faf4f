"""OGC SensorThings API 1.1, to be read."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from twuin.access import guarded_router, needs
from twuin.access.current import current
from twuin.access.door import source_of
from twuin.accounts.rights import Anyone, Right
from twuin.api.pace import Pace
from twuin.api.problems import problem
from twuin.views.views import Views

ROOT = "/api/sta/v1.1"

CHANGING = ["POST", "PUT", "PATCH", "DELETE"]

RATE, BURST = 20.0, 300
"""Requests of one account or address: a second in the long run, and at once."""


def sensorthings_routes(views: Views) -> APIRouter:
    """The service's root and all below it."""
    routes = guarded_router(prefix=ROOT, tags=["SensorThings"])
    pace = Pace(RATE, BURST)

    @routes.get("", include_in_schema=False)
    @needs(Right.SEE)
    def root(request: Request) -> Response:
        """Where the sets of entities are, and what of the standard is done."""
        return _answer(request, "")

    @routes.get("/{path:path}", include_in_schema=False)
    @needs(Right.SEE)
    def entities(request: Request, path: str) -> Response:
        """A set, an entity, a property: OGC 18-088 section 9.2 says how they are named."""
        return _answer(request, path)

    @routes.api_route("", methods=CHANGING, include_in_schema=False)
    @routes.api_route("/{path:path}", methods=CHANGING, include_in_schema=False)
    @needs(Anyone.PUBLIC)
    def unchanged(request: Request, path: str = "") -> Response:
        """What would change something: the pages would answer that there is nothing of this name."""
        return problem(
            405,
            f"{request.method} is not possible here: SensorThings is for reading, use GET",
            headers={"Allow": "GET"},
        )

    def _answer(request: Request, path: str) -> Response:
        pace.take(current().account or source_of(request))
        base = f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}{ROOT}"
        answer = views.sensorthings.answer(path, request.url.query, base)
        headers = {"Vary": "Accept-Encoding, Authorization, Cookie", "Cache-Control": "private, no-cache"}
        if answer.text is not None:
            headers["X-Content-Type-Options"] = "nosniff"
            return PlainTextResponse(answer.text, headers=headers)
        if answer.body is None:
            return Response(status_code=204, headers=headers)
        return JSONResponse(answer.body, headers=headers)

    return routes
