"""Whatever breaks: what the broker acknowledged to a device is stored once, and nothing else is.

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


def trouble(installation: Any, rng: random.Random, counts: Counter[str]) -> list[threading.Thread]:
    """One to three things that happen within a round, side by side."""
    possible = installation.faults(rng)
    threads = []
    for name in rng.sample(sorted(possible), rng.choice([1, 1, 2, 3])):
        counts[name] += 1
        after, lasts = rng.uniform(0.2, ROUND_S - 1), rng.choice([0.2, 1.0, 3.0, 6.0])
        print(f"  after {after:.1f} s, for {lasts:.1f} s: {name}")

        def happen(name: str = name, after: float = after, lasts: float = lasts) -> None:
            time.sleep(after)
            possible[name](lasts)

        threads.append(threading.Thread(target=happen))
    return threads


@pytest.mark.parametrize(("kind", "processes"), [("influxdb", 1), ("influxdb", 2), ("embedded", 1)])
def test_what_was_acknowledged_is_stored_once_whatever_breaks(
    install: Callable[[str, int], Any],
    new_publisher: Any,
    wait_until: Callable[..., None],
    kind: str,
    processes: int,
) -> None:
    print(f"TWUIN_CHAOS_SEED={SEED}")
    rng = random.Random(f"{SEED} {kind} {processes}")
    installation = install(kind, processes)
    counts: Counter[str] = Counter()
    sent = {"plain": 0, "other": 0}
    for number in range(ROUNDS):
        print(f"{kind}, {processes}, round {number + 1} of {ROUNDS}")
        publishers = [new_publisher("chaos", d, installation.devices_net.port, sent[d]) for d in sent]
        threads = trouble(installation, rng, counts)
        for each in publishers:
            each.begin(RATE)
        for thread in threads:
            thread.start()
        time.sleep(ROUND_S)
        for thread in threads:
            thread.join()
        installation.heal()
        for publisher in publishers:
            publisher.finish()
            sent[publisher.device] = publisher.sent
        with installation.reader() as store:
            for device, count in sent.items():
                wait_until(
                    lambda device=device, count=count: len(installation.stored(store, device)) >= count,
                    lambda device=device, count=count: installation.missing(store, device, count),
                )
                assert installation.stored(store, device) == [*range(count)]
    for part in installation.ingest:
        part.end()
    rows = installation.rows()
    assert rows in (None, sum(sent.values())), "a reading is stored twice"
    assert sum(sent.values()) > 1000 * ROUNDS
    print(f"{ROUNDS} rounds, {dict(counts)}, {sum(sent.values())} readings sent, 0 lost, 0 twice")
