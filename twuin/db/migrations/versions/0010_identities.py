"""Accounts of people who sign in through a provider."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.add_column("account", sa.Column("provider", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("account_session", sa.Column("hint", sa.String, nullable=False, server_default=""))
    op.create_table(
        "account_identity",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("issuer", sa.String(255), primary_key=True),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("account", sa.String(40), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("made", instant, nullable=False),
        sa.UniqueConstraint("account", "issuer", name="account_identity_by_account"),
    )
    op.create_table(
        "account_flow",
        sa.Column("site", sa.String(80), primary_key=True),
        sa.Column("state", sa.String(64), primary_key=True),
        sa.Column("browser", sa.String(64), nullable=False),
        sa.Column("nonce", sa.String(64), nullable=False),
        sa.Column("verifier", sa.String(128), nullable=False),
        sa.Column("next", sa.String, nullable=False),
        sa.Column("account", sa.String(40), nullable=False),
        sa.Column("ends", instant, nullable=False),
    )
