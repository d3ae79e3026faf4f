"""A provider that says what a test wants it to say, and accounts to come in with."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from twuin.accounts.model import NOBODY, Account, Asker, SecurityEvent
from twuin.accounts.rights import Role
from twuin.accounts.service import AccountService, By
from twuin.accounts.sign_in import SignIn, Visitor
from twuin.db import open_account_store
from twuin.db.account_store import SqlAccountStore
from twuin.oidc.provider import Client, Provider
from twuin.oidc.signing_in import Came, ProviderSignIn, Rules

BACK = "https://water.example/signin/return"
ME = Visitor("192.0.2.1")
SECRET = "the client's secret / with % in it"


@cache
def rsa(kid: str) -> RSAKey:
    """A key, made once: that takes a while."""
    return RSAKey.generate_key(2048, {"kid": kid})


class Said:
    """The provider: what it offers, its keys, and what it says of who signs in."""

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        self.issuer = server.url_for("").rstrip("/")
        self.keys = [rsa("k1")]
        self.offer: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "k1"}
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.token: Callable[[Request], Response] = self.exchange
        self.userinfo: dict[str, Any] | None = None
        self.asked: list[str] = []
        self.begun: dict[str, dict[str, str]] = {}
        for path, handler in (
            ("/.well-known/openid-configuration", lambda _: self.json(self.offer)),
            ("/keys", lambda _: self.json(KeySet(self.keys).as_dict(private=False))),
            ("/token", lambda request: self.token(request)),
            ("/userinfo", self.tell),
        ):
            server.expect_request(path).respond_with_handler(self._counted(path, handler))

    def _counted(self, path: str, handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            self.asked.append(path)
            return handler(request)

        return answer

    @staticmethod
    def json(told: Any, status: int = 200) -> Response:
        return Response(json.dumps(told), status, content_type="application/json")

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(self.header, claims, self.keys[-1], algorithms=[self.header["alg"]])

    def exchange(self, request: Request) -> Response:
        """Gives an ID token for a code, to whoever knows the secret and the verifier of the code's flow."""
        flow = self.begun.pop(request.form["code"])
        given = base64.urlsafe_b64encode(hashlib.sha256(request.form["code_verifier"].encode()).digest())
        assert (
            given.decode().rstrip("=") == flow["code_challenge"] and flow["code_challenge_method"] == "S256"
        )
        assert request.form["redirect_uri"] == flow["redirect_uri"] == BACK
        assert request.authorization is not None
        assert (request.authorization.username, request.authorization.password) == ("twuin", SECRET)
        claims = {"nonce": flow["nonce"], **self.claims}
        token = self.sign({k: v for k, v in claims.items() if v is not None})
        return self.json({"access_token": "at", "token_type": "Bearer", "id_token": token})

    def tell(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer at"
        return self.json(self.userinfo)

    def signs_in(self, address: str, **answer: str) -> dict[str, str]:
        """What a browser is sent back with that was sent to ``address``."""
        asked = {k: v[0] for k, v in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code" and asked["client_id"] == "twuin"
        code = f"code{len(self.begun)}-{asked['state'][:8]}"
        self.begun[code] = asked
        return {"state": asked["state"], "code": code, **answer}


@dataclass
class Gate:
    """Accounts of a site whose people may sign in through ``said``."""

    said: Said
    store: SqlAccountStore
    now: datetime = datetime(2026, 11, 22, 3, tzinfo=UTC)
    by: By = field(default_factory=lambda: By("test"))
    browser: str = "the browser's secret"

    def __post_init__(self) -> None:
        sign_in = SignIn("town", self.store, lambda: self.now)
        self.accounts = AccountService(
            "town", self.store, lambda: self.now, sign_in=sign_in, dmas=("D1", "D2")
        )
        self.client = Client(self.said.issuer, "twuin", SECRET)
        self.open()
        self.tells()

    def open(self, rules: Rules | None = None, **client: Any) -> None:
        """Begin anew, as after a start: nothing of the provider is known."""
        self.client = replace(self.client, **client)
        self.provider = Provider(self.client, lambda: self.now.timestamp(), lambda: self.now.timestamp())
        self.outside = ProviderSignIn(
            self.provider, self.accounts, self.store, rules or Rules(), lambda: self.now,
            site="town", name="Portal", back=BACK, home="https://water.example/signin",
        )  # fmt: skip

    def tells(self, **claims: Any) -> None:
        """What the ID token says, beside its nonce; None: leave it out."""
        at = int(self.now.timestamp())
        usual = {
            "iss": self.said.issuer, "aud": "twuin", "sub": "u-1", "iat": at, "exp": at + 300,
            "email": "ani@pdam.example", "email_verified": True, "name": "Ani Lestari",
        }  # fmt: skip
        self.said.claims = usual | claims

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)

    def invite(self, name: str = "ani@pdam.example", role: Role = Role.CREW, **more: Any) -> Account:
        return self.accounts.add(name, role, self.by, provider=True, **more)[0]

    def begin(self, **more: Any) -> str:
        return self.outside.begin(self.browser, "/alerts", ME, **more)

    def back(self, answer: dict[str, str], *, browser: str = "", asker: Asker = NOBODY) -> Came:
        return self.outside.came_back(answer, browser or self.browser, ME, asker)

    def come(self, **answer: str) -> Account:
        """Sign in there, and come back."""
        came = self.back(self.said.signs_in(self.begin(), **answer))
        assert came.signed is not None and came.next == "/alerts"
        return came.signed.account

    def log(self) -> list[SecurityEvent]:
        return self.accounts.events(limit=1000)[::-1]


@pytest.fixture
def gate(httpserver: HTTPServer, tmp_path: Path) -> Iterator[Gate]:
    store = open_account_store(f"sqlite:///{tmp_path}/twuin.sqlite")
    yield Gate(Said(httpserver), store)
    store.close()


@pytest.fixture
def shared_key() -> OctKey:
    """A key as our own secret would be."""
    return OctKey.import_key(SECRET.ljust(64, "x"))
