"""Signing in: by password, by one-time code, by token; and for how long."""

from __future__ import annotations

import re
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from twuin.accounts.model import AccountRefused, Via, What
from twuin.accounts.passwords import Passwords, check_password
from twuin.accounts.rights import WHOLE_SITE, Right, Role
from twuin.accounts.sign_in import CodeRefused, SignInFailed, Visitor
from twuin.accounts.tries import DEVICE, PAIR, STRANGERS, TooMany
from twuin.db import open_account_store

HOME = Visitor("192.0.2.1")
ELSEWHERE = Visitor("198.51.100.7")


def test_a_name_and_its_password_begin_a_session(office: Any, good: str) -> None:
    office.person("ani")
    signed = office.sign_in.sign_in(" ANI ", good, HOME)
    asker = office.sign_in.by_session(signed.secret)
    assert asker is not None and (asker.name, asker.via, asker.role) == ("ani", Via.SESSION, Role.ENGINEER)


def test_each_sign_in_is_a_new_session(office: Any, good: str) -> None:
    first, again = office.person("ani"), office.sign_in.sign_in("ani", good, HOME)
    assert first.secret != again.secret
    assert len(office.service.sessions(first.account.id)) == 2


def test_unknown_disabled_and_wrong_answer_alike_and_compare_one_password(office: Any, good: str) -> None:
    office.person("ani")
    gone = office.person("budi")
    office.service.change(gone.account.id, office.by, disabled=True)
    said = set()
    for name, password in (("nobody", good), ("ani", "wrong" * 4), ("budi", good)):
        office.passwords.compared = 0
        with pytest.raises(SignInFailed) as refused:
            office.sign_in.sign_in(name, password, ELSEWHERE)
        said.add(str(refused.value))
        assert office.passwords.compared == 1
    assert len(said) == 1


def test_an_account_without_password_cannot_sign_in_with_an_empty_one(office: Any) -> None:
    office.service.add("ani", Role.VIEWER, office.by)
    for password in ("", "a password that nobody has"):
        with pytest.raises(SignInFailed):
            office.sign_in.sign_in("ani", password, HOME)


def test_a_session_ends_when_nobody_uses_it(office: Any) -> None:
    secret = office.person("ani").secret
    for _ in range(5):
        office.pass_time(hours=11.9)
        assert office.sign_in.by_session(secret) is not None
    office.pass_time(hours=12)
    assert office.sign_in.by_session(secret) is None


def test_a_session_ends_however_much_it_is_used(office: Any) -> None:
    signed = office.person("ani")
    for _ in range(30 * 3 - 1):
        office.pass_time(hours=8)
        assert office.sign_in.by_session(signed.secret) is not None
    office.pass_time(hours=8)
    assert office.sign_in.by_session(signed.secret) is None


def test_signing_out_ends_this_session_alone(office: Any, good: str) -> None:
    here = office.person("ani")
    there = office.sign_in.sign_in("ani", good, ELSEWHERE)
    asker = office.sign_in.by_session(here.secret)
    office.sign_in.sign_out(asker, "192.0.2.1")
    assert office.sign_in.by_session(here.secret) is None
    assert office.sign_in.by_session(there.secret) is not None


def test_a_new_password_ends_every_other_session(office: Any, good: str) -> None:
    here = office.person("ani")
    there = office.sign_in.sign_in("ani", good, ELSEWHERE)
    new = office.sign_in.change_password(
        office.sign_in.by_session(here.secret), good, "kapal-hujan-teko-biru", HOME
    )
    assert office.sign_in.by_session(here.secret) is None
    assert office.sign_in.by_session(there.secret) is None
    assert office.sign_in.by_session(new.secret) is not None
    with pytest.raises(SignInFailed):
        office.sign_in.sign_in("ani", good, HOME)


def test_one_must_know_the_old_password_to_change_it(office: Any) -> None:
    here = office.person("ani")
    asker = office.sign_in.by_session(here.secret)
    with pytest.raises(SignInFailed):
        office.sign_in.change_password(asker, "not the old one", "kapal-hujan-teko-biru", HOME)
    assert office.sign_in.by_session(here.secret) is not None


def test_what_changes_of_an_account_holds_at_once(office: Any) -> None:
    office.person("chief", Role.ADMIN)
    signed = office.person("ani")
    office.service.change(signed.account.id, office.by, role=Role.VIEWER, dmas=["D2"])
    asker = office.sign_in.by_session(signed.secret)
    assert asker is not None and asker.rights == {Right.SEE, Right.SITE} and asker.dmas == {"D2"}
    office.service.change(signed.account.id, office.by, disabled=True)
    assert office.sign_in.by_session(signed.secret) is None


# Codes


def test_a_code_works_once(office: Any, good: str) -> None:
    _, code = office.service.add("ani", Role.VIEWER, office.by)
    office.sign_in.use_code("ani", code.upper().replace("-", " "), good, HOME)
    with pytest.raises(CodeRefused):
        office.sign_in.use_code("ani", code, good, HOME)


def test_of_two_who_use_a_code_at_once_one_gets_in(office: Any, good: str) -> None:
    _, code = office.service.add("ani", Role.VIEWER, office.by)
    done: list[str] = []
    start = threading.Barrier(2)

    def go() -> None:
        start.wait()
        try:
            office.sign_in.use_code("ani", code, good, HOME)
            done.append("in")
        except CodeRefused:
            done.append("refused")

    threads = [threading.Thread(target=go) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(done) == ["in", "refused"]


def test_a_code_ends(office: Any, good: str) -> None:
    _, code = office.service.add("ani", Role.VIEWER, office.by)
    office.pass_time(hours=24)
    with pytest.raises(CodeRefused):
        office.sign_in.use_code("ani", code, good, HOME)


def test_a_new_code_replaces_the_old_one_and_leaves_the_password_until_it_is_used(
    office: Any, good: str
) -> None:
    signed = office.person("ani")
    first, second = (office.service.reset(signed.account.id, office.by) for _ in range(2))
    assert office.sign_in.by_session(signed.secret) is not None
    office.sign_in.sign_in("ani", good, HOME)
    with pytest.raises(CodeRefused):
        office.sign_in.use_code("ani", first, good, HOME)
    office.sign_in.use_code("ani", second, "kapal-hujan-teko-biru", HOME)
    assert office.sign_in.by_session(signed.secret) is None


def test_a_code_is_not_spent_on_a_password_that_will_not_do(office: Any, good: str) -> None:
    _, code = office.service.add("ani", Role.VIEWER, office.by)
    with pytest.raises(AccountRefused, match="at least 12"):
        office.sign_in.use_code("ani", code, "short", HOME)
    office.sign_in.use_code("ani", code, good, HOME)


# Tries


def wrong(office: Any, name: str, visitor: Visitor) -> str:
    try:
        office.sign_in.sign_in(name, "not the password", visitor)
    except SignInFailed:
        return "failed"
    except TooMany:
        return "slowed"
    raise AssertionError("signed in")


def test_tries_from_one_address_become_slow(office: Any) -> None:
    office.person("ani")
    said = [wrong(office, "ani", ELSEWHERE) for _ in range(int(PAIR.most) + 3)]
    assert said == ["failed"] * int(PAIR.most) + ["slowed"] * 3
    office.pass_time(seconds=PAIR.every_s)
    assert [wrong(office, "ani", ELSEWHERE) for _ in range(2)] == ["failed", "slowed"]


def test_a_restart_forgets_no_try(office: Any, good: str, tmp_path: Path) -> None:
    office.person("ani")
    flood = [Visitor(f"203.0.113.{i % 9}") for i in range(100)]
    assert "slowed" in [wrong(office, "ani", v) for v in flood]
    again = replace(office, store=open_account_store(f"sqlite:///{tmp_path}/twuin.sqlite"))
    again.now = office.now
    assert {wrong(again, "ani", v) for v in flood} == {"slowed"}
    assert again.sign_in.sign_in("ani", good, HOME).account.name == "ani"  # and still locks nobody out
    again.store.close()


def test_processes_share_their_tries(office: Any) -> None:
    office.person("ani")
    other = replace(office)  # another process on the same database
    other.now = office.now
    said = [wrong(one, "ani", ELSEWHERE) for _ in range(int(PAIR.most)) for one in (office, other)]
    assert said.count("failed") == PAIR.most


def test_who_is_refused_costs_the_database_nothing(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    office.person("ani")
    for _ in range(int(PAIR.most) + 1):
        wrong(office, "ani", ELSEWHERE)
    asked: list[int] = []
    monkeypatch.setattr(office.store, "change_tries", lambda *_: asked.append(1))
    assert [wrong(office, "ani", ELSEWHERE) for _ in range(100)] == ["slowed"] * 100
    assert asked == []


def test_a_clock_that_is_set_back_keeps_nobody_out(office: Any) -> None:
    office.person("ani")
    for _ in range(int(PAIR.most) + 1):
        wrong(office, "ani", ELSEWHERE)
    office.pass_time(days=-400)
    assert wrong(office, "ani", ELSEWHERE) == "slowed"  # as if they had all been taken just now
    office.pass_time(seconds=PAIR.every_s)
    assert wrong(office, "ani", ELSEWHERE) == "failed"


def test_what_is_kept_of_tries_names_nobody_and_is_forgotten(office: Any, tmp_path: Path) -> None:
    office.person("ani")
    for i in range(30):
        wrong(office, f"name{i}", ELSEWHERE)
    with closing(sqlite3.connect(tmp_path / "twuin.sqlite")) as db:
        kept = db.execute("SELECT * FROM account_try").fetchall()
        assert kept and "name" not in str(kept) and ELSEWHERE.source not in str(kept)
        office.pass_time(hours=2)
        wrong(office, "ani", ELSEWHERE)
        assert len(db.execute("SELECT * FROM account_try").fetchall()) == 3  # this one's alone


def test_thousands_of_addresses_together_get_no_more_tries_than_strangers_may(office: Any) -> None:
    office.person("ani")
    said = [wrong(office, "ani", Visitor(f"203.0.113.{i}")) for i in range(200)]
    assert said.count("failed") == STRANGERS.most


def test_a_flood_of_wrong_passwords_locks_nobody_out_of_a_known_device_or_address(
    office: Any, good: str
) -> None:
    signed = office.person("ani")  # from HOME, on a device that now has a cookie
    for i in range(300):
        wrong(office, "ani", Visitor(f"203.0.113.{i % 250}"))
    moving = Visitor("198.51.100.99", device=signed.device)
    assert office.sign_in.sign_in("ani", good, moving).account.name == "ani"
    assert office.sign_in.sign_in("ani", good, HOME).account.name == "ani"


def test_even_a_flood_from_ones_own_address_leaves_a_known_device_alone(office: Any, good: str) -> None:
    signed = office.person("ani")
    for i in range(300):
        wrong(office, f"name{i}", HOME)
        wrong(office, "ani", HOME)
    assert office.sign_in.sign_in("ani", good, Visitor(HOME.source, device=signed.device))


def test_a_stolen_device_has_few_tries_too(office: Any) -> None:
    signed = office.person("ani")
    thief = Visitor("198.51.100.99", device=signed.device)
    assert [wrong(office, "ani", thief) for _ in range(20)].count("failed") == DEVICE.most


def test_a_device_known_to_one_account_is_a_stranger_to_another(office: Any, good: str) -> None:
    device = office.person("ani").device
    office.person("budi")
    said = [wrong(office, "budi", Visitor(f"203.0.113.{i}", device=device)) for i in range(100)]
    assert said.count("failed") == STRANGERS.most


def test_a_one_time_code_leads_past_a_flood(office: Any, good: str) -> None:
    account = office.person("ani").account
    for i in range(300):
        wrong(office, "ani", Visitor(f"203.0.113.{i % 250}"))
    assert wrong(office, "ani", ELSEWHERE) == "slowed"
    code = office.service.reset(account.id, office.by)
    assert office.sign_in.use_code("ani", code, good, ELSEWHERE)


def test_names_that_do_not_exist_are_slowed_just_the_same(office: Any) -> None:
    office.person("ani")
    known = [wrong(office, "ani", Visitor(f"203.0.113.{i % 9}")) for i in range(120)]
    unknown = [wrong(office, "nobody", Visitor(f"203.0.114.{i % 9}")) for i in range(120)]
    assert known == unknown


def test_a_flood_does_not_fill_the_log(office: Any) -> None:
    for i in range(2000):
        wrong(office, f"name{i % 90}", Visitor(f"203.0.{i % 200}.1"))
    failed = [e for e in office.log() if e.what in (What.SIGN_IN_FAILED, What.SLOWED)]
    assert len(failed) == 100
    office.pass_time(minutes=2)
    wrong(office, "ani", ELSEWHERE)
    assert re.search(r"\d{3,4} more events", office.log()[-1].detail)


# Tokens


def token(office: Any, owner: Any, *rights: Right, days: int = 30, dmas: list[str] | None = None) -> Any:
    return office.service.add_token(owner, office.by, name="grafana", rights=rights, days=days, dmas=dmas)


def test_a_token_speaks_for_its_owner_within_its_scope(office: Any) -> None:
    owner = office.person("ani").account
    made, text = token(office, owner, Right.SEE, dmas=["D1"])
    asker = office.sign_in.by_token(text, HOME)
    assert asker is not None
    assert (asker.rights, asker.dmas, asker.via) == ({Right.SEE}, {"D1"}, Via.TOKEN)
    assert office.service.tokens(owner.id)[0].used == office.now
    assert text not in repr(made)


def test_a_token_loses_what_its_owner_loses(office: Any) -> None:
    owner = office.person("ani").account
    _, text = token(office, owner, Right.SEE, Right.CLOSE, Right.METRICS)
    office.service.change(owner.id, office.by, role=Role.CREW, dmas=["D2"])
    asker = office.sign_in.by_token(text, HOME)
    assert asker is not None and asker.rights == {Right.SEE} and asker.dmas == {"D2"}
    office.service.change(owner.id, office.by, disabled=True)
    assert office.sign_in.by_token(text, HOME) is None


def test_limits_of_token_and_owner_that_have_nothing_in_common_leave_nothing(office: Any) -> None:
    owner = office.person("ani").account
    _, text = token(office, owner, Right.SEE, dmas=["D1"])
    office.service.change(owner.id, office.by, dmas=["D2"])
    asker = office.sign_in.by_token(text, HOME)
    assert asker is not None and asker.dmas == frozenset()


def test_a_revoked_or_ended_token_is_refused_and_that_is_logged(office: Any) -> None:
    owner = office.person("ani").account
    _, text = token(office, owner, Right.SEE, days=1)
    office.pass_time(days=1)
    assert office.sign_in.by_token(text, HOME) is None
    other, text = token(office, owner, Right.SEE)
    assert office.service.revoke(other.id, office.by)
    assert not office.service.revoke(other.id, office.by)
    assert office.sign_in.by_token(text, HOME) is None
    assert [e.what for e in office.log()].count(What.TOKEN_REFUSED) == 2


def test_a_token_can_do_no_more_than_its_owner(office: Any) -> None:
    viewer = office.person("vera", Role.VIEWER).account
    with pytest.raises(AccountRefused):
        token(office, viewer, Right.CLOSE)
    limited = office.person("dedi", Role.ENGINEER, ["D1"]).account
    with pytest.raises(AccountRefused, match="limited to D1"):
        token(office, limited, Right.SEE, dmas=["D2"])
    made, _ = token(office, limited, Right.SEE)
    assert made.dmas == {"D1"}


def test_nothing_secret_is_in_the_database(office: Any, good: str, tmp_path: Path) -> None:
    signed = office.person("ani")
    _, text = token(office, signed.account, Right.SEE)
    code = office.service.reset(signed.account.id, office.by)
    with sqlite3.connect(tmp_path / "twuin.sqlite") as db:
        everything = "\n".join(db.iterdump())
    for secret in (good, signed.secret, signed.device, text, code, code.replace("-", "")):
        assert secret not in everything
    assert "$argon2id$" in everything


# Passwords


@pytest.mark.parametrize(
    "bad",
    ["short", "password1234", "123456789012", "qwertyuiop12", "pdam12345678", "twuintwuintwuin",
     "aaaaaaaaaaaaaaa", "rahasia123456", "x" * 300, "kotamalang123"],
)  # fmt: skip
def test_a_password_that_is_guessed_first_is_refused(bad: str) -> None:
    with pytest.raises(AccountRefused):
        check_password(bad, ("ani", "Kota Malang", "kotamalang"))


@pytest.mark.parametrize("fine", ["lumbung-derita-sepeda", "Tq8%vd!0zPl#w2", "ayam hijau makan tanggal"])
def test_a_password_that_nobody_guesses_is_taken(fine: str) -> None:
    check_password(fine, ("ani",))


def test_passwords_are_hashed_with_argon2id_of_rfc_9106() -> None:
    passwords = Passwords()
    hash = passwords.hash("x")
    assert hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.matches(hash, "x") and not passwords.matches(hash, "y")
    assert not passwords.outdated(hash) and passwords.outdated(hash.replace("t=3", "t=2"))


def test_a_password_hashed_with_older_parameters_is_hashed_anew(office: Any, good: str) -> None:
    from argon2 import PasswordHasher

    account = office.person("ani").account
    old = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash(good)
    office.store.set_password(account.id, old)
    office.sign_in.sign_in("ani", good, HOME)
    assert office.store.password(account.id) != old
    office.sign_in.sign_in("ani", good, HOME)


def test_rights_of_the_whole_site_are_for_nobody_who_is_limited(office: Any) -> None:
    limited = office.person("dedi", Role.ENGINEER, ["D1"])
    asker = office.sign_in.by_session(limited.secret)
    assert asker is not None and not asker.rights & WHOLE_SITE
    assert timedelta(0) < limited.ends - office.now
