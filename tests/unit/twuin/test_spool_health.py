"""What the health page says of readings that wait for the store."""

from __future__ import annotations

from ingest.stats import Stats
from twuin.app import spool_health
from twuin.settings import load

SETTINGS = load(None, {"data_dir": "data"})


def test_a_spool_in_which_nothing_waits_is_well() -> None:
    assert spool_health(Stats(), SETTINGS) == {"status": "ok", "detail": "nothing waits"}


def test_readings_that_wait_for_a_store_that_is_away_are_counted_with_the_reason() -> None:
    stats = Stats(spool_readings=12_345, spool_bytes=2**21, spool_problem="the server is away")
    told = spool_health(stats, SETTINGS)
    assert told["status"] == "degraded"
    assert told["detail"] == "12,345 readings wait for the store (2.0 of 1,024 MiB); the server is away"


def test_a_backlog_that_is_being_stored_is_no_trouble() -> None:
    told = spool_health(Stats(spool_readings=5, spool_bytes=200), SETTINGS)
    assert told["status"] == "ok" and "5 readings wait" in told["detail"]


def test_damage_is_told_until_a_person_has_looked() -> None:
    told = spool_health(Stats(spool_damaged=2), SETTINGS)
    assert told["status"] == "degraded"
    assert "2 damaged parts" in told["detail"] and "data/spool" in told["detail"]
