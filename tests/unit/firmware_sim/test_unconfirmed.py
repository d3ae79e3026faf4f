"""What a device keeps until it is confirmed, and when it sends it again."""

from __future__ import annotations

import random

import pytest

from firmware_sim.unconfirmed import LONGEST_S, RECONNECT_S, SETTLE_S, TIMEOUT_S, Receipt, Unconfirmed


def kept(numbers: range, told: bool = True, acknowledged: bool = True) -> Unconfirmed[str]:
    """A device that sent these at the time 0, each with two samples."""
    memory: Unconfirmed[str] = Unconfirmed(7)
    for n in numbers:
        memory.add(n, b"%d" % n, [f"{n}a", f"{n}b"], 0.0)
        if acknowledged:
            memory.acknowledged(n, 0.0)
    if told:
        memory.confirm(Receipt(7, numbers[0] - 1, numbers[0] - 1, []), 0.0)
    return memory


def left(memory: Unconfirmed[str]) -> list[int]:
    return [int(s[:-1]) for s in memory.all()[::2]]


def again(memory: Unconfirmed[str], now: float) -> list[int]:
    found = []
    while (number := memory.again(now)) is not None:
        memory.resend(number, now)
        found.append(number)
    return found


def test_what_is_confirmed_is_let_go_and_gaps_stay() -> None:
    memory = kept(range(1, 11))
    assert memory.confirm(Receipt(7, 3, 8, [(4, 4), (6, 7)]), 1.0) == 10
    assert left(memory) == [4, 6, 7, 9, 10]
    assert memory.samples == 10 and memory.oldest(11) == 4


def test_a_gap_is_sent_again_once_it_can_no_longer_be_on_its_way() -> None:
    memory = kept(range(1, 11))
    receipt = Receipt(7, 3, 8, [(4, 4), (6, 7)])
    memory.confirm(receipt, 1.0)
    assert again(memory, SETTLE_S - 0.1) == []
    assert again(memory, SETTLE_S) == [4, 6, 7]
    memory.confirm(receipt, SETTLE_S + 1)  # not twice, while the broker has not even answered
    assert again(memory, SETTLE_S + 2) == []


def test_what_no_receipt_speaks_of_is_sent_again_ever_less_often() -> None:
    memory = kept(range(1, 3))
    now, waits = 0.0, []
    for _ in range(8):
        before = now
        while memory.again(now) is None:
            now += 1.0
        waits.append(now - before)
        for number in again(memory, now):
            memory.acknowledged(number, now)
    assert waits[:3] == [TIMEOUT_S, 2 * TIMEOUT_S, 4 * TIMEOUT_S]
    assert waits[-1] == LONGEST_S


def test_after_a_reconnection_all_that_is_kept_leaves_again_unless_confirmed_at_once() -> None:
    memory = kept(range(1, 6))
    memory.reconnected(10.0)
    memory.confirm(Receipt(7, 2, 2, []), 10.1)  # the broker had kept a receipt
    assert again(memory, 10.0 + RECONNECT_S - 0.1) == []
    assert again(memory, 10.0 + RECONNECT_S) == [3, 4, 5]


def test_what_the_broker_has_not_acknowledged_is_left_to_mqtt() -> None:
    memory = kept(range(1, 4), acknowledged=False)
    memory.reconnected(100.0)
    memory.confirm(Receipt(7, 0, 3, [(1, 2)]), 100.1)
    assert again(memory, 10_000.0) == []


def test_where_nobody_confirms_nothing_is_sent_again() -> None:
    memory = kept(range(1, 4), told=False)
    memory.reconnected(100.0)
    assert again(memory, 10_000.0) == []


def test_a_receipt_of_another_boot_means_nothing() -> None:
    memory = kept(range(1, 4), told=False)
    assert memory.confirm(Receipt(6, 100, 100, []), 1.0) == 0
    assert left(memory) == [1, 2, 3] and not memory.told


def test_the_oldest_are_let_go_for_want_of_room() -> None:
    memory = kept(range(1, 4))
    assert memory.let_go() == 2
    assert left(memory) == [2, 3] and memory.oldest(4) == 2 and memory.samples == 4


@pytest.mark.parametrize("seed", range(20))
def test_any_receipts_in_any_order_let_go_only_what_is_stored(seed: int) -> None:
    chance = random.Random(seed)
    stored: set[int] = set()
    memory: Unconfirmed[str] = Unconfirmed(7)
    receipts = [Receipt(7, 0, 0, [])]
    for number in range(1, 60):
        memory.add(number, b"", [f"{number}a", f"{number}b"], float(number))
        memory.acknowledged(number, float(number))
        if chance.random() < 0.6:
            stored.add(number)
        if chance.random() < 0.2:
            stored |= {n for n in range(1, number) if chance.random() < 0.5}
        highest = max(stored, default=0)
        missing = [n for n in range(1, highest) if n not in stored]
        first = (missing[0] - 1) if missing else highest
        receipts.append(Receipt(7, first, highest, [(n, n) for n in missing]))
        memory.confirm(chance.choice(receipts[-5:]), float(number))
        assert set(range(1, number + 1)) - stored <= set(left(memory))
    memory.confirm(receipts[-1], 100.0)
    assert set(left(memory)) == set(range(1, 60)) - stored
