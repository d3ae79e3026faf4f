"""Telling people and other systems of alerts: rules, an outbox that survives, channels."""
