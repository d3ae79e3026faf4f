"""Planned works: the history of each, to which lines are added only."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "work_line",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("work", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("plan", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("note", sa.String, nullable=False),
    )
    op.create_index("work_line_by_work", "work_line", ["site", "work", "number"], unique=True)
    _forbid_rewriting()


def _forbid_rewriting() -> None:
    said = "the history of planned works is append-only"
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER work_line_no_{verb.lower()} BEFORE {verb} ON work_line "
                f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
            )
        # INSERT OR REPLACE deletes the old row without asking the trigger on DELETE.
        op.execute(
            "CREATE TRIGGER work_line_no_replace BEFORE INSERT ON work_line "
            "WHEN EXISTS (SELECT 1 FROM work_line WHERE site = NEW.site AND seq = NEW.seq) "
            f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
        )
    else:
        op.execute(
            "CREATE FUNCTION work_line_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{said}'; END $$"
        )
        for when, each in (("UPDATE OR DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            op.execute(
                f"CREATE TRIGGER work_line_append_only_{each.lower()} BEFORE {when} ON work_line "
                f"FOR EACH {each} EXECUTE FUNCTION work_line_append_only()"
            )
