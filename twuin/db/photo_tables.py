"""The table of photos as SQLAlchemy sees it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from twuin.db.tables import Base, Instant, Text

Blob = bytes
"""By another name: a column is called as the type is."""


class PhotoRow(Base):
    """A photo of an alert: JPEG files of a few hundred kilobytes, which every back-up takes along.

    whole, small: None where it was removed.
    """

    __tablename__ = "photo"
    __table_args__ = (
        ForeignKeyConstraint(["site", "alert"], ["alert.site", "alert.id"]),
        Index("photo_by_alert", "site", "alert", "at"),
    )

    site: Mapped[str] = mapped_column(Text(80), primary_key=True)
    id: Mapped[str] = mapped_column(Text(40), primary_key=True)
    alert: Mapped[str] = mapped_column(Text(40))
    key: Mapped[str] = mapped_column(Text(200))
    came: Mapped[str] = mapped_column(Text(64))
    at: Mapped[datetime] = mapped_column(Instant)
    actor: Mapped[str] = mapped_column(Text(200))
    width: Mapped[int]
    height: Mapped[int]
    bytes: Mapped[int]
    happened: Mapped[datetime | None] = mapped_column(Instant)
    step: Mapped[str] = mapped_column(Text(20))
    removed: Mapped[datetime | None] = mapped_column(Instant)
    removed_by: Mapped[str] = mapped_column(Text(200))
    whole: Mapped[Blob | None] = mapped_column(LargeBinary)
    small: Mapped[Blob | None] = mapped_column(LargeBinary)
