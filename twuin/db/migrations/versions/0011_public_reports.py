"""Reports of residents, what happened to them, and apart from them who sent them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = sa.JSON().with_variant(JSONB(), "postgresql")
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "public_report",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("category", sa.String(20), nullable=False),
        sa.Column("received", instant, nullable=False),
        sa.Column("created", instant, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("odd", json, nullable=False),
        sa.Column("dma", sa.String(200), nullable=False),
        sa.Column("lon", sa.Float(53)),
        sa.Column("lat", sa.Float(53)),
        sa.Column("pipe", sa.String(200), nullable=False),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("alert", sa.String(40), nullable=False),
        sa.Column("answered", instant),
        sa.Column("settled", instant),
        sa.Column("outcome", sa.String(20)),
        sa.Column("message", sa.String, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("network", sa.String(64), nullable=False),
        sa.Column("phone", sa.String(64), nullable=False),
        sa.Column("photo", sa.Boolean, nullable=False),
        sa.Column("erased", instant),
        sa.Column("version", sa.Integer, nullable=False),
    )
    for name, columns, unique in (
        ("code", ["site", "code"], True),
        ("key", ["site", "key"], True),
        ("received", ["site", "received", "id"], False),
        ("created", ["site", "created"], False),
        ("alert", ["site", "alert"], False),
        ("event", ["site", "event"], False),
    ):
        op.create_index(f"public_report_by_{name}", "public_report", columns, unique=unique)
    of_report = (["site", "report"], ["public_report.site", "public_report.id"])
    op.create_table(
        "public_report_person",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("report", sa.String(40), primary_key=True),
        sa.Column("person", sa.LargeBinary, nullable=False),
        sa.Column("photo", sa.LargeBinary),
        sa.ForeignKeyConstraint(*of_report),
    )
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "public_report_line",
        sa.Column("seq", number, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String(80), nullable=False),
        sa.Column("report", sa.String(40), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("details", json, nullable=False),
        sa.ForeignKeyConstraint(*of_report),
    )
    op.create_index("public_report_line_by_report", "public_report_line", ["site", "report", "seq"])
