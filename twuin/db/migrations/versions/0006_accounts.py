"""Accounts, sessions, one-time codes, tokens, and the log of security events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = sa.JSON().with_variant(JSONB(), "postgresql")
    instant = sa.DateTime(timezone=True)
    account = ("account", sa.String(40))
    op.create_table(
        "account",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("site", sa.String(80), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("full_name", sa.String(80), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("dmas", json),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("password", sa.String(200), nullable=False),
        sa.Column("made", instant, nullable=False),
        sa.Column("seen", instant),
        sa.UniqueConstraint("site", "name", name="account_by_name"),
    )
    op.create_table(
        "account_session",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column(*account, sa.ForeignKey("account.id"), nullable=False),
        sa.Column("made", instant, nullable=False),
        sa.Column("seen", instant, nullable=False),
        sa.Column("ends", instant, nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
    )
    op.create_index("account_session_by_account", "account_session", ["account"])
    op.create_table(
        "account_known",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("what", sa.String(120), primary_key=True),
        sa.Column("at", instant, nullable=False),
    )
    op.create_table(
        "account_code",
        sa.Column(*account, sa.ForeignKey("account.id"), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("ends", instant, nullable=False),
    )
    op.create_table(
        "account_token",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column(*account, sa.ForeignKey("account.id"), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("rights", json, nullable=False),
        sa.Column("dmas", json),
        sa.Column("made", instant, nullable=False),
        sa.Column("ends", instant, nullable=False),
        sa.Column("used", instant),
        sa.Column("revoked", instant),
    )
    op.create_index("account_token_by_account", "account_token", ["account"])
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "security_event",
        sa.Column("seq", number, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String(80), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("what", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("about", sa.String(80), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("detail", sa.String, nullable=False),
    )
    op.create_index("security_event_by_site", "security_event", ["site", "seq"])
    _forbid_rewriting_the_log()


def _forbid_rewriting_the_log() -> None:
    refuse = "RAISE(ABORT, 'the security log is append-only')"
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER security_event_no_{verb.lower()} BEFORE {verb} ON security_event "
                f"BEGIN SELECT {refuse}; END"
            )
        # INSERT OR REPLACE deletes the old row without asking the trigger on DELETE.
        op.execute(
            "CREATE TRIGGER security_event_no_replace BEFORE INSERT ON security_event "
            "WHEN EXISTS (SELECT 1 FROM security_event WHERE seq = NEW.seq) "
            f"BEGIN SELECT {refuse}; END"
        )
    else:
        op.execute(
            "CREATE FUNCTION security_event_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the security log is append-only'; END $$"
        )
        for when, each in (("UPDATE OR DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            op.execute(
                f"CREATE TRIGGER security_event_append_only_{each.lower()} BEFORE {when} ON security_event "
                f"FOR EACH {each} EXECUTE FUNCTION security_event_append_only()"
            )
