"""The tables of accounts as SQLAlchemy sees them. Secrets are in none of them, only their digests."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, UniqueConstraint, false
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from twuin.db.tables import Base, Instant, Json, Text

Number = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only where the column is an INTEGER."""


NullableJson = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class AccountRow(Base):
    """A person who may sign in. password: its Argon2 hash, "" for none. dmas: null for the whole site."""

    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("site", "name", name="account_by_name"),)

    id: Mapped[str] = mapped_column(Text(40), primary_key=True)
    site: Mapped[str] = mapped_column(Text(80))
    name: Mapped[str] = mapped_column(Text(80))
    full_name: Mapped[str] = mapped_column(Text(80))
    role: Mapped[str] = mapped_column(Text(20))
    dmas: Mapped[list[str] | None] = mapped_column(NullableJson)
    disabled: Mapped[bool]
    password: Mapped[str] = mapped_column(Text(200))
    made: Mapped[datetime] = mapped_column(Instant)
    seen: Mapped[datetime | None] = mapped_column(Instant)
    provider: Mapped[bool] = mapped_column(server_default=false())


class SessionRow(Base):
    """A browser in which somebody is signed in."""

    __tablename__ = "account_session"
    __table_args__ = (Index("account_session_by_account", "account"),)

    digest: Mapped[str] = mapped_column(Text(64), primary_key=True)
    account: Mapped[str] = mapped_column(Text(40), ForeignKey("account.id"))
    made: Mapped[datetime] = mapped_column(Instant)
    seen: Mapped[datetime] = mapped_column(Instant)
    ends: Mapped[datetime] = mapped_column(Instant)
    source: Mapped[str] = mapped_column(Text(80))
    agent: Mapped[str] = mapped_column(Text(200))
    hint: Mapped[str] = mapped_column(Text, server_default="")


class IdentityRow(Base):
    """Somebody at a provider, and whose account they are."""

    __tablename__ = "account_identity"
    __table_args__ = (UniqueConstraint("account", "issuer", name="account_identity_by_account"),)

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    issuer: Mapped[str] = mapped_column(Text(255), primary_key=True)
    subject: Mapped[str] = mapped_column(Text(255), primary_key=True)
    account: Mapped[str] = mapped_column(Text(40), ForeignKey("account.id"))
    made: Mapped[datetime] = mapped_column(Instant)


class FlowRow(Base):
    """A sign-in through the provider that a browser has begun, for some minutes."""

    __tablename__ = "account_flow"

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    state: Mapped[str] = mapped_column(Text(64), primary_key=True)
    browser: Mapped[str] = mapped_column(Text(64))
    nonce: Mapped[str] = mapped_column(Text(64))
    verifier: Mapped[str] = mapped_column(Text(128))
    next: Mapped[str] = mapped_column(Text)
    account: Mapped[str] = mapped_column(Text(40))
    ends: Mapped[datetime] = mapped_column(Instant)


class KnownRow(Base):
    """A device or an address from which a name signed in."""

    __tablename__ = "account_known"

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    name: Mapped[str] = mapped_column(Text(80), primary_key=True)
    what: Mapped[str] = mapped_column(Text(120), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)


class CodeRow(Base):
    """The one-time code of an account, one at a time."""

    __tablename__ = "account_code"

    account: Mapped[str] = mapped_column(Text(40), ForeignKey("account.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(Text(64))
    ends: Mapped[datetime] = mapped_column(Instant)


class TryRow(Base):
    """A bucket of tries that is not full: how long until it is, and whether the last try was refused."""

    __tablename__ = "account_try"
    __table_args__ = (Index("account_try_by_time", "full_at"),)

    key: Mapped[str] = mapped_column(Text(40), primary_key=True)
    full_at: Mapped[datetime] = mapped_column(Instant)
    refused: Mapped[bool]


class TokenRow(Base):
    """What a program shows instead of a password."""

    __tablename__ = "account_token"
    __table_args__ = (Index("account_token_by_account", "account"),)

    id: Mapped[str] = mapped_column(Text(40), primary_key=True)
    digest: Mapped[str] = mapped_column(Text(64), unique=True)
    account: Mapped[str] = mapped_column(Text(40), ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(Text(80))
    rights: Mapped[list[str]] = mapped_column(Json)
    dmas: Mapped[list[str] | None] = mapped_column(NullableJson)
    made: Mapped[datetime] = mapped_column(Instant)
    ends: Mapped[datetime] = mapped_column(Instant)
    used: Mapped[datetime | None] = mapped_column(Instant)
    revoked: Mapped[datetime | None] = mapped_column(Instant)


class SecurityEventRow(Base):
    """A line of the security log. Triggers refuse to change or remove one."""

    __tablename__ = "security_event"
    __table_args__ = (Index("security_event_by_site", "site", "seq"),)

    seq: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    site: Mapped[str] = mapped_column(Text(80))
    at: Mapped[datetime] = mapped_column(Instant)
    what: Mapped[str] = mapped_column(Text(40))
    actor: Mapped[str] = mapped_column(Text(80))
    about: Mapped[str] = mapped_column(Text(80))
    source: Mapped[str] = mapped_column(Text(80))
    detail: Mapped[str] = mapped_column(Text)
