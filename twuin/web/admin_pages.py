"""Accounts and the security log, for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.access.current import current
from twuin.access.door import source_of
from twuin.accounts.model import AccountRefused, SecurityEvent
from twuin.accounts.rights import RIGHTS, Right, Role
from twuin.accounts.service import AccountService, by_asker
from twuin.views.views import Views
from twuin.web.account_words import AccountWords
from twuin.web.forms import Form, read_form
from twuin.web.render import Page, Templates

EVENTS = 100
"""Events on a page of the security log."""


def admin_routes(
    templates: Templates, views: Views, accounts: AccountService, provider: str = ""
) -> APIRouter:
    """/accounts, /accounts/{id}, /security. provider: what the provider is called, "" for none."""
    routes = guarded_router(GuardedRoute)

    @routes.get("/accounts")
    @needs(Right.ACCOUNTS)
    def account_list(request: Request) -> Response:
        return listed(request)

    def listed(request: Request, *, problem: str = "", form: Form | None = None) -> Response:
        p = Page(templates, request, views.frame())
        given = form or Form({})
        return p.response(
            "accounts.html",
            422 if problem else 200,
            aw=AccountWords(p.formats),
            accounts=accounts.accounts(),
            roles=list(Role),
            role_rights={role: [r for r in Right if r in RIGHTS[role]] for role in Role},
            dmas=views.known_dmas,
            problem=problem,
            given=given,
            given_dmas=given.all("dmas"),
            provider=provider,
        )

    @routes.post("/accounts")
    @needs(Right.ACCOUNTS)
    async def add(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_add, request, form)

    def _add(request: Request, form: Form) -> Response:
        try:
            made, code = accounts.add(
                form.get("name", ""),
                _role(form),
                by_asker(current(), source_of(request)),
                full_name=form.get("full_name", ""),
                dmas=_dmas(form),
                provider=bool(provider) and form.get("by") == "provider",
            )
        except AccountRefused as e:
            return listed(request, problem=e.word, form=form)
        return shown(request, made.id, code=code, done="made")

    @routes.get("/accounts/{id}")
    @needs(Right.ACCOUNTS)
    def account_page(request: Request, id: str) -> Response:
        return shown(request, id)

    def shown(request: Request, id: str, *, code: str = "", done: str = "", problem: str = "") -> Response:
        p = Page(templates, request, views.frame())
        account = accounts.account(id)
        return p.response(
            "account.html",
            422 if problem else 200,
            aw=AccountWords(p.formats),
            account=account,
            own=account.id == current().account,
            sessions=accounts.sessions(id),
            tokens=[t for t in accounts.tokens(id) if t.revoked is None],
            roles=list(Role),
            dmas=views.known_dmas,
            code=code,
            code_hours=accounts.code_hours,
            provider=provider,
            identities=accounts.identities(id),
            by_password=accounts.sign_in.by_password(account),
            done=done,
            problem=problem,
        )

    @routes.post("/accounts/{id}")
    @needs(Right.ACCOUNTS)
    async def change(request: Request, id: str) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_change, request, id, form)

    def _change(request: Request, id: str, form: Form) -> Response:
        by, action = by_asker(current(), source_of(request)), form.get("action", "")
        try:
            if action == "save":
                dmas = _dmas(form)
                accounts.change(
                    id,
                    by,
                    role=_role(form),
                    full_name=form.get("full_name", ""),
                    dmas=dmas,
                    whole_site=dmas is None,
                )
            elif action in ("disable", "enable"):
                accounts.change(id, by, disabled=action == "disable")
            elif action == "reset":
                return shown(request, id, code=accounts.reset(id, by), done="reset")
            elif action == "sessions":
                accounts.end_sessions(id, by)
            elif action == "unlink":
                accounts.unlink(id, by)
            elif action == "revoke":
                accounts.revoke(form.get("token", ""), by, owner=id)
            else:
                return shown(request, id, problem="action")
        except AccountRefused as e:
            return shown(request, id, problem=e.word)
        base = str(request.scope.get("root_path", "")).rstrip("/")
        return RedirectResponse(f"{base}/accounts/{id}", 303)

    @routes.get("/security")
    @needs(Right.ACCOUNTS)
    def security(request: Request, before: Annotated[int | None, Query(ge=1, le=2**62)] = None) -> Response:
        p = Page(templates, request, views.frame())
        events = accounts.events(before=before, limit=EVENTS + 1)
        return p.response(
            "security.html",
            aw=AccountWords(p.formats),
            events=folded(events[:EVENTS]),
            next=events[EVENTS - 1].seq if len(events) > EVENTS else None,
        )

    return routes


@dataclass(frozen=True)
class Told:
    """Events of the log that are alike but for their time, as one line. times: how many; since: the first."""

    event: SecurityEvent
    times: int
    since: datetime


def folded(events: Sequence[SecurityEvent]) -> list[Told]:
    """``events``, newest first, with those that follow one another and are alike folded into one line."""
    lines = []
    for _, alike in groupby(events, key=lambda e: (e.what, e.actor, e.about, e.source, e.detail)):
        found = list(alike)
        lines.append(Told(found[0], len(found), found[-1].at))
    return lines


def _role(form: Form) -> Role:
    role = form.get("role", "")
    if role not in set(Role):
        raise AccountRefused("role", f"{role[:40]!r} is no role")
    return Role(role)


def _dmas(form: Form) -> list[str] | None:
    """The DMAs that are ticked; None where the whole site is chosen."""
    return form.all("dmas") if form.get("scope") == "dmas" else None
