import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ingest.reasons import Reason
from ingest.rejected import Rejected, RejectedLog
from waterworks.errors import StoreError, StoreUnavailable

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


def entry(n: int = 0, reason: Reason = Reason.BAD_JSON, payload: bytes = b"{") -> Rejected:
    return Rejected(NOW + timedelta(seconds=n), f"twuin/malang/d{n}/readings", payload, reason, f"no {n}")


def test_an_entry_comes_back_as_it_went_in(rejected: RejectedLog) -> None:
    raw = bytes(range(256))
    rejected.add([Rejected(NOW, "twuin/ü", raw, Reason.NOT_FINITE, "value nan", readings=3)])
    [kept] = rejected.list()
    assert (kept.received, kept.topic, kept.payload) == (NOW, "twuin/ü", raw)
    assert (kept.reason, kept.detail, kept.readings, kept.size) == ("not_finite", "value nan", 3, 256)
    assert rejected.get(kept.id) == kept
    assert rejected.get(kept.id + 1) is None


def test_an_instant_of_an_array_is_taken_too(rejected: RejectedLog) -> None:
    rejected.add([Rejected(np.datetime64("2026-11-21T12:00", "us"), "t", b"", Reason.EMPTY, "")])
    assert rejected.list()[0].received == datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_text_that_no_database_holds_is_kept_readable(rejected: RejectedLog) -> None:
    rejected.add([Rejected(NOW, "\ud800" * 2000, b"", Reason.BAD_UTF8, "x\0y" * 2000)])
    [kept] = rejected.list()
    assert kept.topic.startswith("\\ud800")
    assert kept.detail.startswith("x\0y") and len(kept.detail) <= 1000


def test_pages_lead_from_the_newest_to_the_oldest_without_a_gap(rejected: RejectedLog) -> None:
    rejected.add([entry(n) for n in range(25)])
    seen, before = [], None
    while page := rejected.list(10, before=before):
        seen += [e.detail for e in page]
        before = page[-1].id
    assert seen == [f"no {n}" for n in reversed(range(25))]


def test_a_list_of_one_reason_holds_only_that(rejected: RejectedLog) -> None:
    rejected.add([entry(1), entry(2, Reason.NO_ZONE), entry(3), entry(4, Reason.NO_ZONE)])
    assert [e.detail for e in rejected.list(reason=Reason.NO_ZONE)] == ["no 4", "no 2"]
    assert rejected.counts() == {"bad_json": 2, "no_zone": 2}


def test_the_oldest_give_way_and_are_still_counted(tmp_path: Path) -> None:
    log = RejectedLog(tmp_path / "r.sqlite", max_bytes=10_000)
    log.add([entry(0, Reason.EMPTY, b"x" * 1000)])
    for n in range(1, 31):
        log.add([entry(n, payload=b"x" * 1000)])
    kept = log.list()
    assert [e.detail for e in kept] == [f"no {n}" for n in range(30, 30 - len(kept), -1)]
    assert 5 < len(kept) <= 10
    assert log.counts() == {"bad_json": 30, "empty": 1}
    assert log.evicted() == {"bad_json": 30 - len(kept), "empty": 1}


def test_one_flood_larger_than_the_bound_leaves_its_end(tmp_path: Path) -> None:
    log = RejectedLog(tmp_path / "r.sqlite", max_bytes=10_000)
    log.add([entry(n, payload=b"x" * 100) for n in range(2000)])
    assert log.list()[0].detail == "no 1999"
    assert log.counts()["bad_json"] == 2000 == len(log.list(5000)) + log.evicted()["bad_json"]


def test_of_a_huge_payload_the_beginning_and_the_size_are_kept(tmp_path: Path) -> None:
    log = RejectedLog(tmp_path / "r.sqlite", max_payload=100)
    log.add([entry(payload=b"ab" * 500)])
    assert (log.list()[0].payload, log.list()[0].size) == (b"ab" * 50, 1000)


def test_what_was_added_is_there_after_closing_and_for_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    log = RejectedLog(path)
    log.add([entry(1)])
    code = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from ingest.rejected import *\n"
        "log = RejectedLog(Path(sys.argv[1])); print(log.list()[0].detail)\n"
        "log.add([Rejected(datetime.now(UTC), 't', b'', Reason.EMPTY, 'other')])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "no 1\n"
    assert [e.detail for e in log.list()] == ["other", "no 1"]
    log.close()
    log.close()
    assert len(RejectedLog(path).list()) == 2


def test_many_threads_lose_nothing(rejected: RejectedLog) -> None:
    def work(k: int) -> None:
        for n in range(20):
            rejected.add([entry(100 * k + n)])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert rejected.counts() == {"bad_json": 80}
    assert len(rejected.list(1000)) == 80


def test_a_lock_held_by_another_means_later_and_adds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.sqlite_file._WAIT_S", 0.05)
    log = RejectedLog(tmp_path / "r.sqlite")
    other = sqlite3.connect(tmp_path / "r.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match=r"r\.sqlite"):
        log.add([entry(1)])
    other.execute("ROLLBACK")
    log.add([entry(2)])
    assert [e.detail for e in log.list()] == ["no 2"]


def test_a_file_that_is_no_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.sqlite").write_bytes(b"something else" * 1000)
    with pytest.raises(StoreError, match=r"r\.sqlite.*not a database"):
        RejectedLog(tmp_path / "r.sqlite")
    with pytest.raises(StoreError, match="nowhere"):
        RejectedLog(tmp_path / "nowhere" / "r.sqlite")


def test_a_file_that_another_process_is_just_making_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "rejected.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # not in WAL mode yet: SQLite would not wait for it by itself
    done = threading.Timer(0.2, lambda: other.execute("ROLLBACK"))
    done.start()
    log = RejectedLog(path)
    done.join()
    log.add([entry()])
    assert log.counts() == {"bad_json": 1}
    log.close()
    other.close()


def test_who_reads_does_not_wait_for_who_waits_to_write(tmp_path: Path) -> None:
    log = RejectedLog(tmp_path / "rejected.sqlite")
    log.add([entry()])
    other = sqlite3.connect(log.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer = threading.Thread(target=log.add, args=([entry(1)],))
    writer.start()
    while writer.is_alive() and log._lock.acquire(blocking=False):  # until the writer is at it
        log._lock.release()
    assert len(log.list()) == 1
    assert writer.is_alive()
    other.execute("ROLLBACK")
    writer.join()
    assert len(log.list()) == 2
    other.close()
    log.close()
