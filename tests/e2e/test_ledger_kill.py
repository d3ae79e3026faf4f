"""The ledger's counts are right though ingest processes are killed amid what they do."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import paho.mqtt.client as paho
import pytest

from ingest.broker import HOST, start_broker
from ingest.ledger.book import Ledger, Messages
from ingest.ledger.report import day_report, total
from waterworks.reading import instant
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

pytestmark = pytest.mark.servers

ROOT = Path(__file__).resolve().parents[2]
DEVICES = 20
EACH = 144  # readings of a device: half a day, one each 5 minutes
MIDNIGHT = 1_795_107_600_000  # 2026-11-20T00:00+07:00 [ms]
ROUNDS = 6
SEED = 20_261_122


def make_site() -> Site:
    sensors = tuple(Sensor(f"S{i}", Quantity.FLOW, "m3/h", "D1", f"d{i}") for i in range(DEVICES))
    return Site("malang", "Malang", ZoneInfo("Asia/Jakarta"), (), sensors, Path())


CHILD = """
import sys, threading, time
from pathlib import Path
sys.path.insert(0, {here!r})
from test_ledger_kill import make_site
from ingest.consumer import Consumer, ConsumerOptions
from ingest.ledger.book import Ledger
from ingest.rejected import RejectedLog
from ingest.store.embedded import open_store
from waterworks.clocks import WallClock
port, folder, name = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
store, site = open_store(folder), make_site()
class Slow:
    def append(self, batch):
        done = store.append(batch)
        time.sleep(0.1)  # stored, but neither counted nor acknowledged yet
        return done
options = ConsumerOptions(
    port=port, name=name, shared=True, group_messages=50, retry_s=0.1, retry_most_s=0.3, receipt_s=0.2
)
ledger = Ledger(folder / "ledger.sqlite", site.timezone)
rejected = RejectedLog(folder / "rejected.sqlite")
consumer = Consumer(options, site, Slow(), rejected, WallClock(), ledger=ledger)
threading.Thread(target=consumer.run, args=(threading.Event(),), daemon=True).start()
while not consumer.stats.connected:
    time.sleep(0.02)
(folder / f"{{name}} is connected").touch()
threading.Event().wait()
"""


def until(done: Callable[[], bool], what: str, patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.05)


def test_what_came_is_counted_once_whatever_is_killed_and_whoever_gets_it_again(
    mosquitto: str, tmp_path: Path
) -> None:
    """Two processes share the messages; one of them is killed at random, again and again."""
    chance = random.Random(SEED)
    site, ledger = make_site(), Ledger(tmp_path / "ledger.sqlite", ZoneInfo("Asia/Jakarta"))
    code = CHILD.format(here=str(Path(__file__).parent))

    def start(name: str, port: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", code, str(port), str(tmp_path), name]
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def received() -> int:
        a = ledger.arrivals(MIDNIGHT * 1000, (MIDNIGHT + 86_400_000) * 1000)
        return len(np.unique(np.stack([a.sensor, a.time]), axis=1).T)

    with start_broker(tmp_path / "broker", 0, kind="mosquitto") as broker:
        running = {name: start(name, broker.port) for name in ("one", "two")}
        publisher = paho.Client(paho.CallbackAPIVersion.VERSION2)
        publisher.max_inflight_messages_set(500)
        publisher.connect(HOST, broker.port)
        publisher.loop_start()
        for name in running:  # from then on the broker keeps its share for it
            until(lambda n=name: (tmp_path / f"{n} is connected").exists(), f"{name} to connect")
        try:
            # A count begins with the first number that is heard: let that be the first.
            for d in range(DEVICES):
                publisher.publish(*message(d, 0), qos=1)
            until(lambda: sum(m.received for m in settled(ledger)) == DEVICES, "the first messages")
            for part in range(ROUNDS):
                steps = range(max(1, EACH * part // ROUNDS), EACH * (part + 1) // ROUNDS)
                infos = [publisher.publish(*message(d, k), qos=1) for k in steps for d in range(DEVICES)]
                time.sleep(chance.uniform(0.0, 0.3))
                name = chance.choice(["one", "two"])
                running[name].send_signal(signal.SIGKILL)
                running[name].wait()
                running[name] = start(name, broker.port)
                for info in infos:
                    info.wait_for_publish(30)
            until(lambda: received() == DEVICES * EACH, "all readings in the ledger")
            until(lambda: sum(m.received for m in settled(ledger)) == DEVICES * EACH, "all message numbers")
        finally:
            for process in running.values():
                process.kill()
                process.wait()
            publisher.disconnect()
            publisher.loop_stop()
    now = instant("2026-11-20T12:15:00+07:00")
    report = day_report(ledger, site, date(2026, 11, 20), now)
    counts = total(report.lines)
    assert (counts["received"], counts["rejected"]) == (DEVICES * EACH, 0)
    messages = settled(ledger)
    assert len(messages) == DEVICES
    assert sum(m.missing + m.lost for m in messages) == 0
    assert sum(m.duplicate for m in messages) == counts["duplicate"]
    print(
        f"seed {SEED}: {ROUNDS} kills, {counts['received']} received, {counts['duplicate']} delivered again"
    )
    ledger.close()


def message(device: int, k: int) -> tuple[str, str]:
    """Topic and payload of a device's k-th message."""
    payload = {"sensor": f"S{device}", "time": MIDNIGHT + 300_000 * k, "value": k, "seq": k + 1}
    return f"twuin/malang/d{device}/readings", json.dumps(payload)


def settled(ledger: Ledger) -> list[Messages]:
    ledger.settle()
    return ledger.messages()
