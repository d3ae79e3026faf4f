"""The work on an alert, and what goes with a line of its history.

Alerts that were closed as repaired or as false before have neither a time of repair nor a cause.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = sa.JSON().with_variant(JSONB(), "postgresql")
    work: list[sa.Column[Any]] = [
        sa.Column("assignee", sa.String(200), nullable=False, server_default=""),
        sa.Column("cause", sa.String(20)),
        sa.Column("duplicate_of", sa.String(40), nullable=False, server_default=""),
        sa.Column("work", json, nullable=False, server_default="{}"),
        sa.Column("supported", sa.Boolean, nullable=False, server_default=sa.true()),
    ]
    for column in work:
        op.add_column("alert", column)
    op.create_index("alert_by_assignee", "alert", ["site", "assignee"])
    op.create_index("alert_by_original", "alert", ["site", "duplicate_of"])
    line: list[sa.Column[Any]] = [
        sa.Column("details", json, nullable=False, server_default="{}"),
        sa.Column("happened", sa.DateTime(timezone=True)),
        sa.Column("key", sa.String(200)),
    ]
    for column in line:
        op.add_column("alert_entry", column)
    op.create_index("alert_entry_by_key", "alert_entry", ["site", "key"], unique=True)
