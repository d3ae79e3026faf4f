"""Pages of an installation with many sites that are no site's: its utilities by name, and "not there now"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from twuin.web.locales import LANGUAGES
from twuin.web.render import LANGUAGE_COOKIE, STATIC, Page, Templates
from twuin.web.security import install_headers, local_path

NO_UTILITY = "no utility of this installation has this host name"
"""Why a request for an unknown host is refused."""

_YEAR = 365 * 86_400
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Utility(NamedTuple):
    """A line of the front page. there: whether its pages can be reached now."""

    name: str
    address: str
    there: bool


def front_page(title: str, utilities: Callable[[], Sequence[Utility]], *, https: bool) -> Starlette:
    """An application that lists utilities: their names, and where their pages are. Nothing else is told."""

    def page(p: Page) -> Response:
        if p.request.url.path != "/":
            return p.response("outside.html", 404, title=title, utilities=None)
        return p.response("outside.html", title=title, utilities=utilities())

    return _application(title, page, https)


def stranger_page(*, https: bool) -> Starlette:
    """An application for host names that are no utility's: says so, to browsers as a page."""

    def page(p: Page) -> Response:
        if "text/html" not in p.request.headers.get("accept", ""):
            body = {
                "type": "about:blank",
                "title": "Misdirected Request",
                "status": 421,
                "detail": NO_UTILITY,
            }
            return JSONResponse(body, 421, media_type="application/problem+json")
        return p.response("stranger.html", 421, title="")

    return _application("", page, https)


def away_page(again_s: int, *, https: bool) -> Starlette:
    """An application that answers everything with: not now. again_s: when to ask again [s]."""

    def page(p: Page) -> Response:
        later = {"retry-after": str(again_s)}
        if p.request.url.path.startswith("/api/"):
            body = {"type": "about:blank", "title": "Service Unavailable", "status": 503}
            return JSONResponse(body, 503, later, media_type="application/problem+json")
        here = p.request.url.path if p.request.method in ("GET", "HEAD") else "/"
        answer = p.response("away.html", 503, title="", here=local_path(here))
        answer.headers.update(later)
        return answer

    return _application("", page, https)


def _application(title: str, page: Callable[[Page], Response], https: bool) -> Starlette:
    templates = Templates(title)

    async def answer(request: Request) -> Response:
        if https:
            request.scope["scheme"] = "https"
        asked = request.query_params.get("lang", "")
        found = await run_in_threadpool(
            page, Page(templates, request, None, asked if asked in LANGUAGES else None)
        )
        if asked in LANGUAGES:
            found.set_cookie(
                LANGUAGE_COOKIE, asked, max_age=_YEAR, httponly=True, samesite="lax", secure=https
            )
        return found

    app = Starlette(
        routes=[
            Mount(f"/static/{templates.digest}", StaticFiles(directory=STATIC)),
            Route("/{path:path}", answer, methods=_METHODS),
        ]
    )
    install_headers(app)
    return app
