"""Every error as a problem document (RFC 9457, application/problem+json)."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from twuin.access.cookies import SESSION
from twuin.access.current import NotPermitted, NotSignedIn
from twuin.access.door import note_refusal
from twuin.access.routes import leaves, need_of
from twuin.accounts.model import AccountRefused
from twuin.accounts.passwords import Busy
from twuin.accounts.rights import Anyone
from twuin.alerts.service import BadCursor, StaleAlert
from twuin.alerts.steps import RequestIncomplete, TransitionRefused
from twuin.api.pace import TooMany
from twuin.hooks.signature import NotSigned
from twuin.residents.model import BadReport, ReportChanged, ReportRefused, TooManyReports
from twuin.settings_words import message
from twuin.views.models import Problem
from twuin.views.sensorthings import NotSupported, WrongQuery
from twuin.works.model import StaleWork, WorkRefused
from waterworks.errors import NotFound, StoreUnavailable, TwuinError, WrongInput

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_S = 5
"""After how long a client should try a store again that cannot answer now [s]."""


class NotTold(TwuinError):
    """A system tells what it may not."""


def problem(
    status: int,
    detail: str | None = None,
    *,
    type: str = "about:blank",
    headers: dict[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """A problem response; ``more`` are members of its own (RFC 9457, 3.2)."""
    body = {"type": type, "title": _title(status), "status": status, "detail": detail, **more}
    return JSONResponse(
        {k: v for k, v in body.items() if v is not None}, status, headers, media_type=MEDIA_TYPE
    )


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def install_errors(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem document, and describe them so in its OpenAPI."""
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(ClientDisconnect, _on_gone)
    app.add_exception_handler(TwuinError, _on_twuin)
    app.add_exception_handler(Exception, _on_defect)
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _describe_access(described(), app)
            _describe(described())
        return described()

    app.openapi = openapi  # type: ignore[method-assign]


def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, headers=dict(error.headers or {}))


def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"in": str(e["loc"][0]), "name": ".".join(map(str, e["loc"][1:])), "message": message(e)}
        for e in error.errors()[:20]
    ]
    first = (
        f"{errors[0]['in']} {errors[0]['name']}".rstrip() + f": {errors[0]['message']}"
        if errors
        else "invalid request"
    )
    return problem(422, first[:500], type="urn:twuin:problem:invalid", errors=errors)


def _on_twuin(request: Request, error: Exception) -> JSONResponse:
    detail = str(error)
    if isinstance(error, NotSignedIn):
        return problem(
            401, detail, type="urn:twuin:problem:not-signed-in", headers={"WWW-Authenticate": "Bearer"}
        )
    if isinstance(error, NotPermitted):
        note_refusal(request, error)
        return problem(403, detail, type="urn:twuin:problem:not-permitted")
    if isinstance(error, NotSigned):
        return problem(401, detail, type="urn:twuin:problem:not-signed")
    if isinstance(error, NotTold):
        return problem(403, detail, type="urn:twuin:problem:not-permitted")
    if isinstance(error, AccountRefused):
        return problem(422, detail, type="urn:twuin:problem:invalid")
    if isinstance(error, WorkRefused):
        wrong = [{"in": "body", "name": error.field, "message": detail}]
        return problem(422, f"{error.field}: {detail}", type="urn:twuin:problem:invalid", errors=wrong)
    if isinstance(error, StaleWork):
        return problem(
            409, detail, type="urn:twuin:problem:stale-work", current_version=error.current.version
        )
    if isinstance(error, BadReport):
        return problem(422, detail, type="urn:twuin:problem:invalid", field=error.word)
    if isinstance(error, ReportRefused):
        return problem(422, detail, type="urn:twuin:problem:invalid")
    if isinstance(error, TooManyReports):
        return problem(429, detail, headers={"Retry-After": str(math.ceil(error.wait_s))})
    if isinstance(error, ReportChanged):
        return problem(
            409, detail, type="urn:twuin:problem:stale-report", current_version=error.report.version
        )
    if isinstance(error, Busy):
        return problem(503, detail, headers={"Retry-After": str(RETRY_S)})
    if isinstance(error, NotFound):
        return problem(404, detail)
    if isinstance(error, WrongQuery):
        return problem(400, detail, type="urn:twuin:problem:invalid")
    if isinstance(error, NotSupported):
        return problem(501, detail, type="urn:twuin:problem:not-supported")
    if isinstance(error, TooMany):
        return problem(429, detail, headers={"Retry-After": str(math.ceil(error.wait_s))})
    if isinstance(error, StaleAlert):
        current = error.current
        return problem(
            409,
            detail,
            type="urn:twuin:problem:stale-alert",
            current_version=current.version,
            current_state=current.state.value,
        )
    if isinstance(error, BadCursor | RequestIncomplete | WrongInput):
        return problem(422, detail, type="urn:twuin:problem:invalid")
    if isinstance(error, TransitionRefused):
        return problem(409, detail, type="urn:twuin:problem:transition-refused")
    if isinstance(error, StoreUnavailable):
        return problem(
            503, detail, type="urn:twuin:problem:unavailable", headers={"Retry-After": str(RETRY_S)}
        )
    log.error("%s %s: %s", request.method, request.url.path, error)
    return problem(500, detail)


def _on_gone(request: Request, error: Exception) -> JSONResponse:
    # Whoever hung up amid a request reads no answer; that is no defect of ours, and no traceback in the log.
    return problem(400, "the request ended before its body did")


def _on_defect(request: Request, error: Exception) -> JSONResponse:
    # The server logs the traceback; a client learns nothing about our insides.
    return problem(500, "a defect of Twuin: its log has the details")


_DESCRIPTIONS = {
    "401": "Nobody is signed in, or the token is not good",
    "403": "Whoever is signed in has no right to this",
    "404": "Nothing of this name",
    "409": "The alert or work changed, or does not allow this; `current_version` says how it stands",
    "429": "Too many of these from there: try again after `Retry-After` seconds",
    "422": "The request is not valid; `errors` names each part",
    "503": "A store cannot answer now; try again after `Retry-After` seconds",
}


def _describe_access(schema: dict[str, Any], app: FastAPI) -> None:
    """Say of each operation which right it takes, and how to show that one has it. Changes ``schema``."""
    schema.setdefault("components", {})["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A token made on the page /me"},
        "session": {"type": "apiKey", "in": "cookie", "name": SESSION, "description": "Of the pages"},
    }
    for path, route in leaves(app.routes):
        need = need_of(route)
        if need is None or need is Anyone.PUBLIC:
            continue
        path = path.replace(":path}", "}")  # as the description has it
        for method in route.methods or ():
            operation = schema.get("paths", {}).get(path, {}).get(method.lower())
            if operation is not None:
                operation["security"] = [{"token": []}, {"session": []}]
                operation["x-right"] = need.value


def _describe(schema: dict[str, Any]) -> None:
    """Bring FastAPI's description of errors in line with what is sent. Changes ``schema``."""
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in schema.get("paths", {}).items():
        for operation in operations.values():
            answers = operation["responses"]
            if "security" in operation:
                answers.setdefault("401", {})
                answers.setdefault("403", {})
            if path.startswith("/api/"):
                answers.setdefault("422", {})
                answers.setdefault("503", {})
                answers["default"] = {"description": "Any other error", "content": content}
            for status, answer in answers.items():
                if status >= "400" and status != "default":
                    answer["content"] = content
                    answer["description"] = _DESCRIPTIONS.get(status, _title(int(status)))
