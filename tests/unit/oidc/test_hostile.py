"""What a provider, or somebody who plays one, may send: nobody gets in by what is not right."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug import Response

from twuin.accounts.model import What
from twuin.accounts.tries import SOURCE, TooMany
from twuin.oidc.provider import ProviderAway
from twuin.oidc.signing_in import NotLetIn


def refused(gate: Any, word: str, reason: str, do: Callable[[], Any] | None = None) -> None:
    """Coming in is refused: ``word`` for the page, ``reason`` in the security log, and no session."""
    with pytest.raises(NotLetIn) as told:
        (do or gate.come)()
    assert told.value.word == word
    last = gate.log()[-1]
    assert last.what is What.SIGN_IN_FAILED and reason in last.detail and "Portal: " in last.detail
    assert What.SIGNED_IN not in {e.what for e in gate.log()}


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "somebody-else"}, "aud"),
        ({"aud": ["twuin", "somebody-else"]}, "azp"),
        ({"aud": ["twuin", "somebody-else"], "azp": "somebody-else"}, "azp"),
        ({"aud": None}, "aud"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"sub": None}, "sub"),
        ({"sub": 17}, "sub"),
        ({"sub": "x" * 256}, "subject"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"iat": None}, "iat"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),
    ],
    ids=lambda v: json.dumps(v)[:40] if isinstance(v, dict) else "",
)
def test_an_id_token_that_is_not_ours_is_refused(gate: Any, claims: dict[str, Any], reason: str) -> None:
    gate.invite()
    gate.tells(**claims)
    refused(gate, "provider_refused", reason)


@pytest.mark.parametrize(
    ("exp", "iat", "nbf", "good"),
    [
        (300, 0, None, True),
        (-50, -350, None, True),
        (-70, -370, None, False),
        (300, 50, 50, True),
        (300, 70, None, False),
        (300, 0, 70, False),
    ],
)
def test_clocks_may_differ_by_a_minute(gate: Any, exp: int, iat: int, nbf: int | None, good: bool) -> None:
    gate.invite()
    at = int(gate.now.timestamp())
    gate.tells(exp=at + exp, iat=at + iat, nbf=None if nbf is None else at + nbf)
    if good:
        assert gate.come().name == "ani@pdam.example"
    else:
        refused(gate, "provider_refused", "ID token")


def unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "kid": "k1"}, claims)
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."
    )


def test_a_token_that_nobody_signed_is_refused(gate: Any) -> None:
    gate.invite()
    gate.said.sign = unsigned
    refused(gate, "provider_refused", "ID token")


def test_a_token_signed_with_a_shared_secret_is_refused(gate: Any, shared_key: Any) -> None:
    gate.invite()
    gate.said.sign = lambda claims: jwt.encode(
        {"alg": "HS256", "kid": "k1"}, claims, shared_key, algorithms=["HS256"]
    )
    refused(gate, "provider_refused", "ID token")


def test_a_token_signed_with_an_unknown_key_is_refused(gate: Any) -> None:
    gate.invite()
    foreign = RSAKey.generate_key(2048, {"kid": "k1"})
    gate.said.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "k1"}, claims, foreign)
    refused(gate, "provider_refused", "ID token")
    gate.said.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "k7"}, claims, foreign)
    refused(gate, "provider_refused", "ID token")


@pytest.mark.parametrize("said", ["", "a.b.c", "x", "..", "é.é.é"])
def test_what_is_no_token_is_refused(gate: Any, said: str) -> None:
    gate.invite()
    gate.said.sign = lambda claims: said
    refused(gate, "provider_refused", "ID token")


def test_new_keys_of_the_provider_are_taken_up(gate: Any) -> None:
    gate.invite()
    gate.come()
    gate.said.keys.append(RSAKey.generate_key(2048, {"kid": "k2"}))
    gate.said.header["kid"] = "k2"
    assert gate.come().name == "ani@pdam.example"
    del gate.said.keys[0]
    asked = len(gate.said.asked)
    gate.come()
    assert "/keys" not in gate.said.asked[asked:]  # and kept


# The way back


def test_an_answer_works_once(gate: Any) -> None:
    gate.invite()
    answer = gate.said.signs_in(gate.begin())
    gate.back(answer)
    with pytest.raises(NotLetIn) as told:
        gate.back(answer)
    assert told.value.word == "stale" and "was used" in gate.log()[-1].detail


def test_an_answer_that_nobody_asked_for_is_refused(gate: Any) -> None:
    refused(gate, "stale", "no sign-in was begun", lambda: gate.back({"state": "x", "code": "y"}))
    refused(gate, "stale", "no sign-in was begun", lambda: gate.back({}))


def test_an_answer_belongs_to_the_browser_that_asked(gate: Any) -> None:
    gate.invite()
    answer = gate.said.signs_in(gate.begin())
    refused(gate, "stale", "another browser", lambda: gate.back(answer, browser="a victim's"))
    refused(gate, "stale", "was used", lambda: gate.back(answer))  # and is of no use to anybody then


def test_an_answer_that_comes_too_late_is_refused(gate: Any) -> None:
    gate.invite()
    answer = gate.said.signs_in(gate.begin())
    gate.pass_time(minutes=10)
    refused(gate, "stale", "over", lambda: gate.back(answer))


def test_the_nonce_of_another_sign_in_is_refused(gate: Any) -> None:
    gate.invite()
    first, second = (gate.said.signs_in(gate.begin()) for _ in range(2))
    begun = gate.said.begun
    begun[first["code"]]["nonce"] = begun[second["code"]]["nonce"]
    refused(gate, "provider_refused", "nonce", lambda: gate.back(first))


def test_a_code_of_another_sign_in_is_refused_by_its_verifier(gate: Any) -> None:
    gate.invite()
    mine, stolen = gate.said.signs_in(gate.begin()), gate.said.signs_in(gate.begin())
    with pytest.raises((NotLetIn, ProviderAway)):
        gate.back({**mine, "code": stolen["code"]})
    assert What.SIGNED_IN not in {e.what for e in gate.log()}


def test_an_answer_of_another_issuer_is_refused(gate: Any) -> None:
    gate.invite()
    do = lambda: gate.come(iss="https://evil.example")  # noqa: E731
    refused(gate, "provider_refused", "evil.example", do)
    assert gate.come(iss=gate.said.issuer)


def test_a_provider_that_names_itself_in_answers_always_does(gate: Any) -> None:
    gate.invite()
    gate.said.offer["authorization_response_iss_parameter_supported"] = True
    refused(gate, "provider_refused", "issuer")


@pytest.mark.parametrize(
    ("error", "word"),
    [("access_denied", "cancelled"), ("server_error", "provider_refused"), ("<b>\n\x1b", "provider_refused")],
)
def test_an_error_is_told_and_logged_without_what_could_do_harm(gate: Any, error: str, word: str) -> None:
    answer = {"state": gate.said.signs_in(gate.begin())["state"], "error": error}
    refused(gate, word, "answers", lambda: gate.back(answer))
    assert gate.log()[-1].detail.isprintable() and "<" not in gate.log()[-1].detail


def test_an_answer_without_a_code_is_refused(gate: Any) -> None:
    state = gate.said.signs_in(gate.begin())["state"]
    refused(gate, "provider_refused", "neither", lambda: gate.back({"state": state}))


def test_userinfo_of_somebody_else_is_refused(gate: Any) -> None:
    gate.invite()
    gate.said.offer["userinfo_endpoint"] = f"{gate.said.issuer}/userinfo"
    gate.tells(email=None)
    gate.said.userinfo = {"sub": "u-2", "email": "ani@pdam.example", "email_verified": True}
    refused(gate, "provider_refused", "somebody else")
    gate.said.userinfo["sub"] = "u-1"
    assert gate.come().name == "ani@pdam.example"


# A provider that is away, or is none


def away(gate: Any, reason: str) -> None:
    with pytest.raises(ProviderAway, match=reason):
        gate.come()
    assert reason in gate.log()[-1].detail


def test_a_provider_that_is_down_is_away(gate: Any) -> None:
    gate.invite()
    gate.open(issuer="http://127.0.0.1:9")
    away(gate, "does not answer")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"issuer": "https://evil.example"}, "calls itself"),
        ({"issuer": None}, "calls itself"),
        ({"token_endpoint": None}, "token_endpoint"),
        ({"token_endpoint": "http://water.example/token"}, "token_endpoint"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
    ],
    ids=lambda v: json.dumps(v) if isinstance(v, dict) else "",
)
def test_an_offer_that_leads_elsewhere_is_none(gate: Any, change: dict[str, Any], reason: str) -> None:
    gate.said.offer.update(change)
    away(gate, reason)


@pytest.mark.parametrize(
    "answer",
    [
        Response("<html>", 200), Response("[]", 200), Response("{}", 500), Response("", 302),
        Response("x" * 600_000, 200), Response("[" * 200_000, 200),
    ],
    ids=["html", "list", "500", "redirect", "long", "deep"],
)  # fmt: skip
def test_what_is_no_answer_of_a_provider_is_none(gate: Any, answer: Response) -> None:
    gate.invite()
    gate.said.token = lambda request: answer
    with pytest.raises((ProviderAway, NotLetIn)):
        gate.come()
    gate.open(issuer=gate.said.server.url_for("/other"))
    gate.said.server.expect_request("/other/.well-known/openid-configuration").respond_with_response(answer)
    with pytest.raises(ProviderAway):
        gate.begin()


def test_a_refusal_at_the_token_endpoint_is_told(gate: Any) -> None:
    gate.invite()
    gate.said.token = lambda request: gate.said.json({"error": "invalid_grant"}, 400)
    refused(gate, "provider_refused", "invalid_grant")


def test_a_provider_that_goes_away_for_a_while_is_remembered(gate: Any) -> None:
    gate.begin()
    gate.pass_time(hours=2)
    gate.said.server.clear()
    assert gate.begin().startswith(gate.said.offer["authorization_endpoint"])


def test_an_address_can_begin_no_flood_of_sign_ins(gate: Any) -> None:
    for _ in range(int(SOURCE.most)):
        gate.begin()
    with pytest.raises(TooMany):
        gate.begin()
