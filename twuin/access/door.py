"""The door: who a request comes from, before any route is asked."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Callable
from typing import Protocol

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from twuin.access.cookies import DEVICE, SESSION, read
from twuin.access.current import NotPermitted, asking
from twuin.accounts.model import NOBODY, OPEN, Asker, Via
from twuin.accounts.rights import Right
from twuin.accounts.service import AccountService
from twuin.accounts.sign_in import Visitor
from waterworks.errors import TwuinError

log = logging.getLogger(__name__)

LOCAL = Asker(Via.NOBODY, frozenset({Right.METRICS}))
"""Nobody, on this very machine: Prometheus beside Twuin needs no token."""

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class Access(Protocol):
    """How an application finds out who asks."""

    accounts: AccountService | None

    def asker(self, request: Request) -> Asker:
        """Who asks: nobody where what they show is not good. Raises StoreUnavailable."""
        ...


class OpenAccess:
    """A demo: whoever reaches it may do everything but manage accounts. Only for loopback."""

    accounts: AccountService | None = None

    def asker(self, request: Request) -> Asker:
        return OPEN


class AccountAccess:
    """By session cookie or by token. local_metrics: /metrics is open to programs on this machine."""

    def __init__(self, accounts: AccountService, *, local_metrics: bool = True) -> None:
        self.accounts: AccountService | None = accounts
        self._sign_in = accounts.sign_in
        self._local_metrics = local_metrics

    def asker(self, request: Request) -> Asker:
        given = request.headers.get("authorization")
        if given is not None:
            bearer = _BEARER.fullmatch(given.strip())
            found = None if bearer is None else self._sign_in.by_token(bearer[1], visitor_of(request))
            # Who shows a token that is no good is told so, and not taken for somebody else.
            return found or NOBODY
        secret = read(request, SESSION)
        found = self._sign_in.by_session(secret) if secret else None
        if found is not None:
            return found
        return LOCAL if self._local_metrics and is_local(request) else NOBODY


def source_of(request: HTTPConnection) -> str:
    """Where a request comes from: an IPv4 address, or the /64 of an IPv6 one, which one household has."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return host[:80]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def visitor_of(request: Request) -> Visitor:
    """Where a request comes from, for signing in."""
    return Visitor(source_of(request), request.headers.get("user-agent", "")[:200], read(request, DEVICE))


def is_local(request: HTTPConnection) -> bool:
    """Whether a program on this machine asks, and not a proxy on it for somebody else."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def install_access(app: FastAPI, access: Access, *, https: bool = False) -> None:
    """Put the door before all routes of ``app``. https: browsers reach it by TLS, whatever the proxy says.

    Routes find ``access`` as ``request.state.access``, and in ``request.state.still`` a function that tells
    whether whoever asks still is who they were: for answers that go on for long.
    """
    app.add_middleware(Door, access=access, https=https)


class Door:
    """Sets who asks, for the time of the request."""

    def __init__(self, app: ASGIApp, access: Access, https: bool = False) -> None:
        self.app = app
        self._access = access
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._https:
            scope["scheme"] = "https"
        request = Request(scope)
        away: TwuinError | None = None
        try:
            asker = await run_in_threadpool(self._access.asker, request)
        except TwuinError as e:  # the database is away: what is public must answer, health above all
            asker, away = NOBODY, e
        state = scope.setdefault("state", {})
        state["access"] = self._access
        state["asker"] = asker
        state["still"] = self._still(request, asker)
        with asking(asker, away):
            await self.app(scope, receive, send)

    def _still(self, request: Request, asker: Asker) -> Callable[[], bool]:
        def same() -> bool:
            return self._access.asker(request) == asker

        return same


def note_personal(request: Request, what: str) -> None:
    """Log that somebody looks at personal data. Raises StoreUnavailable: unlogged, nobody sees them."""
    asker: Asker = request.state.asker
    access: Access = request.state.access
    if access.accounts is not None:
        access.accounts.sign_in.saw_personal(asker, source_of(request), what)
    else:  # a demo has no accounts, and no log of theirs
        log.info("personal data seen: %s", what)


def note_refusal(request: Request, error: NotPermitted) -> None:
    """Log that somebody who is signed in asked for what they have no right to."""
    asker: Asker = request.state.asker
    access: Access = request.state.access
    if access.accounts is not None and asker.account:
        what = f"{request.method} {request.url.path}"
        try:
            access.accounts.sign_in.refused(asker, source_of(request), what)
        except TwuinError as e:  # it is refused all the same
            log.error("a refusal could not be logged (%s): %s by %s", e, what, asker.name)
