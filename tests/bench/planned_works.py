"""A made year of the demo town with works: what is alarmed when nobody enters them, and when somebody does.

    python tests/bench/planned_works.py [--days DAYS] [--seed SEED] [--model]

On real hydraulics, a reading each quarter of an hour: a flushing every week, a repair with the water cut
every two months and the refilling after it, a month of water by the hours in one DMA; eight leaks of ten
days, half of which begin in the midst of works. The same readings are gone through twice, without any work
entered and with all of them entered a day ahead. Counted are alerts by kind, and when each leak was told
of. --model: with the network model too (an hour).
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from firmware_sim.fleet import readings
from firmware_sim.instants import parse_when
from firmware_sim.scenario_model import DeviceOptions, Event, EventKind, Leak, Scenario
from firmware_sim.town import demo_site_folder
from ingest.store.embedded import open_store
from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Alert, Kind, Reason
from twuin.alerts.service import AlertService
from twuin.monitor import Monitor
from twuin.works.memory import MemoryWorkStore
from twuin.works.model import Plan, Weekly, WorkKind
from twuin.works.service import WorkService
from waterworks.epanet_file import read_network
from waterworks.ports import ReadingStore
from waterworks.reading import as_datetime
from waterworks.site import Site
from waterworks.site_folder import read_site

BEGIN = datetime(2026, 1, 4, 17, tzinfo=UTC)
"""Monday, 5 January, midnight in the town."""

QUIET_DAYS = 35
FLUSHED = (("D1", "J110"), ("D2", "J233"), ("D5", "J510"))
M3H = 1 / 3600.0
LEAK_DAYS = 10


class Clock:
    """A time that is set."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def now(self) -> np.datetime64:
        return np.datetime64(self.time.replace(tzinfo=None), "us")


@dataclass(frozen=True)
class Year:
    """What happens: events and leaks of the simulator, and the works as they are entered."""

    events: list[Event]
    leaks: list[tuple[Leak, str, datetime, bool]]
    plans: list[Plan]


def at(day: int, hour: float) -> datetime:
    """A local time of the town."""
    return BEGIN + timedelta(days=day, hours=hour)


def event(id: str, kind: EventKind, start: datetime, end: datetime, **where: object) -> Event:
    a, b = (parse_when(t.isoformat()) for t in (start, end))
    return Event(id, kind, a, b, **where)  # type: ignore[arg-type]


def year(days: int) -> Year:
    events: list[Event] = []
    plans: list[Plan] = []
    leaks: list[tuple[Leak, str, datetime, bool]] = []

    def leak(dma: str, pipe: str, start: datetime, m3h: float, amid: bool) -> None:
        end = start + timedelta(days=LEAK_DAYS)
        a, b = parse_when(start.isoformat()), parse_when(end.isoformat())
        leaks.append((Leak(f"leak{len(leaks)}", a, pipe, flow_m3h=m3h, end=b), dma, start, amid))

    for k, day in enumerate(range(QUIET_DAYS + 1, days - 1, 7)):
        dma, node = FLUSHED[k % len(FLUSHED)]
        start, end = at(day, 9), at(day, 12)
        events.append(event(f"flush{k}", EventKind.USE, start, end, node=node, value=18.0))
        plans.append(Plan(WorkKind.FLUSHING, start, end, (dma,), extra_flow=25 * M3H))
        if k in (6, 21):
            leak(dma, "P1030" if dma == "D1" else "P2030", at(day, 10), 8.0, True)
    for k, day in enumerate(range(QUIET_DAYS + 10, days - 1, 60)):
        start, end = at(day, 9), at(day, 14)
        events.append(event(f"cut{k}", EventKind.CLOSED, start, end, link="D3-M"))
        fills = end + timedelta(hours=1.5)
        events.append(event(f"fill{k}", EventKind.USE, end, fills, node="J330", value=20.0))
        plans.append(Plan(WorkKind.REPAIR, start, end, ("D3",), no_supply=True, refill_s=7200.0))
        if k == 2:
            leak("D3", "P3055", at(day, 14.5), 8.0, True)
    dry = range(200, min(230, days - 1))
    for day in dry:
        start, end = at(day, 22), at(day + 1, 4)
        events.append(event(f"dry{day}", EventKind.CLOSED, start, end, link="D1-M"))
        fills = end + timedelta(hours=1.5)
        events.append(event(f"dryfill{day}", EventKind.USE, end, fills, node="J130", value=12.0))
    if dry:
        hours = Weekly(tuple(range(7)), 22 * 60, 4 * 60)
        plans.append(
            Plan(
                WorkKind.INTERMITTENT,
                at(dry[0], 0),
                at(dry[-1] + 2, 0),
                ("D1",),
                weekly=hours,
                no_supply=True,
                refill_s=7200.0,
                extra_flow=20 * M3H,
            )
        )
        leak("D1", "P1040", at(dry[0] + 12, 13), 8.0, True)
    for dma, pipe, day in (
        ("D2", "P2040", 70),
        ("D5", "P5031", 130),
        ("D6", "P6020", 165),
        ("D4", "P4040", 260),
    ):
        leak(dma, pipe, at(day, 20), 8.0, False)
    known = [x for x in leaks if x[2] < at(days - LEAK_DAYS, 0)]
    return Year(events, known, plans)


def alerts_of(site: Site, store: ReadingStore, plans: Sequence[Plan], model: bool) -> list[Alert]:
    """All alerts after the year, with ``plans`` entered a day ahead of each."""
    clock = Clock(BEGIN)
    works = WorkService(site, MemoryWorkStore(), clock)
    for plan in plans:
        clock.time = plan.start - timedelta(days=1)
        works.enter(plan)
    extent = store.extent()
    assert extent is not None
    clock.time = as_datetime(extent[1])
    alerts = AlertService(site.id, MemoryAlertStore(), clock)
    network = read_network(site.network_file) if model and site.network_file else None
    monitor = Monitor(site, store, alerts, clock=clock, network=network, works=works)
    monitor.catch_up(final=True)
    monitor.close()
    return alerts.list(limit=1000).items


def report(name: str, found: Sequence[Alert], made: Year) -> None:
    loud = [a for a in found if a.reason not in (Reason.PLANNED, Reason.WITHDRAWN)]
    counted = Counter(a.finding.kind.value for a in loud)
    planned = sum(a.reason is Reason.PLANNED for a in found)
    said = ", ".join(f"{kind} {n}" for kind, n in sorted(counted.items())) or "none"
    print(f"{name}: {len(loud)} alerts ({said}); {planned} closed as planned", flush=True)
    true = set()
    for one, dma, start, amid in made.leaks:
        end = start + timedelta(days=LEAK_DAYS)
        mine = [
            a
            for a in loud
            if a.finding.kind in (Kind.LEAK, Kind.NIGHT_FLOW)
            and a.finding.dma == dma
            and start - timedelta(hours=2) <= a.finding.detected <= end
            and (a.finding.ended is None or a.finding.ended > a.finding.detected)
            and (a.finding.ended is None or a.finding.ended > start + timedelta(days=1))
        ]
        first = min(mine, key=lambda a: a.finding.detected, default=None)
        true |= {a.id for a in mine}
        when = "not found"
        if first is not None:
            hours = (first.finding.detected - start) / timedelta(hours=1)
            when = f"after {hours:.1f} h, {first.finding.flow / M3H:.1f} m3/h"
        print(f"    {one.id} {dma} {'amid works' if amid else 'on its own'}: {when}", flush=True)
    wrong = [a for a in loud if a.id not in true]
    print(f"    alerts that are no leak: {len(wrong)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", action="store_true", help="with the network model too")
    options = parser.parse_args()
    site = read_site(demo_site_folder())
    site = replace(site, sensors=tuple(replace(s, interval_s=900.0) for s in site.sensors))
    made = year(options.days)
    scenario = Scenario(
        "works",
        options.seed,
        step_s=900,
        devices=DeviceOptions(interval_s=900.0),
        leaks=tuple(x[0] for x in made.leaks),
        events=tuple(made.events),
    )
    start = np.datetime64(BEGIN.replace(tzinfo=None), "us")
    end = start + np.timedelta64(options.days, "D")
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        for batch in readings(site, scenario.starting(start), start, end):
            store.append(batch)
        print(f"{options.days} days, {len(made.plans)} works, {len(made.leaks)} leaks", flush=True)
        for name, plans in (("nothing entered", ()), ("all works entered", made.plans)):
            report(name, alerts_of(site, store, plans, options.model), made)
        store.close()


if __name__ == "__main__":
    main()
