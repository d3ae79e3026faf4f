"""Photos of alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "photo",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("alert", sa.String(40), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("came", sa.String(64), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("happened", instant),
        sa.Column("step", sa.String(20), nullable=False),
        sa.Column("removed", instant),
        sa.Column("removed_by", sa.String(200), nullable=False),
        sa.Column("whole", sa.LargeBinary),
        sa.Column("small", sa.LargeBinary),
        sa.ForeignKeyConstraint(["site", "alert"], ["alert.site", "alert.id"]),
    )
    op.create_index("photo_by_alert", "photo", ["site", "alert", "at"])
