"""How far to search, when it may have begun, what a visit is worth.

Alerts that were there before do not know; the monitor fills in those that last when it looks again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    for column in (
        sa.Column("onset_low", instant),
        sa.Column("onset_high", instant),
        sa.Column("centre", sa.String(200), nullable=False, server_default=""),
        sa.Column("radius_50_m", sa.Float(53)),
        sa.Column("radius_90_m", sa.Float(53)),
        sa.Column("gain", sa.Float(53)),
    ):
        op.add_column("alert", column)
