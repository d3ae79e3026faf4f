"""What Mosquitto loses when it is killed (kill -9), by how it is told to save what it holds.

    python tests/bench/mosquitto_kill.py [--rounds 3] [--rate 200] [--seconds 40]

A subscriber with a persistent session is away. A publisher sends ``rate`` messages a second with QoS 1 for
``seconds``; then the broker is killed and started again, and the subscriber takes what is left. Lost is what
the broker had acknowledged and does not deliver. Beside it how many messages a second it takes at most.
"""

from __future__ import annotations

import argparse
import getpass
import random
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho

from ingest.broker import HOST, find_mosquitto

PORT = 18_931
SETTINGS = {
    "persistence false": "persistence false",
    "persistence true (autosave_interval 1800, the default)": "persistence true",
    "autosave_interval 30": "persistence true\nautosave_interval 30",
    "autosave_interval 10": "persistence true\nautosave_interval 10",
    "autosave_interval 1": "persistence true\nautosave_interval 1",
    "autosave_on_changes true, autosave_interval 1000": (
        "persistence true\nautosave_on_changes true\nautosave_interval 1000"
    ),
    "autosave_on_changes true, autosave_interval 1": (
        "persistence true\nautosave_on_changes true\nautosave_interval 1"
    ),
}


class Broker:
    def __init__(self, folder: Path, setting: str) -> None:
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {PORT} {HOST}\nallow_anonymous true\nlog_type none\nmax_queued_messages 0\n"
            f"max_inflight_messages 0\nuser {getpass.getuser()}\npersistence_location {folder}/\n{setting}\n"
        )
        self._command = [str(find_mosquitto()), "-c", str(config)]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        for _ in range(100):
            time.sleep(0.05)
            try:
                paho.Client(paho.CallbackAPIVersion.VERSION2).connect(HOST, PORT)
            except OSError:
                continue
            return
        raise SystemExit("mosquitto does not start")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def subscriber() -> tuple[paho.Client, list[int]]:
    """A client with a session that outlives it, and the numbers that it hears."""
    heard: list[int] = []
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="bench-subscriber", clean_session=False)
    subscribed = threading.Event()
    client.on_message = lambda _c, _u, m: heard.append(int(m.payload.split()[0]))
    client.on_connect = lambda *_: client.subscribe("bench", 1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(HOST, PORT)
    client.loop_start()
    subscribed.wait(10)
    return client, heard


def publish(rate: float, seconds: float) -> set[int]:
    """Numbers that the broker acknowledged within ``seconds``; rate 0: as many as it takes."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(100)
    acknowledged: set[int] = set()
    under_way: dict[int, int] = {}
    client.on_publish = lambda _c, _u, mid, *_: acknowledged.add(under_way.pop(mid))
    client.connect(HOST, PORT)
    began, number = time.monotonic(), 0
    while (spent := time.monotonic() - began) < seconds:
        while len(under_way) < 100 and (not rate or number < spent * rate):
            sent = client.publish("bench", b"%d %s" % (number, b"x" * 140), qos=1)
            under_way[sent.mid] = number
            number += 1
        client.loop(0.005)
    return set(acknowledged)


def once(setting: str, rate: float, seconds: float) -> tuple[int, int]:
    """Messages acknowledged, and of these lost."""
    with tempfile.TemporaryDirectory() as name:
        broker = Broker(Path(name), setting)
        client, _ = subscriber()
        client.disconnect()
        client.loop_stop()
        acknowledged = publish(rate, seconds)
        broker.kill()
        broker.start()
        client, heard = subscriber()
        quiet, before = 0, -1
        while quiet < 10:
            quiet, before = (quiet + 1 if len(heard) == before else 0), len(heard)
            time.sleep(0.1)
        client.disconnect()
        client.loop_stop()
        broker.kill()
        return len(acknowledged), len(acknowledged - set(heard))


def speed(setting: str) -> float:
    """Messages a second that the broker takes for a subscriber that is away."""
    with tempfile.TemporaryDirectory() as name:
        broker = Broker(Path(name), setting)
        client, _ = subscriber()
        client.disconnect()
        client.loop_stop()
        found = len(publish(0, 5.0)) / 5.0
        broker.kill()
        return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=40)
    a = parser.parse_args()
    chance = random.Random(1)
    print("| Mosquitto | sent | lost, median | lost, most | of seconds | messages/s at most |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, setting in SETTINGS.items():
        found = [once(setting, a.rate, a.seconds + chance.uniform(0, 5)) for _ in range(a.rounds)]
        lost = [n for _, n in found]
        most = max(lost)
        print(
            f"| `{name}` | {found[0][0]} | {statistics.median(lost):.0f} | {most} | {most / a.rate:.1f} "
            f"| {speed(setting):,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
