"""kill -9 at any moment: what was acknowledged is there, whole, and once.

TWUIN_KILL_ROUNDS sets the number of rounds of each test, TWUIN_KILL_SEED the first seed; each round prints
the seed that repeats it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from ingest.store.embedded import FILE, open_store
from waterworks.ports import ReadingStore

ROUNDS = int(os.environ.get("TWUIN_KILL_ROUNDS", "8"))
SEED = int(os.environ.get("TWUIN_KILL_SEED", random.randrange(1_000_000)))

T0 = np.datetime64("2026-03-01", "us")
FAR = T0 + np.timedelta64(36500, "D")

# Batch n holds n % 40 + 1 readings of each of three sensors, all at its own second, with value n. Every
# fifth batch first corrects what the batch before it stored: deletes and inserts in one transaction.
WRITER = """
import sys
from pathlib import Path
import numpy as np
from ingest.store import duck
from ingest.store.duck import DuckStore
from ingest.store.embedded import FILE, open_store
from waterworks.reading import ReadingBatch

duck._CONFIG["checkpoint_threshold"] = "50KB"  # of 16 MB, so that many kills fall into checkpoints
t0 = np.datetime64("2026-03-01", "us")

def batch(n):
    size = n % 40 + 1
    sensors = [f"s{k}" for k in range(3) for _ in range(size)]
    micros = np.tile(np.arange(size), 3)
    times = t0 + n * np.timedelta64(1, "s") + micros.astype("timedelta64[us]")
    return ReadingBatch.of(sensors, times, np.full(len(sensors), float(n)), received=t0)

def corrected(n):
    b = batch(n)
    return ReadingBatch(b.names, b.sensor, b.time, b.value + 0.5, b.quality, b.received)

folder, how, n = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = DuckStore(folder / FILE) if how == "alone" else open_store(folder)
print("ready", getattr(store, "owner", True), flush=True)
while True:
    if n % 5 == 4:
        store.append(corrected(n - 1))
        print("corrected", n - 1, flush=True)
    store.append(batch(n))
    print("stored", n, flush=True)
    n += 1
"""


def writer(folder: Path, how: str, first: int) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", WRITER, str(folder), how, str(first)]
    return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)


def acknowledged(lines: list[str]) -> tuple[int, int]:
    """The last batch said to be stored, and the last said to be corrected; -1 for none."""
    said = [line.split() for line in lines if line.endswith("\n")]
    stored = [int(n) for what, n in said if what == "stored"]
    corrected = [int(n) for what, n in said if what == "corrected"]
    return max(stored, default=-1), max(corrected, default=-1)


def check(store: ReadingStore, stored: int, corrected: int) -> int:
    """All up to ``stored`` is there, at most one batch more, each whole; returns the last one."""
    window = store.window(["s0", "s1", "s2"], T0, FAR)
    assert (np.diff(window.times) > np.timedelta64(0, "us")).all()
    assert not np.isnan(window.values).any()
    assert (window.values == window.values[:, :1]).all()
    seconds = (window.times - T0) // np.timedelta64(1, "s")
    numbers, counts = np.unique(seconds, return_counts=True)
    last = int(numbers[-1]) if len(numbers) else -1
    assert numbers.tolist() == list(range(last + 1))
    assert stored <= last <= stored + 1
    assert counts.tolist() == [n % 40 + 1 for n in range(last + 1)]
    for n in range(last + 1):
        values = set(window.values[seconds == n, 0].tolist())
        if n % 5 == 3 and (n < last or n <= corrected):
            assert values == {n + 0.5}  # the batch after it was stored after its correction
        elif n % 5 == 3:
            assert values in ({float(n)}, {n + 0.5})  # corrected, and killed before it could say so
        else:
            assert values == {float(n)}
    newest = store.latest()
    assert all(newest[s].time == window.times[-1] for s in newest)
    with_changes = store.changes(0).spans
    assert set(with_changes) == ({"s0", "s1", "s2"} if last >= 0 else set())
    return last


@pytest.mark.parametrize("nth", range(ROUNDS))
def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path, nth: int) -> None:
    seed = SEED + nth
    print(f"TWUIN_KILL_SEED={seed}")
    rng = random.Random(seed)
    last = -1
    for _ in range(2):  # the second writer goes on in the file that the first one's death left
        process = writer(tmp_path, "alone", last + 1)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready True\n"
        time.sleep(rng.uniform(0.0, 0.25))
        process.send_signal(signal.SIGKILL)
        stored, corrected = acknowledged(process.stdout.readlines())
        process.wait()
        process.stdout.close()
        store = DuckStore(tmp_path / FILE)
        last = check(store, max(stored, last), corrected)
        store.close()


@pytest.mark.parametrize("nth", range(ROUNDS))
def test_when_the_owner_is_killed_its_client_goes_on_without_a_loss(tmp_path: Path, nth: int) -> None:
    seed = SEED + nth
    print(f"TWUIN_KILL_SEED={seed}")
    rng = random.Random(seed)
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from ingest.store.embedded import open_store; "
            "store = open_store(Path(sys.argv[1])); print('ready', store.owner, flush=True); time.sleep(60)",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "ready True\n"
    client = writer(tmp_path, "shared", 0)
    assert client.stdout is not None
    lines: list[str] = []

    def listen(stream: Iterable[str] = client.stdout) -> None:
        lines.extend(stream)

    first = client.stdout.readline()
    assert first == "ready False\n"
    listener = threading.Thread(target=listen)
    listener.start()
    time.sleep(rng.uniform(0.0, 0.25))
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    before = acknowledged(list(lines))[0]
    deadline = time.monotonic() + 20
    while acknowledged(list(lines))[0] <= before + 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    onlooker = open_store(tmp_path)
    assert not onlooker.owner  # the client has taken over, and serves
    assert len(onlooker.names()) == 3
    client.send_signal(signal.SIGKILL)
    client.wait()
    listener.join()
    client.stdout.close()
    stored, corrected = acknowledged(lines)
    assert stored > before + 3
    check(onlooker, stored, corrected)
    assert onlooker.owner
    onlooker.close()
