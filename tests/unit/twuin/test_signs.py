"""What processes of one data folder know of each other."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ingest.stats import Stats
from twuin import signs as module
from twuin.app import build, health_parts, make_views, open_hand_in, start_signs
from twuin.settings import load
from twuin.signs import INGEST, MONITOR, Beat, Sign, Signs, added, stats_fields, stats_of

NOW = datetime(2026, 3, 10, 3, tzinfo=UTC)
OK = {"status": "ok", "detail": "fine"}


def sign(job: str, at: datetime = NOW, **said: Any) -> Sign:
    return Sign(job=job, host="here", pid=1, version="1", began=at, at=at, **said)


def signs_at(folder: Path, now: datetime = NOW) -> Signs:
    return Signs(folder, lambda: now)


def test_a_sign_is_read_as_it_was_written(tmp_path: Path) -> None:
    signs = signs_at(tmp_path)
    mark = NOW - timedelta(minutes=5)
    given = sign("monitor", parts={"monitor": OK}, watermark=mark)
    signs.write(given)
    assert signs.read("monitor") == given
    assert signs.read("ingest-main") is None
    assert [p.name for p in (tmp_path / "processes").iterdir()] == ["monitor.json"]


@pytest.mark.parametrize("left", ["", "{", '{"job": "monitor"}', "null", "\x00\xff"])
def test_what_is_no_sign_is_none(tmp_path: Path, left: str) -> None:
    (tmp_path / "processes").mkdir()
    (tmp_path / "processes" / "monitor.json").write_text(left, "latin-1")
    signs = signs_at(tmp_path)
    assert signs.read("monitor") is None and signs.all() == []


def test_counters_go_through_a_sign_unchanged_and_add_up(tmp_path: Path) -> None:
    one = Stats(received=5, stored=4, duplicates=None, rejected=Counter(bad_json=1), connected=True)
    one.last_message, one.spool_oldest, one.spool_problem = NOW, NOW, "away"
    other = Stats(received=7, stored=7, rejected=Counter(bad_json=2, late=1), connected=False)
    other.last_message = NOW + timedelta(seconds=1)
    signs = signs_at(tmp_path)
    for name, stats in (("a", one), ("b", other)):
        signs.write(sign(f"ingest-{name}", stats=stats_fields(stats)))
    read = signs.read("ingest-a")
    assert read is not None and read.stats is not None and stats_of(read.stats) == one
    both = signs.stats()
    assert both == added(one, other)
    assert both is not None
    assert (both.received, both.stored, both.duplicates, both.connected) == (12, 11, None, False)
    assert both.rejected == {"bad_json": 3, "late": 1}
    assert both.last_message == NOW + timedelta(seconds=1) and both.spool_oldest == NOW
    assert both.spool_problem == "away"


def test_counters_of_who_does_not_answer_any_more_are_not_told(tmp_path: Path) -> None:
    signs_at(tmp_path).write(sign("ingest-main", stats=stats_fields(Stats(received=5))))
    assert signs_at(tmp_path).stats() == Stats(received=5)
    assert signs_at(tmp_path, NOW + timedelta(seconds=31)).stats() is None


def test_signs_are_given_until_the_end_and_the_last_one_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    signs, stop, looks = Signs(tmp_path), threading.Event(), 0

    def look() -> dict[str, Any]:
        nonlocal looks
        looks += 1
        if looks == 3:
            stop.set()
        return {"parts": {"monitor": OK}}

    Beat(signs, "monitor", look).run(stop)
    last = signs.read("monitor")
    assert looks == 4 and last is not None and last.ended


def test_a_disk_that_takes_no_signs_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "processes").write_text("a file where the folder should be")
    stop = threading.Event()
    stop.set()
    Beat(Signs(tmp_path), "monitor", dict).run(stop)
    assert "cannot give signs of life" in caplog.text


@pytest.fixture
def site(root: Path) -> Path:
    return root / "firmware_sim" / "demo_town"


def test_pages_apart_tell_of_ingest_and_monitor_by_their_signs(site: Path, tmp_path: Path) -> None:
    settings = load(None, {"site": site, "data_dir": tmp_path})
    now = datetime.now(UTC)
    with closing(build(settings)) as parts:
        parts.needed = (INGEST, MONITOR)
        views = make_views(parts)
        assert views.watermark() is None and not views.ingest_stats().running
        told = health_parts(parts)
        assert "twuin ingest" in told["ingest"]["detail"] and told["monitor"]["status"] == "down"

        signs = parts.signs
        stats = stats_fields(Stats(received=3, connected=True))
        signs.write(sign("ingest-main", now, parts={"ingest": OK, "spool": OK}, stats=stats))
        trouble = {"status": "degraded", "detail": "the store is away"}
        signs.write(sign("monitor", now, parts={"monitor": trouble, "notify": OK}, watermark=NOW))
        told = health_parts(parts)
        assert (told["ingest"], told["spool"], told["monitor"], told["notify"]) == (OK, OK, trouble, OK)
        assert views.watermark() == NOW
        assert views.ingest_stats().running and views.ingest_stats().messages == 3

        signs.write(sign("ingest-second", now, parts={"ingest": trouble}))
        assert health_parts(parts)["ingest (second)"] == trouble

        long_ago = now - timedelta(minutes=2)
        signs.write(sign("monitor", long_ago, parts={"monitor": OK}, watermark=NOW))
        told = health_parts(parts)
        assert told["monitor"]["status"] == "down" and "last sign of life" in told["monitor"]["detail"]
        assert views.watermark() == NOW  # what was analysed stays analysed
        assert views.health().status == "degraded"

        signs.write(sign("ingest-second", now, ended=True))
        assert "ingest (second)" not in health_parts(parts)


def test_an_ingest_process_tells_of_any_job_of_its_own_that_failed(site: Path, tmp_path: Path) -> None:
    settings = load(None, {"site": site, "data_dir": tmp_path, "mqtt": {"name": "north"}})
    with closing(build(settings)) as parts:
        parts.consumer = cast(Any, SimpleNamespace(stats=Stats(connected=True)))
        parts.jobs.failures["figures"] = "the disk is full"
        start_signs(parts)
        parts.jobs.finish()
        told = parts.signs.read("ingest-north")
        assert told is not None and told.ended
        assert told.parts["ingest"]["status"] == "ok"
        assert told.parts["figures"] == {"status": "down", "detail": "the disk is full"}


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def health(twuin: Run, tmp_path: Path) -> Run:
    return partial(twuin, "health", "--data-dir", tmp_path)


def test_health_of_a_job_that_never_ran_names_those_that_did(health: Run, tmp_path: Path) -> None:
    Signs(tmp_path).write(sign("ingest-main", datetime.now(UTC)))
    status, _, said = health("monitor")
    assert status == 1 and "'monitor'" in said and "ingest-main" in said


def test_health_is_well_while_a_part_is_only_degraded_and_not_when_one_is_down(
    health: Run, tmp_path: Path
) -> None:
    signs, now = Signs(tmp_path), datetime.now(UTC)
    away = {"status": "degraded", "detail": "not connected to the MQTT broker"}
    signs.write(sign("ingest-main", now, parts={"ingest": away}))
    status, said, _ = health("ingest-main")
    assert status == 0 and "not connected" in said
    signs.write(sign("ingest-main", now, parts={"ingest": {"status": "down", "detail": "failed"}}))
    assert health("ingest-main")[0] == health()[0] == 1


def test_health_of_a_job_that_was_stopped_or_died_is_not_well(health: Run, tmp_path: Path) -> None:
    signs, now = Signs(tmp_path), datetime.now(UTC)
    signs.write(sign("monitor", now, ended=True))
    assert health("monitor")[0] == 1
    assert health()[0] == 0  # it was meant to stop
    signs.write(sign("monitor", now - timedelta(minutes=1)))
    assert health("monitor")[0] == health()[0] == 1


def test_what_came_over_http_is_counted_with_the_rest(site: Path, tmp_path: Path) -> None:
    settings = load(None, {"site": site, "data_dir": tmp_path})
    with closing(build(settings)) as parts:
        views, stats = make_views(parts), stats_fields(Stats(received=3, connected=True))
        parts.signs.write(sign("ingest-main", datetime.now(UTC), parts={"ingest": OK}, stats=stats))
        hand_in = open_hand_in(parts)
        assert views.ingest_stats().messages == 3
        hand_in.take("twuin/kota-wening/nobody/readings", b"{")
        told = views.ingest_stats()
        assert (told.messages, told.rejected_here, told.connected) == (4, {"bad_json": 1}, True)
