"""The tables of residents' reports as SQLAlchemy sees them. Who reported stands in a table of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Float, ForeignKeyConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from twuin.db.account_tables import Number
from twuin.db.tables import Base, Instant, Json, Text


class PublicReportRow(Base):
    """A report without who sent it. source, network, phone: keyed digests, "" once erased."""

    __tablename__ = "public_report"
    __table_args__ = (
        Index("public_report_by_code", "site", "code", unique=True),
        Index("public_report_by_key", "site", "key", unique=True),
        Index("public_report_by_received", "site", "received", "id"),
        Index("public_report_by_created", "site", "created"),
        Index("public_report_by_alert", "site", "alert"),
        Index("public_report_by_event", "site", "event"),
    )

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    id: Mapped[str] = mapped_column(Text(40), primary_key=True)
    code: Mapped[str] = mapped_column(Text(64))
    key: Mapped[str] = mapped_column(Text(64))
    category: Mapped[str] = mapped_column(Text(20))
    received: Mapped[datetime] = mapped_column(Instant)
    created: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(Text(20))
    odd: Mapped[list[str]] = mapped_column(Json)
    dma: Mapped[str] = mapped_column(Text(200))
    lon: Mapped[float | None] = mapped_column(Float(53))
    lat: Mapped[float | None] = mapped_column(Float(53))
    pipe: Mapped[str] = mapped_column(Text(200))
    event: Mapped[str] = mapped_column(Text(40))
    alert: Mapped[str] = mapped_column(Text(40))
    answered: Mapped[datetime | None] = mapped_column(Instant)
    settled: Mapped[datetime | None] = mapped_column(Instant)
    outcome: Mapped[str | None] = mapped_column(Text(20))
    message: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text(64))
    network: Mapped[str] = mapped_column(Text(64))
    phone: Mapped[str] = mapped_column(Text(64))
    photo: Mapped[bool]
    erased: Mapped[datetime | None] = mapped_column(Instant)
    version: Mapped[int]


class PublicReportPersonRow(Base):
    """Who sent a report, sealed by the key of the installation. The row goes when its time is over."""

    __tablename__ = "public_report_person"
    __table_args__ = (ForeignKeyConstraint(["site", "report"], ["public_report.site", "public_report.id"]),)

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    report: Mapped[str] = mapped_column(Text(40), primary_key=True)
    person: Mapped[bytes] = mapped_column(LargeBinary)
    photo: Mapped[bytes | None] = mapped_column(LargeBinary)


class PublicReportLineRow(Base):
    """A line of what happened to a report; nothing personal."""

    __tablename__ = "public_report_line"
    __table_args__ = (
        ForeignKeyConstraint(["site", "report"], ["public_report.site", "public_report.id"]),
        Index("public_report_line_by_report", "site", "report", "seq"),
    )

    seq: Mapped[int] = mapped_column(Number, primary_key=True)
    site: Mapped[str] = mapped_column(Text(80))
    report: Mapped[str] = mapped_column(Text(40))
    at: Mapped[datetime] = mapped_column(Instant)
    actor: Mapped[str] = mapped_column(Text(200))
    action: Mapped[str] = mapped_column(Text(20))
    details: Mapped[dict[str, Any]] = mapped_column(Json)
