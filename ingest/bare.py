"""A subscriber that only counts: what paho-mqtt alone takes from a broker, to hold ingest against.

    python -m ingest.bare PORT PROGRESS_FILE READY_FILE READINGS_A_MESSAGE

Ends at SIGTERM, and prints what it has counted as JSON.
"""

from __future__ import annotations

import json
import mmap
import resource
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

_EVERY = 64  # messages between two notes of how many came


def main() -> None:
    port, progress, ready, per_message = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    each, seen, count = int(per_message), [], 0
    with progress.open("r+b") as file:
        shared = mmap.mmap(file.fileno(), 8)

    def note() -> None:
        shared[:8] = struct.pack("<q", count * each)
        seen.append((time.monotonic(), count))

    def on_message(_c: Any, _u: Any, _m: Any) -> None:
        nonlocal count
        count += 1
        if count % _EVERY == 0:
            note()

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bare", clean_session=False)
    client.on_message = on_message
    client.on_subscribe = lambda *_: ready.touch()
    client.connect("127.0.0.1", port)
    client.subscribe("twuin/#", qos=1)
    over = False

    def end(*_: Any) -> None:
        nonlocal over
        over = True

    signal.signal(signal.SIGTERM, end)
    while not over:
        before = count
        client.loop(0.05)
        if count == before and seen and seen[-1][1] != count:
            note()
    used = resource.getrusage(resource.RUSAGE_SELF)
    report = {
        "acknowledged": seen,
        "memory": [],
        "idle_mb": 0.0,
        "peak_mb": used.ru_maxrss * 1024 / 1e6,  # kept in KiB
        "cpu_s": used.ru_utime + used.ru_stime,
        "spooled": 0,
        "drained_s": 0.0,
        "messages": count,
        "stored": None,
        "duplicates": None,
        "rejected": 0,
        "problem": "",
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
