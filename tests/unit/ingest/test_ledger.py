"""The ledger behind the pipeline: what any sensor and day comes to, whatever is repeated or killed."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.ledger.book import Ledger, Messages
from ingest.ledger.report import DayReport, Line, day_report, total
from ingest.pipeline import Pipeline, RawMessage
from ingest.rejected import RejectedLog
from waterworks.errors import StoreUnavailable
from waterworks.reading import instant
from waterworks.site import Site

ROOT = Path(__file__).resolve().parents[3]
DAY = date(2026, 11, 20)
MIDNIGHT = 1_795_107_600_000  # 2026-11-20T00:00+07:00 [ms]
NEXT_NOON = instant("2026-11-21T12:00:00+07:00")
FIVE_MIN = 300_000


@pytest.fixture
def ledger(tmp_path: Path, site: Site) -> Any:
    with_ledger = Ledger(tmp_path / "ledger.sqlite", site.timezone)
    yield with_ledger
    with_ledger.close()


@pytest.fixture
def pipeline(site: Site, store: Any, rejected: RejectedLog, ledger: Ledger) -> Pipeline:
    p = Pipeline(site, store, rejected, ledger=ledger)
    # The ledger began before the day that the tests look at.
    p.commit(p.prepare([message({"sensor": "TANK", "time": MIDNIGHT - 1000, "value": 1}, "d2")], at(-1)))
    return p


def at(minute: float) -> np.datetime64:
    return np.datetime64(MIDNIGHT * 1000 + round(minute * 60e6), "us")


def message(payload: Any, device: str = "d1") -> RawMessage:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return RawMessage(f"twuin/malang/{device}/readings", body)


def reading(k: int, sensor: str = "D1-IN", value: Any = 36, **more: Any) -> RawMessage:
    """The k-th reading of the day."""
    return message({"sensor": sensor, "time": MIDNIGHT + FIVE_MIN * k, "value": value, **more})


def send(pipeline: Pipeline, *messages: RawMessage, minute: float = 0) -> None:
    pipeline.commit(pipeline.prepare(messages, at(minute)))


def report(ledger: Ledger, site: Site, now: np.datetime64 = NEXT_NOON, **only: Any) -> DayReport:
    return day_report(ledger, site, DAY, now, **only)


def line(ledger: Ledger, site: Site, sensor: str = "D1-IN", now: np.datetime64 = NEXT_NOON) -> Line:
    (found,) = report(ledger, site, now, sensors=[sensor]).lines
    return found


def test_a_day_as_it_should_be(pipeline: Pipeline, ledger: Ledger, site: Site) -> None:
    for k in range(288):
        send(pipeline, reading(k), minute=5 * k)
    assert line(ledger, site) == Line(DAY, "D1-IN", "d1", 288, 288, 0, 0, 0, 0)
    assert line(ledger, site, "D1-P1") == Line(DAY, "D1-P1", "d1", 288, 0, 0, 0, 0, 288)


def test_late_duplicate_rejected_and_missing_are_told_apart(
    pipeline: Pipeline, ledger: Ledger, site: Site
) -> None:
    for k in range(288):
        if k in (10, 11, 12):
            continue
        send(pipeline, reading(k), minute=5 * k)
    send(pipeline, reading(10), minute=5 * 10 + 15)  # just in time
    send(pipeline, reading(11), minute=5 * 11 + 16)  # late
    send(pipeline, reading(11), minute=5 * 11 + 90)  # again
    send(pipeline, reading(20), reading(20, value=72), minute=200)  # again, twice
    send(pipeline, reading(12, value=None), minute=60)  # spoiled
    assert line(ledger, site) == Line(DAY, "D1-IN", "d1", 288, 287, 1, 3, 1, 1)


def test_a_day_is_one_of_the_sites_zone(pipeline: Pipeline, ledger: Ledger, site: Site) -> None:
    send(pipeline, reading(-1), reading(0), reading(287), reading(288), minute=1445)
    assert line(ledger, site).received == 2


def test_today_only_what_is_due_is_missing(pipeline: Pipeline, ledger: Ledger, site: Site) -> None:
    for k in range(12):
        send(pipeline, reading(k), minute=5 * k)
    # At 01:15, with 15 minutes allowed, one hour is due; and all of it is there.
    found = line(ledger, site, now=at(75))
    assert (found.expected, found.received, found.missing) == (12, 12, 0)
    found = line(ledger, site, now=at(105))
    assert (found.expected, found.missing) == (18, 6)


def test_nothing_was_due_before_the_ledger_began(
    site: Site, store: Any, rejected: RejectedLog, ledger: Ledger
) -> None:
    pipeline = Pipeline(site, store, rejected, ledger=ledger)
    for k in range(144, 288):  # from noon on
        send(pipeline, reading(k), minute=5 * k)
    found = line(ledger, site)
    assert (found.expected, found.received, found.missing) == (144, 144, 0)


def test_a_message_delivered_again_after_a_kill_is_a_duplicate(
    site: Site, store: Any, rejected: RejectedLog, ledger: Ledger, pipeline: Pipeline, tmp_path: Path
) -> None:
    send(pipeline, reading(0, seq=1), reading(1, seq=2), minute=5)
    # Killed before the acknowledgement: another process, on the same file, gets the messages again.
    again = Ledger(tmp_path / "ledger.sqlite", site.timezone)
    other = Pipeline(site, store, rejected, ledger=again)
    send(other, reading(0, seq=1), reading(1, seq=2), minute=6)
    again.settle()
    found = line(again, site)
    assert (found.received, found.duplicate) == (2, 2)
    (messages,) = again.messages(["d1"])
    assert (messages.received, messages.duplicate, messages.missing) == (2, 2, 0)
    again.close()


def test_folding_changes_no_count(
    pipeline: Pipeline, ledger: Ledger, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in range(0, 288, 2):
        send(pipeline, reading(k), reading(k, "D1-P1", 3.0), minute=5 * k + 20)
        if k % 50 == 0:
            before = report(ledger, site)
            ledger.fold()
            assert report(ledger, site) == before
    assert ledger.read("SELECT COUNT(*) FROM chunks")[0][0] < 20


def test_messages_that_name_no_sensor_count_for_their_device(
    pipeline: Pipeline, ledger: Ledger, site: Site
) -> None:
    send(pipeline, message(b"{"), message(b"{"), message(b"\xff"), minute=3)
    send(pipeline, reading(0, "NOWHERE"), reading(1, "TANK"), message(b"{", "stranger"), minute=4)
    found = report(ledger, site)
    assert {(u.device, u.rejected) for u in found.untold} == {("d1", 4), ("", 1)}
    assert report(ledger, site, sensors=["D1-IN"]).untold == []


def test_beyond_its_bound_counts_stay_and_what_comes_again_is_not_received_twice(
    tmp_path: Path, site: Site, store: Any, rejected: RejectedLog
) -> None:
    ledger = Ledger(tmp_path / "small.sqlite", site.timezone, max_bytes=1_000)
    pipeline = Pipeline(site, store, rejected, ledger=ledger)
    send(pipeline, reading(-2), minute=-10)
    for k in range(288):
        send(pipeline, reading(k), minute=5 * k)
    rng = np.random.default_rng(1)
    for k in range(288, 1500):  # times that do not compress, so that the first day has to give way
        more = message(
            {"sensor": "D1-P1", "time": MIDNIGHT + FIVE_MIN * k + int(rng.integers(1e5)), "value": 3}
        )
        send(pipeline, more, minute=5 * k)
    ledger.fold()
    assert ledger.closed(DAY.toordinal(), DAY.toordinal())
    found = line(ledger, site)
    assert (found.expected, found.received, found.missing) == (288, 288, 0)
    send(pipeline, reading(3), reading(4), minute=9000)
    found = line(ledger, site)
    assert (found.received, found.duplicate) == (288, 2)
    assert ledger.read("SELECT SUM(length(body)) FROM chunks")[0][0] <= 1_000
    ledger.close()


def test_what_the_ledger_does_not_take_holds_nobody_up_and_is_written_later(
    pipeline: Pipeline, ledger: Ledger, site: Site, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as m:

        def full(_: object) -> None:
            raise StoreUnavailable("disk full")

        m.setattr(ledger, "add", full)
        send(pipeline, reading(0), minute=1)
        assert pipeline.stats.ledger_problem == "disk full"
    assert store.calls == 2 and line(ledger, site).received == 0
    send(pipeline, reading(1), minute=2)
    assert line(ledger, site).received == 2
    assert pipeline.stats.ledger_problem == "" and pipeline.stats.uncounted == 0


def messages_of(ledger: Ledger, device: str = "d1") -> list[Messages]:
    ledger.settle()
    return ledger.messages([device])


def test_two_processes_that_look_at_numbers_at_once_do_not_trip_over_each_other(
    pipeline: Pipeline, ledger: Ledger, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Ledger(tmp_path / "ledger.sqlite", site.timezone)
    send(pipeline, reading(0, seq=1))
    there = ledger.read

    def look(sql: str, *args: Any) -> Any:
        found = there(sql, *args)
        if "numbered" in sql:
            other.settle()  # the other one takes them all, after this one saw that there are some
        return found

    monkeypatch.setattr(ledger, "read", look)
    assert ledger.settle() == {}
    assert other.messages()[0].received == 1
    other.close()


def test_gaps_in_message_numbers_are_known_and_close_again(pipeline: Pipeline, ledger: Ledger) -> None:
    send(pipeline, *(reading(k, seq=100 + k) for k in (0, 1, 2, 5, 6, 9)), minute=60)
    (found,) = messages_of(ledger)
    assert (found.received, found.missing, found.highest) == (6, 4, 109)
    assert found.gaps == [(103, 104), (107, 108)]
    send(pipeline, *(reading(k, seq=100 + k) for k in (3, 7, 8, 8)), minute=61)
    (found,) = messages_of(ledger)
    assert (found.received, found.duplicate, found.gaps) == (9, 1, [(104, 104)])


def test_a_count_begins_with_the_lowest_of_the_numbers_that_came_first(
    pipeline: Pipeline, ledger: Ledger
) -> None:
    """Of two processes that share the messages, one may be ahead."""
    send(pipeline, *(reading(k, seq=k) for k in (2, 4, 1, 3)), minute=60)
    (found,) = messages_of(ledger)
    assert (found.received, found.duplicate, found.missing, found.lost) == (4, 0, 0, 0)


def test_a_count_that_begins_anew_after_a_reboot_is_no_repetition(pipeline: Pipeline, ledger: Ledger) -> None:
    send(pipeline, *(reading(k, seq=k) for k in range(1, 5)), minute=60)
    send(pipeline, *(reading(k, seq=k - 9) for k in range(10, 13)), minute=70)  # 1, 2, 3, at later times
    (found,) = messages_of(ledger)
    assert (found.received, found.duplicate, found.missing, found.lost) == (7, 0, 0, 0)


def test_each_boot_is_a_count_of_its_own_and_the_oldest_are_added_up(
    pipeline: Pipeline, ledger: Ledger
) -> None:
    for boot in range(1, 9):
        send(
            pipeline,
            *(reading(10 * boot + k, seq=k, boot=boot, oldest=1) for k in (1, 2, 4)),
            minute=100 + boot,
        )
        ledger.settle()
    found = messages_of(ledger)
    assert [m.boot for m in found] == [8, 7, 6, 5, None]
    assert sum(m.received for m in found) == 24
    assert (found[-1].received, found[-1].lost) == (12, 4)


def test_readings_of_a_message_that_is_partly_or_wholly_bad_still_tell_its_number(
    pipeline: Pipeline, ledger: Ledger
) -> None:
    send(pipeline, reading(0, seq=1, value=None), message({"seq": 2}), reading(1, "NOWHERE", seq=3))
    send(pipeline, reading(2, seq=2**60), reading(3, seq=-4), reading(4, seq=5, oldest=9))  # beyond belief
    send(pipeline, reading(5, seq=9, boot=-1), reading(6, seq=9, boot=2**60))
    (found,) = messages_of(ledger)
    assert (found.received, found.highest) == (3, 3)


def test_numbers_of_devices_that_the_site_does_not_have_are_not_kept(
    pipeline: Pipeline, ledger: Ledger
) -> None:
    send(pipeline, message({"sensor": "D1-IN", "time": MIDNIGHT, "value": 1, "seq": 1}, "stranger"))
    ledger.settle()
    assert ledger.messages() == []


def test_totals_are_sums_over_lines() -> None:
    lines = [Line(DAY, "A", "a", 10, 9, 1, 2, 3, 1), Line(DAY, "B", "a", 5, 5, 0, 0, 0, 0)]
    assert total(lines) == {
        "expected": 15,
        "received": 14,
        "late": 1,
        "duplicate": 2,
        "rejected": 3,
        "missing": 1,
    }


CHILD = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from zoneinfo import ZoneInfo
import numpy as np
from ingest.ledger.book import Entry, Ledger, Marks
ledger = Ledger(Path(sys.argv[1]), ZoneInfo("Asia/Jakarta"))
k = 0
while True:
    time = np.arange(k, k + 10, dtype=np.int64) * 1_000_000 + 1_795_107_600_000_000
    marks = Marks(["d1"], np.array([[0, -1, k + 1, 0, 0]]))
    ledger.add(Entry(int(time[0]), ["S"], [0], np.zeros(10, np.int32), time, np.zeros(10, np.uint8), marks))
    k += 10
    print(k, flush=True)
    if k % 300 == 0:
        ledger.fold()
        ledger.settle()
"""


@pytest.mark.parametrize("lines", [5, 37, 101])
def test_what_was_counted_survives_kill_9(tmp_path: Path, site: Site, lines: int) -> None:
    path = tmp_path / "ledger.sqlite"
    code = CHILD.format(root=str(ROOT))
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(lines):
        child.stdout.readline()
    child.kill()
    said = [int(rest) for rest in child.stdout.read().split()]
    child.wait()
    counted = max(said, default=lines * 10)
    ledger = Ledger(path, site.timezone)
    arrivals = ledger.arrivals(0, 4_000_000_000_000_000)
    n = len(np.unique(arrivals.time))
    assert n == len(arrivals.time) and n in (counted, counted + 10)
    ledger.settle()
    (messages,) = ledger.messages()
    assert messages.received == n // 10
    ledger.close()


def test_a_file_that_is_none_says_so(tmp_path: Path, site: Site) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(Exception, match=r"ledger .*ledger\.sqlite"):
        Ledger(path, site.timezone)
