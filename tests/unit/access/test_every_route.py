"""Every route with everybody: one table says what takes which right, and nothing else is let in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twuin.access import check_routes, guarded_router
from twuin.access.routes import leaves
from twuin.accounts.rights import RIGHT_OF_ACTION, Right
from twuin.alerts.steps import BY_ACTION

MAY = {
    "see": {"viewer", "crew", "dispatcher", "engineer", "admin"},
    "site": {"viewer", "crew", "dispatcher", "engineer", "admin"},
    "work": {"crew", "dispatcher", "engineer", "admin"},
    "act": {"dispatcher", "engineer", "admin"},
    "close": {"dispatcher", "engineer", "admin"},
    "plan": {"dispatcher", "engineer", "admin"},
    "bills": {"engineer", "admin"},
    "intake": {"engineer", "admin"},
    "send": {"engineer", "admin"},
    "metrics": {"engineer", "admin"},
    "personal": {"dispatcher", "admin"},
    "tokens": {"engineer", "admin"},
    "accounts": {"admin"},
}
"""Who has which right, written down a second time: a change of the program's own table shows here."""

WHOLE_SITE = {"bills", "intake", "send", "metrics", "accounts"}
"""Rights that nobody has who is limited to DMAs."""

ROUTES = {
    # API
    "GET /api/v1/site": "see",
    "GET /api/v1/dmas": "see",
    "GET /api/v1/dmas/{dma}": "see",
    "GET /api/v1/dmas/{dma}/series": "see",
    "GET /api/v1/dmas/{dma}/night-flow": "see",
    "GET /api/v1/network.geojson": "see",
    "GET /api/v1/pipes/{pipe}/isolation": "see",
    "GET /api/v1/dmas/{dma}/step-test": "see",
    "POST /api/v1/dmas/{dma}/step-test/evaluation": "see",
    "GET /api/v1/losses": "see",
    "GET /api/v1/results": "see",
    "GET /api/v1/valves": "see",
    "GET /api/v1/valves/{valve}/what-if": "see",
    "GET /api/v1/reports": "site",
    "POST /api/v1/bills": "bills",
    "GET /api/v1/bills/uploads": "bills",
    "GET /api/v1/reports/files/{file}": "site",
    "GET /api/v1/reports/{month}": "site",
    "GET /api/v1/reports/{month}/file": "site",
    "GET /api/v1/sensors": "see",
    "GET /api/v1/sensors/{sensor}": "see",
    "GET /api/v1/sensors/{sensor}/readings": "see",
    "GET /api/v1/devices": "see",
    "GET /api/v1/export/geopackage": "see",
    "GET /api/v1/export/layers/{layer}": "see",
    "GET /api/v1/export/series": "see",
    "GET /api/sta/v1.1": "see",
    "GET /api/sta/v1.1/{set}": "see",
    "GET /api/v1/alerts": "see",
    "GET /api/v1/alerts/causes": "see",
    "GET /api/v1/alerts/{alert}": "see",
    "GET /api/v1/alerts/{alert}/history": "see",
    "POST /api/v1/alerts/{alert}/transitions": "work",
    "GET /api/v1/alerts/{alert}/photos": "see",
    "POST /api/v1/alerts/{alert}/photos": "work",
    "GET /api/v1/alerts/{alert}/photos/{photo}": "see",
    "DELETE /api/v1/alerts/{alert}/photos/{photo}": "close",
    "GET /api/v1/field/jobs": "see",
    "GET /api/v1/field/jobs/{alert}": "see",
    "POST /api/v1/field/jobs/{alert}/reports": "work",
    "GET /api/v1/works": "see",
    "POST /api/v1/works": "plan",
    "GET /api/v1/works/{work}": "see",
    "PUT /api/v1/works/{work}": "plan",
    "POST /api/v1/works/{work}/cancel": "plan",
    "GET /api/v1/events": "see",
    "GET /api/v1/ingest/stats": "intake",
    "GET /api/v1/ingest/rejected": "intake",
    "GET /api/v1/ingest/rejected/{row}": "intake",
    "GET /api/v1/ingest/ledger": "intake",
    "GET /api/v1/ingest/clocks": "intake",
    "GET /api/v1/ingest/unknown": "intake",
    "GET /api/v1/me": "signed in",
    "POST /api/v1/me/password": "in person",
    "GET /api/v1/me/sessions": "in person",
    "DELETE /api/v1/me/sessions": "in person",
    "GET /api/v1/me/tokens": "in person",
    "POST /api/v1/me/tokens": "in person, tokens",
    "DELETE /api/v1/me/tokens/{own_token}": "in person",
    "GET /api/v1/accounts": "accounts",
    "POST /api/v1/accounts": "accounts",
    "GET /api/v1/accounts/{account}": "accounts",
    "PATCH /api/v1/accounts/{account}": "accounts",
    "POST /api/v1/accounts/{account}/code": "accounts",
    "DELETE /api/v1/accounts/{account}/sessions": "accounts",
    "DELETE /api/v1/accounts/{account}/provider": "accounts",
    "GET /api/v1/tokens": "accounts",
    "DELETE /api/v1/tokens/{token}": "accounts",
    "GET /api/v1/security-events": "accounts",
    "GET /api/v1/public-reports/form": "public",
    "POST /api/v1/public-reports": "public",
    "GET /api/v1/public-reports/track/{code}": "public",
    "POST /api/v1/public-reports/track/{code}/withdraw": "public",
    "GET /api/v1/charter": "public",
    "POST /api/v1/webhooks/{sender}": "public",
    "POST /api/v1/messages/{topic}": "send",
    "GET /api/v1/public-reports": "see",
    "GET /api/v1/public-reports/{report}": "see",
    "POST /api/v1/public-reports/{report}/actions": "act",
    "GET /api/v1/public-reports/{report}/person": "personal",
    "GET /api/v1/public-reports/{report}/photo": "personal",
    "GET /api/v1/health": "public",
    "GET /api/v1/health/live": "public",
    "GET /api/v1/health/ready": "public",
    "GET /api/v1/openapi.json": "public",
    "GET /metrics": "metrics",
    # Pages
    "GET /": "see",
    "GET /alerts": "see",
    "GET /alerts/{alert}": "see",
    "POST /alerts/{alert}": "work",
    "GET /field": "public",
    "GET /field/sw.js": "public",
    "GET /field/manifest.webmanifest": "public",
    "GET /field/session": "public",
    "GET /field/jobs": "see",
    "GET /field/jobs/{alert}": "see",
    "GET /dmas/{dma}": "see",
    "GET /works": "see",
    "GET /works/new": "plan",
    "POST /works": "plan",
    "GET /works/{work}": "see",
    "POST /works/{work}": "plan",
    "GET /losses": "see",
    "GET /step-test": "see",
    "GET /results": "see",
    "GET /what-if": "see",
    "GET /lapor": "public",
    "POST /lapor": "public",
    "GET /lapor/peta.svg": "public",
    "GET /lapor/janji": "public",
    "GET /lapor/cek": "public",
    "GET /lapor/{code}": "public",
    "POST /lapor/{code}": "public",
    "GET /public-reports": "see",
    "GET /public-reports/{report}": "see",
    "POST /public-reports/{report}": "act",
    "POST /public-reports/{report}/person": "personal",
    "GET /public-reports/{report}/photo": "personal",
    "GET /reports": "site",
    "GET /bills": "bills",
    "POST /bills": "bills",
    "POST /bills/take": "bills",
    "GET /reports/make": "site",
    "GET /wall": "site",
    "GET /sensors": "see",
    "GET /sensors/{sensor}": "see",
    "GET /ingest": "intake",
    "GET /about": "public",
    "POST /language": "public",
    "POST /theme": "public",
    "GET /a/{link}": "public",
    "POST /a/{link}": "public",
    "GET /signin": "public",
    "POST /signin": "public",
    "GET /signin/provider": "public",
    "GET /signin/return": "public",
    "POST /me/provider": "in person",
    "GET /welcome": "public",
    "POST /welcome": "public",
    "POST /signout": "public",
    "GET /me": "in person",
    "POST /me/password": "in person",
    "POST /me/sessions": "in person",
    "POST /me/tokens": "in person, tokens",
    "POST /me/tokens/{own_token}": "in person",
    "GET /accounts": "accounts",
    "POST /accounts": "accounts",
    "GET /accounts/{account}": "accounts",
    "POST /accounts/{account}": "accounts",
    "GET /security": "accounts",
}
"""What each route takes: a right, an account ("signed in"), a session ("in person"), nothing ("public")."""

BY_LINK = {"POST /a/{link}", "POST /lapor", "POST /lapor/{code}"}
"""What the signature of a message's link lets do, whoever has it; and what everybody may, with or without an
account: report by a form with a signed mark, withdraw by code and phone number."""

BY_SIGNATURE = {"POST /api/v1/webhooks/{sender}"}
"""What only a signature opens: who has none gets 401, whoever else they are."""

WORK = {"kind": "flushing", "start": "2026-03-11T08:00:00+07:00", "end": "2026-03-11T12:00:00+07:00"}

BODIES: dict[str, Any] = {
    "POST /api/v1/dmas/{dma}/step-test/evaluation": {"steps": [{"shut": ["P1"], "flow_m3h": 1}]},
    "POST /api/v1/works": {**WORK, "dmas": ["D1"], "extra_m3h": 20, "key": "k"},
    "PUT /api/v1/works/{work}": {**WORK, "dmas": ["D1"], "extra_m3h": 25, "version": 1},
    "POST /api/v1/works/{work}/cancel": {"version": 1},
    "POST /works": {**WORK, "dmas": "D1", "extra_m3h": "20", "key": "k2"},
    "POST /works/{work}": {"action": "cancel", "version": "1"},
    "POST /api/v1/alerts/{alert}/transitions": {"action": "note", "version": 1, "note": "seen"},
    "POST /api/v1/field/jobs/{alert}/reports": {"action": "note", "key": "k", "note": "seen"},
    "POST /api/v1/me/password": {"old": "not the old one", "new": "kapal-hujan-teko-biru"},
    "POST /api/v1/me/tokens": {"name": "n", "rights": ["see"]},
    "POST /api/v1/accounts": {"name": "someone", "role": "viewer"},
    "PATCH /api/v1/accounts/{account}": {"full_name": "Someone"},
    "POST /alerts/{alert}": {"action": "note", "version": "1", "note": "seen"},
    "POST /accounts/{account}": {"action": "save", "role": "viewer"},
    "POST /accounts": {"name": "someone", "role": "viewer"},
    "POST /api/v1/public-reports": {"category": "leak", "moment": "x", "phone": "1"},
    "POST /api/v1/public-reports/track/{code}/withdraw": {"phone": "0812 3456 7890"},
    "POST /api/v1/public-reports/{report}/actions": {"action": "answer", "version": 1, "message": "x"},
    "POST /me/tokens": {"name": "n", "rights": "see", "days": "30"},
    "POST /language": {},
}
QUERIES = {
    "POST /api/v1/bills": "?file=october.csv",
    "POST /api/v1/alerts/{alert}/photos": "?key=k",
    "GET /api/v1/valves/{valve}/what-if": "?set_m=20",
    "POST /language": "?to=en",
    "POST /theme": "?to=dark",
}

PEOPLE = [*sorted(MAY["see"]), "viewer@D1", "crew@D1", "dispatcher@D1", "engineer@D1"]


def address(route: str, office: Any, who: str = "engineer", dma: str = "D1") -> str:
    """Where a route is, with things of ``dma`` in the place of its names."""
    path = route.split(" ")[1]
    own = [t.id for t in office.accounts.tokens(office.people[who].id)]
    names = {
        "dma": dma, "pipe": "P2", "sensor": {"D1": "D1-P", "D2": "D2-P"}[dma], "alert": office.leak(dma),
        "work": office.work(dma), "row": "1", "link": "none", "photo": "none", "file": "none",
        "month": "none", "set": "Things", "layer": "pipes", "report": "none", "code": "none", "sender": "crm",
        "topic": "twuin/town/dev1/readings",
        "account": office.people["changed"].id, "token": "none", "valve": "none",
        "own_token": (own or ["none"])[0],
    }  # fmt: skip
    return path.format_map(names) + QUERIES.get(route, "")


def send(client: TestClient, route: str, path: str, form: str = "") -> Any:
    """A request that is right in all but, perhaps, who sends it."""
    method, body = route.split(" ")[0], BODIES.get(route, {})
    if method in ("GET", "DELETE"):
        return client.request(method, path)
    if path.startswith("/api/"):
        return client.request(method, path, json=body or None)
    return client.request(method, path, data={"form": form, **body})


def allowed(need: str, who: str) -> bool:
    """Whether somebody with a session may."""
    role, _, limit = who.partition("@")
    rights = {part for part in need.split(", ") if part in MAY}
    return all(role in MAY[r] and not (limit and r in WHOLE_SITE) for r in rights)


def test_every_route_is_in_the_table_and_says_what_it_takes(office: Any) -> None:
    found = set()
    for path, route in leaves(office.app.routes):
        for method in set(getattr(route, "methods", None) or ()) - {"HEAD"}:
            found.add((method, path.count("{"), path.split("{")[0]))
    table = {(r.split(" ")[0], r.count("{"), r.split(" ")[1].split("{")[0]) for r in ROUTES}
    unknown = {f for f in found if not f[2].startswith("/static/")} - table
    # What no route takes answers itself, to everybody.
    nothing = {f for f in unknown if f[2] == "/api/v1/" or (f[2].startswith("/api/sta/") and f[0] != "GET")}
    assert unknown - nothing == set()
    assert table - found == set()


@pytest.mark.parametrize("path", ["", "/Things", "/Things('x')"])
def test_what_would_change_something_over_sensorthings_is_405_beside_the_pages_too(
    office: Any, path: str
) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = office.client().request(method, f"/api/sta/v1.1{path}")
        assert answer.status_code == 405, answer.text
        assert answer.headers["allow"] == "GET" and "use GET" in answer.json()["detail"]


ENDING = {"DELETE /api/v1/me/sessions", "POST /me/sessions", "POST /signout"}
"""Routes after which one is no longer signed in."""


def test_with_a_session_everybody_gets_what_the_table_says(office: Any) -> None:
    office.stopping.set()
    wrong = []
    for who in PEOPLE:
        client, form = None, ""
        for route, need in ROUTES.items():
            if client is None:
                cookies, form = office.session(who)
                client = office.client(cookies=cookies, headers={"x-twuin-form": form})
            answer = send(client, route, address(route, office, who), form)
            if answer.status_code >= 500 or (answer.status_code == 403) == allowed(need, who):
                wrong.append((who, route, need, answer.status_code))
            if route in ENDING:
                client = None
            elif answer.headers.get("location", "").startswith("/signin") or (
                answer.status_code == 401 and route not in BY_SIGNATURE
            ):
                wrong.append((who, route, need, answer.status_code))
    assert wrong == []


def test_with_a_token_everybody_gets_what_the_table_says(office: Any) -> None:
    office.stopping.set()
    wrong = []
    for who in PEOPLE:
        client = office.program(office.token(who))
        for route, need in ROUTES.items():
            if is_form(route) or route in BY_SIGNATURE:
                continue  # these belong to browsers: see below; and to senders of webhooks
            answer = send(client, route, address(route, office, who))
            expected = allowed(need, who) and "in person" not in need
            if answer.status_code in (401, 500) or (answer.status_code == 403) == expected:
                wrong.append((who, route, need, answer.status_code))
    assert wrong == []


def is_form(route: str) -> bool:
    return route.startswith("POST /") and not route.startswith("POST /api/")


def test_a_token_sends_no_forms(office: Any) -> None:
    client = office.program(office.token("admin"))
    for route in ROUTES:
        if is_form(route) and route not in BY_LINK:
            answer = send(client, route, address(route, office, "admin"))
            assert answer.status_code == 403, route


def nobodies(office: Any) -> dict[str, TestClient]:
    """Everybody who is nobody: without anything, and with what is no longer, or never was, good."""
    cookies, _ = office.session("admin")
    ended, _ = office.session("admin")
    office.accounts.sign_in.sign_out(office.accounts.sign_in.by_session(ended["twuin_session"]), "192.0.2.7")
    revoked, expired = office.token("admin"), office.token("admin", days=1)
    last = max(office.accounts.tokens(), key=lambda t: t.ends)
    from twuin.accounts.service import By

    office.accounts.revoke(last.id, By("test"))
    office.pass_time(days=40)
    return {
        "nobody": office.client(),
        "expired session": office.client(cookies=cookies),
        "ended session": office.client(cookies=ended),
        "invented session": office.client(cookies={"twuin_session": "x" * 43}),
        "revoked token": office.program(revoked),
        "expired token": office.program(expired),
        "invented token": office.program("twuin_" + "x" * 43),
        "no token at all": office.client(headers={"authorization": "Basic YWRtaW46YWRtaW4="}),
    }


def test_nobody_gets_nothing_that_is_not_public(office: Any) -> None:
    office.stopping.set()
    paths = {route: address(route, office) for route in ROUTES}
    wrong = []
    for name, client in nobodies(office).items():
        for route, need in ROUTES.items():
            if need == "public":
                continue
            answer = send(client, route, paths[route])
            api = route.split(" ")[1].startswith(("/api/", "/metrics"))
            if answer.status_code != (401 if api else 303):
                wrong.append((name, route, answer.status_code))
            elif api:
                assert answer.headers["www-authenticate"] == "Bearer"
            else:
                assert answer.headers["location"].startswith("/signin?next=%2F") or (
                    answer.headers["location"].startswith("/signin?next=/")
                )
    assert wrong == []


def test_the_public_routes_answer_everybody(office: Any) -> None:
    for route, need in ROUTES.items():
        if need == "public" and route.startswith("GET") and "{" not in route:
            # Of the provider, which is away here, and of an answer that nobody asked for, the page tells.
            expected = {"GET /signin/provider": 503, "GET /signin/return": 400}.get(route, 200)
            assert send(office.client(), route, address(route, office)).status_code == expected, route


def test_things_of_other_dmas_are_not_there_for_who_is_limited(office: Any) -> None:
    office.stopping.set()
    for who in ("viewer@D1", "engineer@D1"):
        for route, need in ROUTES.items():
            if not any(name in route for name in ("{dma}", "{sensor}", "{alert}")):
                continue
            cookies, form = office.session(who)
            client = office.client(cookies=cookies, headers={"x-twuin-form": form})
            answer = send(client, route, address(route, office, dma="D2"), form)
            assert answer.status_code == (404 if allowed(need, who) else 403), (who, route)
            assert "Lowokwaru" not in answer.text


def test_lists_counts_and_pages_hold_nothing_of_other_dmas(office: Any) -> None:
    who = "engineer@D1"
    client = office.browser(who)
    other = office.leak("D2")
    for route, need in ROUTES.items():
        if not route.startswith("GET") or "{" in route or need != "see" or "events" in route:
            continue
        text = client.get(address(route, office, who)).text
        for hidden in ("Lowokwaru", "D2-P", "T-LEVEL", "Sumbersari", other):
            assert hidden not in text, (route, hidden)
    v1 = "/api/v1"
    assert [d["id"] for d in client.get(f"{v1}/dmas").json()] == ["D1"]
    assert [a["dma"] for a in client.get(f"{v1}/alerts").json()["items"]] == ["D1"]
    assert client.get(f"{v1}/alerts?dma=D2").json()["items"] == []
    assert client.get(f"{v1}/losses").json()["site"]["connections"] == 1000
    # The meter between the two DMAs is seen from both sides.
    assert {s["id"] for s in client.get(f"{v1}/sensors").json()} == {"D1-IN", "D1-D2", "D1-P"}


def test_an_alert_of_another_dma_cannot_be_acted_on(office: Any) -> None:
    other = office.leak("D2")
    client = office.browser("engineer@D1")
    body = {"action": "acknowledge", "version": 1}
    assert client.post(f"/api/v1/alerts/{other}/transitions", json=body).status_code == 404
    assert office.town.alerts.get(other).version == 1


ACTIONS = {
    "note": ({"note": "seen"}, "work"),
    "accept": ({}, "work"),
    "arrive": ({}, "work"),
    "locate": ({"place": {"pipe": "P2"}}, "work"),
    "not_found": ({}, "work"),
    "start_repair": ({}, "work"),
    "repaired": ({}, "work"),
    "acknowledge": ({}, "act"),
    "assign": ({"assignee": "crew"}, "act"),
    "close": ({"reason": "planned"}, "close"),
    "reopen": ({}, "close"),
}
"""What each action on an alert takes."""


def test_every_action_is_in_the_table() -> None:
    assert set(ACTIONS) == set(BY_ACTION) == set(RIGHT_OF_ACTION)


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_on_an_alert_takes_its_right(office: Any, action: str) -> None:
    more, need = ACTIONS[action]
    id = office.leak("D1")
    for who in PEOPLE:
        refused = not allowed(need, who)
        cookies, form = office.session(who)
        client = office.client(cookies=cookies, headers={"x-twuin-form": form})
        body = {"action": action, "version": office.town.alerts.get(id).version, **more}
        answer = client.post(f"/api/v1/alerts/{id}/transitions", json=body)
        assert (answer.status_code == 403) == refused, who
        fields = {"action": action, "version": str(office.town.alerts.get(id).version), "note": "x"}
        assert (office.post(client, f"/alerts/{id}", form, **fields).status_code == 403) == refused, who


def test_a_change_with_a_session_takes_the_token_of_a_page_of_ours(office: Any) -> None:
    """Beside the check of the origin: what a page of another site sends carries the cookie, but not this."""
    for route in ROUTES:
        if route.startswith("GET") or route in BY_LINK:
            continue
        for form in ("", "0" * 40, office.session("admin")[1]):  # none, an invented one, another session's
            cookies, _ = office.session("admin")
            client = office.client(cookies=cookies, headers={"x-twuin-form": form} if form else {})
            assert send(client, route, address(route, office, "admin"), form).status_code == 403, route
    assert not office.accounts.account(office.people["changed"].id).full_name


def test_a_route_that_does_not_say_what_it_takes_cannot_be_made() -> None:
    routes = guarded_router()
    with pytest.raises(TypeError, match="does not say what it takes"):

        @routes.get("/secret")
        def secret() -> str:
            return "x"


def test_an_application_with_a_route_that_is_not_guarded_is_refused(office: Any) -> None:
    check_routes(office.app)

    @office.app.get("/secret")
    def secret() -> str:
        return "x"

    with pytest.raises(TypeError, match="/secret"):
        check_routes(office.app)
    with pytest.raises(TypeError, match="openapi"):
        check_routes(FastAPI())


def test_the_description_says_of_each_operation_what_it_takes(office: Any) -> None:
    schema = office.client().get("/api/v1/openapi.json").json()
    plain = {re.sub(r"{\w+}", "{}", route): need.split(",")[0] for route, need in ROUTES.items()}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            need = plain[re.sub(r"{\w+}", "{}", f"{method.upper()} {path}")]
            assert ("security" in operation) == (need != "public"), path
            if need in set(Right):
                assert operation["x-right"] == need
