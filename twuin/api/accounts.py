"""Accounts, tokens and the security log; and what everybody may do with their own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Path, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from twuin.access import guarded_router, needs
from twuin.access.cookies import begin_session
from twuin.access.current import current, permit
from twuin.access.door import source_of, visitor_of
from twuin.accounts.model import Account, AccountRefused, SecurityEvent, Session, Token, Via, What
from twuin.accounts.passwords import MAX_LENGTH, MIN_LENGTH
from twuin.accounts.rights import Anyone, Right, Role
from twuin.accounts.service import MOST_TOKEN_DAYS, AccountService, by_asker
from twuin.accounts.tries import TooMany
from twuin.api.params import PREFIX, Limit
from twuin.api.problems import problem
from twuin.views.models import Page

_NAMED: dict[int | str, dict[str, Any]] = {404: {}}
AccountId = Annotated[str, Path(description="Id of an account", examples=["a1b2c3d4e5f6"])]
TokenId = Annotated[str, Path(description="Id of a token", examples=["a1b2c3d4e5f6"])]
Dmas = Annotated[
    list[str] | None, Field(max_length=1000, description="Ids of DMAs it is limited to; null: the whole site")
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountOut(_Model):
    id: str
    name: str = Field(description="What the person types to sign in")
    full_name: str = Field(description="How the history of an alert calls them; empty: by name")
    role: Role
    rights: list[Right]
    dmas: list[str] | None = Field(description="DMAs that the account is limited to; null: the whole site")
    disabled: bool
    has_password: bool = Field(description="False until the owner chose one")
    provider: bool = Field(description="The owner signs in through the provider, where `name` is an address")
    made_at: datetime
    last_sign_in: datetime | None


class AskerOut(_Model):
    """Who asks, and what they may do."""

    account: str | None = Field(description="Id of the account; null in a demo")
    name: str
    role: Role | None
    rights: list[Right]
    dmas: list[str] | None
    via: Via


class SessionOut(_Model):
    ref: str
    made_at: datetime
    seen_at: datetime
    ends_at: datetime
    source: str
    agent: str
    here: bool = Field(description="Whether it is the one that asks")


class TokenOut(_Model):
    id: str
    account: str
    name: str
    rights: list[Right]
    dmas: list[str] | None
    made_at: datetime
    ends_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class NewTokenOut(TokenOut):
    token: str = Field(description="Shown only now; send it as `Authorization: Bearer ...`")


class SecurityEventOut(_Model):
    id: int
    at: datetime
    what: What
    actor: str = Field(description="Who did it; empty: nobody was signed in")
    about: str = Field(description="Name of the account that it is about, as it was given")
    source: str
    detail: str


class NewAccount(_Model):
    name: str = Field(max_length=200)
    role: Role
    full_name: str = Field("", max_length=200)
    dmas: Dmas = None
    provider: bool = Field(
        False,
        description="Of somebody who signs in through the provider: `name` is their e-mail address there",
    )


class ChangedAccount(_Model):
    """What is to change; what is left out stays. ``dmas`` null: the whole site."""

    role: Role | None = None
    full_name: str | None = Field(None, max_length=200)
    dmas: Dmas = None
    disabled: bool | None = None


class CodeOut(_Model):
    account: AccountOut
    code: str = Field(
        description="With it the owner chooses a password, once; shown only now. Empty for who signs in "
        "through the provider"
    )
    hours: float


class NewToken(_Model):
    name: str = Field(max_length=200, description="Where it is used")
    rights: list[Right] = Field(min_length=1, max_length=len(Right))
    days: int = Field(365, ge=1, le=MOST_TOKEN_DAYS)
    dmas: Dmas = None


class NewPassword(_Model):
    old: str = Field(max_length=MAX_LENGTH)
    new: str = Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH)


def own_routes(accounts: AccountService) -> APIRouter:
    """/me: one's own account."""
    routes = guarded_router(prefix=f"{PREFIX}/me", tags=["accounts"])

    @routes.get("", summary="Who asks, and what they may do")
    @needs(Anyone.SIGNED_IN)
    def me() -> AskerOut:
        a = current()
        return AskerOut(
            account=a.account or None,
            name=a.name,
            role=a.role,
            rights=_rights(a.rights),
            dmas=_dmas(a.dmas),
            via=a.via,
        )

    @routes.post("/password", summary="Change one's own password", status_code=204, responses={429: {}})
    @needs(Anyone.IN_PERSON)
    def password(request: Request, asked: NewPassword) -> Response:
        """All sessions end; the answer brings a new one in its cookies."""
        try:
            signed = accounts.sign_in.change_password(current(), asked.old, asked.new, visitor_of(request))
        except TooMany as e:
            return problem(429, "too many wrong passwords", headers={"Retry-After": str(int(e.wait_s) + 1)})
        answer = Response(status_code=204)
        begin_session(request, answer, signed)
        return answer

    @routes.get("/sessions", summary="Where one is signed in")
    @needs(Anyone.IN_PERSON)
    def sessions() -> list[SessionOut]:
        return [_session(s) for s in accounts.sessions(current().account)]

    @routes.delete("/sessions", summary="Sign out everywhere", status_code=204)
    @needs(Anyone.IN_PERSON)
    def sign_out(request: Request) -> None:
        accounts.end_sessions(current().account, by_asker(current(), source_of(request)))

    @routes.get("/tokens", summary="One's own tokens, the newest first")
    @needs(Anyone.IN_PERSON)
    def tokens() -> list[TokenOut]:
        return [_token(t) for t in accounts.tokens(current().account)]

    @routes.post("/tokens", summary="Make a token", status_code=201)
    @needs(Anyone.IN_PERSON)
    def add_token(request: Request, asked: NewToken) -> NewTokenOut:
        """Takes the right `tokens`. The token never may more than its owner may at that time."""
        permit(Right.TOKENS)
        made, text = accounts.add_token(
            accounts.account(current().account),
            by_asker(current(), source_of(request)),
            name=asked.name,
            rights=asked.rights,
            days=asked.days,
            dmas=asked.dmas,
        )
        return NewTokenOut(token=text, **_token(made).model_dump())

    @routes.delete("/tokens/{id}", summary="Revoke a token", status_code=204, responses=_NAMED)
    @needs(Anyone.IN_PERSON)
    def revoke(request: Request, id: TokenId) -> None:
        asker = current()
        accounts.revoke(id, by_asker(asker, source_of(request)), owner=asker.account)

    return routes


def account_routes(accounts: AccountService) -> APIRouter:
    """/accounts, /tokens, /security-events."""
    routes = guarded_router(prefix=PREFIX, tags=["accounts"])

    @routes.get("/accounts", summary="All accounts, by name")
    @needs(Right.ACCOUNTS)
    def listed() -> list[AccountOut]:
        return [_account(a) for a in accounts.accounts()]

    @routes.post("/accounts", summary="Make an account", status_code=201)
    @needs(Right.ACCOUNTS)
    def add(request: Request, asked: NewAccount) -> CodeOut:
        """The answer holds the one-time code with which the owner chooses a password."""
        made, code = accounts.add(
            asked.name,
            asked.role,
            by_asker(current(), source_of(request)),
            full_name=asked.full_name,
            dmas=asked.dmas,
            provider=asked.provider,
        )
        return CodeOut(account=_account(made), code=code, hours=accounts.code_hours)

    @routes.get("/accounts/{id}", summary="One account", responses=_NAMED)
    @needs(Right.ACCOUNTS)
    def one(id: AccountId) -> AccountOut:
        return _account(accounts.account(id))

    @routes.patch("/accounts/{id}", summary="Change, disable or enable an account", responses=_NAMED)
    @needs(Right.ACCOUNTS)
    def change(request: Request, id: AccountId, asked: ChangedAccount) -> AccountOut:
        """It holds at once; disabling ends all sessions. The last administrator stays one."""
        if "role" in asked.model_fields_set and asked.role is None:
            _invalid("role", "give a role, or leave it out")
        changed = accounts.change(
            id,
            by_asker(current(), source_of(request)),
            role=asked.role,
            full_name=asked.full_name,
            dmas=asked.dmas,
            whole_site="dmas" in asked.model_fields_set and asked.dmas is None,
            disabled=asked.disabled,
        )
        return _account(changed)

    @routes.post("/accounts/{id}/code", summary="A one-time code for a new password", responses=_NAMED)
    @needs(Right.ACCOUNTS)
    def reset(request: Request, id: AccountId) -> CodeOut:
        """The old password is good until the code is used."""
        account = accounts.account(id)
        if account.disabled:
            raise AccountRefused("disabled", f"{account.name} is disabled: enable the account first")
        code = accounts.reset(id, by_asker(current(), source_of(request)))
        return CodeOut(account=_account(account), code=code, hours=accounts.code_hours)

    @routes.delete(
        "/accounts/{id}/sessions", summary="Sign an account out everywhere", status_code=204, responses=_NAMED
    )
    @needs(Right.ACCOUNTS)
    def end_sessions(request: Request, id: AccountId) -> None:
        accounts.end_sessions(id, by_asker(current(), source_of(request)))

    @routes.delete(
        "/accounts/{id}/provider",
        summary="Part an account from the one at the provider",
        status_code=204,
        responses=_NAMED,
    )
    @needs(Right.ACCOUNTS)
    def unlink(request: Request, id: AccountId) -> None:
        """Its sessions end, and it can be linked anew."""
        accounts.unlink(id, by_asker(current(), source_of(request)))

    @routes.get("/tokens", summary="Everybody's tokens, the newest first")
    @needs(Right.ACCOUNTS)
    def tokens() -> list[TokenOut]:
        return [_token(t) for t in accounts.tokens()]

    @routes.delete("/tokens/{id}", summary="Revoke anybody's token", status_code=204, responses=_NAMED)
    @needs(Right.ACCOUNTS)
    def revoke(request: Request, id: TokenId) -> None:
        accounts.revoke(id, by_asker(current(), source_of(request)))

    @routes.get("/security-events", summary="The security log, newest first")
    @needs(Right.ACCOUNTS)
    def events(
        cursor: Annotated[
            int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before")
        ] = None,
        limit: Limit = 50,
    ) -> Page[SecurityEventOut]:
        found = accounts.events(before=cursor, limit=limit + 1)
        items = [_event(e) for e in found[:limit]]
        return Page[SecurityEventOut](items=items, next=str(items[-1].id) if len(found) > limit else None)

    return routes


def _invalid(name: str, message: str) -> NoReturn:
    raise RequestValidationError(
        [{"loc": ("body", name), "msg": message, "type": "value_error", "input": None}]
    )


def _rights(rights: Iterable[Right]) -> list[Right]:
    return sorted(rights, key=list(Right).index)


def _dmas(dmas: frozenset[str] | None) -> list[str] | None:
    return None if dmas is None else sorted(dmas)


def _account(a: Account) -> AccountOut:
    return AccountOut(
        id=a.id,
        name=a.name,
        full_name=a.full_name,
        role=a.role,
        rights=_rights(a.rights),
        dmas=_dmas(a.dmas),
        disabled=a.disabled,
        has_password=a.has_password,
        provider=a.provider,
        made_at=a.made,
        last_sign_in=a.seen,
    )


def _session(s: Session) -> SessionOut:
    return SessionOut(
        ref=s.ref,
        made_at=s.made,
        seen_at=s.seen,
        ends_at=s.ends,
        source=s.source,
        agent=s.agent,
        here=s.digest == current().key,
    )


def _token(t: Token) -> TokenOut:
    return TokenOut(
        id=t.id,
        account=t.account,
        name=t.name,
        rights=_rights(t.rights),
        dmas=_dmas(t.dmas),
        made_at=t.made,
        ends_at=t.ends,
        used_at=t.used,
        revoked_at=t.revoked,
    )


def _event(e: SecurityEvent) -> SecurityEventOut:
    return SecurityEventOut(
        id=e.seq, at=e.at, what=e.what, actor=e.actor, about=e.about, source=e.source, detail=e.detail
    )
