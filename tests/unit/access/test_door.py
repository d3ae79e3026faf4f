"""Cookies, headers, signing in and out over HTTP; what is open, and what a proxy may say."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from twuin.accounts.model import What
from twuin.accounts.rights import Right
from twuin.accounts.sign_in import Visitor


def form_of(page: Any) -> str:
    """The token of a page's forms."""
    found = re.search(r'name="form" value="([0-9a-f]{40})"', page.text)
    assert found is not None
    return found[1]


def sign_in(office: Any, client: TestClient, name: str, password: str, next: str = "") -> Any:
    page = client.get(f"/signin?next={next}")
    kept = re.search(r'name="next" value="([^"]*)"', page.text)
    assert kept is not None
    return office.post(client, "/signin", form_of(page), name=name, password=password, next=kept[1])


def cookie(answer: Any, name: str) -> str:
    """What an answer sets for a cookie, with its attributes."""
    found = [c for c in answer.headers.get_list("set-cookie") if c.startswith(f"{name}=")]
    assert len(found) == 1, answer.headers.get_list("set-cookie")
    return str(found[0])


def test_one_signs_in_and_gets_to_where_one_wanted(office: Any, password: str) -> None:
    client = office.client()
    refused = client.get("/alerts?state=open")
    assert refused.headers["location"] == "/signin?next=/alerts%3Fstate%3Dopen"
    answer = sign_in(office, client, "engineer", password, "/alerts%3Fstate%3Dopen")
    assert (answer.status_code, answer.headers["location"]) == (303, "/alerts?state=open")
    assert client.get("/alerts").status_code == 200
    assert client.get("/api/v1/me").json()["name"] == "engineer"


@pytest.mark.parametrize(
    "next", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"]
)
def test_signing_in_leads_to_no_other_server(office: Any, password: str, next: str) -> None:
    answer = sign_in(office, office.client(), "engineer", password, next)
    assert answer.headers["location"] == "/"


def test_the_cookie_of_a_session_is_for_this_server_and_no_script(office: Any, password: str) -> None:
    answer = sign_in(office, office.client(), "engineer", password)
    for name in ("twuin_session", "twuin_device"):
        said = cookie(answer, name).lower()
        assert "httponly" in said and "samesite=lax" in said and "path=/" in said
        assert "domain" not in said and "secure" not in said


def test_over_tls_cookies_are_for_tls_alone_and_bound_to_the_host(office: Any, password: str) -> None:
    client = office.client(base_url="https://localhost")
    answer = sign_in(office, client, "engineer", password)
    for name in ("__Host-twuin_session", "__Host-twuin_device"):
        said = cookie(answer, name).lower()
        assert "secure" in said and "httponly" in said and "path=/;" in said and "domain" not in said
    assert client.get("/api/v1/me").status_code == 200
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")


def test_without_tls_no_browser_is_told_to_use_it(office: Any) -> None:
    assert "strict-transport-security" not in office.client().get("/signin").headers


def test_a_session_over_plain_http_is_none_over_tls(office: Any) -> None:
    """The names differ, so that nobody on the way can put a session into a browser that speaks TLS."""
    cookies, _ = office.session("admin")
    client = office.client(base_url="https://localhost", cookies=cookies)
    assert client.get("/api/v1/me").status_code == 401


def test_every_answer_carries_the_headers_that_protect_it(office: Any) -> None:
    client = office.browser("admin")
    for path in ("/", "/signin", "/me", "/accounts", "/security", "/nothing", "/api/v1/me", "/api/v1/none"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy and "form-action 'self'" in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
    for path in ("/", "/me", "/accounts", "/security"):
        page = client.get(path)
        assert page.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]*(?:src=|application/json))|\son\w+=", page.text)


def test_a_session_that_was_there_before_signing_in_is_not_kept(office: Any, password: str) -> None:
    """Somebody who put a cookie into a browser has no session when its owner signs in."""
    client = office.client(cookies={"twuin_session": "planted"})
    page = client.get("/signin")
    answer = office.post(client, "/signin", form_of(page), name="engineer", password=password)
    assert answer.status_code == 303
    assert "planted" not in cookie(answer, "twuin_session")
    assert office.client(cookies={"twuin_session": "planted"}).get("/api/v1/me").status_code == 401


def test_signing_in_takes_a_form_of_ours(office: Any, password: str) -> None:
    client = office.client()
    for form in ("", "0" * 40, form_of(office.client().get("/signin"))):
        answer = office.post(client, "/signin", form, name="engineer", password=password)
        assert answer.status_code == 403
        assert "twuin_session" not in str(answer.headers.get_list("set-cookie"))


def test_wrong_names_and_wrong_passwords_look_the_same(office: Any, password: str) -> None:
    said = set()
    for name, tried in (("engineer", "wrong"), ("nobody", password), ("crew@D1", "wrong")):
        answer = sign_in(office, office.client(headers={"accept-language": "en"}), name, tried)
        assert answer.status_code == 401
        text = re.sub(r"[0-9a-f]{40}", "", answer.text).replace(f'value="{name}"', "")
        said.add(text)
    assert len(said) == 1


def test_too_many_tries_are_told_when_to_come_again(office: Any, password: str) -> None:
    client = office.client(client=("198.51.100.9", 1), headers={"accept-language": "id"})
    for _ in range(10):
        assert sign_in(office, client, "engineer", "wrong").status_code == 401
    answer = sign_in(office, client, "engineer", password)
    assert answer.status_code == 429 and 0 < int(answer.headers["retry-after"]) <= 60
    assert "Coba lagi dalam 1 menit" in answer.text
    # From where the engineer signed in before, nothing of that is felt.
    assert sign_in(office, office.client(), "engineer", password).status_code == 303


def test_signing_out_ends_the_session_here_and_everywhere(office: Any, password: str) -> None:
    here, there = office.client(), office.client()
    for client in (here, there):
        sign_in(office, client, "engineer", password)
    office.post(here, "/signout", form_of(here.get("/me")))
    assert here.get("/api/v1/me").status_code == 401 and there.get("/api/v1/me").status_code == 200
    sign_in(office, here, "engineer", password)
    office.post(here, "/me/sessions", form_of(here.get("/me")))
    assert here.get("/api/v1/me").status_code == 401 and there.get("/api/v1/me").status_code == 401


def test_a_new_password_leaves_one_signed_in_here_alone(office: Any, password: str) -> None:
    here, there = office.client(), office.client()
    for client in (here, there):
        sign_in(office, client, "engineer", password)
    fields = {"old": password, "password": "kapal-hujan-teko-biru", "again": "kapal-hujan-teko-biru"}
    form = form_of(here.get("/me"))
    assert office.post(here, "/me/password", form, **{**fields, "again": "other"}).status_code == 422
    assert office.post(here, "/me/password", form, **{**fields, "old": "wrong"}).status_code == 422
    answer = office.post(here, "/me/password", form, **fields)
    assert answer.headers["location"] == "/me?done=password"
    assert here.get("/api/v1/me").status_code == 200 and there.get("/api/v1/me").status_code == 401


def test_a_one_time_code_becomes_a_password(office: Any) -> None:
    admin = office.browser("admin")
    made = admin.post("/api/v1/accounts", json={"name": "new.one", "role": "crew", "dmas": ["D1"]}).json()
    client = office.client()
    page = client.get("/welcome?name=new.one")
    assert 'value="new.one"' in page.text
    fields = {"name": "new.one", "code": made["code"], "password": "short", "again": "short"}
    assert office.post(client, "/welcome", form_of(page), **fields).status_code == 422
    fields |= {"password": "kapal-hujan-teko-biru", "again": "kapal-hujan-teko-biru"}
    assert office.post(client, "/welcome", form_of(page), **{**fields, "again": "x"}).status_code == 422
    assert office.post(client, "/welcome", form_of(page), **fields).status_code == 303
    me = client.get("/api/v1/me").json()
    assert (me["name"], me["role"], me["dmas"]) == ("new.one", "crew", ["D1"])
    again = office.client()
    assert office.post(again, "/welcome", form_of(again.get("/welcome")), **fields).status_code == 401


def test_the_name_in_the_history_is_who_is_signed_in(office: Any) -> None:
    id = office.leak("D1")
    path, body = f"/api/v1/alerts/{id}/transitions", {"action": "note", "version": 1, "note": "seen"}
    client = office.browser("crew")
    assert client.post(path, json={**body, "actor": "somebody else"}).status_code == 422
    assert client.post(path, json=body).status_code == 200
    program = office.program(office.token("crew"))
    assert program.post(path, json={**body, "version": 2}).status_code == 200
    actors = [e["actor"] for e in client.get(f"/api/v1/alerts/{id}/history").json()]
    assert actors[-2:] == ["crew", "crew (program)"]
    cookies, form = office.session("dispatcher")
    client = office.client(cookies=cookies)
    office.post(client, f"/alerts/{id}", form, action="acknowledge", version="3", actor="somebody else")
    assert client.get(f"/api/v1/alerts/{id}/history").json()[-1]["actor"] == "dispatcher"


def test_health_is_open_but_tells_nobody_details(office: Any) -> None:
    nobody, somebody = office.client(), office.browser("viewer")
    for path in ("/api/v1/health", "/api/v1/health/live", "/api/v1/health/ready"):
        assert nobody.get(path).status_code == 200
    assert all(set(p) == {"status"} for p in nobody.get("/api/v1/health").json()["parts"].values())
    assert any("detail" in p for p in somebody.get("/api/v1/health").json()["parts"].values())


def test_health_answers_when_the_database_of_accounts_is_away(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from waterworks.errors import StoreUnavailable

    def away(*args: Any) -> None:
        raise StoreUnavailable("the database is away")

    client = office.browser("viewer")
    monkeypatch.setattr(office.accounts.sign_in, "by_session", away)
    assert client.get("/api/v1/health/live").status_code == 200
    assert client.get("/api/v1/dmas").status_code == 503
    assert client.get("/").status_code == 503


def test_figures_for_prometheus_are_for_this_machine_or_a_token(office: Any) -> None:
    here = office.client(client=("127.0.0.1", 5000))
    assert "twuin_up 1.0" in here.get("/metrics").text
    assert here.get("/api/v1/dmas").status_code == 401
    for header in ("x-forwarded-for", "forwarded", "via", "x-real-ip"):  # a proxy asks for somebody else
        assert here.get("/metrics", headers={header: "x"}).status_code == 401
    assert office.client().get("/metrics").status_code == 401
    token = office.token("engineer", Right.METRICS)
    program = office.program(token)
    assert program.get("/metrics").status_code == 200
    assert program.get("/api/v1/dmas").status_code == 403
    # It is the token that may not: its owner may.
    assert "which this token of engineer does not have" in program.get("/api/v1/dmas").json()["detail"]
    page = program.get("/", headers={"accept-language": "en"})
    assert page.status_code == 403 and "This token has no right" in page.text


def test_switching_the_language_on_ones_own_page_stays_there(office: Any) -> None:
    page = office.browser("viewer").get("/me", headers={"accept-language": "en"}).text
    for form in ("language", "theme"):
        assert re.search(rf'action="/{form}\?to=\w+&amp;next=/me"', page)
    assert "this one" in page


def test_a_bad_token_is_refused_even_with_a_good_session(office: Any) -> None:
    client = office.browser("admin")
    assert client.get("/api/v1/dmas", headers={"authorization": "Bearer twuin_nothing"}).status_code == 401


def test_what_somebody_may_not_do_is_in_the_security_log(office: Any) -> None:
    office.browser("viewer").get("/api/v1/accounts")
    office.browser("crew").get("/security")
    events = [e for e in office.accounts.events(limit=50) if e.what is What.REFUSED]
    assert [(e.actor, e.source, e.detail) for e in events] == [
        ("crew", "192.0.2.7", "GET /security"),
        ("viewer", "192.0.2.7", "GET /api/v1/accounts"),
    ]
    seen = office.browser("admin").get("/api/v1/security-events?limit=1").json()
    assert seen["items"][0]["what"] == "refused" and seen["next"]
    assert "access refused" in office.browser("admin").get("/security").text


def test_an_ipv6_household_is_one_source(office: Any, password: str) -> None:
    for i in range(10):
        client = office.client(client=(f"2001:db8:0:1::{i:x}", 1))
        assert sign_in(office, client, "engineer", "wrong").status_code == 401
    client = office.client(client=("2001:db8:0:1:ffff::9", 1))
    assert sign_in(office, client, "engineer", password).status_code == 429
    client = office.client(client=("2001:db8:0:2::1", 1))
    assert sign_in(office, client, "engineer", password).status_code == 303


# Live change


def events(office: Any, client: TestClient, last_id: int = 0) -> list[dict[str, Any]]:
    """Data of the events that a client gets who was last here at ``last_id``, and the ids it was told."""
    office.stopping.set()
    lines = client.get("/api/v1/events", headers={"last-event-id": str(last_id)}).text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def test_live_change_of_other_dmas_is_not_told(office: Any) -> None:
    everything = events(office, office.browser("viewer"))
    limited = events(office, office.browser("viewer@D1"))
    assert {e["dma"] for e in everything if "dma" in e} == {"D1", "D2"}
    assert {e["dma"] for e in limited if "dma" in e} == {"D1"}
    text = office.browser("viewer@D1").get("/api/v1/events", headers={"last-event-id": "0"}).text
    assert "Lowokwaru" not in text and "id: 2" in text


def test_a_flood_in_the_security_log_is_one_line_that_counts(office: Any) -> None:
    cookies, _ = office.session("admin")
    for _ in range(7):
        office.accounts.sign_in.failed("ani", Visitor("198.51.100.7"), "wrong again")
    text = office.client(cookies=cookies, headers={"accept-language": "en"}).get("/security").text
    assert text.count("wrong again") == 1 and "7×" in text
