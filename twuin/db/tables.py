"""The tables as SQLAlchemy sees them. Their creation and every change of them stand in ``migrations``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Index,
    String,
    TypeDecorator,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from twuin.alerts.model import Kind, Reason, State
from twuin.alerts.work import Cause

Json = JSON().with_variant(JSONB(), "postgresql")
JsonOrNull = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Instant(TypeDecorator[datetime]):
    """A UTC instant; SQLite, which knows no zones, holds it as text in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"time {value.isoformat()} has no zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Text(TypeDecorator[str]):
    """Text of any characters but NUL, which PostgreSQL cannot hold: it becomes the replacement character."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.replace("\0", "\ufffd")


class Base(DeclarativeBase):
    """Root of the mapped classes."""


class AlertRow(Base):
    """An alert with its newest finding; flows [m3/s], volume [m3], radii [m], gain [currency of the site]."""

    __tablename__ = "alert"
    __table_args__ = (
        Index("alert_by_onset", "site", "onset", "id"),
        Index("alert_by_state", "site", "state", "kind"),
        Index("alert_by_assignee", "site", "assignee"),
        Index("alert_by_original", "site", "duplicate_of"),
    )

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    id: Mapped[str] = mapped_column(Text(40), primary_key=True)
    state: Mapped[State] = mapped_column(Text(20))
    reason: Mapped[Reason | None] = mapped_column(Text(20))
    version: Mapped[int]
    revision: Mapped[int]
    held: Mapped[bool]
    told: Mapped[dict[str, Any] | None] = mapped_column(Json)
    kind: Mapped[Kind] = mapped_column(Text(20))
    subject: Mapped[str] = mapped_column(Text(200))
    dma: Mapped[str] = mapped_column(Text(200))
    onset: Mapped[datetime] = mapped_column(Instant)
    detected: Mapped[datetime] = mapped_column(Instant)
    as_of: Mapped[datetime] = mapped_column(Instant)
    ended: Mapped[datetime | None] = mapped_column(Instant)
    flow: Mapped[float] = mapped_column(Float(53))
    flow_low: Mapped[float] = mapped_column(Float(53))
    flow_high: Mapped[float] = mapped_column(Float(53))
    volume: Mapped[float] = mapped_column(Float(53))
    confidence: Mapped[float] = mapped_column(Float(53))
    suspects: Mapped[list[Any]] = mapped_column(Json)
    near: Mapped[list[str]] = mapped_column(Json)
    evidence: Mapped[dict[str, Any]] = mapped_column(Json)
    onset_low: Mapped[datetime | None] = mapped_column(Instant)
    onset_high: Mapped[datetime | None] = mapped_column(Instant)
    centre: Mapped[str] = mapped_column(Text(200), server_default="")
    radius_50_m: Mapped[float | None] = mapped_column(Float(53))
    radius_90_m: Mapped[float | None] = mapped_column(Float(53))
    gain: Mapped[float | None] = mapped_column(Float(53))
    assignee: Mapped[str] = mapped_column(Text(200), server_default="")
    cause: Mapped[Cause | None] = mapped_column(Text(20))
    duplicate_of: Mapped[str] = mapped_column(Text(40), server_default="")
    work: Mapped[dict[str, Any]] = mapped_column(Json, server_default="{}")
    supported: Mapped[bool] = mapped_column(server_default=true())


class EntryRow(Base):
    """A line of an alert's history. Written once; ``seq`` counts the announced changes of a site."""

    __tablename__ = "alert_entry"
    __table_args__ = (
        ForeignKeyConstraint(["site", "alert"], ["alert.site", "alert.id"]),
        Index("alert_entry_by_alert", "site", "alert", "seq"),
        Index("alert_entry_by_key", "site", "key", unique=True),
    )

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    alert: Mapped[str] = mapped_column(Text(40))
    at: Mapped[datetime] = mapped_column(Instant)
    actor: Mapped[str] = mapped_column(Text(200))
    action: Mapped[str] = mapped_column(Text(20))
    note: Mapped[str] = mapped_column(Text)
    reason: Mapped[Reason | None] = mapped_column(Text(20))
    details: Mapped[dict[str, Any]] = mapped_column(Json, server_default="{}")
    happened: Mapped[datetime | None] = mapped_column(Instant)
    key: Mapped[str | None] = mapped_column(Text(200))


class CursorRow(Base):
    """The newest ``seq`` of a site.

    Whoever adds to a history moves it first, in the same transaction, and so waits for others who do:
    the order of numbers is the order of commits, and who has seen a number has seen all below it.
    """

    __tablename__ = "alert_cursor"

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class WorkLineRow(Base):
    """A line of a planned work's history. Written once; ``seq`` orders all lines of a site."""

    __tablename__ = "work_line"
    __table_args__ = (Index("work_line_by_work", "site", "work", "number", unique=True),)

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    work: Mapped[str] = mapped_column(Text(40))
    number: Mapped[int]
    at: Mapped[datetime] = mapped_column(Instant)
    actor: Mapped[str] = mapped_column(Text(200))
    action: Mapped[str] = mapped_column(Text(20))
    plan: Mapped[dict[str, Any]] = mapped_column(Json)
    note: Mapped[str] = mapped_column(Text)


class NotifyPlaceRow(Base):
    """Up to which announced change of a site's alerts people were told, and who may send now."""

    __tablename__ = "notify_place"

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    cursor: Mapped[int | None] = mapped_column(BigInteger)
    holder: Mapped[str] = mapped_column(Text(80), server_default="")
    held_until: Mapped[datetime | None] = mapped_column(Instant)


class NotifyKnownRow(Base):
    """How an alert stood when it was last looked at for news; events: how many it has had."""

    __tablename__ = "notify_known"

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    alert: Mapped[str] = mapped_column(Text(40), primary_key=True)
    standing: Mapped[str] = mapped_column(Text(20))
    priority: Mapped[int]
    events: Mapped[int]


class NoticeRow(Base):
    """One event for one address. Its key is what makes a message come once; ``message``: what carries it."""

    __tablename__ = "notice"
    __table_args__ = (
        Index("notice_by_message", "site", "message"),
        Index("notice_by_alert", "site", "alert"),
    )

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    event: Mapped[str] = mapped_column(Text(60), primary_key=True)
    receiver: Mapped[str] = mapped_column(Text(80), primary_key=True)
    channel: Mapped[str] = mapped_column(Text(80), primary_key=True)
    alert: Mapped[str] = mapped_column(Text(40))
    what: Mapped[str] = mapped_column(Text(20))
    priority: Mapped[int]
    lane: Mapped[str] = mapped_column(Text(20))
    made: Mapped[datetime] = mapped_column(Instant)
    due: Mapped[datetime] = mapped_column(Instant)
    message: Mapped[str] = mapped_column(Text(60), server_default="")


class MessageRow(Base):
    """What is sent to one address. made: site time; all other times are the wall's."""

    __tablename__ = "message"
    __table_args__ = (
        Index("message_by_state", "site", "state", "next_try"),
        Index("message_by_made", "site", "made"),
    )

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    id: Mapped[str] = mapped_column(Text(60), primary_key=True)
    receiver: Mapped[str] = mapped_column(Text(80))
    channel: Mapped[str] = mapped_column(Text(80))
    form: Mapped[str] = mapped_column(Text(20))
    lane: Mapped[str] = mapped_column(Text(20))
    notices: Mapped[int]
    alerts: Mapped[list[str]] = mapped_column(Json)
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    html: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any] | None] = mapped_column(JsonOrNull)
    made: Mapped[datetime] = mapped_column(Instant)
    created: Mapped[datetime] = mapped_column(Instant)
    next_try: Mapped[datetime] = mapped_column(Instant)
    give_up: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(Text(20))
    attempts: Mapped[int]
    doubts: Mapped[int]
    error: Mapped[str] = mapped_column(Text)
    tried: Mapped[datetime | None] = mapped_column(Instant)
    settled: Mapped[datetime | None] = mapped_column(Instant)
