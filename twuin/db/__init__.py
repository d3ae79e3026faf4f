"""Relational state: alerts and their history, accounts, planned works, residents' reports, in SQLite or
PostgreSQL."""

from twuin.db.account_store import open_account_store as open_account_store
from twuin.db.alert_store import open_alert_store as open_alert_store
from twuin.db.migrate import Database as Database
from twuin.db.migrate import open_database as open_database
from twuin.db.photo_store import open_photo_store as open_photo_store
from twuin.db.report_store import open_report_store as open_report_store
from twuin.db.work_store import open_work_store as open_work_store
