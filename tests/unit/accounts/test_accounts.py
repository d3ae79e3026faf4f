"""Making and changing accounts, and what the security log says of it."""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from twuin.accounts.model import AccountRefused, What
from twuin.accounts.rights import RIGHTS, WHOLE_SITE, Right, Role, right_of_action
from waterworks.errors import NotFound


def test_the_first_account_is_an_administrator_and_there_is_one_first_only(office: Any) -> None:
    account, code = office.service.first(office.by)
    assert (account.name, account.role, account.dmas) == ("admin", Role.ADMIN, None)
    assert not account.has_password and len(code) == 23
    with pytest.raises(AccountRefused, match="already"):
        office.service.first(office.by)


def test_a_name_is_taken_once_whatever_its_letters(office: Any) -> None:
    office.service.add("ani", Role.VIEWER, office.by)
    with pytest.raises(AccountRefused, match="already"):
        office.service.add(" Ani ", Role.VIEWER, office.by)


@pytest.mark.parametrize("name", ["", "a", "with blank", "../x", "x" * 70, "a\nb", "<b>", "-dash"])
def test_what_cannot_be_a_name_is_refused(office: Any, name: str) -> None:
    with pytest.raises(AccountRefused, match="name to sign in"):
        office.service.add(name, Role.VIEWER, office.by)


def test_nobody_can_be_limited_to_a_dma_that_does_not_exist(office: Any) -> None:
    for dmas in (["D9"], []):
        with pytest.raises(AccountRefused, match="DMA"):
            office.service.add("ani", Role.VIEWER, office.by, dmas=dmas)


def test_an_administrator_is_limited_to_nothing(office: Any) -> None:
    with pytest.raises(AccountRefused, match="whole site"):
        office.service.add("ani", Role.ADMIN, office.by, dmas=["D1"])
    limited, _ = office.service.add("budi", Role.VIEWER, office.by, dmas=["D1"])
    with pytest.raises(AccountRefused, match="whole site"):
        office.service.change(limited.id, office.by, role=Role.ADMIN)
    assert office.service.change(limited.id, office.by, role=Role.ADMIN, whole_site=True).dmas is None


def test_there_is_always_an_administrator(office: Any) -> None:
    only, _ = office.service.first(office.by)
    for change in ({"role": Role.VIEWER}, {"disabled": True}):
        with pytest.raises(AccountRefused, match="last administrator"):
            office.service.change(only.id, office.by, **change)
    office.service.add("second", Role.ADMIN, office.by)
    assert office.service.change(only.id, office.by, disabled=True).disabled


def test_a_role_keeps_its_limit_until_another_is_given(office: Any) -> None:
    account, _ = office.service.add("ani", Role.VIEWER, office.by, dmas=["D1", "D2"])
    assert office.service.change(account.id, office.by, role=Role.ENGINEER).dmas == {"D1", "D2"}
    assert office.service.change(account.id, office.by, dmas=["D3"]).dmas == {"D3"}
    assert office.service.change(account.id, office.by, whole_site=True).dmas is None
    stored = office.service.account(account.id)
    assert (stored.role, stored.dmas) == (Role.ENGINEER, None)


def test_the_log_says_who_did_what_to_whom(office: Any, good: str) -> None:
    office.person("ani", Role.VIEWER, ["D1"])
    office.service.change(office.service.by_name("ani").id, office.by, role=Role.CREW)
    lines = [(e.what, e.actor, e.about) for e in office.log()]
    assert lines == [
        (What.ACCOUNT_MADE, "terminal", "ani"),
        (What.CODE_MADE, "terminal", "ani"),
        (What.PASSWORD_CHANGED, "ani", "ani"),
        (What.SIGNED_IN, "ani", "ani"),
        (What.ACCOUNT_CHANGED, "terminal", "ani"),
    ]
    assert office.log()[-1].detail == "viewer, only D1 -> crew, only D1"
    assert not any(good in repr(e) for e in office.log())


def test_the_log_is_read_page_by_page_newest_first(office: Any) -> None:
    for i in range(5):
        office.service.add(f"person{i}", Role.VIEWER, office.by)
    first = office.service.events(limit=4)
    rest = office.service.events(before=first[-1].seq, limit=100)
    assert [e.seq for e in first + rest] == sorted((e.seq for e in first + rest), reverse=True)
    assert len(first + rest) == 10


def test_the_log_cannot_be_rewritten(office: Any, tmp_path: Path) -> None:
    office.service.add("ani", Role.VIEWER, office.by)
    with sqlite3.connect(tmp_path / "twuin.sqlite") as db:
        for statement in (
            "UPDATE security_event SET actor = 'x'",
            "DELETE FROM security_event",
            "INSERT OR REPLACE INTO security_event SELECT * FROM security_event",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                db.execute(statement)


def test_accounts_of_another_site_are_not_there(office: Any) -> None:
    from twuin.accounts.service import AccountService

    account, _ = office.service.add("ani", Role.VIEWER, office.by)
    other = AccountService("elsewhere", office.store, lambda: office.now, dmas=("D1",))
    assert other.empty and other.events() == []
    with pytest.raises(NotFound):
        other.account(account.id)
    other.add("ani", Role.VIEWER, office.by)


def test_every_role_can_see_and_each_higher_one_can_do_what_the_lower_can_but_for_residents_data() -> None:
    order = (Role.VIEWER, Role.CREW, Role.DISPATCHER, Role.ENGINEER, Role.ADMIN)
    for lower, higher in itertools.pairwise(order):
        assert RIGHTS[lower] - {Right.PERSONAL} < RIGHTS[higher]
    assert RIGHTS[Role.ADMIN] == frozenset(Right)
    # Who answers residents has their names; who looks at flows needs none.
    assert {r for r in Role if Right.PERSONAL in RIGHTS[r]} == {Role.DISPATCHER, Role.ADMIN}
    assert Right.ACCOUNTS in WHOLE_SITE


def test_an_action_that_the_table_does_not_know_takes_the_highest_right() -> None:
    assert right_of_action("explode") is Right.ACCOUNTS
