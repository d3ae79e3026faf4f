"""An OpenID Connect provider over HTTP: what it offers, its keys, and what it says of who signed in.

Authorization code with PKCE alone (RFC 6749, 7636; OpenID Connect Core 1.0, section 3.1). Nothing that comes
through the browser is believed but by what the token endpoint then says over TLS, and that only if its
signature, issuer, audience, times and nonce are right.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from waterworks.errors import TwuinError

SKEW_S = 60
"""By so much the provider's clock may differ from ours [s]."""

TIMEOUT_S = (4.0, 8.0)
"""How long the provider may take to be reached, and between two pieces of its answer [s]: people wait."""

KEPT_S = 3600.0
"""What the provider offers, and its keys, are asked for anew after so long [s]."""

MOST_BYTES = 512 * 1024
"""No answer of a provider is longer."""

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a key of the provider's own. Not ``none``; not HS256, whose key would be our secret."""


class ProviderAway(TwuinError):
    """The provider cannot be reached, or does not answer as one does."""


class ProviderRefused(TwuinError):
    """What came does not show who signed in; the message says why, for the log. ``word``: for pages."""

    def __init__(self, message: str, word: str = "provider_refused") -> None:
        self.word = word
        super().__init__(message)


@dataclass(frozen=True)
class Client:
    """Who we are to the provider. secret: "" for a client without one. ca_file: None for the system's."""

    issuer: str
    client_id: str
    secret: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    ca_file: Path | None = None
    wanted: tuple[str, ...] = ("email", "name")
    """Claims that the userinfo endpoint is asked for where the ID token does not have them."""


@dataclass(frozen=True)
class Told:
    """What the provider says of who signed in: its claims, and the ID token that they came in."""

    claims: Mapping[str, Any]
    id_token: str


class Provider:
    """One provider. Safe from several threads. wall: the time [s since 1970]; ticks: a clock that runs on."""

    def __init__(
        self,
        client: Client,
        wall: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self._wall, self._ticks = wall, ticks
        self._lock = threading.Lock()
        self._offer: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def address(self, redirect: str, state: str, nonce: str, verifier: str) -> str:
        """Where a browser goes to sign in. Raises ProviderAway."""
        offer = self.offer()
        with self._session(redirect) as session:
            url, _ = session.create_authorization_url(
                offer["authorization_endpoint"], state=state, code_verifier=verifier, nonce=nonce
            )
        return str(url)

    def told(self, code: str, redirect: str, verifier: str, nonce: str) -> Told:
        """Who signed in, for the code that the browser brought. Raises ProviderAway, ProviderRefused."""
        offer = self.offer()
        with self._session(redirect) as session:
            try:
                token = session.fetch_token(
                    offer["token_endpoint"], code=code, code_verifier=verifier,
                    grant_type="authorization_code", timeout=TIMEOUT_S, allow_redirects=False,
                )  # fmt: skip
            except OAuthError as e:
                raise ProviderRefused(f"the token endpoint says {_line(e.error)}") from e
            except (requests.RequestException, ValueError, RecursionError) as e:
                raise ProviderAway(f"the token endpoint does not answer ({type(e).__name__})") from e
            id_token = token.get("id_token")
            if not isinstance(id_token, str):
                raise ProviderRefused("the token endpoint sends no ID token")
            claims = self._checked(id_token, nonce, str(token.get("access_token", "")))
            claims |= self._more(session, offer, claims)
        return Told(claims, id_token)

    def check_issuer(self, given: str) -> None:
        """Refuse an answer that another provider gave (RFC 9207). given: its ``iss``, "" for none."""
        required = self.offer().get("authorization_response_iss_parameter_supported") is True
        if (given or required) and given != self.client.issuer:
            raise ProviderRefused(f"the answer is of issuer {_line(given)!r}")

    def end_address(self, id_token: str, back: str) -> str:
        """Where a browser goes to sign out of the provider too; "" where it offers none or is away."""
        try:
            end = self.offer().get("end_session_endpoint", "")
        except ProviderAway:
            return ""
        if not isinstance(end, str) or not _sound(end):
            return ""
        asked = {"client_id": self.client.client_id, "post_logout_redirect_uri": back}
        if id_token:
            asked["id_token_hint"] = id_token
        return f"{end}{'&' if urlsplit(end).query else '?'}{urlencode(asked)}"

    def offer(self) -> dict[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery 1.0). Raises ProviderAway."""
        with self._lock:
            kept = self._offer
        if kept is not None and self._ticks() - kept[0] < KEPT_S:
            return kept[1]
        try:
            offer = self._json(f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration")
            self._check_offer(offer)
        except ProviderAway:
            if kept is not None:  # what it offered an hour ago it still will, once it is back
                return kept[1]
            raise
        with self._lock:
            self._offer = (self._ticks(), offer)
        return offer

    def _check_offer(self, offer: Mapping[str, Any]) -> None:
        if offer.get("issuer") != self.client.issuer:
            raise ProviderAway(
                f"the provider calls itself {_line(offer.get('issuer'))!r}: if it is the right one, set "
                "oidc.issuer to exactly that"
            )
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(offer.get(name), str) or not _sound(offer[name]):
                raise ProviderAway(f"the provider's {name} is missing or not https")

    def _checked(self, id_token: str, nonce: str, access_token: str) -> dict[str, Any]:
        """The claims of an ID token that is right in everything."""
        try:
            token = self._decoded(id_token)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self.client.issuer},
                    "aud": {"essential": True, "value": self.client.client_id},
                    "sub": {"essential": True},
                },
                {"nonce": nonce, "client_id": self.client.client_id, "access_token": access_token},
            )
            claims.validate(now=int(self._wall()), leeway=SKEW_S)
        except (JoseError, ValueError, TypeError) as e:
            raise ProviderRefused(f"the ID token is not right: {_line(e)}") from e
        found = dict(claims)
        subject = found.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise ProviderRefused("the ID token has no subject of 1 to 255 characters")
        return found

    def _decoded(self, id_token: str) -> jwt.Token:
        keys, fresh = self._key_set()
        try:
            return jwt.decode(id_token, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            if fresh:
                raise
        # Perhaps the provider has a new key.
        keys, _ = self._key_set(anew=True)
        return jwt.decode(id_token, keys, algorithms=ALGORITHMS)

    def _key_set(self, *, anew: bool = False) -> tuple[KeySet, bool]:
        """The provider's keys, and whether they were asked for just now."""
        with self._lock:
            kept = self._keys
        if kept is not None and not anew and self._ticks() - kept[0] < KEPT_S:
            return kept[1], False
        told = self._json(self.offer()["jwks_uri"])
        try:
            found = told["keys"]
            keys = KeySet.import_key_set({"keys": [k for k in found if k.get("kty") in ("RSA", "EC", "OKP")]})
        except (JoseError, KeyError, ValueError, TypeError, AttributeError) as e:
            raise ProviderAway(f"the provider's keys cannot be read: {_line(e)}") from e
        with self._lock:
            self._keys = (self._ticks(), keys)
        return keys, True

    def _more(
        self, session: OAuth2Session, offer: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Claims that the provider keeps for its userinfo endpoint; those of the ID token come first."""
        where = offer.get("userinfo_endpoint")
        lacking = any(name not in claims for name in self.client.wanted)
        if not lacking or not isinstance(where, str) or not _sound(where):
            return {}
        told = self._json(where, session)
        if told.get("sub") != claims["sub"]:
            raise ProviderRefused("the userinfo endpoint speaks of somebody else")
        return {name: value for name, value in told.items() if name not in claims}

    def _session(self, redirect: str) -> OAuth2Session:
        client = self.client
        session = OAuth2Session(
            client.client_id,
            client.secret or None,
            scope=" ".join(client.scopes),
            redirect_uri=redirect,
            code_challenge_method="S256",
            default_timeout=TIMEOUT_S,
        )
        if client.ca_file is not None:
            session.verify = str(client.ca_file)
        return session

    def _json(self, url: str, session: OAuth2Session | None = None) -> dict[str, Any]:
        """An object that the provider sends. Raises ProviderAway. session: one that holds a token."""
        if not _sound(url):
            raise ProviderAway(f"{_line(url)} is not https")
        own = session or requests.Session()
        if session is None and self.client.ca_file is not None:
            own.verify = str(self.client.ca_file)
        try:
            with own.get(url, timeout=TIMEOUT_S, allow_redirects=False, stream=True) as answer:
                if answer.status_code != 200:
                    raise ProviderAway(f"{url} answers {answer.status_code}")
                body = b""
                for piece in answer.iter_content(16_384):
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise ProviderAway(f"{url} sends more than {MOST_BYTES} bytes")
            told = json.loads(body)
        except (requests.RequestException, OAuthError, ValueError, RecursionError) as e:
            raise ProviderAway(f"{url} does not answer as a provider does ({type(e).__name__})") from e
        finally:
            if session is None:
                own.close()
        if not isinstance(told, dict):
            raise ProviderAway(f"{url} sends no JSON object")
        return told


def _sound(url: str) -> bool:
    """Whether an address is by TLS, or on this machine, and names no user."""
    try:
        parts = urlsplit(url)
        here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    except ValueError:
        return False
    return (parts.scheme == "https" or (parts.scheme == "http" and here)) and parts.username is None


def _line(said: object) -> str:
    """What somebody else said, as a short line for the log."""
    return "".join(c if c.isprintable() else " " for c in str(said))[:160]
