"""Telling people: what was looked at, who is to be told of what, and the messages that carry it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = sa.JSON().with_variant(JSONB(), "postgresql")
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "notify_place",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("cursor", sa.BigInteger),
        sa.Column("holder", sa.String(80), nullable=False, server_default=""),
        sa.Column("held_until", instant),
    )
    op.create_table(
        "notify_known",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("alert", sa.String(40), primary_key=True),
        sa.Column("standing", sa.String(20), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
    )
    op.create_table(
        "notice",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("event", sa.String(60), primary_key=True),
        sa.Column("receiver", sa.String(80), primary_key=True),
        sa.Column("channel", sa.String(80), primary_key=True),
        sa.Column("alert", sa.String(40), nullable=False),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("lane", sa.String(20), nullable=False),
        sa.Column("made", instant, nullable=False),
        sa.Column("due", instant, nullable=False),
        sa.Column("message", sa.String(60), nullable=False, server_default=""),
    )
    op.create_index("notice_by_message", "notice", ["site", "message"])
    op.create_index("notice_by_alert", "notice", ["site", "alert"])
    op.create_table(
        "message",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("id", sa.String(60), primary_key=True),
        sa.Column("receiver", sa.String(80), nullable=False),
        sa.Column("channel", sa.String(80), nullable=False),
        sa.Column("form", sa.String(20), nullable=False),
        sa.Column("lane", sa.String(20), nullable=False),
        sa.Column("notices", sa.Integer, nullable=False),
        sa.Column("alerts", json, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("html", sa.String, nullable=False),
        sa.Column("payload", json),
        sa.Column("made", instant, nullable=False),
        sa.Column("created", instant, nullable=False),
        sa.Column("next_try", instant, nullable=False),
        sa.Column("give_up", instant, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("doubts", sa.Integer, nullable=False),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("tried", instant),
        sa.Column("settled", instant),
    )
    op.create_index("message_by_state", "message", ["site", "state", "next_try"])
    op.create_index("message_by_made", "message", ["site", "made"])
