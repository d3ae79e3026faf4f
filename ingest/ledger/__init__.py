"""The ledger: what came of what was to come, by sensor and day, and which messages are missing."""
