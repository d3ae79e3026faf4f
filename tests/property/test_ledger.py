"""Counts of the ledger beside slow, obvious ones."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.ledger.arrivals import (
    REJECTED,
    SOUND,
    Arrivals,
    pack_chunk,
    pack_group,
    unpack_chunk,
    unpack_group,
)
from ingest.ledger.numbers import MOST_GAPS, Count
from ingest.ledger.tally import count, missing

rows = st.lists(
    st.tuples(
        st.integers(0, 4),  # sensor
        st.integers(-5, 20),  # time
        st.integers(-3, 2000),  # lag
        st.sampled_from([SOUND, REJECTED]),
    ),
    max_size=60,
)


def of(found: list[tuple[int, int, int, int]]) -> Arrivals:
    sensor, time, lag, kind = zip(*found, strict=True) if found else ((), (), (), ())
    return Arrivals(
        np.array(sensor, np.int32),
        np.array(time, np.int64),
        np.array(lag, np.int32),
        np.array(kind, np.uint8),
    )


@given(rows)
def test_counts_are_those_of_a_slow_loop(found: list[tuple[int, int, int, int]]) -> None:
    first: dict[tuple[int, int], int] = {}
    wanted: dict[str, dict[int, int]] = {k: defaultdict(int) for k in ("r", "l", "d", "x")}
    spoiled = set()
    for sensor, time, lag, kind in found:
        if kind == REJECTED:
            spoiled.add((sensor, time))
            continue
        wanted["d"][sensor] += (sensor, time) in first
        first[sensor, time] = min(lag, first.get((sensor, time), lag))
    for (sensor, _), lag in first.items():
        wanted["r"][sensor] += 1
        wanted["l"][sensor] += lag > 900
    for sensor, _ in spoiled:
        wanted["x"][sensor] += 1
    counts = count(of(found), 5, 900.0)
    for column, name in zip(counts, "rldx", strict=True):
        assert column.tolist() == [wanted[name][s] for s in range(5)]


@given(rows)
def test_what_is_packed_comes_out_again(found: list[tuple[int, int, int, int]]) -> None:
    a = of(found)
    again = unpack_chunk(pack_chunk(a))
    key = lambda x: sorted(zip(*(c.tolist() for c in x), strict=True))  # noqa: E731
    assert key(again) == key(a)
    group = unpack_group(pack_group(5_000_000, a.sensor, a.time, a.kind))
    assert group.time.tolist() == a.time.tolist() and group.kind.tolist() == a.kind.tolist()


@given(
    st.sets(st.integers(0, 23), max_size=24),
    st.lists(st.integers(-74, 74), min_size=24, max_size=24),
    st.integers(80, 220),  # away from midnight, where a reading that jitters is one of either day
)
def test_each_reading_that_did_not_come_is_missing_however_clocks_jitter(
    came: set[int], jitter: list[int], phase: int
) -> None:
    start, i = 1_000 * 300, 300
    neighbours = [-2, -1, 24, 25]  # readings of the days before and after are there
    times = [start + phase + i * k for k in neighbours]
    times += [start + phase + i * k + (jitter[k] if 0 < k < 23 else 0) for k in sorted(came)]
    lost, due = missing(
        np.zeros(len(times), np.int32),
        np.array(times, np.int64),
        np.array([float(start)]),
        np.array([float(start + 24 * i)]),
        np.array([float(i)]),
    )
    assert due.tolist() == [24]
    assert int(lost[0]) == 24 - len(came)


@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=10), max_size=12), st.integers(0, 61))
def test_message_numbers_are_kept_as_a_set_would(groups: list[list[int]], oldest: int) -> None:
    kept, seen, twice = Count(-1), set(), 0
    for group in groups:
        kept.take(np.array(group, np.int64), 0)
        for number in group:
            twice += number in seen
            seen.add(number)
    highest = max(seen, default=-1)
    assert (kept.received, kept.duplicate, kept.highest) == (len(seen), twice, highest)
    told = [n for a, b in kept.gaps for n in range(a, b + 1)]
    assert told == [n for n in range(highest) if n not in seen]
    kept.give_up(oldest)
    assert kept.lost == len([n for n in range(oldest) if n not in seen])
    assert [n for a, b in kept.gaps for n in range(a, b + 1)] == [
        n for n in range(oldest, highest) if n not in seen
    ]


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 60), min_size=1, max_size=10), st.integers(0, 61)), max_size=12
    )
)
def test_a_number_that_comes_after_it_was_given_up_is_not_lost(steps: list[tuple[list[int], int]]) -> None:
    """As where a device let it go while it waited in the broker for another process."""
    kept, seen, below = Count(-1), set[int](), 0
    for group, oldest in steps:
        kept.take(np.array(group, np.int64), 0)
        kept.give_up(oldest)
        seen |= set(group)
        below = max(below, oldest)
        assert kept.received == len(seen)
        assert kept.lost == len(set(range(below)) - seen)


def test_a_device_gone_mad_takes_bounded_room() -> None:
    kept = Count(0)
    numbers = np.arange(2, 100_000, 2)
    np.random.default_rng(1).shuffle(numbers)
    for part in np.array_split(numbers, 50):
        kept.take(part, 0)
    assert len(kept.runs) <= MOST_GAPS
    assert kept.received + kept.duplicate == len(numbers)
    assert kept.lost + kept.missing + kept.received >= 99_998


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1.0), st.integers(1, 40))
def test_no_receipt_says_that_a_number_is_stored_that_did_not_come(
    seed: int, share: float, parts: int
) -> None:
    """However many gaps there are: two processes that share the load may hear every other message."""
    rng = np.random.default_rng(seed)
    numbers = rng.permutation(np.flatnonzero(rng.random(2000) < share) + 1)
    kept, seen = Count(0), set[int]()
    for part in np.array_split(numbers, parts):
        if not len(part):
            continue
        kept.take(part, 0, asks=True)
        seen.update(part.tolist())
        receipt = kept.receipt(1)
        gaps = {n for a, b in receipt.gaps for n in range(a, b + 1)}
        assert set(range(1, receipt.highest + 1)) - gaps <= seen
        assert len(kept.runs) <= MOST_GAPS
    kept.take(np.arange(1, 2001), 0, asks=True)  # and all is sent again
    assert kept.receipt(1) == (1, 2000, 2000, ())
    assert (kept.lost, kept.missing, kept.received) == (0, 0, 2000)


@given(st.integers(0, 2**32 - 1), st.integers(400, 1500), st.integers(2, 6))
def test_what_a_receipt_confirmed_is_never_counted_as_lost(seed: int, hole: int, parts: int) -> None:
    """A stretch that a broker forgot is sent again, and two processes share it, while new messages come."""
    rng = np.random.default_rng(seed)
    kept, device = Count(0), set(range(1, 3001))
    came = [np.arange(1, 301), np.arange(301 + hole, 2501)]
    again = rng.permutation(np.arange(301, 301 + hole))
    came += np.array_split(np.concatenate([again, np.arange(2501, 3001)]), parts)
    for part in came:
        kept.take(part, 0, asks=True)
        kept.give_up(min(device, default=0))
        receipt = kept.receipt(1)
        gaps = {n for a, b in receipt.gaps for n in range(a, b + 1)}
        device -= set(range(1, receipt.highest + 1)) - gaps
        assert len(kept.runs) <= MOST_GAPS
    if device:
        kept.take(np.array(sorted(device)), 0, asks=True)
    assert kept.receipt(1) == (1, 3000, 3000, ())
    assert (kept.lost, kept.missing, kept.received) == (0, 0, 3000)
