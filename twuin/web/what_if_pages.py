"""The page on other settings of pressure reducing valves."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.accounts.rights import Right
from twuin.views.views import Views
from twuin.views.what_if import schedule
from twuin.views.what_if_models import WhatIfOut
from twuin.web.entered import number, whole
from twuin.web.render import Page, Templates
from twuin.web.what_if_words import Curve, WhatIfWords
from waterworks.errors import NetworkError, WrongInput

NIGHT = (22, 5)
"""Hours of a night's setting that the page begins with."""


def what_if_page_routes(templates: Templates, views: Views) -> APIRouter:
    """/what-if."""
    routes = guarded_router(GuardedRoute)

    @routes.get("/what-if")
    @needs(Right.SEE)
    def shown(request: Request) -> Response:
        page = Page(templates, request, views.frame())
        asked = request.query_params
        words = WhatIfWords(page.formats)
        valves = views.what_ifs.valves()
        by_id = {v.id: v for v in valves}
        wanted = asked.get("valve", "")
        valve = by_id.get(wanted) or (valves[0] if valves else None)
        found: WhatIfOut | None = None
        problem = ""
        if valve is not None and "set" in asked:
            try:
                day = number(asked.get("set", ""))
                if day is None:
                    raise WrongInput("no set pressure", "no_set")
                begin, end = (
                    whole(asked.get(k), 0, 23, d) for k, d in zip(("from", "to"), NIGHT, strict=True)
                )
                night = number(asked.get("night", ""))
                found = views.what_ifs.of(
                    valve.id, schedule(day, night, begin, end), number(asked.get("n1", ""))
                )
            except WrongInput as e:
                problem = words.problem(e)
            except NetworkError:
                problem = page.formats.gettext("EPANET cannot solve the network with this setting.")
        return page.response(
            "what_if.html",
            valves=valves,
            valve=valve,
            unknown=[wanted[:40]] if wanted and wanted not in by_id else [],
            found=found,
            problem=problem,
            entered={k: v[:40] for k, v in asked.items()},
            night=NIGHT,
            ww=words,
            curve=Curve,
            dma_names={d.id: d.name for d in views.known_dmas},
        )

    return routes
