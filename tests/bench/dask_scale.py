"""What it takes to watch a town in parts: one process, then 1, 2 and 4 workers of a Dask cluster.

    python tests/bench/dask_scale.py --dmas 240 --part 20 --days 25 --rounds 7

A made town of hourly readings (an inlet meter and a pressure a DMA) in the embedded store. For each crew: the
history at once, then rounds that bring an hour each, then rounds that bring nothing. On the clock, and in
processor time of the process that keeps alerts and store, of the scheduler and of the workers, from /proc:
that is what a model of the cost is made of, as it hardly depends on what else the machine does. Medians over
rounds.
All crews must find the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e" / "cluster"))

from dask_servers import servers
from made_town import Now, Told, feed, make_site

from ingest.store.embedded import open_store
from twuin.cluster.client import Cluster, Keepers
from twuin.monitor.parts import Alone, PartedMonitor
from waterworks.site import Site

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Processor time that a process has taken [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def crew(
    site: Site, workers: int, args: argparse.Namespace
) -> tuple[list[tuple[str, list[float]]], list[Any]]:
    """Rows of (what, seconds: clock, here, scheduler, workers), and what was found."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(closing(open_store(folder / "data")))
        now, told = Now(), Told()
        pids: list[int] = []
        if workers:
            procs = stack.enter_context(servers(folder / "servers"))
            procs.scheduler()
            for k in range(workers):
                procs.worker(f"w{k}", "--site", str(site.folder), "--data-dir", str(folder / "data"))
            cluster = Cluster(procs.address)
            procs.wait_for(cluster, workers)
            pids = [procs.running[n].pid for n in ("scheduler", *(f"w{k}" for k in range(workers)))]
            who: Any = Keepers(cluster, "monitor")
        else:
            who = Alone(site, store, None)
        monitor = stack.enter_context(closing(PartedMonitor(site, told, who, clock=now, most=args.part)))

        def timed() -> list[float]:
            before = [cpu_s(p) for p in pids]
            here, begun = time.process_time(), time.perf_counter()
            monitor.catch_up()
            clock, own = time.perf_counter() - begun, time.process_time() - here
            spent = [cpu_s(p) - b for p, b in zip(pids, before, strict=True)]
            return [clock, own, spent[0] if spent else 0.0, sum(spent[1:])]

        feed(store, site, now, 0, args.days)
        rows = [("history", timed())]
        live, idle = [], []
        for k in range(args.rounds):
            feed(store, site, now, args.days + k / 24, args.days + (k + 1) / 24)
            live.append(timed())
            timed()  # what the round before wrote is told once
            idle.append(timed())
        rows += [(name, np.median(r, axis=0).tolist()) for name, r in (("hour", live), ("nothing", idle))]
        if workers:
            up, down = cluster.largest
            print(f"  largest order {up:,} bytes, largest answer {down:,} bytes")
        return rows, told.findings


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--dmas", type=int, default=240)
    parse.add_argument("--part", type=int, default=20)
    parse.add_argument("--days", type=float, default=25)
    parse.add_argument("--rounds", type=int, default=7)
    parse.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2, 4], help="0: one process, no Dask")
    args = parse.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = make_site(Path(folder), args.dmas)
        parts = -(-args.dmas // args.part)
        print(f"{args.dmas} DMAs in {parts} parts, {args.days:g} days; {os.cpu_count()} cores")
        print(f"{'workers':>7} {'round':>8} {'clock s':>8} {'here':>8} {'sched.':>8} {'workers':>8}   load")
        first: list[Any] | None = None
        for workers in args.workers:
            rows, found = crew(site, workers, args)
            for name, seconds in rows:
                spent = " ".join(f"{s:8.3f}" for s in seconds)
                print(f"{workers:>7} {name:>8} {spent} {os.getloadavg()[0]:6.1f}", flush=True)
            if first is not None and found != first:
                sys.exit("other findings than before")
            first = found
        print(f"the same {len(first or [])} findings each time")


if __name__ == "__main__":
    main()
