"""Whether repairs in the demo town are verified: a leak that is mended, half mended, or not at all.

    python tests/bench/demo_repairs.py [SEED ...] [--flow M3H] [--days DAYS] [--nights]

28 quiet days on real hydraulics, a burst that runs for some days, then its repair is reported. Half mended:
of two holes in the same pipe one is closed. Each night that follows is looked at as it comes; printed is what
Twuin says of the repair, when, and how much it says was saved, and which other leaks it tells of in the 16
days after it. With ``--nights`` without the network model.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from firmware_sim.fleet import readings
from firmware_sim.instants import parse_when
from firmware_sim.scenario import load_scenario
from firmware_sim.scenario_model import Leak
from firmware_sim.town import demo_site_folder
from ingest.store.embedded import open_store
from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Kind, State
from twuin.alerts.service import AlertService
from twuin.monitor import Monitor
from waterworks.epanet_file import read_network
from waterworks.reading import as_datetime
from waterworks.site import Site
from waterworks.site_folder import read_site

BEGAN = np.datetime64("2026-03-02T13:00", "us")
"""20:00 in the demo town."""

HISTORY_DAYS = 28
LOOK_DAYS = 16
MENDED = {"all": 1.0, "half": 0.5, "nothing": 0.0}


class Clock:
    """The town's time: that of its newest reading."""

    def __init__(self) -> None:
        self.time = BEGAN

    def now(self) -> np.datetime64:
        return self.time


def tried(site: Site, seed: int, flow_m3h: float, days: float, share: float, with_model: bool) -> str:
    """What is said of a repair that takes away ``share`` of a burst of ``flow_m3h`` after ``days``."""
    assert site.network_file is not None
    demo = load_scenario("demo")
    hours = round(days * 24)
    end, mended = np.timedelta64(hours, "h"), parse_when(f"+{hours}h")
    pipe = demo.leaks[0].pipe
    holes = [
        Leak(
            f"hole{i}", demo.leaks[0].start, pipe, position=0.4 + 0.1 * i, flow_m3h=flow_m3h * part, end=until
        )
        for i, (part, until) in enumerate(((share, mended), (1 - share, None)))
        if part
    ]
    quiet = replace(demo, seed=seed, leaks=tuple(holes), events=(), faults=()).starting(BEGAN)
    repaired, clock = BEGAN + end, Clock()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        alerts = AlertService(site.id, MemoryAlertStore(), clock)
        network = read_network(site.network_file) if with_model else None
        monitor = Monitor(site, store, alerts, clock=clock, network=network, repairs=alerts, lateness_s=0.0)
        id = ""
        start, last = BEGAN - np.timedelta64(HISTORY_DAYS, "D"), repaired + np.timedelta64(LOOK_DAYS, "D")
        for batch in readings(site, quiet, start, last):
            store.append(batch)
            clock.time = batch.received.max()
            if clock.time < BEGAN:
                continue
            monitor.catch_up()
            if not id and clock.time >= repaired:
                known = alerts.list(states=[State.OPEN], kinds=[Kind.LEAK]).items
                if not known:
                    return "no leak was told of"
                id = max(known, key=lambda a: a.finding.flow).id
                alerts.act(id, "repaired", version=None, key="crew", happened=as_datetime(repaired))
                monitor.catch_up()
        monitor.close()
        store.close()
    alert = alerts.get(id)
    check = alert.work.check
    echoes = "".join(
        f"; then {told.finding.flow * 3600:.1f} m3/h in {told.finding.subject} "
        f"{(told.finding.detected - as_datetime(repaired)) / timedelta(days=1):.1f} d after it"
        for told in alerts.list(kinds=[Kind.LEAK]).items
        if told.finding.detected > as_datetime(repaired)
    )
    living = [a for a in alerts.list(kinds=[Kind.LEAK]).items if a.state in (State.OPEN, State.REPAIRED)]
    if check is None:
        return f"{alert.state.value}, no check"
    after = (
        ""
        if check.at is None
        else f" {(check.at - as_datetime(repaired)) / timedelta(days=1):.1f} d after it"
    )
    fell = "" if check.fell is None else f", fell {check.fell * 3600:.1f} m3/h"
    if check.low is not None and check.high is not None:
        fell += f" ({check.low * 3600:.1f} to {check.high * 3600:.1f})"
    leak = f" of {(check.leak or 0) * 3600:.1f} estimated"
    rest = f"; {check.before} nights before, {check.after} after; {len(living)} leak alerts stand{echoes}"
    return f"{check.outcome.value} by {check.by}{after}{fell}{leak}{rest}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--flow", type=float, default=10.0, metavar="M3H")
    parser.add_argument("--days", type=float, default=4.0)
    parser.add_argument("--nights", action="store_true", help="without the network model")
    options = parser.parse_args()
    site = read_site(demo_site_folder())
    for seed in options.seeds:
        for name, share in MENDED.items():
            said = tried(site, seed, options.flow, options.days, share, not options.nights)
            print(
                f"seed {seed}, {options.flow:g} m3/h, {name} mended after {options.days:g} d: {said}",
                flush=True,
            )


if __name__ == "__main__":
    main()
