"""Whose account somebody at the provider is, and what they may do here."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from twuin.accounts.model import AccountRefused, What
from twuin.accounts.rights import Role
from twuin.accounts.sign_in import SignInFailed, Visitor
from twuin.oidc.groups import Rule
from twuin.oidc.signing_in import NotLetIn, Rules

ME = Visitor("192.0.2.1")
GOOD = "lumbung-derita-sepeda-merah"
GROUPS = (
    Rule("kantor", Role.VIEWER),
    Rule("regu-1", Role.CREW, frozenset({"D1"})),
    Rule("regu-2", Role.CREW, frozenset({"D2"})),
    Rule("teknik", Role.ENGINEER),
    Rule("kepala", Role.ADMIN),
)


def word(gate: Any) -> str:
    with pytest.raises(AccountRefused) as told:
        gate.come()
    return str(told.value.word)


def local(gate: Any, name: str, role: Role = Role.ENGINEER) -> Any:
    """An account with a password, and its owner's first session."""
    _, code = gate.accounts.add(name, role, gate.by)
    return gate.accounts.sign_in.use_code(name, code, GOOD, ME)


def test_who_was_invited_comes_in_and_is_known_from_then_on(gate: Any) -> None:
    made = gate.invite(dmas=["D1"])
    assert gate.come().id == made.id
    gate.tells(email="new.address@pdam.example", email_verified=False)  # the subject says who it is
    assert gate.come().id == made.id
    events = [e.what for e in gate.log()]
    assert events == [What.ACCOUNT_MADE, What.LINKED, What.SIGNED_IN, What.SIGNED_IN]
    assert "Portal" in gate.log()[-1].detail
    assert gate.accounts.account(made.id).dmas == {"D1"}


@pytest.mark.parametrize("verified", [False, None, "true", 1, "yes"])
def test_an_address_that_is_not_verified_links_nobody(gate: Any, verified: Any) -> None:
    gate.invite()
    gate.tells(email_verified=verified)
    assert word(gate) == "no_account"


def test_a_verified_address_takes_over_no_account_with_a_password(gate: Any) -> None:
    local(gate, "ani@pdam.example", Role.ADMIN)
    assert word(gate) == "no_account"
    gate.open(Rules(groups=GROUPS, open=True))
    gate.tells(groups=["kepala"])
    assert word(gate) == "taken"


def test_an_account_that_is_linked_is_linked_to_nobody_else(gate: Any) -> None:
    gate.invite()
    gate.come()
    gate.tells(sub="u-2")  # who was given the address of somebody who left
    assert word(gate) == "no_account"


def test_whoever_was_not_invited_stays_outside(gate: Any) -> None:
    gate.open(Rules(groups=GROUPS))
    gate.tells(groups=["kepala"])
    assert word(gate) == "no_account"
    assert gate.accounts.empty


def test_a_disabled_account_stays_disabled(gate: Any) -> None:
    made = gate.invite()
    gate.come()
    gate.accounts.change(made.id, gate.by, disabled=True)
    assert word(gate) == "account_disabled"


# Groups


def test_groups_make_an_account_at_the_first_sign_in_where_that_is_allowed(gate: Any) -> None:
    gate.open(Rules(groups=GROUPS, open=True))
    gate.tells(groups=["regu-1", "other"], name="Ani  Lestari")
    came = gate.come()
    assert (came.name, came.full_name, came.role, came.dmas, came.provider) == (
        "ani@pdam.example", "Ani Lestari", Role.CREW, {"D1"}, True,
    )  # fmt: skip
    gate.tells(sub="u-2", groups=["other"], email="budi@pdam.example")
    assert word(gate) == "no_account"
    gate.tells(sub="u-3", groups=["regu-1"], email="cici@pdam.example", email_verified=False)
    assert word(gate) == "no_email"
    assert [a.name for a in gate.accounts.accounts()] == ["ani@pdam.example"]


@pytest.mark.parametrize(
    ("groups", "role", "dmas"),
    [
        (["regu-1", "regu-2"], Role.CREW, {"D1", "D2"}),
        (["regu-1", "kantor"], Role.CREW, {"D1"}),
        (["teknik", "regu-1"], Role.ENGINEER, None),
        ("kantor", Role.VIEWER, None),
        (["kepala", 5, None, {}], Role.ADMIN, None),
    ],
)
def test_the_highest_role_of_the_groups_holds(gate: Any, groups: Any, role: Role, dmas: Any) -> None:
    gate.invite()
    gate.open(Rules(groups=GROUPS))
    gate.tells(groups=groups)
    came = gate.come()
    assert (came.role, came.dmas) == (role, dmas)


def test_roles_follow_the_groups_at_each_sign_in(gate: Any) -> None:
    local(gate, "chief", Role.ADMIN)
    made = gate.invite()
    gate.open(Rules(groups=GROUPS))
    gate.tells(groups=["kepala"])
    assert gate.come().role is Role.ADMIN
    gate.tells(groups=["regu-2"])
    assert (gate.come().role, gate.accounts.account(made.id).dmas) == (Role.CREW, {"D2"})
    changed = [e for e in gate.log() if e.what is What.ACCOUNT_CHANGED]
    assert {e.actor for e in changed} == {"(provider)"} and "admin" in changed[-1].detail
    gate.tells(groups=[])
    assert word(gate) == "no_group"


def test_groups_that_only_userinfo_tells_count_too(gate: Any) -> None:
    gate.invite()
    gate.open(Rules(groups=GROUPS), wanted=("email", "name", "groups"))
    gate.said.offer["userinfo_endpoint"] = f"{gate.said.issuer}/userinfo"
    gate.said.userinfo = {"sub": "u-1", "groups": ["teknik"], "email": "chief@pdam.example"}
    came = gate.come()
    assert (came.role, came.name) == (Role.ENGINEER, "ani@pdam.example")  # the ID token comes first


def test_an_administrator_by_the_provider_is_never_the_last_one(gate: Any) -> None:
    chief = local(gate, "chief", Role.ADMIN).account
    gate.invite(role=Role.ADMIN)
    gate.come()
    with pytest.raises(AccountRefused, match="last administrator"):
        gate.accounts.change(chief.id, gate.by, disabled=True)


def test_an_account_with_a_password_keeps_the_role_that_it_was_given(gate: Any) -> None:
    signed = local(gate, "ani", Role.ENGINEER)
    gate.open(Rules(groups=GROUPS))
    link(gate, signed)
    gate.tells(groups=["kantor"])
    assert (gate.come().name, gate.accounts.by_name("ani").role) == ("ani", Role.ENGINEER)


# Linking one's own account


def link(gate: Any, signed: Any, *, asker: Any = None) -> Any:
    address = gate.begin(account=signed.account.id)
    who = asker or gate.accounts.sign_in.by_session(signed.secret)
    return gate.back(gate.said.signs_in(address), asker=who)


def test_ones_own_account_is_linked_by_who_is_signed_in_to_it(gate: Any) -> None:
    signed = local(gate, "ani")
    gate.tells(email="private@elsewhere.example", email_verified=False)
    came = link(gate, signed)
    assert came.signed is None
    assert gate.come().id == signed.account.id
    assert gate.accounts.sign_in.sign_in("ani", GOOD, ME)  # the password still works


def test_nobody_links_an_account_that_they_are_not_signed_in_to(gate: Any) -> None:
    ani, budi = local(gate, "ani"), local(gate, "budi")
    other = gate.accounts.sign_in.by_session(budi.secret)
    with pytest.raises(NotLetIn):
        link(gate, ani, asker=other)
    assert gate.accounts.identities(ani.account.id) == []


def test_an_identity_belongs_to_one_account_and_an_account_to_one_identity(gate: Any) -> None:
    ani, budi = local(gate, "ani"), local(gate, "budi")
    link(gate, ani)
    link(gate, ani)  # again: nothing changes
    with pytest.raises(NotLetIn) as told:
        link(gate, budi)
    assert told.value.word == "linked"
    gate.tells(sub="u-2")
    with pytest.raises(NotLetIn):
        link(gate, ani)
    assert [i.subject for i in gate.accounts.identities(ani.account.id)] == ["u-1"]


def test_parting_an_account_ends_its_sessions_and_lets_the_next_be_linked(gate: Any) -> None:
    made = gate.invite()
    came = gate.back(gate.said.signs_in(gate.begin()))
    assert gate.accounts.unlink(made.id, gate.by) == 1
    assert gate.accounts.sign_in.by_session(came.signed.secret) is None
    assert gate.log()[-1].what is What.UNLINKED
    gate.tells(sub="u-2")
    assert gate.come().id == made.id


# Sessions and passwords


def test_a_session_lasts_until_the_provider_is_to_be_asked_again(gate: Any) -> None:
    gate.invite()
    gate.open(Rules(session=timedelta(hours=3)))
    came = gate.back(gate.said.signs_in(gate.begin()))
    assert came.signed.ends - came.signed.made == timedelta(hours=3)


def test_signing_out_leads_to_the_provider_where_it_offers_that(gate: Any) -> None:
    gate.invite()
    signed = gate.back(gate.said.signs_in(gate.begin())).signed
    hint = gate.accounts.sign_in.sign_out(gate.accounts.sign_in.by_session(signed.secret), "192.0.2.1")
    assert hint.count(".") == 2 and gate.outside.end_address(hint) == ""
    gate.said.offer["end_session_endpoint"] = f"{gate.said.issuer}/end?x=1"
    gate.open()
    end = gate.outside.end_address(hint)
    assert end.startswith(f"{gate.said.issuer}/end?x=1&client_id=twuin")
    assert "post_logout_redirect_uri=https%3A%2F%2Fwater.example%2Fsignin" in end and hint in end
    assert gate.outside.end_address("") == ""  # who signed in by password signs out here alone


def test_passwords_may_be_for_administrators_alone(gate: Any) -> None:
    local(gate, "chief", Role.ADMIN), local(gate, "ani")
    sign_in = gate.accounts.sign_in
    sign_in.passwords_for_all = False
    assert sign_in.sign_in("chief", GOOD, ME).account.name == "chief"
    with pytest.raises(SignInFailed):
        sign_in.sign_in("ani", GOOD, ME)
    assert "administrators" in gate.log()[-1].detail
    code = gate.accounts.reset(gate.accounts.by_name("ani").id, gate.by)
    with pytest.raises(AccountRefused):
        sign_in.use_code("ani", code, "another-long-password-here", ME)


def test_an_account_of_the_provider_has_no_code_and_no_password(gate: Any) -> None:
    made, code = gate.accounts.add("ani@pdam.example", Role.CREW, gate.by, provider=True)
    assert code == "" and not made.has_password
    with pytest.raises(SignInFailed):
        gate.accounts.sign_in.sign_in("ani@pdam.example", "", ME)


def test_what_a_sign_in_needs_is_kept_hashed_and_not_for_long(gate: Any, tmp_path: Path) -> None:
    gate.invite()
    answer = gate.said.signs_in(gate.begin())
    with closing(sqlite3.connect(tmp_path / "twuin.sqlite")) as db:
        kept = str(db.execute("SELECT * FROM account_flow").fetchall())
        assert answer["state"] not in kept and gate.browser not in kept
        gate.pass_time(minutes=11)
        gate.tells()
        gate.come()
        assert db.execute("SELECT count(*) FROM account_flow").fetchone() == (0,)
