"""Errors as pages: what went wrong and where to go, in the reader's language."""

from __future__ import annotations

import logging
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from twuin.access.current import NO_BILLS, NotPermitted, NotSignedIn
from twuin.access.door import note_refusal
from twuin.alerts.service import BadCursor
from twuin.residents.parts import Residents
from twuin.views.views import Views
from twuin.web.forms import ForeignForm
from twuin.web.locales import LANGUAGES
from twuin.web.render import Page, Templates
from waterworks.errors import (
    DatabaseRefused,
    DatabaseUnavailable,
    NotFound,
    StoreError,
    StoreUnavailable,
    TwuinError,
)

log = logging.getLogger(__name__)


def install_error_pages(
    pages: FastAPI, templates: Templates, views: Views, residents: Residents | None = None
) -> None:
    """Answer every error under ``pages`` with a page of the same make as the others."""

    def answer(request: Request, status: int, *, refused: bool = False, why: str = "") -> Response:
        if request.url.path.startswith(f"{request.scope.get('root_path', '')}/api/"):
            # Nothing of the interface is here, or it would have answered: say so in its own way.
            problem = {"type": "about:blank", "title": "Not found", "status": status}
            return JSONResponse(problem, status, media_type="application/problem+json")
        if (theirs := _residents_page(templates, request, residents, status)) is not None:
            return theirs
        try:
            site = views.site()
        except TwuinError as e:  # a store that is away: who asked it before us has said so
            log.debug("the error page cannot show the site: %s", e)
            site = None
        except Exception:
            log.exception("the error page cannot show the site")
            site = None
        page = Page(templates, request, site)
        return page.response("error.html", status, status=status, refused=refused, why=why)

    def not_signed_in(request: Request, error: Exception) -> Response:
        query = f"?{request.url.query}" if request.method == "GET" and request.url.query else ""
        base = str(request.scope.get("root_path", "")).rstrip("/")
        here = request.url.path + query
        return RedirectResponse(f"{base}/signin?next={quote(here)}", 303)

    def not_permitted(request: Request, error: Exception) -> Response:
        assert isinstance(error, NotPermitted)
        note_refusal(request, error)
        return answer(request, 403, why="bills" if str(error) == NO_BILLS else "right")

    def foreign_form(request: Request, error: Exception) -> Response:
        return answer(request, 403, why="form")

    def not_found(request: Request, error: Exception) -> Response:
        return answer(request, 404)

    def unavailable(request: Request, error: Exception) -> Response:
        return answer(request, 503, why="database" if isinstance(error, DatabaseUnavailable) else "")

    def refused(request: Request, error: Exception) -> Response:
        log.error("%s %s: %s", request.method, request.url.path, error)
        return answer(
            request, 503, refused=True, why="database" if isinstance(error, DatabaseRefused) else ""
        )

    def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code < 400:
            return Response(status_code=error.status_code, headers=error.headers)
        if error.status_code == 405 and request.method in ("GET", "HEAD"):
            # The answer to a form, looked at again: in another language, say. The page it stood on is above.
            return RedirectResponse(request.url.path.rpartition("/")[0] or "/", 303)
        return answer(request, error.status_code)

    def broken(request: Request, error: Exception) -> Response:
        return answer(request, 500)

    pages.add_exception_handler(NotSignedIn, not_signed_in)
    pages.add_exception_handler(NotPermitted, not_permitted)
    pages.add_exception_handler(ForeignForm, foreign_form)
    pages.add_exception_handler(NotFound, not_found)
    pages.add_exception_handler(StoreUnavailable, unavailable)
    pages.add_exception_handler(StoreError, refused)
    pages.add_exception_handler(RequestValidationError, not_found)
    pages.add_exception_handler(BadCursor, not_found)
    pages.add_exception_handler(HTTPException, http_error)
    pages.add_exception_handler(Exception, broken)


def too_large_page(templates: Templates, request: Request, residents: Residents | None = None) -> Response:
    """What a browser is told whose form is longer than any route takes: it is refused before it is read, so
    neither who asks nor the site is looked up."""
    if (theirs := _residents_page(templates, request, residents, 413)) is not None:
        return theirs
    return Page(templates, request, None).response("error.html", 413, status=413, refused=False, why="")


def _residents_page(
    templates: Templates, request: Request, residents: Residents | None, status: int
) -> Response | None:
    """The same in the look of the public's pages and with a way back to them, None elsewhere: who reports a
    leak has no account, and the overview is closed to them."""
    path = request.url.path.removeprefix(str(request.scope.get("root_path", "")).rstrip("/"))
    if residents is None or not residents.open or not f"{path}/".startswith("/lapor/"):
        return None
    asked = request.query_params.get("lang", "")
    page = Page(templates, request, None, asked if asked in LANGUAGES else None)
    return page.response("lapor_error.html", status, status=status, call=residents.call)
