"""The menu leads to what somebody may open, and to nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from twuin.accounts.model import OPEN
from twuin.accounts.rights import Right, Role, rights_of
from twuin.web.formats import Formats
from twuin.web.locales import language
from twuin.web.menu import entries, menu


@pytest.fixture
def formats() -> Formats:
    from zoneinfo import ZoneInfo

    messages = language("en").messages
    return Formats("en", messages.gettext, messages.ngettext, ZoneInfo("UTC"), "IDR", 2026)


def paths(found: Any) -> list[str]:
    return [e.path for e in (*found.bar, *found.more)]


def test_each_role_is_led_to_what_it_may_open(formats: Formats) -> None:
    seen = [
        "/",
        "/alerts",
        "/losses",
        "/sensors",
        "/works",
        "/step-test",
        "/what-if",
        "/results",
        "/public-reports",
        "/reports",
        "/wall",
    ]
    every = [*seen[:8], "/field", *seen[8:]]

    def shown(role: Role, limited: bool = False) -> list[str]:
        return paths(menu(formats, rights_of(role, limited=limited), "/"))

    assert shown(Role.VIEWER) == seen
    assert shown(Role.CREW) == shown(Role.DISPATCHER) == every
    assert shown(Role.ENGINEER) == [*every, "/ingest", "/bills"]
    assert shown(Role.ENGINEER, limited=True) == every
    assert shown(Role.ADMIN) == [*every, "/ingest", "/bills", "/accounts", "/security"]
    assert paths(menu(formats, OPEN.rights, "/")) == [*every, "/ingest"]


def test_who_may_see_nothing_has_no_menu(formats: Formats) -> None:
    assert paths(menu(formats, {Right.METRICS, Right.SITE}, "/")) == []


def test_a_phone_has_room_for_the_bar(formats: Formats) -> None:
    assert len([e for e in entries(formats) if e.first]) <= 4


@pytest.mark.parametrize(
    ("here", "marked"), [("/", "/"), ("/alerts/a1", "/alerts"), ("/alertsx", None), ("/reports", "/reports")]
)
def test_the_page_that_is_open_is_marked(here: str, marked: str | None, formats: Formats) -> None:
    found = menu(formats, frozenset(Right), here)
    assert [e.path for e in (*found.bar, *found.more) if e.here(found.here)] == ([marked] if marked else [])
    assert found.among_more == (marked == "/reports")


@pytest.mark.parametrize("prefix", ["", "/twuin"])
def test_the_page_says_where_it_is_also_below_a_prefix(prefix: str, shown: Any, browse: Any) -> None:
    client = browse(shown("town"), "en")
    client.app_state = None
    answer = client.get("/sensors", headers={"host": "localhost"})
    assert re.findall(r'href="([^"]*)" aria-current="page"', answer.text) == ["/sensors"]
