"""Whatever breaks: what the broker acknowledged to a device is stored once, and nothing else is.

A broker that is killed forgets what it held. What that costs is nothing to a device that heeds receipts; of
one that does not, the ledger names as many messages as were lost.

TWUIN_CHAOS_ROUNDS sets the rounds of each test (`make chaos`: many), TWUIN_CHAOS_SEED the printed seed.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.servers

ROUNDS = int(os.environ.get("TWUIN_CHAOS_ROUNDS", "3"))
SEED = int(os.environ.get("TWUIN_CHAOS_SEED", random.randrange(1_000_000)))
ROUND_S = 5.0
RATE = 600.0  # readings a second of each device


def trouble(
    installation: Any, rng: random.Random, counts: Counter[str], deck: list[str]
) -> list[threading.Thread]:
    """One to three things that happen within a round, side by side.

    deck: what is still to come before anything comes again; drawn from, and shuffled anew when it is empty.
    """
    possible = installation.faults(rng)
    threads = []
    for _ in range(rng.choice([1, 1, 2, 3])):
        if not deck:
            deck += rng.sample(sorted(possible), len(possible))
        name = deck.pop()
        counts[name] += 1
        after, lasts = rng.uniform(0.2, ROUND_S - 1), rng.choice([0.2, 1.0, 3.0, 6.0])
        print(f"  after {after:.1f} s, for {lasts:.1f} s: {name}")

        def happen(name: str = name, after: float = after, lasts: float = lasts) -> None:
            time.sleep(after)
            possible[name](lasts)

        threads.append(threading.Thread(target=happen))
    return threads


def settled(installation: Any, store: Any, device: str, wait_until: Callable[..., None]) -> list[int]:
    """What is stored of a device once nothing more comes."""
    seen: list[list[int]] = [[]]

    def quiet() -> bool:
        before = seen[-1]
        time.sleep(2.0)
        seen.append(installation.stored(store, device))
        # What waits on disk comes yet: a store that was killed is given time before it is asked again.
        return installation.waiting() == 0 and seen[-1] == before

    wait_until(quiet, lambda: f"readings of {device} still come")
    return seen[-1]


@pytest.mark.parametrize(
    ("kind", "processes", "mqtt"),
    [("influxdb", 1, "3.1.1"), ("influxdb", 2, "5"), ("embedded", 1, "3.1.1")],
)
def test_what_was_acknowledged_is_stored_once_whatever_breaks(
    install: Callable[[str, int, str], Any],
    devices: dict[str, Any],
    wait_until: Callable[..., None],
    kind: str,
    processes: int,
    mqtt: str,
) -> None:
    print(f"TWUIN_CHAOS_SEED={SEED}")
    rng = random.Random(f"{SEED} {kind} {processes}")
    installation = install(kind, processes, mqtt)
    counts: Counter[str] = Counter()
    deck: list[str] = []
    sent = dict.fromkeys(devices, 0)
    lost: set[int] = set()
    # The last one is calm: that the newest messages were lost shows only once newer ones have come.
    for number in range(ROUNDS + 1):
        calm = number == ROUNDS
        print(f"{kind}, {processes}, " + ("calm" if calm else f"round {number + 1} of {ROUNDS}"))
        publishers = [make("chaos", d, installation.devices_net.port, sent[d]) for d, make in devices.items()]
        forgot = sum(counts[name] for name in installation.forgetting)
        threads = [] if calm else trouble(installation, rng, counts, deck)
        for each in publishers:
            each.begin(RATE)
        for thread in threads:
            thread.start()
        time.sleep(1.0 if calm else ROUND_S)
        for thread in threads:
            thread.join()
        installation.heal()
        for publisher in publishers:
            publisher.finish()
            sent[publisher.device] = publisher.sent
        with installation.reader() as store:
            if sum(counts[name] for name in installation.forgetting) > forgot:
                there = set(settled(installation, store, "plain", wait_until))
                gone = set(range(sent["plain"])) - there - lost
                lost |= gone
                print(f"  {len(gone)} messages of the device without receipts were lost with the broker")
            for device, count in sent.items():
                due = [i for i in range(count) if device != "plain" or i not in lost]
                wait_until(
                    lambda device=device, due=due: len(installation.stored(store, device)) >= len(due),
                    lambda device=device, due=due: installation.missing(store, device, due),
                )
                assert installation.stored(store, device) == due
    assert installation.lost_by_number("plain") >= len(lost)
    assert installation.lost_by_number("careful") == 0
    for part in installation.ingest:
        part.end()
    total = sum(sent.values()) - len(lost)
    assert installation.rows() in (None, total), "a reading is stored twice"
    assert total > 1000 * ROUNDS
    print(
        f"{ROUNDS} rounds, {dict(counts)}, {sum(sent.values())} readings sent, 0 lost but "
        f"{len(lost)} without receipts by a broker that forgot them, 0 twice"
    )
