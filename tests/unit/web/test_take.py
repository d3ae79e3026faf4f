"""One tap on a message's link: looking changes nothing, tapping acknowledges under the receiver's name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twuin.alerts.model import Reason, State
from twuin.api import api_router, install_errors, install_guards
from twuin.notify.links import Links, Taken
from twuin.web import Takes, mount_pages

NOW = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
LINKS = Links("kota", b"k" * 32, "https://twuin.example")


@pytest.fixture
def client(fresh: Any) -> TestClient:
    app = FastAPI()
    install_errors(app)
    install_guards(app, allowed_hosts=("testserver",))
    app.include_router(api_router(fresh.views, fresh.alerts))
    languages = {"crew-en": "en", "regu-utara": "id"}
    mount_pages(app, fresh.views, fresh.alerts, Takes(LINKS, languages, lambda: NOW, {"crew-en": "North"}))
    return TestClient(app, follow_redirects=False)


@pytest.fixture
def link(fresh: Any) -> Callable[..., tuple[str, str]]:
    """An open alert, and the path of a link to it."""
    alert = fresh.new_leak()

    def make(receiver: str = "crew-en", hours: float = 72) -> tuple[str, str]:
        return alert, "/a/" + LINKS.token(Taken(alert, receiver, NOW + timedelta(hours=hours)))

    return make


def test_looking_at_the_link_acknowledges_nothing(fresh: Any, client: TestClient, link: Any) -> None:
    id, path = link()
    for _ in range(3):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "Yes, I take this on" in answer.text
    client.head(path)
    assert fresh.alerts.get(id).state is State.OPEN


def test_one_tap_acknowledges_and_the_history_names_the_receiver(
    fresh: Any, client: TestClient, link: Any
) -> None:
    id, path = link()
    answer = client.post(path)
    assert answer.status_code == 200
    assert "You have taken this on." in answer.text
    assert fresh.alerts.get(id).state is State.ACKNOWLEDGED
    last = fresh.alerts.history(id)[-1]
    assert (last.actor, last.action) == ("crew-en (link)", "acknowledged")


def test_tapping_again_says_who_has_it_and_adds_nothing(fresh: Any, client: TestClient, link: Any) -> None:
    id, path = link()
    client.post(path)
    lines = len(fresh.alerts.history(id))
    for answer in (client.post(path), client.get(path), client.get(link("regu-utara")[1])):
        assert answer.status_code == 200
        assert "crew-en" in answer.text.split("notice")[1]
        assert "<form" not in answer.text
    assert len(fresh.alerts.history(id)) == lines


def test_it_works_though_the_estimate_has_changed_since(fresh: Any, client: TestClient, link: Any) -> None:
    id, path = link()
    client.get(path)
    fresh.alerts.act(id, "note", version=fresh.alerts.get(id).version, note="seen from the road", actor="Ani")
    client.post(path)
    assert fresh.alerts.get(id).state is State.ACKNOWLEDGED


def test_after_it_was_opened_again_the_link_takes_it_on_again(
    fresh: Any, client: TestClient, link: Any
) -> None:
    id, path = link()
    client.post(path)
    version = fresh.alerts.get(id).version
    fresh.alerts.act(id, "close", version=version, reason=Reason.PLANNED, actor="Ani")
    closed = client.get(path)
    assert "This alert is closed" in closed.text and "Planned work" in closed.text
    fresh.alerts.act(id, "reopen", version=version + 1, actor="Ani")
    client.post(path)
    assert fresh.alerts.get(id).state is State.ACKNOWLEDGED


def test_an_expired_link_says_so_and_does_nothing(fresh: Any, client: TestClient, link: Any) -> None:
    id, path = link(hours=-0.1)
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 410
        assert "This link has expired" in answer.text
        assert "10:04" in answer.text
    assert fresh.alerts.get(id).state is State.OPEN


@pytest.mark.parametrize("change", ["cut", "alert", "receiver", "later", "none"])
def test_a_link_that_was_changed_is_nobodys(fresh: Any, client: TestClient, link: Any, change: str) -> None:
    id, path = link()
    alert, receiver, until, tag = path.removeprefix("/a/").split("~")
    token = {
        "cut": path[3:-3],
        "alert": f"aaaaaaaaaa~{receiver}~{until}~{tag}",
        "receiver": f"{alert}~admin~{until}~{tag}",
        "later": f"{alert}~{receiver}~zzzzzz~{tag}",
        "none": "x",
    }[change]
    for answer in (client.get(f"/a/{token}"), client.post(f"/a/{token}")):
        assert answer.status_code == 404
        assert "<form" not in answer.text
    assert fresh.alerts.get(id).state is State.OPEN


@pytest.mark.parametrize("hours", [72, -1])
def test_a_right_link_to_an_alert_that_is_gone_says_so(client: TestClient, hours: float) -> None:
    path = "/a/" + LINKS.token(Taken("zzzzzzzzzz", "crew-en", NOW + timedelta(hours=hours)))
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 404 and "<form" not in answer.text
        assert "This alert is no longer there" in answer.text and "damaged" not in answer.text
    assert "Tautan rusak" in client.get(path[:-1] + "~").text


def test_another_sites_page_cannot_tap(fresh: Any, client: TestClient, link: Any) -> None:
    id, path = link()
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        assert client.post(path, headers=headers).status_code == 403
    assert fresh.alerts.get(id).state is State.OPEN


def test_the_page_speaks_the_receivers_language_and_tells_nobody_its_address(
    client: TestClient, link: Any
) -> None:
    answer = client.get(link("regu-utara")[1], headers={"accept-language": "en"})
    assert "Ya, saya tangani" in answer.text
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert answer.headers["cache-control"] == "no-store"
    assert (
        "script-src" in answer.headers["content-security-policy"]
        or "default-src 'self'" in (answer.headers["content-security-policy"])
    )


def test_without_rules_there_is_no_such_page(fresh: Any, browse: Any) -> None:
    assert browse(fresh).get("/a/x").status_code == 404


def assign(sample: Any, id: str, who: str = "north") -> None:
    sample.alerts.act(id, "assign", version=sample.alerts.get(id).version, assignee=who, actor="Rina")


def test_the_crew_that_is_sent_says_with_one_tap_that_it_goes(
    fresh: Any, client: TestClient, link: Any
) -> None:
    id, path = link()
    assign(fresh, id)
    before = len(fresh.alerts.history(id))
    assert "Yes, we go" in client.get(path).text
    assert len(fresh.alerts.history(id)) == before
    for answer in (client.post(path), client.post(path), client.get(path)):
        assert answer.status_code == 200
        assert "The office knows that you go." in answer.text and "<form" not in answer.text
    last = fresh.alerts.history(id)[-1]
    assert (last.action, last.actor) == ("accepted", "crew-en (link)")
    assert len(fresh.alerts.history(id)) == before + 1
    assert fresh.alerts.get(id).state is State.ASSIGNED


def test_another_assignment_can_be_answered_again(fresh: Any, client: TestClient, link: Any) -> None:
    id, path = link()
    assign(fresh, id)
    client.post(path)
    assign(fresh, id, "south")
    answer = client.get(path)  # it is another crew's now
    assert "Yes, we go" not in answer.text and "<form" not in answer.text
    assign(fresh, id, "NORTH")
    assert "Yes, we go" in client.get(path).text
    client.post(path)
    assert len([e for e in fresh.alerts.history(id) if e.action == "accepted"]) == 2


def test_who_of_the_crew_said_first_that_they_go_is_named_to_the_others(
    fresh: Any, client: TestClient, link: Any
) -> None:
    id, path = link()
    assign(fresh, id)
    fresh.alerts.act(
        id, "accept", version=fresh.alerts.get(id).version, assignee="north", actor="telepon-utara (link)"
    )
    before = len(fresh.alerts.history(id))
    for answer in (client.get(path), client.post(path)):
        assert "telepon-utara has taken this on already" in answer.text
        assert "noted in the history" not in answer.text and "<form" not in answer.text
    assert len(fresh.alerts.history(id)) == before


def test_who_is_not_sent_cannot_say_that_they_go(fresh: Any, client: TestClient, link: Any) -> None:
    id, path = link("regu-utara")
    assign(fresh, id)
    before = len(fresh.alerts.history(id))
    client.post(path)
    assert len(fresh.alerts.history(id)) == before
