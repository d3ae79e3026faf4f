"""The disk spool under chance: appends, draining, crashes that tear the last write, bytes that change."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.spool.records import Record, Unreadable, pack, walk
from ingest.spool.spool import Position, Spool
from waterworks.reading import ReadingBatch

T0 = np.datetime64("2026-11-22", "us")


def batch(n: int, size: int) -> ReadingBatch:
    """Number n: ``size`` readings of value n."""
    times = T0 + (n * 1_000_000 + np.arange(size)).astype("timedelta64[us]")
    return ReadingBatch.of([f"S{k % 3}" for k in range(size)], times, np.full(size, n), received=T0 + n)


def opened(folder: Path, segment_bytes: int) -> Spool:
    return Spool(folder, keep_free_bytes=0, segment_bytes=segment_bytes, patience_s=0.0)


def all_that_waits(spool: Spool, most: int) -> list[int]:
    """The value of each reading that waits, in order. The spool is empty afterwards."""
    found: list[int] = []
    while (taken := spool.read(most)) is not None:
        found += taken.batch.value.astype(int).tolist()
        spool.done(taken.position)
    return found


# A step: append a batch of so many readings (1..), drain so many readings (-1..), or restart (0).
steps = st.lists(st.integers(-20, 30), max_size=25)
sizes = st.sampled_from([1, 700, 5_000, 1_000_000])


@settings(max_examples=150, deadline=None)
@given(steps, sizes, st.integers(0, 2**32))
def test_after_a_crash_at_any_byte_all_that_was_confirmed_before_it_is_there_in_order(
    did: list[int], segment_bytes: int, where: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spool = opened(folder, segment_bytes)
        confirmed: list[tuple[Position, int, int]] = []  # where each batch ends, its number and size
        n = 0
        read = 0  # readings that the store has: it may be given the last ones again, not miss one
        for step in did:
            if step > 0:
                confirmed.append((spool.append(batch(n, step)), n, step))
                n += 1
            elif step < 0:
                taken = spool.read(-step)
                if taken is not None:
                    spool.done(taken.position)
                    read = max(read, int(taken.batch.value.max()) + 1)
            else:
                spool.close()
                spool = opened(folder, segment_bytes)
        spool.close()
        # the crash: the last file ends at any of its bytes
        files = sorted(folder.glob("*.spool"))
        if files:
            last = files[-1]
            size = last.stat().st_size
            cut = where % (size + 1)
            with last.open("r+b") as f:
                f.truncate(cut)
            number = int(last.stem)
            confirmed = [c for c in confirmed if (c[0].segment, c[0].offset) <= (number, cut)]
        spool = opened(folder, segment_bytes)
        assert spool.waiting().damaged == 0
        spool.append(batch(n, 2))
        got = all_that_waits(spool, 10)
        spool.close()
        expected = [v for _, v, s in confirmed for _ in range(s)] + [n, n]
        assert got == expected[len(expected) - len(got) :]
        assert {v for _, v, _ in confirmed if v >= read} <= set(got)
        assert not list(folder.glob("*.spool"))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=12),
    sizes,
    st.lists(st.tuples(st.integers(0, 2**32), st.integers(1, 255)), min_size=1, max_size=3),
)
def test_changed_bytes_cost_their_own_batches_and_no_reading_is_made_up(
    did: list[int], segment_bytes: int, changes: list[tuple[int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spool = opened(folder, segment_bytes)
        ends = [(spool.append(batch(n, size)), n, size) for n, size in enumerate(did)]
        spool.close()
        files = sorted(folder.glob("*.spool"))
        places = [(path, at) for path in files for at in range(path.stat().st_size)]
        hit: set[int] = set()
        for where, mask in changes:
            path, at = places[where % len(places)]
            data = bytearray(path.read_bytes())
            data[at] ^= mask
            path.write_bytes(data)
            number = int(path.stem)
            hit.add(next(n for end, n, _ in ends if end.segment == number and at < end.offset))
        spool = opened(folder, segment_bytes)
        got = all_that_waits(spool, 7)
        damaged = spool.waiting().damaged
        spool.close()
        whole = [n for _, n, size in ends for _ in range(size)]
        untouched = [n for n in whole if n not in hit]
        assert [n for n in got if n not in hit] == untouched
        assert set(got) <= set(whole) and got == sorted(got)  # two changes of one byte may cancel out
        assert all(got.count(n) in (0, did[n]) for n in hit)
        assert bool(damaged) == (len(got) < len(whole))


@given(st.lists(st.one_of(st.binary(max_size=60), st.integers(1, 5)), max_size=8))
def test_walking_covers_every_byte_once_and_finds_every_record(parts: list[bytes | int]) -> None:
    packed = [p if isinstance(p, bytes) else pack(batch(p, p)) for p in parts]
    data = b"".join(packed)
    found = list(walk(data))
    at = 0
    for part in found:
        assert part.start == at and part.end > at
        at = part.end
    assert at == len(data)
    assert not any(isinstance(p, Unreadable) and p.torn for p in found[:-1])
    sound = [int(p.batch().value[0]) for p in found if isinstance(p, Record)]
    assert sound == [p for p in parts if isinstance(p, int)]
