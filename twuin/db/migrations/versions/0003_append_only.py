"""The ways around the triggers that keep the history of alerts append-only."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # INSERT OR REPLACE deletes the old row without asking the trigger on DELETE.
        op.execute(
            "CREATE TRIGGER alert_entry_no_replace BEFORE INSERT ON alert_entry "
            "WHEN EXISTS (SELECT 1 FROM alert_entry WHERE site = NEW.site AND seq = NEW.seq) "
            "BEGIN SELECT RAISE(ABORT, 'the history of alerts is append-only'); END"
        )
    else:
        # TRUNCATE fires no trigger of a row.
        op.execute(
            "CREATE TRIGGER alert_entry_no_truncate BEFORE TRUNCATE ON alert_entry "
            "FOR EACH STATEMENT EXECUTE FUNCTION alert_entry_append_only()"
        )
