"""How much of a core a fleet of devices takes at real time, each with its own connection to mosquitto.

    python tests/bench/simulator_fleet.py NETWORK.inp [--devices 1000] [--interval 60] [--seconds 120]

Each device measures the pressure at one junction (some share one) and publishes with QoS 1.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from firmware_sim.fleet import BrokerAddress, run_fleet
from firmware_sim.scenario import parse_scenario
from waterworks.clocks import WallClock
from waterworks.epanet_file import read_network
from waterworks.network import NodeKind
from waterworks.site import Sensor, Site
from waterworks.units import Quantity


def site_of(network_file: Path, devices: int, interval_s: float) -> Site:
    """A site with so many pressure loggers, spread over the junctions of a network."""
    network = read_network(network_file)
    junctions = [
        n for n, kind in zip(network.node_ids, network.node_kind, strict=True) if kind == NodeKind.JUNCTION
    ]
    sensors = tuple(
        Sensor(
            f"P{i}", Quantity.PRESSURE, "m", "", f"LOG{i}",
            element=junctions[i % len(junctions)], interval_s=interval_s,
        )
        for i in range(devices)
    )  # fmt: skip
    return Site(
        "bench",
        "Bench",
        ZoneInfo("Asia/Jakarta"),
        (),
        sensors,
        network_file.parent,
        network_file=network_file,
    )


def start_mosquitto(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A mosquitto of our own on a free port."""
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type none\n")
    broker = subprocess.Popen([binary, "-c", str(config)])
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return broker, port
        time.sleep(0.05)
    broker.terminate()
    raise SystemExit("mosquitto did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    site = site_of(options.network.resolve(), options.devices, options.interval)
    # Loggers read at the same moments and send within the interval, as operators set them up to.
    scenario = parse_scenario(f"[devices]\nsend_delay_s = {options.interval}\n")
    with tempfile.TemporaryDirectory() as scratch:
        broker, port = start_mosquitto(Path(scratch))
        try:
            clock = WallClock()
            wall, cpu = time.monotonic(), time.process_time()
            end = clock.now() + np.timedelta64(round(options.seconds * 1e6), "us")
            report = run_fleet(
                site, scenario, BrokerAddress("127.0.0.1", port), clock, threading.Event(), end=end
            )
            wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        finally:
            broker.terminate()
            broker.wait()
    print(
        f"{report.devices} devices every {options.interval:g} s for {wall:.0f} s: "
        f"{report.readings} readings in {report.messages} messages, "
        f"{report.acknowledged} acknowledged, {report.dropped} dropped; "
        f"CPU {cpu:.1f} s, {cpu / wall:.3f} of a core (connecting and loading the network included)"
    )


if __name__ == "__main__":
    main()
