"""The pages by which people sign in through a provider, with a real one (oidc-provider-mock) beside them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import oidc_provider_mock
import pytest
import requests

from twuin.accounts.model import What
from twuin.accounts.rights import Role
from twuin.accounts.service import By
from twuin.oidc.groups import Rule
from twuin.oidc.provider import Provider, ProviderAway
from twuin.oidc.signing_in import Rules

RULES = Rules(groups=(Rule("regu", Role.CREW, frozenset({"D1"})), Rule("teknik", Role.ENGINEER)), open=True)
ANI = {"email": "ani@pdam.example", "email_verified": True, "name": "Ani", "groups": ["regu"]}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with oidc_provider_mock.run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def outside(issuer: str) -> tuple[str, Rules]:
    return issuer, RULES


@pytest.fixture
def portal(office: Any, issuer: str) -> Any:
    """The office, on the provider's time, who knows Ani."""
    office.now[0] = datetime.now(UTC)
    tell(issuer, "u-1", **ANI)
    return office


def tell(issuer: str, subject: str, **claims: Any) -> None:
    requests.put(f"{issuer}/users/{subject}", json=claims, timeout=10).raise_for_status()


def sign_in_there(address: str, subject: str = "u-1", action: str = "") -> str:
    """What the provider's own page sends a browser to when somebody signs in there, or will not."""
    answer = requests.post(address, {"sub": subject, "action": action}, allow_redirects=False, timeout=10)
    assert answer.status_code == 302
    back = urlsplit(answer.headers["location"])
    assert back.path == "/signin/return"
    return f"{back.path}?{back.query}"


def come(client: Any, subject: str = "u-1", next: str = "/alerts") -> Any:
    """Through the provider and back; the answer to the browser that comes back."""
    to = client.get("/signin/provider", params={"next": next})
    assert to.status_code == 303 and to.headers["cache-control"] == "no-store"
    return client.get(sign_in_there(to.headers["location"], subject))


def test_somebody_signs_in_through_the_provider_and_sees_their_dmas(portal: Any) -> None:
    client = portal.client(headers={"accept-language": "en"})
    page = client.get("/signin?next=/alerts").text
    assert "Sign in with Portal" in page and "/signin/provider?next=/alerts" in page
    answer = come(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/alerts")
    me = client.get("/api/v1/me").json()
    assert (me["name"], me["role"], me["dmas"], me["via"]) == ("ani@pdam.example", "crew", ["D1"], "session")
    assert client.get("/alerts").status_code == 200
    made = portal.accounts.by_name("ani@pdam.example")
    assert made.provider and not made.has_password
    assert {e.what for e in portal.accounts.events(limit=3)} == {
        What.ACCOUNT_MADE, What.LINKED, What.SIGNED_IN,
    }  # fmt: skip


def test_the_way_there_is_by_code_with_proof_and_nothing_that_is_guessed(portal: Any) -> None:
    client = portal.client()
    asked = []
    for _ in range(2):
        address = client.get("/signin/provider").headers["location"]
        asked.append({k: v[0] for k, v in parse_qs(urlsplit(address).query).items()})
    one, two = asked
    assert one["response_type"] == "code" and one["code_challenge_method"] == "S256"
    assert one["redirect_uri"] == "http://localhost/signin/return" and "openid" in one["scope"]
    for name in ("state", "nonce", "code_challenge"):
        assert one[name] != two[name] and len(one[name]) >= 43


def test_who_calls_it_off_is_told_so(portal: Any) -> None:
    client = portal.client(headers={"accept-language": "en"})
    state = parse_qs(urlsplit(client.get("/signin/provider").headers["location"]).query)["state"][0]
    answer = client.get("/signin/return", params={"error": "access_denied", "state": state})
    assert answer.status_code == 400 and "was called off" in answer.text
    assert "twuin_session" not in client.cookies


def test_an_answer_taken_to_another_browser_signs_nobody_in(portal: Any) -> None:
    mine, victim = portal.client(), portal.client(headers={"accept-language": "en"})
    back = sign_in_there(mine.get("/signin/provider").headers["location"])
    victim.get("/signin")
    answer = victim.get(back)
    assert answer.status_code == 400 and "another browser" in answer.text
    assert "twuin_session" not in victim.cookies
    assert mine.get(back).status_code == 400  # it is used up


def test_somebody_without_a_group_is_told_whom_to_ask(portal: Any, issuer: str) -> None:
    tell(issuer, "u-9", email="x@pdam.example", email_verified=True)
    answer = come(portal.client(headers={"accept-language": "en"}), "u-9")
    assert answer.status_code == 403 and "no account for you here yet" in answer.text


def test_where_everybody_has_a_password_a_provider_that_is_away_is_not_said_to_shut_them_out(
    portal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> str:
        raise ProviderAway("no answer")

    monkeypatch.setattr(Provider, "address", away)
    answer = portal.client(headers={"accept-language": "en"}).get("/signin/provider")
    assert answer.status_code == 503 and "Portal does not answer at the moment" in answer.text
    assert "With a password" in answer.text and "dministrators can sign in" not in answer.text


@pytest.mark.parametrize(
    "next", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"]
)
def test_the_way_back_leads_nowhere_else(portal: Any, next: str) -> None:
    assert come(portal.client(), next=next).headers["location"] == "/"


def test_signing_out_offers_to_sign_out_there_too(portal: Any, issuer: str) -> None:
    client = portal.client(headers={"accept-language": "en"})
    come(client)
    form = client.get("/me").text.split('name="form" value="')[1].split('"')[0]
    answer = portal.post(client, "/signout", form)
    assert answer.status_code == 200 and "You are still signed in at Portal" in answer.text
    assert f'href="{issuer}/oauth2/end_session?client_id=twuin' in answer.text
    assert "post_logout_redirect_uri=http%3A%2F%2Flocalhost%2Fsignin" in answer.text
    assert client.get("/alerts").headers["location"].startswith("/signin")
    # Who signed in by password is signed out everywhere there is.
    cookies, form = portal.session("viewer")
    answer = portal.post(portal.client(cookies=cookies), "/signout", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/signin")


def test_ones_own_account_is_linked_from_its_page_and_parted_again(portal: Any, issuer: str) -> None:
    tell(issuer, "u-5", email="someone@elsewhere.example")
    cookies, form = portal.session("dispatcher")
    client = portal.client(cookies=cookies, headers={"accept-language": "en"})
    onward = portal.post(client, "/me/provider", form, action="link")
    assert onward.status_code == 200 and onward.headers["refresh"].startswith(f"0; url={issuer}/")
    back = client.get(sign_in_there(onward.headers["refresh"].removeprefix("0; url="), "u-5"))
    assert back.headers["location"] == "/me?done=linked"
    assert "From now on you can sign in with Portal" in client.get("/me?done=linked").text
    other = portal.client()
    come(other, "u-5")
    assert other.get("/api/v1/me").json()["name"] == "dispatcher"
    assert portal.post(client, "/me/provider", form, action="unlink").status_code == 303
    assert other.get("/api/v1/me").status_code == 401
    again = portal.browser("viewer").get("/me/provider")
    assert (again.status_code, again.headers["location"]) == (303, "/me")


def test_an_account_is_linked_only_by_a_form_of_its_own_page(portal: Any) -> None:
    cookies, _ = portal.session("dispatcher")
    client = portal.client(cookies=cookies)
    assert portal.post(client, "/me/provider", "foreign", action="link").status_code == 403


def test_an_administrator_makes_and_parts_accounts_of_the_provider(portal: Any, issuer: str) -> None:
    tell(issuer, "u-6", email="Budi@pdam.example", email_verified=True, groups=["teknik"])
    cookies, form = portal.session("admin")
    admin = portal.client(cookies=cookies, headers={"accept-language": "en"})
    assert "with Portal: the name is the e-mail address there" in admin.get("/accounts").text
    fields = {"name": "budi@pdam.example", "role": "viewer", "by": "provider"}
    made = portal.post(admin, "/accounts", form, **fields)
    assert "Waits for the first sign-in with Portal" in made.text and "One-time code" not in made.text
    come(portal.client(), "u-6")
    account = portal.accounts.by_name("budi@pdam.example")
    assert account.role is Role.ENGINEER  # as the groups say
    path = f"/accounts/{account.id}"
    assert "Linked to Portal" in admin.get(path).text
    portal.post(admin, path, form, action="unlink")
    assert portal.accounts.identities(account.id) == []
    again = portal.client()
    come(again, "u-6")
    assert portal.accounts.identities(account.id) and again.get("/api/v1/me").status_code == 200
    assert portal.browser("admin").delete(f"/api/v1{path}/provider").status_code == 204
    assert portal.accounts.identities(account.id) == [] and again.get("/api/v1/me").status_code == 401
    for page in ("/accounts", "/security", path):
        assert admin.get(page).status_code == 200


def test_where_passwords_are_for_administrators_the_page_says_so(portal: Any, password: str) -> None:
    portal.accounts.sign_in.passwords_for_all = False
    client = portal.client(headers={"accept-language": "en"})
    assert "Administrators: with a password" in client.get("/signin").text
    cookies, _ = portal.session("viewer")
    me = portal.client(cookies=cookies, headers={"accept-language": "en"}).get("/me").text
    assert "Change my password" not in me and "Link to Portal" in me


def test_without_the_provider_administrators_still_come_in(office: Any, password: str) -> None:
    office.people["ani"], _ = office.accounts.add("ani@pdam.example", Role.CREW, By("test"), provider=True)
    office.accounts.sign_in.passwords_for_all = False
    client = office.client()
    client.get("/signin")
    form = client.get("/signin").text.split('name="form" value="')[1].split('"')[0]
    answer = office.post(client, "/signin", form, name="admin", password=password)
    assert answer.status_code == 303
