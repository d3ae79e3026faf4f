"""Pages for who is not signed in yet: sign in, and choose a password by a one-time code."""

from __future__ import annotations

import math

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.access.cookies import SESSION, begin_session, forget, read
from twuin.access.current import asking, current
from twuin.access.door import source_of, visitor_of
from twuin.accounts.model import NOBODY, AccountRefused, Via
from twuin.accounts.passwords import MIN_LENGTH, Busy
from twuin.accounts.rights import Anyone
from twuin.accounts.service import AccountService
from twuin.accounts.sign_in import SignedIn
from twuin.accounts.tries import TooMany
from twuin.oidc.signing_in import ProviderSignIn
from twuin.web.account_words import AccountWords
from twuin.web.forms import Form, read_form
from twuin.web.provider_pages import provider_routes
from twuin.web.render import Page, Templates
from twuin.web.security import local_path


def sign_in_routes(
    templates: Templates, accounts: AccountService | None, provider: ProviderSignIn | None = None
) -> APIRouter:
    """/signin, /welcome, /signout, and where there is a provider the way to it.

    accounts: None in a demo, where these lead to the first page.
    """
    routes = guarded_router(GuardedRoute)
    called = "" if provider is None else provider.name

    def page(request: Request) -> Page:
        return Page(templates, request, None)

    def first_page(request: Request) -> str:
        return str(request.scope.get("root_path", "")).rstrip("/") + "/"

    def done_already(next: str) -> Response | None:
        """Where to go who has nothing to do here."""
        if current().via in (Via.OPEN, Via.SESSION):
            return RedirectResponse(local_path(next), 303)
        return None

    @routes.get("/signin")
    @needs(Anyone.PUBLIC)
    def sign_in(request: Request, next: str = "") -> Response:
        next = next or first_page(request)
        return done_already(next) or sign_in_page(request, next)

    def sign_in_page(
        request: Request, next: str, *, name: str = "", problem: str = "", wait_s: float = 0.0
    ) -> Response:
        assert accounts is not None
        p = page(request)
        return p.response(
            "signin.html",
            _status(problem),
            aw=AccountWords(p.formats),
            next=local_path(next),
            name=name,
            problem=problem,
            wait_min=max(1, math.ceil(wait_s / 60)),
            empty=accounts.empty,
            provider=called,
            for_all=accounts.sign_in.passwords_for_all,
        )

    @routes.post("/signin")
    @needs(Anyone.PUBLIC)
    async def signing_in(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_sign_in, request, form)

    def _sign_in(request: Request, form: Form) -> Response:
        next, name = form.get("next") or first_page(request), form.get("name", "")[:200]
        if (done := done_already(next)) is not None:
            return done
        assert accounts is not None
        password = form.get("password", "")
        try:
            signed = accounts.sign_in.sign_in(name, password, visitor_of(request))
        except (AccountRefused, TooMany, Busy) as e:
            problem, wait_s = _problem(e)
            answer = sign_in_page(request, next, name=name, problem=problem, wait_s=wait_s)
            return _retry(answer, wait_s)
        return begun(request, signed, local_path(next))

    @routes.get("/welcome")
    @needs(Anyone.PUBLIC)
    def welcome(request: Request, name: str = "") -> Response:
        return done_already(first_page(request)) or welcome_page(request, name=name[:80])

    def welcome_page(
        request: Request, *, name: str, code: str = "", problem: str = "", wait_s: float = 0.0
    ) -> Response:
        p = page(request)
        return p.response(
            "welcome.html",
            _status(problem),
            aw=AccountWords(p.formats),
            name=name,
            code=code,
            problem=problem,
            wait_min=max(1, math.ceil(wait_s / 60)),
            least=MIN_LENGTH,
        )

    @routes.post("/welcome")
    @needs(Anyone.PUBLIC)
    async def welcoming(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_welcome, request, form)

    def _welcome(request: Request, form: Form) -> Response:
        name, code = form.get("name", "")[:80], form.get("code", "")[:100]
        if (done := done_already(first_page(request))) is not None:
            return done
        assert accounts is not None
        password = form.get("password", "")
        if password != form.get("again", ""):
            return welcome_page(request, name=name, code=code, problem="again")
        try:
            signed = accounts.sign_in.use_code(name, code, password, visitor_of(request))
        except (AccountRefused, TooMany, Busy) as e:
            problem, wait_s = _problem(e)
            kept = "" if problem == "code" else code
            return _retry(welcome_page(request, name=name, code=kept, problem=problem, wait_s=wait_s), wait_s)
        return begun(request, signed, first_page(request))

    def begun(request: Request, signed: SignedIn, next: str) -> Response:
        answer = RedirectResponse(local_path(next), 303)
        begin_session(request, answer, signed)
        return answer

    @routes.post("/signout")
    @needs(Anyone.PUBLIC)
    async def sign_out(request: Request) -> Response:
        await read_form(request)
        return await run_in_threadpool(_sign_out, request)

    def _sign_out(request: Request) -> Response:
        base = str(request.scope.get("root_path", "")).rstrip("/")
        answer: Response = RedirectResponse(f"{base}/signin", 303)
        if accounts is not None and read(request, SESSION) and current().via is Via.SESSION:
            hint = accounts.sign_in.sign_out(current(), source_of(request))
            end = "" if provider is None else provider.end_address(hint)
            if end:
                with asking(NOBODY):
                    answer = page(request).response("signed_out.html", end=end, provider=called)
        forget(request, answer, SESSION)
        return answer

    if accounts is not None and provider is not None:

        def told(request: Request, next: str, problem: str, wait_s: float) -> Response:
            return _retry(sign_in_page(request, next, problem=problem, wait_s=wait_s), wait_s)

        routes.include_router(provider_routes(templates, accounts, provider, told))
    return routes


def _problem(error: Exception) -> tuple[str, float]:
    """A word for what went wrong, and after how long to try again [s]."""
    if isinstance(error, TooMany):
        return "slow", error.wait_s
    if isinstance(error, AccountRefused):
        return error.word, 0.0
    return "busy", 5.0


def _status(problem: str) -> int:
    return _STATUS.get(problem, 422)


_STATUS = {
    "": 200, "slow": 429, "busy": 503, "wrong": 401, "code": 401,
    "provider_away": 503, "provider_refused": 400, "cancelled": 400, "stale": 400,
    "account_disabled": 403, "no_account": 403, "no_email": 403, "no_group": 403, "linked": 403,
}  # fmt: skip


def _retry(answer: Response, wait_s: float) -> Response:
    if wait_s:
        answer.headers["retry-after"] = str(math.ceil(wait_s))
    return answer
