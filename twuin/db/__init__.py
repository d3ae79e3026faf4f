"""Relational state: alerts and their history, accounts, in SQLite or PostgreSQL."""

from twuin.db.account_store import open_account_store as open_account_store
from twuin.db.alert_store import open_alert_store as open_alert_store
