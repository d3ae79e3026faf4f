"""Cookies of sessions, devices and visitors, and the tokens of forms."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from twuin.accounts.secret import form_token, new_secret, same
from twuin.accounts.sign_in import SignedIn

FORM_FIELD = "form"
FORM_HEADER = "x-twuin-form"
"""Where a form or a script of ours shows that it is ours."""

SESSION, DEVICE, VISITOR = "twuin_session", "twuin_device", "twuin_visitor"
_DEVICE_S = 400 * 86_400  # as long as browsers keep any cookie
_VISITOR_S = 86_400


def is_https(scope: Any) -> bool:
    """Whether the browser speaks TLS: to a proxy that may say so, or always, by the settings."""
    return bool(scope.get("scheme") == "https")


def cookie_name(base: str, https: bool) -> str:
    """With TLS the name has a prefix, by which browsers let nobody but this very host set it."""
    return f"__Host-{base}" if https else base


def read(request: Request, base: str) -> str:
    """The cookie's value, "" where there is none."""
    return request.cookies.get(cookie_name(base, is_https(request.scope)), "")[:200]


def write(request: Request, answer: Response, base: str, value: str, *, seconds: int | None = None) -> None:
    """Set it: seen by no script, sent to no other site's requests but plain links from there."""
    https = is_https(request.scope)
    answer.set_cookie(
        cookie_name(base, https),
        value,
        max_age=seconds,
        path="/",
        secure=https,
        httponly=True,
        samesite="lax",
    )


def forget(request: Request, answer: Response, base: str) -> None:
    """Remove it."""
    https = is_https(request.scope)
    answer.delete_cookie(cookie_name(base, https), path="/", secure=https, httponly=True, samesite="lax")


def begin_session(request: Request, answer: Response, signed: SignedIn) -> None:
    """Put a new session and its device into the browser, in the place of what was there."""
    write(request, answer, SESSION, signed.secret, seconds=int((signed.ends - signed.made).total_seconds()))
    write(request, answer, DEVICE, signed.device, seconds=_DEVICE_S)
    forget(request, answer, VISITOR)


def form_secret(request: Request) -> str:
    """What this browser's forms are bound to: its session, else its cookie as a visitor, "" for none."""
    return read(request, SESSION) or read(request, VISITOR)


def visitor_secret(request: Request) -> tuple[str, bool]:
    """``form_secret``, or a new one to be kept with ``keep_visitor``; and whether it is new."""
    known = form_secret(request)
    return (known, False) if known else (new_secret(), True)


def keep_visitor(request: Request, answer: Response, secret: str) -> None:
    """Bind the forms of somebody who is not signed in to their browser."""
    write(request, answer, VISITOR, secret, seconds=_VISITOR_S)


def is_own_form(request: Request, given: str) -> bool:
    """Whether ``given`` is the token of a form that was made for this browser."""
    secret = form_secret(request)
    return bool(secret) and same(form_token(secret), given)
