"""The page of results: how leaks were dealt with, and how well they were located."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.accounts.rights import Right
from twuin.views.views import Views
from twuin.web.render import Page, Templates

RANGES = {"28d": 28, "90d": 90, "1y": 365}
"""Days that are told of, by the name in their address."""


def result_page_routes(templates: Templates, views: Views) -> APIRouter:
    """/results."""
    routes = guarded_router(GuardedRoute)

    @routes.get("/results")
    @needs(Right.SEE)
    def shown(request: Request, range: str = "28d") -> Response:
        page = Page(templates, request, views.frame())
        span = range if range in RANGES else "28d"
        last = page.known_site.now.astimezone(page.formats.zone).date()
        found = views.results(last - timedelta(days=RANGES[span] - 1), last)
        return page.response(
            "results.html",
            response=found.response,
            locator=found.locator,
            causes=views.causes(),
            sw=page.words.score,
            ranges=RANGES,
            range=span,
            unknown=[] if span == range else [range[:40]],
        )

    return routes
