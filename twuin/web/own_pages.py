"""One's own account: password, where one is signed in, tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.access.cookies import SESSION, begin_session, forget
from twuin.access.current import current, permit
from twuin.access.door import source_of, visitor_of
from twuin.accounts.model import AccountRefused
from twuin.accounts.passwords import MIN_LENGTH, Busy
from twuin.accounts.rights import RIGHTS, WHOLE_SITE, Anyone, Right
from twuin.accounts.service import AccountService, by_asker
from twuin.accounts.tries import TooMany
from twuin.views.views import Views
from twuin.web.account_words import AccountWords
from twuin.web.forms import Form, read_form
from twuin.web.render import Page, Templates

TOKEN_DAYS = (30, 90, 365, 730)
"""For how long a token may be good, as the page offers it [d]."""


DONE = ("password", "revoked", "linked", "provider_away")
"""What the page's address may say was done."""


@dataclass(frozen=True)
class Said:
    """What the page says of what was just done. token: its text, shown once."""

    done: str = ""
    problem: str = ""
    wait_min: int = 1
    token: str = ""
    status: int = 200


def own_routes(templates: Templates, views: Views, accounts: AccountService, provider: str = "") -> APIRouter:
    """/me and its forms. provider: what it is called that an account may be linked to, "" for none."""
    routes = guarded_router(GuardedRoute)

    def shown(request: Request, said: Said) -> Response:
        p, asker = Page(templates, request, views.frame()), current()
        account = accounts.account(asker.account)
        now = datetime.now(UTC)
        return p.response(
            "me.html",
            said.status,
            aw=AccountWords(p.formats),
            account=account,
            sessions=accounts.sessions(account.id),
            this_session=asker.key,
            tokens=[t for t in accounts.tokens(account.id) if t.revoked is None],
            now=now,
            said=said,
            least=MIN_LENGTH,
            all_rights=sorted(RIGHTS[account.role], key=list(Right).index),
            grantable=sorted(account.rights - {Right.TOKENS, Right.ACCOUNTS}, key=list(Right).index),
            whole_site=WHOLE_SITE,
            token_days=TOKEN_DAYS,
            dmas=views.known_dmas,
            provider=provider,
            by_password=accounts.sign_in.by_password(account),
            identities=accounts.identities(account.id) if provider else [],
        )

    @routes.get("/me")
    @needs(Anyone.IN_PERSON)
    def me(request: Request, done: str = "") -> Response:
        return shown(request, Said(done=done if done in DONE else ""))

    @routes.post("/me/password")
    @needs(Anyone.IN_PERSON)
    async def password(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_password, request, form)

    def _password(request: Request, form: Form) -> Response:
        new = form.get("password", "")
        if new != form.get("again", ""):
            return shown(request, Said(problem="again", status=422))
        try:
            signed = accounts.sign_in.change_password(
                current(), form.get("old", ""), new, visitor_of(request)
            )
        except TooMany as e:
            return shown(request, Said(problem="slow", wait_min=int(e.wait_s // 60) + 1, status=429))
        except Busy:
            return shown(request, Said(problem="busy", status=503))
        except AccountRefused as e:
            return shown(request, Said(problem=e.word, status=422))
        answer = RedirectResponse(f"{_base(request)}/me?done=password", 303)
        begin_session(request, answer, signed)
        return answer

    @routes.post("/me/sessions")
    @needs(Anyone.IN_PERSON)
    async def sign_out_everywhere(request: Request) -> Response:
        await read_form(request)
        return await run_in_threadpool(_everywhere, request)

    def _everywhere(request: Request) -> Response:
        accounts.end_sessions(current().account, by_asker(current(), source_of(request)))
        answer = RedirectResponse(f"{_base(request)}/signin", 303)
        forget(request, answer, SESSION)
        return answer

    @routes.post("/me/tokens")
    @needs(Anyone.IN_PERSON)
    async def add_token(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_add_token, request, form)

    def _add_token(request: Request, form: Form) -> Response:
        permit(Right.TOKENS)
        asker, days = current(), form.get("days", "")
        chosen = form.all("dmas")
        try:
            _, text = accounts.add_token(
                accounts.account(asker.account),
                by_asker(asker, source_of(request)),
                name=form.get("name", ""),
                rights=[Right(r) for r in form.all("rights") if r in set(Right)],
                days=int(days) if days.isascii() and days.isdigit() and len(days) < 6 else 0,
                dmas=chosen or None,
            )
        except AccountRefused as e:
            return shown(request, Said(problem=e.word, status=422))
        return shown(request, Said(token=text))

    @routes.post("/me/tokens/{id}")
    @needs(Anyone.IN_PERSON)
    async def revoke_token(request: Request, id: str) -> Response:
        await read_form(request)
        return await run_in_threadpool(_revoke, request, id)

    def _revoke(request: Request, id: str) -> Response:
        asker = current()
        accounts.revoke(id, by_asker(asker, source_of(request)), owner=asker.account)
        return RedirectResponse(f"{_base(request)}/me?done=revoked", 303)

    return routes


def _base(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")
