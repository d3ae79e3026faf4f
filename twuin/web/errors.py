"""Errors as pages: what went wrong and where to go, in the reader's language."""

from __future__ import annotations

import logging

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from twuin.alerts.service import BadCursor
from twuin.views.views import Views
from twuin.web.render import Page, Templates
from waterworks.errors import NotFound, StoreError, StoreUnavailable, TwuinError

log = logging.getLogger(__name__)


def install_error_pages(pages: FastAPI, templates: Templates, views: Views) -> None:
    """Answer every error under ``pages`` with a page of the same make as the others."""

    def answer(request: Request, status: int, *, refused: bool = False) -> Response:
        if request.url.path.startswith(f"{request.scope.get('root_path', '')}/api/"):
            # Nothing of the interface is here, or it would have answered: say so in its own way.
            problem = {"type": "about:blank", "title": "Not found", "status": status}
            return JSONResponse(problem, status, media_type="application/problem+json")
        try:
            site = views.site()
        except TwuinError as e:  # a store that is away: who asked it before us has said so
            log.debug("the error page cannot show the site: %s", e)
            site = None
        except Exception:
            log.exception("the error page cannot show the site")
            site = None
        page = Page(templates, request, site)
        return page.response("error.html", status, status=status, refused=refused)

    def not_found(request: Request, error: Exception) -> Response:
        return answer(request, 404)

    def unavailable(request: Request, error: Exception) -> Response:
        return answer(request, 503)

    def refused(request: Request, error: Exception) -> Response:
        log.error("%s %s: %s", request.method, request.url.path, error)
        return answer(request, 503, refused=True)

    def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code < 400:
            return Response(status_code=error.status_code, headers=error.headers)
        return answer(request, error.status_code)

    def broken(request: Request, error: Exception) -> Response:
        return answer(request, 500)

    pages.add_exception_handler(NotFound, not_found)
    pages.add_exception_handler(StoreUnavailable, unavailable)
    pages.add_exception_handler(StoreError, refused)
    pages.add_exception_handler(RequestValidationError, not_found)
    pages.add_exception_handler(BadCursor, not_found)
    pages.add_exception_handler(HTTPException, http_error)
    pages.add_exception_handler(Exception, broken)
