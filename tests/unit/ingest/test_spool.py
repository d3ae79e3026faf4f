"""What the disk spool promises: all that it confirmed is there, in order, whatever became of its files."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.spool import spool as module
from ingest.spool.look import look
from ingest.spool.records import HEADER_BYTES, Record, Unreadable, pack, walk
from ingest.spool.spool import Spool, SpoolFull
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.reading import ReadingBatch

T0 = np.datetime64("2026-11-22T00:00:00", "us")
SECOND = np.timedelta64(1_000_000, "us")


def batch(n: int, readings: int = 3) -> ReadingBatch:
    """Number n of many: all its values are n."""
    names = [f"Sumur {k} λ" for k in range(readings)]
    times = T0 + (1000 * n + np.arange(readings)) * SECOND
    return ReadingBatch.of(names, times, np.full(readings, n), received=T0 + n * SECOND, quality=n % 7)


def opened(folder: Path, **options: Any) -> Spool:
    return Spool(folder, **{"keep_free_bytes": 0, "patience_s": 0.0, **options})


def drained(spool: Spool, most: int = 1) -> list[int]:
    """The numbers of all batches that wait, as they come out; the spool is empty afterwards."""
    found: list[int] = []
    while (taken := spool.read(most)) is not None:
        got = taken.batch
        found += dict.fromkeys(got.value.astype(int).tolist())
        spool.done(taken.position)
    return found


def same(a: ReadingBatch, b: ReadingBatch) -> bool:
    return a.names == b.names and all(
        getattr(a, c).dtype == getattr(b, c).dtype and np.array_equal(getattr(a, c), getattr(b, c))
        for c in ("sensor", "time", "value", "quality", "received")
    )


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "main"


def test_what_goes_in_comes_out_as_it_was(folder: Path) -> None:
    spool = opened(folder)
    spool.append(batch(3, 5))
    taken = spool.read(100)
    assert taken is not None and same(taken.batch, batch(3, 5))
    spool.done(taken.position)
    assert spool.empty and not files(folder)


def test_batches_come_out_in_order_and_many_at_once(folder: Path) -> None:
    spool = opened(folder)
    for n in range(20):
        spool.append(batch(n))
    taken = spool.read(10)
    assert taken is not None and taken.batch.value.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    again = spool.read(10)
    assert again is not None and same(taken.batch, again.batch)  # until it is done
    assert drained(spool, 10) == list(range(20))


def test_what_waits_is_told(folder: Path) -> None:
    spool = opened(folder)
    assert spool.waiting() == (0, 0, None, 0)
    for n in (5, 6, 7):
        spool.append(batch(n))
    size = sum(p.stat().st_size for p in files(folder))
    assert spool.waiting() == (9, size, T0 + 5 * SECOND, 0)
    taken = spool.read(1)
    assert taken is not None
    spool.done(taken.position)
    assert spool.waiting().readings == 6
    assert spool.read(1) is not None
    assert spool.waiting().oldest == T0 + 6 * SECOND


def test_what_waited_is_there_after_a_restart_and_the_rest_follows_it(folder: Path) -> None:
    first = opened(folder)
    for n in range(3):
        first.append(batch(n))
    first.close()
    second = opened(folder)
    assert second.waiting().readings == 9
    second.append(batch(3))
    assert drained(second) == [0, 1, 2, 3]
    second.close()
    assert opened(folder).empty


def test_after_a_restart_nothing_comes_again_that_precedes_a_removed_file(folder: Path) -> None:
    """What is read twice must be all that came since: an old value must not stand over a newer one."""
    spool = opened(folder, segment_bytes=500)
    for n in range(10):
        spool.append(batch(n))
    assert len(files(folder)) > 3
    for _ in range(5):
        taken = spool.read(1)
        assert taken is not None
        spool.done(taken.position)
    spool.close()
    again = drained(opened(folder))
    assert again == list(range(again[0], 10)) and again[0] <= 5


def test_a_batch_of_many_readings_lies_in_several_records_and_is_one_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECORD_READINGS", 10)
    spool = opened(folder)
    spool.append(batch(1, 35))
    assert [type(p) for p in walk(files(folder)[0].read_bytes())] == [Record] * 4
    taken = spool.read(1000)
    assert taken is not None and same(taken.batch, batch(1, 35))


def test_a_record_torn_at_any_byte_is_cut_off_and_nothing_else(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(folder)
    for n in range(3):
        spool.append(batch(n))
    spool.close()
    [path] = files(folder)
    whole = path.read_bytes()
    last = len(pack(batch(2)))
    for kept in range(last):
        path.write_bytes(whole[: len(whole) - last + kept])
        caplog.clear()
        spool = opened(folder)
        assert spool.waiting().readings == 6
        assert spool.waiting().damaged == 0
        assert ("had not ended" in caplog.text) == (kept > 0)
        assert path.stat().st_size == len(whole) - last
        spool.append(batch(9))
        seen = [int(r.batch().value[0]) for p in files(folder) for r in walk(p.read_bytes())
                if isinstance(r, Record)]  # fmt: skip
        assert seen == [0, 1, 9]
        spool.close()
        for extra in files(folder)[1:]:
            extra.unlink()


def test_a_tail_of_zeros_is_a_write_that_a_power_cut_tore(folder: Path) -> None:
    spool = opened(folder)
    spool.append(batch(1))
    spool.close()
    [path] = files(folder)
    path.write_bytes(path.read_bytes() + bytes(5000))
    spool = opened(folder)
    assert spool.waiting().damaged == 0
    assert drained(spool) == [1]


def test_a_byte_flipped_anywhere_costs_its_own_record_which_is_kept_apart(folder: Path) -> None:
    spool = opened(folder)
    for n in range(3):
        spool.append(batch(n))
    spool.close()
    [path] = files(folder)
    whole = path.read_bytes()
    size = len(pack(batch(1)))
    start = len(pack(batch(0)))
    for at in range(start, start + size):
        shutil.rmtree(folder)
        folder.mkdir()
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        spool = opened(folder)
        assert spool.waiting().damaged == 1
        assert drained(spool) == [0, 2]
        [kept] = folder.glob("*.damaged")
        assert len(kept.read_bytes()) == size
        spool.close()


def test_a_damaged_last_record_is_no_torn_one_and_is_kept_apart(folder: Path) -> None:
    spool = opened(folder)
    spool.append(batch(0))
    spool.append(batch(1))
    spool.close()
    [path] = files(folder)
    whole = path.read_bytes()
    for at in (len(whole) - 1, len(pack(batch(0))) + 5):  # its readings, its header
        shutil.rmtree(folder)
        folder.mkdir()
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        spool = opened(folder)
        assert spool.waiting().damaged == 1
        assert drained(spool) == [0]
        spool.close()


def test_damage_is_counted_once_until_its_file_is_taken_away(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(folder)
    for n in range(3):
        spool.append(batch(n))
    [path] = files(folder)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)  # while it is open: the disk does not ask
    assert drained(spool) == [0, 2]
    assert "damaged" in caplog.text
    spool.close()
    for _ in range(2):
        spool = opened(folder)
        assert spool.waiting().damaged == 1
        spool.close()
    spool = opened(folder)
    next(folder.glob("*.damaged")).unlink()
    assert spool.look_at_damage() == 0


def test_numbers_of_damaged_files_are_not_used_again(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "000000000007-0000000000.damaged").write_bytes(b"x")
    spool = opened(folder)
    assert spool.append(batch(1)).segment == 8


def test_sound_bytes_that_are_no_batch_are_kept_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(folder)
    with monkeypatch.context() as m:
        m.setattr("ingest.spool.records.encode_batch", lambda b: b"\xc0")
        spool.append(batch(0))
    spool.append(batch(1))
    assert drained(spool) == [1]
    assert spool.waiting().damaged == 1


def test_a_full_spool_keeps_nothing_more_until_there_is_room(folder: Path) -> None:
    spool = opened(folder, max_bytes=8000, segment_bytes=1000)
    n = 0
    with pytest.raises(SpoolFull, match=r"is full: .*spool\.max_bytes"):
        while True:
            spool.append(batch(n))
            n += 1
    assert n > 10
    assert sum(p.stat().st_size for p in files(folder)) <= 8000
    with pytest.raises(SpoolFull):
        spool.append(batch(n))
    for _ in range(8):
        taken = spool.read(1)
        assert taken is not None
        spool.done(taken.position)
    spool.append(batch(n))
    assert drained(spool) == list(range(8, n + 1))


def test_some_of_the_disk_is_kept_free(folder: Path) -> None:
    free = shutil.disk_usage(folder.parent.parent).free
    spool = opened(folder, keep_free_bytes=free + 2**30)
    with pytest.raises(SpoolFull, match=r"spool\.keep_free_bytes"):
        spool.append(batch(0))
    assert spool.empty


def fail_once(name: str, error: int, partly: int = 0) -> Callable[..., Any]:
    """``os``'s function ``name``, failing at its first call after it did ``partly`` bytes of it."""
    real, calls = getattr(os, name), [0]

    def call(*args: Any) -> Any:
        calls[0] += 1
        if calls[0] == 1:
            if partly:
                real(args[0], args[1][:partly], *args[2:])
            raise OSError(error, os.strerror(error))
        return real(*args)

    return call


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize(
    ("what", "failing"),
    [
        ("os.pwrite", lambda: fail_once("pwrite", errno.ENOSPC)),
        ("os.pwrite", lambda: fail_once("pwrite", errno.ENOSPC, partly=40)),
        ("ingest.spool.spool.sync_data", lambda: fail_once("fdatasync", errno.EIO)),
        ("ingest.spool.spool.sync_folder", lambda: fail_once("fsync", errno.EIO)),
        ("os.open", lambda: fail_once("open", errno.EMFILE)),
    ],
)
def test_a_failing_disk_confirms_nothing_and_spoils_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, what: str, failing: Callable[[], Any], before: int
) -> None:
    spool = opened(folder, segment_bytes=1)  # each batch into a file of its own: all steps are gone through
    for n in range(before):
        spool.append(batch(n))
    with monkeypatch.context() as m:
        m.setattr(what, failing())
        with pytest.raises(StoreUnavailable, match="cannot be written"):
            spool.append(batch(7))
    assert spool.waiting().readings == 3 * before
    spool.append(batch(8))
    spool.close()
    spool = opened(folder)
    assert spool.waiting().damaged == 0
    assert drained(spool) == [*range(before), 8]


def test_a_write_that_failed_in_the_middle_of_a_file_leaves_no_trace(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(folder)
    spool.append(batch(0))
    with monkeypatch.context() as m:
        m.setattr(os, "pwrite", fail_once("pwrite", errno.ENOSPC, partly=50))
        with pytest.raises(StoreUnavailable, match="No space left"):
            spool.append(batch(1))
    spool.append(batch(2))
    assert drained(spool) == [0, 2]
    assert spool.waiting().damaged == 0


def test_a_write_that_the_kernel_breaks_off_leaves_no_trace(folder: Path) -> None:
    """A limit on the size of files: the kernel writes up to it and refuses the rest, as a full disk does."""
    spool = opened(folder)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StoreUnavailable, match="File too large"):
            while True:
                spool.append(batch(kept))
                kept += 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert kept > 1
    spool.append(batch(kept))
    spool.close()
    spool = opened(folder)
    assert drained(spool) == list(range(kept + 1))
    assert spool.waiting().damaged == 0


def test_a_disk_that_fails_to_remove_what_is_done_is_asked_again_and_nothing_comes_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(folder, segment_bytes=1)
    for n in range(2):
        spool.append(batch(n))
    taken = spool.read(1)
    assert taken is not None
    with monkeypatch.context() as m:
        m.setattr("ingest.spool.spool.sync_folder", fail_once("fsync", errno.EIO))
        with pytest.raises(StoreUnavailable, match="Input/output error"):
            spool.done(taken.position)
    assert not spool.empty
    assert drained(spool) == [1]
    assert "lost" not in caplog.text


def test_one_owner_at_a_time(folder: Path) -> None:
    spool = opened(folder)
    with pytest.raises(StoreUnavailable, match=rf"in use by process {os.getpid()}.*mqtt\.name"):
        opened(folder)
    spool.close()
    spool.close()
    opened(folder).close()
    with pytest.raises(StoreUnavailable, match="is closed"):
        spool.append(batch(0))


def test_a_folder_that_another_has_a_short_look_at_is_waited_for(folder: Path) -> None:
    spool = opened(folder)
    threading.Timer(0.1, spool.close).start()
    opened(folder, patience_s=30.0).close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        opened(tmp_path / "file" / "main")


def test_a_file_that_was_taken_away_is_told_and_the_rest_goes_on(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(folder, segment_bytes=1)
    for n in range(3):
        spool.append(batch(n))
    files(folder)[1].unlink()
    assert drained(spool) == [0, 2]
    assert "3 readings are lost" in caplog.text
    spool.append(batch(3))
    files(folder)[-1].unlink()  # the one that is being written
    spool.append(batch(4))
    assert drained(spool) == [4]


def test_spools_can_be_looked_at_while_they_are_in_use(folder: Path) -> None:
    assert look(folder.parent) == []
    spool = opened(folder)
    spool.append(batch(4))
    [seen] = look(folder.parent)
    assert (seen.name, seen.running, seen.readings, seen.oldest) == ("main", True, 3, T0 + 4 * SECOND)
    assert seen.bytes == spool.waiting().bytes
    spool.close()
    assert not look(folder.parent)[0].running


def test_records_are_found_again_behind_anything() -> None:
    sound = pack(batch(1))
    for noise in (b"x", bytes(HEADER_BYTES), sound[:4] * 30, sound[: HEADER_BYTES + 3], os.urandom(999)):
        parts = list(walk(noise + sound + sound))
        assert [type(p) for p in parts] == [Unreadable, Record, Record]
        assert parts[0][:2] == (0, len(noise))
