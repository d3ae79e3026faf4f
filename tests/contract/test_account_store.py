"""What every AccountStore does, on each database that Twuin runs on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from twuin.accounts.model import Account, Flow, Identity, SecurityEvent, Session, Token, What
from twuin.accounts.ports import AccountStore, NameTaken
from twuin.accounts.rights import Right, Role
from twuin.accounts.tries import Filling
from twuin.db import open_account_store
from twuin.db.engine import open_engine
from waterworks.errors import StoreError

T0 = datetime(2026, 3, 1, 2, 3, 4, 567891, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def opener(database_url: str) -> Callable[[], AccountStore]:
    """Opens the same store again, as another process would."""
    return lambda: open_account_store(database_url)


@pytest.fixture
def store(opener: Callable[[], AccountStore]) -> Iterator[AccountStore]:
    opened = opener()
    yield opened
    opened.close()
    opened.close()


def account(name: str = "ani", site: str = "town", dmas: frozenset[str] | None = None) -> Account:
    return Account(f"id-{site}-{name}", site, name, f"{name} é\0", Role.ENGINEER, T0, dmas)


def event(what: What = What.SIGNED_IN, about: str = "ani") -> SecurityEvent:
    return SecurityEvent(T0, what, "boss", about, "192.0.2.1", "detail ✓")


def session(digest: str = "s1", owner: str = "id-town-ani", hours: float = 5) -> Session:
    return Session(digest, owner, T0, T0, T0 + hours * HOUR, "192.0.2.1", "Mozilla/5.0 (X11)")


def token(id: str = "t1", owner: str = "id-town-ani", dmas: frozenset[str] | None = None) -> Token:
    return Token(id, f"digest {id}", owner, "grafana", frozenset({Right.SEE}), T0, T0 + HOUR, dmas)


def test_an_account_comes_back_as_it_was(store: AccountStore) -> None:
    for made in (account(), account("budi", dmas=frozenset({"D1", "D2"})), account("cici", dmas=frozenset())):
        store.add(made)
        found = store.account("town", made.id)
        assert found is not None and found == store.by_name("town", made.name)
        assert (found.name, found.role, found.made, found.dmas) == (
            made.name,
            made.role,
            made.made,
            made.dmas,
        )
        assert found.full_name == made.full_name.replace("\0", "\ufffd")
    assert [a.name for a in store.accounts("town")] == ["ani", "budi", "cici"]


def test_a_name_is_taken_once_a_site_and_nothing_of_a_second_is_kept(store: AccountStore) -> None:
    store.add(account(), [event()])
    with pytest.raises(NameTaken):
        store.add(Account("other", "town", "ani", "", Role.VIEWER, T0), [event()])
    store.add(account(site="village"))
    assert store.account("town", "other") is None
    assert len(store.events("town")) == 1 and store.events("village") == []


def test_a_password_is_kept_apart_from_the_account(store: AccountStore) -> None:
    store.add(account())
    assert store.password("id-town-ani") == "" and store.password("nobody") == ""
    store.set_password("id-town-ani", "$argon2id$...")
    found = store.by_name("town", "ani")
    assert found is not None and found.has_password and "argon2" not in repr(found)
    assert store.password("id-town-ani") == "$argon2id$..."


def test_a_hash_is_renewed_only_if_the_password_is_still_the_same(store: AccountStore) -> None:
    store.add(account())
    store.set_password("id-town-ani", "new")
    store.rehash("id-town-ani", "old", "old, hashed anew")
    assert store.password("id-town-ani") == "new"
    store.rehash("id-town-ani", "new", "new, hashed anew")
    assert store.password("id-town-ani") == "new, hashed anew"


def test_a_session_is_found_with_its_account(opener: Callable[[], AccountStore], store: AccountStore) -> None:
    store.add(account())
    store.begin(session(), [event()])
    other = opener()
    found = other.session("s1")
    other.close()
    assert found is not None and found[0] == session() and found[1].name == "ani"
    assert found[1].seen == T0
    store.touch("s1", T0 + HOUR)
    assert [s.seen for s in store.sessions("id-town-ani")] == [T0 + HOUR]
    assert store.session("s2") is None


def test_sessions_end_one_by_one_all_at_once_and_with_the_password(store: AccountStore) -> None:
    store.add(account())
    store.add(account("budi"))
    for name in ("s1", "s2", "s3"):
        store.begin(session(name))
    store.begin(session("b1", "id-town-budi"))
    assert store.end("s1") and not store.end("s1")
    assert store.end_all("id-town-ani") == 2
    store.begin(session("s4"))
    store.put_code("id-town-ani", "c", T0 + HOUR)
    store.set_password("id-town-ani", "x")
    assert store.session("s4") is None and not store.code("id-town-ani", "c", T0)
    store.begin(session("s5"))
    gone = account()
    store.change(Account(gone.id, gone.site, gone.name, "", Role.VIEWER, T0, None, disabled=True))
    assert store.session("s5") is None
    assert store.session("b1") is not None


def test_a_code_is_good_once_until_it_ends(store: AccountStore) -> None:
    store.add(account())
    store.put_code("id-town-ani", "first", T0 + HOUR)
    store.put_code("id-town-ani", "second", T0 + HOUR)
    assert not store.code("id-town-ani", "first", T0)
    assert store.code("id-town-ani", "second", T0) and not store.code("id-town-ani", "second", T0 + HOUR)
    assert not store.use_code("id-town-ani", "first", T0, "hash")
    assert not store.use_code("id-town-ani", "second", T0 + HOUR, "hash")
    assert store.use_code("id-town-ani", "second", T0, "hash", [event()])
    assert not store.use_code("id-town-ani", "second", T0, "hash2")
    assert store.password("id-town-ani") == "hash" and len(store.events("town")) == 1


def test_of_many_who_use_a_code_at_once_one_succeeds(
    opener: Callable[[], AccountStore], store: AccountStore
) -> None:
    store.add(account())
    store.put_code("id-town-ani", "c", T0 + HOUR)
    stores = [opener() for _ in range(4)]
    start, done = threading.Barrier(4), []

    def use(one: AccountStore, i: int) -> None:
        start.wait()
        done.append(one.use_code("id-town-ani", "c", T0, f"hash {i}"))

    threads = [threading.Thread(target=use, args=(s, i)) for i, s in enumerate(stores)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for s in stores:
        s.close()
    assert sorted(done) == [False, False, False, True]


def test_two_codes_made_at_once_leave_one(opener: Callable[[], AccountStore], store: AccountStore) -> None:
    store.add(account())
    stores = [opener() for _ in range(3)]
    start = threading.Barrier(3)

    def make(one: AccountStore, i: int) -> None:
        start.wait()
        for k in range(5):
            one.put_code("id-town-ani", f"c{i}{k}", T0 + HOUR)

    threads = [threading.Thread(target=make, args=(s, i)) for i, s in enumerate(stores)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for s in stores:
        s.close()
    assert sum(store.code("id-town-ani", f"c{i}{k}", T0) for i in range(3) for k in range(5)) == 1


def test_what_is_known_is_known_for_that_name_at_that_site_since_then(store: AccountStore) -> None:
    store.know("town", "ani", "device x", T0)
    store.know("town", "ani", "device x", T0 + HOUR)
    assert store.known("town", "ani", "device x", T0 + HOUR)
    assert not store.known("town", "ani", "device x", T0 + 2 * HOUR)
    assert not store.known("town", "budi", "device x", T0)
    assert not store.known("village", "ani", "device x", T0)


def test_a_token_is_found_by_its_digest_with_its_owner(store: AccountStore) -> None:
    store.add(account())
    store.add_token(token())
    store.add_token(token("t2", dmas=frozenset({"D1"})))
    found = store.token("digest t2")
    assert found is not None and found[0] == token("t2", dmas=frozenset({"D1"})) and found[1].name == "ani"
    store.use_token("t1", T0 + HOUR)
    assert {t.id: t.used for t in store.tokens("town")} == {"t1": T0 + HOUR, "t2": None}
    assert store.tokens("village") == [] and store.tokens("town", "id-town-budi") == []


def test_a_token_is_revoked_once_and_stays_so(store: AccountStore) -> None:
    store.add(account())
    store.add_token(token())
    assert store.revoke("t1", T0 + HOUR, [event(What.TOKEN_REVOKED)])
    assert not store.revoke("t1", T0 + 2 * HOUR, [event(What.TOKEN_REVOKED)])
    assert not store.revoke("t9", T0)
    found = store.token("digest t1")
    assert found is not None and found[0].revoked == T0 + HOUR
    assert len(store.events("town")) == 1


def test_the_log_comes_back_newest_first_and_page_by_page(store: AccountStore) -> None:
    for i in range(7):
        store.record("town", [event(about=f"person{i}")])
    store.record("village", [event()])
    newest = store.events("town", limit=3)
    assert [e.about for e in newest] == ["person6", "person5", "person4"]
    older = store.events("town", before=newest[-1].seq)
    assert [e.about for e in older] == [f"person{i}" for i in (3, 2, 1, 0)]
    assert (older[0].at, older[0].detail, older[0].what) == (T0, "detail ✓", What.SIGNED_IN)


def test_no_statement_changes_the_log(store: AccountStore, database_url: str) -> None:
    store.record("town", [event()])
    engine = open_engine(database_url)
    statements = ["UPDATE security_event SET actor = 'x'", "DELETE FROM security_event"]
    if engine.dialect.name == "postgresql":
        statements.append("TRUNCATE security_event")
    for statement in statements:
        with pytest.raises(Exception, match="append-only"), engine.begin() as db:
            db.execute(text(statement))
    engine.dispose()
    assert len(store.events("town")) == 1


def test_what_is_over_is_forgotten_and_nothing_else(store: AccountStore) -> None:
    store.add(account())
    store.add(account("budi"))
    store.begin(session("old", hours=1))
    store.begin(session("new", hours=48))
    store.put_code("id-town-ani", "old", T0 + HOUR)
    store.put_code("id-town-budi", "new", T0 + 48 * HOUR)
    store.know("town", "ani", "device x", T0)
    store.prune(T0 + HOUR)
    assert store.session("old") is None and store.session("new") is not None
    assert store.code("id-town-budi", "new", T0)
    assert store.known("town", "ani", "device x", T0)
    store.prune(T0 + 24 * 61 * HOUR)
    assert not store.known("town", "ani", "device x", T0)


def test_a_session_needs_its_account(store: AccountStore) -> None:
    with pytest.raises(StoreError):
        store.begin(session(owner="nobody"))


def test_it_is_the_port(store: AccountStore) -> None:
    assert isinstance(store, AccountStore)


def test_tries_are_changed_with_nobody_in_between(opener: Callable[[], AccountStore]) -> None:
    stores = [opener() for _ in range(3)]

    def add(kept: Mapping[str, Filling]) -> Mapping[str, Filling]:
        return {key: Filling(one.full_at + HOUR) for key, one in kept.items()}

    def work(store: AccountStore) -> None:
        for _ in range(10):
            store.change_tries(["b", "a"], T0, add)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, stores))
    seen: list[Mapping[str, Filling]] = []
    stores[0].change_tries(["a", "b", "c"], T0, lambda kept: (seen.append(kept), {})[1])
    assert seen == [{"a": Filling(T0 + 30 * HOUR), "b": Filling(T0 + 30 * HOUR), "c": Filling(T0)}]
    for store in stores:
        store.close()


def test_tries_that_are_back_are_forgotten_and_beyond_a_number_those_that_are_nearly(
    store: AccountStore,
) -> None:
    store.change_tries(["a", "b", "c", "d"], T0, lambda kept: {
        key: Filling(T0 + i * HOUR, refused=True) for i, key in enumerate(sorted(kept))
    })  # fmt: skip
    store.prune_tries(T0, 2)
    seen: list[Mapping[str, Filling]] = []
    store.change_tries(["a", "b", "c", "d"], T0, lambda kept: (seen.append(kept), {})[1])
    assert {key for key, one in seen[0].items() if one.refused} == {"c", "d"}


# Identities at a provider


def flow(state: str = "s1", hours: float = 1) -> Flow:
    return Flow(state, "browser", "nonce", "verifier", "/alerts", T0 + hours * HOUR, "id-town-ani")


def test_an_identity_has_one_account_and_an_account_one_of_each_issuer(store: AccountStore) -> None:
    store.add(account())
    store.add(account("budi"))
    ani, budi = "id-town-ani", "id-town-budi"
    assert store.identity("town", "https://a", "u1") is None
    assert store.link("town", Identity("https://a", "u1", ani, T0), [event(about="ani")])
    assert not store.link("town", Identity("https://a", "u1", budi, T0), [event(about="budi")])
    assert not store.link("town", Identity("https://a", "u2", ani, T0), [event(about="ani")])
    assert store.link("town", Identity("https://b", "u1", ani, T0))
    found = store.identity("town", "https://a", "u1")
    assert found is not None and found.name == "ani"
    assert store.identity("village", "https://a", "u1") is None
    assert [(i.issuer, i.subject) for i in store.identities(ani)] in (
        [("https://a", "u1"), ("https://b", "u1")], [("https://b", "u1"), ("https://a", "u1")],
    )  # fmt: skip
    assert [e.about for e in store.events("town")] == ["ani"]  # what was not done is not logged


def test_parting_an_account_ends_its_sessions(store: AccountStore) -> None:
    store.add(account())
    store.link("town", Identity("https://a", "u1", "id-town-ani", T0))
    store.begin(session("d1", hours=1), (), "the hint")
    assert store.hint("d1") == "the hint" and store.hint("other") == ""
    assert store.unlink("id-town-ani", [event()]) == 1
    assert store.session("d1") is None and store.identities("id-town-ani") == []
    assert store.unlink("id-town-ani", [event()]) == 0
    assert len(store.events("town")) == 1


def test_a_sign_in_that_was_begun_is_taken_once(opener: Callable[[], AccountStore]) -> None:
    stores = [opener() for _ in range(3)]
    stores[0].put_flow("town", flow())
    stores[0].put_flow("town", flow("late", hours=0))
    assert stores[0].take_flow("village", "s1", T0) is None
    with ThreadPoolExecutor(3) as pool:
        taken = list(pool.map(lambda s: s.take_flow("town", "s1", T0), stores))
    assert sorted(taken, key=str) == sorted([flow(), None, None], key=str)
    assert stores[0].take_flow("town", "late", T0) is None
    for store in stores:
        store.close()
