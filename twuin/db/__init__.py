"""Relational state: alerts and their history, in SQLite or PostgreSQL."""

from twuin.db.alert_store import open_alert_store as open_alert_store
