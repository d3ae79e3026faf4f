"""The way to the provider and back, and linking one's own account to it."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.access.cookies import begin_session, form_secret, keep_visitor, visitor_secret
from twuin.access.current import current
from twuin.access.door import source_of, visitor_of
from twuin.accounts.model import AccountRefused, Via
from twuin.accounts.rights import Anyone
from twuin.accounts.service import AccountService, by_asker
from twuin.accounts.tries import TooMany
from twuin.oidc.provider import ProviderAway
from twuin.oidc.signing_in import ProviderSignIn
from twuin.web.forms import read_form
from twuin.web.render import Page, Templates
from twuin.web.security import local_path

SAID = ("state", "code", "error", "iss")
"""What is read of a provider's answer."""

Told = Callable[[Request, str, str, float], Response]
"""The page to sign in, with where to go then, what went wrong, and how long to wait [s]."""


def provider_routes(
    templates: Templates, accounts: AccountService, provider: ProviderSignIn, told: Told
) -> APIRouter:
    """/signin/provider, /signin/return, /me/provider."""
    routes = guarded_router(GuardedRoute)

    @routes.get("/signin/provider")
    @needs(Anyone.PUBLIC)
    def go(request: Request, next: str = "") -> Response:
        """Looking at it changes nothing but that a sign-in is awaited from this very browser."""
        to = local_path(next or _first_page(request))
        if current().via in (Via.OPEN, Via.SESSION):
            return RedirectResponse(to, 303)
        secret, new = visitor_secret(request)
        try:
            answer: Response = RedirectResponse(provider.begin(secret, to, visitor_of(request)), 303)
        except TooMany as e:
            return told(request, to, "slow", e.wait_s)
        except ProviderAway:
            return told(request, to, "provider_away", 0.0)
        if new:
            keep_visitor(request, answer, secret)
        answer.headers["cache-control"] = "no-store"
        return answer

    @routes.get("/signin/return")
    @needs(Anyone.PUBLIC)
    def back(request: Request) -> Response:
        answer = {name: request.query_params.get(name, "")[:2000] for name in SAID}
        try:
            came = provider.came_back(answer, form_secret(request), visitor_of(request), current())
        except AccountRefused as e:
            return told(request, _first_page(request), e.word, 0.0)
        except ProviderAway:
            return told(request, _first_page(request), "provider_away", 0.0)
        response = RedirectResponse(local_path(came.next), 303)
        if came.signed is not None:
            begin_session(request, response, came.signed)
        response.headers["cache-control"] = "no-store"
        return response

    @routes.post("/me/provider")
    @needs(Anyone.IN_PERSON)
    async def link(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_link, request, form.get("action", ""))

    def _link(request: Request, action: str) -> Response:
        me, asker = f"{_base(request)}/me", current()
        if action == "unlink":
            accounts.unlink(asker.account, by_asker(asker, source_of(request)))
            return RedirectResponse(f"{_base(request)}/signin", 303)  # its sessions are over
        try:
            secret = form_secret(request)
            to = provider.begin(secret, f"{me}?done=linked", visitor_of(request), account=asker.account)
        except (TooMany, ProviderAway):
            return RedirectResponse(f"{me}?done=provider_away", 303)
        # Not a redirect: forms of ours lead to no other host (form-action of the content security policy).
        answer = Page(templates, request, None).response("onward.html", to=to, provider=provider.name)
        answer.headers["refresh"] = f"0; url={to}"
        return answer

    return routes


def _base(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


def _first_page(request: Request) -> str:
    return _base(request) + "/"
