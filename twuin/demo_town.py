"""The demo's town, in a process of its own: ``python -m twuin.demo_town JOB`` with the job as JSON.

``history`` puts the quiet weeks before the watching straight into the store; ``live`` is the fleet of devices
on the town's clock. It ends when its standard input closes, which the kernel does however its parent ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firmware_sim.broker_address import BrokerAddress
from firmware_sim.fleet import readings
from firmware_sim.live import run_fleet
from firmware_sim.scenario import load_scenario
from firmware_sim.town import demo_site_folder
from twuin import log
from twuin.app import open_embedded
from waterworks.clocks import ScaledClock
from waterworks.errors import TwuinError
from waterworks.reading import instant
from waterworks.site_folder import read_site


@dataclass(frozen=True)
class Job:
    """What to do. Times are ISO 8601 with zone. origin: wall time at which the town's clock shows start."""

    what: str
    data_dir: str
    began: str
    start: str
    origin: str | None
    speed: float
    port: int
    history_days: float


def main(job: Job) -> None:
    """Do the job until it is done or standard input closes."""
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())

    def watch_parent() -> None:
        while os.read(0, 4096):  # not sys.stdin, whose lock would be held when the interpreter ends
            pass
        stop.set()

    threading.Thread(target=watch_parent, daemon=True).start()
    site = read_site(demo_site_folder())
    began = instant(job.began)
    scenario = load_scenario("demo").starting(began)
    checkpoint = Path(job.data_dir) / "town.json"
    if job.what == "history":
        start = began - np.timedelta64(int(job.history_days * 86_400), "s")
        store = open_embedded(Path(job.data_dir))
        try:
            for batch in readings(site, scenario, start, began, checkpoint=checkpoint):
                store.append(batch)
                if stop.is_set():
                    return
        finally:
            store.close()
    else:
        assert job.origin is not None
        clock = ScaledClock(instant(job.start), job.speed, instant(job.origin))
        broker = BrokerAddress("127.0.0.1", job.port)
        run_fleet(site, scenario, broker, clock, stop, start=instant(job.start), checkpoint=checkpoint)


if __name__ == "__main__":
    log.configure("error")  # its warnings are for who writes scenarios
    try:
        main(Job(**json.loads(sys.argv[1])))
    except TwuinError as e:
        sys.stderr.write(f"error: the simulated town: {e}\n")
        sys.exit(1)
