"""Alerts and their history.

A migration says what it makes in its own words and imports nothing of Twuin: it must do the same years on.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = sa.JSON().with_variant(JSONB(), "postgresql")
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "alert",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(20)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("told", json),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("dma", sa.String(200), nullable=False),
        sa.Column("onset", instant, nullable=False),
        sa.Column("detected", instant, nullable=False),
        sa.Column("as_of", instant, nullable=False),
        sa.Column("ended", instant),
        sa.Column("flow", sa.Float(53), nullable=False),
        sa.Column("flow_low", sa.Float(53), nullable=False),
        sa.Column("flow_high", sa.Float(53), nullable=False),
        sa.Column("volume", sa.Float(53), nullable=False),
        sa.Column("confidence", sa.Float(53), nullable=False),
        sa.Column("suspects", json, nullable=False),
        sa.Column("near", json, nullable=False),
        sa.Column("evidence", json, nullable=False),
    )
    op.create_index("alert_by_onset", "alert", ["site", "onset", "id"])
    op.create_index("alert_by_state", "alert", ["site", "state", "kind"])
    op.create_table(
        "alert_entry",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("alert", sa.String(40), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("reason", sa.String(20)),
        sa.ForeignKeyConstraint(["site", "alert"], ["alert.site", "alert.id"]),
    )
    op.create_index("alert_entry_by_alert", "alert_entry", ["site", "alert", "seq"])
    op.create_table(
        "alert_cursor",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    _forbid_rewriting_history()


def _forbid_rewriting_history() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER alert_entry_no_{verb.lower()} BEFORE {verb} ON alert_entry "
                "BEGIN SELECT RAISE(ABORT, 'the history of alerts is append-only'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION alert_entry_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the history of alerts is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER alert_entry_append_only BEFORE UPDATE OR DELETE ON alert_entry "
            "FOR EACH ROW EXECUTE FUNCTION alert_entry_append_only()"
        )
