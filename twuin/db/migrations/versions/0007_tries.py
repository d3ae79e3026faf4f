"""Limits on tries to sign in, shared by processes and kept over restarts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_try",
        sa.Column("key", sa.String(40), primary_key=True),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refused", sa.Boolean, nullable=False),
    )
    op.create_index("account_try_by_time", "account_try", ["full_at"])
