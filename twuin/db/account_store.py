"""The AccountStore on SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from twuin.accounts.model import Account, Flow, Identity, SecurityEvent, Session, Token, What
from twuin.accounts.ports import Accounts, Log, NameTaken, SecurityEvents, Sessions, Tokens
from twuin.accounts.rights import Right, Role
from twuin.accounts.sign_in import KNOWN
from twuin.accounts.tries import Filling, Fillings
from twuin.db.account_tables import (
    AccountRow,
    CodeRow,
    FlowRow,
    IdentityRow,
    KnownRow,
    SecurityEventRow,
    SessionRow,
    TokenRow,
    TryRow,
)
from twuin.db.engine import transaction
from twuin.db.migrate import Database, open_database


def open_account_store(where: str | Database) -> SqlAccountStore:
    """The accounts in a database, at a URL or already open (see ``open_database``).

    Raises SettingsError, StoreError, StoreUnavailable.
    """
    return SqlAccountStore(open_database(where))


PORTION = 500
"""Rows that one statement names."""

_ACCOUNT = (
    *(c for c in AccountRow.__table__.c if c.name != "password"),
    (AccountRow.password != "").label("has_password"),
)
"""All of an account but the hash, which goes nowhere it is not asked for."""

_SESSION = tuple(c.label(f"s_{c.name}") for c in SessionRow.__table__.c if c.name != "hint")
_TOKEN = tuple(c.label(f"t_{c.name}") for c in TokenRow.__table__.c)


class SqlAccountStore:
    """Accounts in a relational database that several processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine = database.engine

    # Accounts

    def accounts(self, site: str) -> Accounts:
        ask = select(*_ACCOUNT).where(AccountRow.site == site).order_by(AccountRow.name)
        with transaction(self._engine) as db:
            return [_account(row) for row in db.execute(ask).mappings()]

    def account(self, site: str, id: str) -> Account | None:
        return self._one(AccountRow.site == site, AccountRow.id == id)

    def by_name(self, site: str, name: str) -> Account | None:
        return self._one(AccountRow.site == site, AccountRow.name == name)

    def _one(self, *conditions: Any) -> Account | None:
        with transaction(self._engine) as db:
            row = db.execute(select(*_ACCOUNT).where(*conditions)).mappings().first()
        return None if row is None else _account(row)

    def add(self, account: Account, log: Log = ()) -> None:
        values = _values(account) | {
            "id": account.id, "site": account.site, "name": account.name, "made": account.made,
            "seen": account.seen, "password": "",
        }  # fmt: skip
        try:
            with transaction(self._engine, writes=True) as db:
                try:
                    db.execute(insert(AccountRow).values(**values))
                except IntegrityError:
                    raise _Taken from None
                _record(db, account.site, log)
        except _Taken:
            raise NameTaken(account.name) from None

    def change(self, account: Account, log: Log = ()) -> None:
        with transaction(self._engine, writes=True) as db:
            db.execute(update(AccountRow).where(AccountRow.id == account.id).values(**_values(account)))
            if account.disabled:
                _end_everywhere(db, account.id)
            _record(db, account.site, log)

    def password(self, account: str) -> str:
        with transaction(self._engine) as db:
            found = db.execute(
                select(AccountRow.password).where(AccountRow.id == account)
            ).scalar_one_or_none()
        return found or ""

    def set_password(self, account: str, hash: str, log: Log = ()) -> None:
        with transaction(self._engine, writes=True) as db:
            _set_password(db, account, hash, log)

    def rehash(self, account: str, old: str, hash: str) -> None:
        same = (AccountRow.id == account, AccountRow.password == old)
        with transaction(self._engine, writes=True) as db:
            db.execute(update(AccountRow).where(*same).values(password=hash))

    # Sessions

    def begin(self, session: Session, log: Log = (), hint: str = "") -> None:
        values = {c: getattr(session, c) for c in _SESSION_FIELDS}
        with transaction(self._engine, writes=True) as db:
            db.execute(insert(SessionRow).values(**values, hint=hint))
            db.execute(update(AccountRow).where(AccountRow.id == session.account).values(seen=session.made))
            _record(db, _site_of(db, session.account), log)

    def session(self, digest: str) -> tuple[Session, Account] | None:
        ask = (
            select(*_SESSION, *_ACCOUNT)
            .join_from(SessionRow, AccountRow, SessionRow.account == AccountRow.id)
            .where(SessionRow.digest == digest)
        )
        with transaction(self._engine) as db:
            row = db.execute(ask).mappings().first()
        return None if row is None else (_session(row), _account(row))

    def sessions(self, account: str) -> Sessions:
        ask = select(*_SESSION).where(SessionRow.account == account).order_by(SessionRow.seen.desc())
        with transaction(self._engine) as db:
            return [_session(row) for row in db.execute(ask).mappings()]

    def touch(self, digest: str, at: datetime) -> None:
        with transaction(self._engine, writes=True) as db:
            db.execute(update(SessionRow).where(SessionRow.digest == digest).values(seen=at))

    def end(self, digest: str, log: Log = ()) -> bool:
        with transaction(self._engine, writes=True) as db:
            account = db.execute(
                select(SessionRow.account).where(SessionRow.digest == digest)
            ).scalar_one_or_none()
            if account is None:
                return False
            db.execute(delete(SessionRow).where(SessionRow.digest == digest))
            _record(db, _site_of(db, account), log)
            return True

    def end_all(self, account: str, log: Log = ()) -> int:
        with transaction(self._engine, writes=True) as db:
            ended = db.execute(delete(SessionRow).where(SessionRow.account == account)).rowcount
            _record(db, _site_of(db, account), log)
            return ended

    def know(self, site: str, name: str, what: str, at: datetime) -> None:
        key = (KnownRow.site == site, KnownRow.name == name, KnownRow.what == what)
        with transaction(self._engine, writes=True) as db:
            if db.execute(update(KnownRow).where(*key).values(at=at)).rowcount == 0:
                try:
                    with db.begin_nested():
                        db.execute(insert(KnownRow).values(site=site, name=name, what=what, at=at))
                except IntegrityError:  # another process knew it just now
                    pass

    def known(self, site: str, name: str, what: str, since: datetime) -> bool:
        key = (KnownRow.site == site, KnownRow.name == name, KnownRow.what == what, KnownRow.at >= since)
        with transaction(self._engine) as db:
            return db.execute(select(KnownRow.what).where(*key)).first() is not None

    def hint(self, digest: str) -> str:
        with transaction(self._engine) as db:
            ask = select(SessionRow.hint).where(SessionRow.digest == digest)
            return db.execute(ask).scalar_one_or_none() or ""

    # Identities at a provider

    def identity(self, site: str, issuer: str, subject: str) -> Account | None:
        at = (IdentityRow.site == site, IdentityRow.issuer == issuer, IdentityRow.subject == subject)
        ask = select(*_ACCOUNT).join_from(IdentityRow, AccountRow, IdentityRow.account == AccountRow.id)
        with transaction(self._engine) as db:
            row = db.execute(ask.where(*at, AccountRow.site == site)).mappings().first()
        return None if row is None else _account(row)

    def identities(self, account: str) -> list[Identity]:
        ask = select(*IdentityRow.__table__.c).where(IdentityRow.account == account)
        with transaction(self._engine) as db:
            rows = db.execute(ask.order_by(IdentityRow.made)).mappings().all()
        return [Identity(r["issuer"], r["subject"], r["account"], r["made"]) for r in rows]

    def link(self, site: str, identity: Identity, log: Log = ()) -> bool:
        values = {c: getattr(identity, c) for c in ("issuer", "subject", "account", "made")}
        try:
            with transaction(self._engine, writes=True) as db:
                try:
                    db.execute(insert(IdentityRow).values(site=site, **values))
                except IntegrityError:
                    raise _Taken from None
                _record(db, site, log)
        except _Taken:
            return False
        return True

    def unlink(self, account: str, log: Log = ()) -> int:
        with transaction(self._engine, writes=True) as db:
            gone = db.execute(delete(IdentityRow).where(IdentityRow.account == account)).rowcount
            if gone:
                _end_everywhere(db, account)
                _record(db, _site_of(db, account), log)
            return gone

    def put_flow(self, site: str, flow: Flow) -> None:
        with transaction(self._engine, writes=True) as db:
            db.execute(insert(FlowRow).values(site=site, **{c: getattr(flow, c) for c in _FLOW_FIELDS}))

    def take_flow(self, site: str, state: str, now: datetime) -> Flow | None:
        this = (FlowRow.site == site, FlowRow.state == state)
        with transaction(self._engine, writes=True) as db:
            row = db.execute(select(*FlowRow.__table__.c).where(*this)).mappings().first()
            if row is None or db.execute(delete(FlowRow).where(*this)).rowcount != 1:
                return None
        return Flow(**{c: row[c] for c in _FLOW_FIELDS}) if row["ends"] > now else None

    # One-time codes

    def put_code(self, account: str, digest: str, ends: datetime, log: Log = ()) -> None:
        with transaction(self._engine, writes=True) as db:
            # The account's row first: two who do so at once wait for each other here.
            db.execute(update(AccountRow).where(AccountRow.id == account).values(id=account))
            db.execute(delete(CodeRow).where(CodeRow.account == account))
            db.execute(insert(CodeRow).values(account=account, digest=digest, ends=ends))
            _record(db, _site_of(db, account), log)

    def code(self, account: str, digest: str, now: datetime) -> bool:
        with transaction(self._engine) as db:
            return db.execute(select(CodeRow.account).where(*_good(account, digest, now))).first() is not None

    def use_code(self, account: str, digest: str, now: datetime, hash: str, log: Log = ()) -> bool:
        with transaction(self._engine, writes=True) as db:
            if db.execute(delete(CodeRow).where(*_good(account, digest, now))).rowcount != 1:
                return False
            _set_password(db, account, hash, log)
            return True

    # Tokens

    def add_token(self, token: Token, log: Log = ()) -> None:
        values = {c: getattr(token, c) for c in _TOKEN_FIELDS}
        values |= {"rights": sorted(r.value for r in token.rights), "dmas": _listed(token.dmas)}
        with transaction(self._engine, writes=True) as db:
            db.execute(insert(TokenRow).values(**values))
            _record(db, _site_of(db, token.account), log)

    def token(self, digest: str) -> tuple[Token, Account] | None:
        ask = (
            select(*_TOKEN, *_ACCOUNT)
            .join_from(TokenRow, AccountRow, TokenRow.account == AccountRow.id)
            .where(TokenRow.digest == digest)
        )
        with transaction(self._engine) as db:
            row = db.execute(ask).mappings().first()
        return None if row is None else (_token(row), _account(row))

    def tokens(self, site: str, account: str | None = None) -> Tokens:
        ask = (
            select(*_TOKEN)
            .join_from(TokenRow, AccountRow, TokenRow.account == AccountRow.id)
            .where(AccountRow.site == site)
            .order_by(TokenRow.made.desc(), TokenRow.id)
        )
        if account is not None:
            ask = ask.where(TokenRow.account == account)
        with transaction(self._engine) as db:
            return [_token(row) for row in db.execute(ask).mappings()]

    def use_token(self, id: str, at: datetime) -> None:
        with transaction(self._engine, writes=True) as db:
            db.execute(update(TokenRow).where(TokenRow.id == id).values(used=at))

    def revoke(self, id: str, at: datetime, log: Log = ()) -> bool:
        good = (TokenRow.id == id, TokenRow.revoked.is_(None))
        with transaction(self._engine, writes=True) as db:
            if db.execute(update(TokenRow).where(*good).values(revoked=at)).rowcount != 1:
                return False
            account = db.execute(select(TokenRow.account).where(TokenRow.id == id)).scalar_one()
            _record(db, _site_of(db, account), log)
            return True

    # Tries

    def change_tries(
        self, keys: Collection[str], now: datetime, change: Callable[[Fillings], Fillings]
    ) -> None:
        # In one order for all: two who take from the same buckets wait, and lock nobody up.
        full = [{"key": key, "full_at": now, "refused": False} for key in sorted(keys)]
        ask = select(TryRow.key, TryRow.full_at, TryRow.refused).where(TryRow.key.in_(sorted(keys)))
        with transaction(self._engine, writes=True) as db:
            if db.dialect.name == "postgresql":
                # What is not there cannot be locked, so it is put there first.
                db.execute(postgresql.insert(TryRow).on_conflict_do_nothing(), full)
                ask = ask.order_by(TryRow.key).with_for_update()
            else:
                db.execute(sqlite.insert(TryRow).on_conflict_do_nothing(), full)
            kept = {row.key: Filling(row.full_at, row.refused) for row in db.execute(ask)}
            for key, new in sorted(change(kept).items()):
                values = {"full_at": new.full_at, "refused": new.refused}
                db.execute(update(TryRow).where(TryRow.key == key).values(**values))

    def prune_tries(self, now: datetime, most: int) -> None:
        with transaction(self._engine, writes=True) as db:
            db.execute(delete(TryRow).where(TryRow.full_at <= now))
            beyond = select(TryRow.key).order_by(TryRow.full_at.desc()).offset(most).limit(most)
            keys = db.execute(beyond).scalars().all()
            for first in range(0, len(keys), PORTION):
                db.execute(delete(TryRow).where(TryRow.key.in_(keys[first : first + PORTION])))

    # The log

    def record(self, site: str, log: Log) -> None:
        with transaction(self._engine, writes=True) as db:
            _record(db, site, log)

    def events(self, site: str, *, before: int | None = None, limit: int = 100) -> SecurityEvents:
        ask = select(*SecurityEventRow.__table__.c).where(SecurityEventRow.site == site)
        if before is not None:
            ask = ask.where(SecurityEventRow.seq < before)
        with transaction(self._engine) as db:
            rows = db.execute(ask.order_by(SecurityEventRow.seq.desc()).limit(limit)).mappings().all()
        return [
            SecurityEvent(
                r["at"], What(r["what"]), r["actor"], r["about"], r["source"], r["detail"], r["seq"]
            )
            for r in rows
        ]

    def prune(self, now: datetime) -> None:
        with transaction(self._engine, writes=True) as db:
            db.execute(delete(SessionRow).where(SessionRow.ends <= now))
            db.execute(delete(CodeRow).where(CodeRow.ends <= now))
            db.execute(delete(FlowRow).where(FlowRow.ends <= now))
            db.execute(delete(KnownRow).where(KnownRow.at < now - KNOWN))

    def close(self) -> None:
        self._database.close()


_SESSION_FIELDS = ("digest", "account", "made", "seen", "ends", "source", "agent")
_FLOW_FIELDS = ("state", "browser", "nonce", "verifier", "next", "ends", "account")
_TOKEN_FIELDS = ("id", "digest", "account", "name", "made", "ends", "used", "revoked")


class _Taken(Exception):
    """Rolls the transaction back."""


def _record(db: Connection, site: str, log: Log) -> None:
    rows = [
        {
            "site": site, "at": e.at, "what": e.what.value, "actor": e.actor, "about": e.about,
            "source": e.source, "detail": e.detail,
        }
        for e in log
    ]  # fmt: skip
    if rows:
        db.execute(insert(SecurityEventRow), rows)


def _site_of(db: Connection, account: str) -> str:
    return db.execute(select(AccountRow.site).where(AccountRow.id == account)).scalar_one()


def _set_password(db: Connection, account: str, hash: str, log: Log) -> None:
    db.execute(update(AccountRow).where(AccountRow.id == account).values(password=hash))
    _end_everywhere(db, account)
    _record(db, _site_of(db, account), log)


def _end_everywhere(db: Connection, account: str) -> None:
    db.execute(delete(SessionRow).where(SessionRow.account == account))
    db.execute(delete(CodeRow).where(CodeRow.account == account))


def _good(account: str, digest: str, now: datetime) -> tuple[Any, ...]:
    return (CodeRow.account == account, CodeRow.digest == digest, CodeRow.ends > now)


def _values(account: Account) -> dict[str, Any]:
    return {
        "full_name": account.full_name,
        "role": account.role.value,
        "dmas": _listed(account.dmas),
        "disabled": account.disabled,
        "provider": account.provider,
    }


def _listed(dmas: frozenset[str] | None) -> list[str] | None:
    return None if dmas is None else sorted(dmas)


def _set(dmas: list[str] | None) -> frozenset[str] | None:
    return None if dmas is None else frozenset(dmas)


def _account(row: Any) -> Account:
    return Account(
        row["id"], row["site"], row["name"], row["full_name"], Role(row["role"]), row["made"],
        _set(row["dmas"]), bool(row["disabled"]), bool(row["has_password"]), row["seen"],
        bool(row["provider"]),
    )  # fmt: skip


def _session(row: Any) -> Session:
    return Session(*(row[f"s_{c}"] for c in _SESSION_FIELDS))


def _token(row: Any) -> Token:
    # A right that a newer Twuin knows is none here.
    rights = frozenset(Right(r) for r in row["t_rights"] if r in set(Right))
    return Token(
        row["t_id"], row["t_digest"], row["t_account"], row["t_name"], rights, row["t_made"], row["t_ends"],
        _set(row["t_dmas"]), row["t_used"], row["t_revoked"],
    )  # fmt: skip
