"""``twuin ingest``: readings from the broker into the store, and what was rejected on the way."""

from __future__ import annotations

import csv
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from twuin.cli.options import (
    BrokerOption,
    DataOption,
    JsonOption,
    SiteOption,
    broker_flags,
    err,
    out,
    print_json,
    printable,
    settings_from,
    speaker,
)
from waterworks.errors import NotFound, SettingsError
from waterworks.reading import as_datetime
from waterworks.wording import counted

app = typer.Typer(
    invoke_without_command=True,
    help="Take readings from the MQTT broker into the store, until stopped.\n\n"
    "Several may run side by side: give each its own `--name`, and `--shared` to share the load.",
)


@app.callback()
def ingest(
    context: typer.Context,
    site: SiteOption = None,
    data_dir: DataOption = None,
    broker: BrokerOption = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of this process; no two at one broker may share it.")
    ] = None,
    shared: Annotated[
        bool | None, typer.Option("--shared", help="Share the load with other ingest processes.")
    ] = None,
    mqtt_version: Annotated[
        str | None, typer.Option("--mqtt", help="MQTT version: 3.1.1 (default) or 5.")
    ] = None,
) -> None:
    if context.invoked_subcommand is not None:
        return
    from twuin.app import run_ingest

    mqtt = {**broker_flags(broker), "name": name, "shared": shared, "version": mqtt_version}
    settings = settings_from(site=site, data_dir=data_dir, mqtt=mqtt)
    run_ingest(settings, say=speaker(err))


@app.command()
def watch(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder into which the files are put. Default: watch.folder.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="What the files hold: columns, units, time zone (TOML).")
    ] = None,
    settle: Annotated[
        float | None, typer.Option("--settle", help="Take a file when it stayed as it is for so long [s].")
    ] = None,
    site: SiteOption = None,
    data_dir: DataOption = None,
) -> None:
    """Store the files of readings that are put into a folder, until stopped.

    Each file is moved to done/ or failed/ there, with what became of it in a text file beside it.
    """
    from twuin.app import run_watch

    said = {"folder": folder, "mapping": mapping, "settle_s": settle}
    settings = settings_from(site=site, data_dir=data_dir, watch=said)
    run_watch(settings, say=speaker(err))


@app.command()
def unknown(
    site: SiteOption = None,
    data_dir: DataOption = None,
    limit: Annotated[
        int, typer.Option("--limit", help="How many to list, last heard first.", min=1, max=10000)
    ] = 100,
    lines: Annotated[
        bool, typer.Option("--names", help="Print lines for names.csv, to be given their sensors.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Empty the list; what still comes is soon in it again.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the names that devices send and the site does not know, each with what it said last.

    Name them in names.csv of the site folder, or add the sensors to sensors.csv.
    """
    from ingest.rejected import RejectedLog
    from ingest.unknown import line_for
    from twuin.app import check_named_site

    settings = settings_from(site=site, data_dir=data_dir)
    path = settings.data_dir / "rejected.sqlite"
    if not path.exists():
        raise NotFound(f"no unknown names: {path} does not exist; name the data folder with --data-dir")
    check_named_site(settings)
    log = RejectedLog(path)
    if forget:
        out.print(f"{counted(log.forget_unknown(), 'unknown name')} forgotten")
        return
    names = log.unknown(limit)
    if lines:
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(("name", "sensor", "format", "source", "unit"))
        table.writerows(line for line in map(line_for, names) if line is not None)
        return
    if as_json:
        print_json(
            [
                {
                    "name": n.name,
                    "topic": n.topic,
                    "value": n.value,
                    "unit": n.unit,
                    "time": None if n.time is None else n.time.isoformat(),
                    "heard": n.heard.isoformat(),
                    "readings": n.readings,
                }
                for n in names
            ]
        )
        return
    for n in names:
        value = "no number" if n.value is None else f"{n.value:g} {n.unit}".rstrip()
        at = "a time in no calendar" if n.time is None else f"{n.time:%Y-%m-%d %H:%M:%S}Z"
        out.print(printable(n.name), markup=False)
        many = counted(n.readings, "reading")
        out.print(printable(f"    {value} at {at}, {many} from {n.topic}"), markup=False)
    if not names:
        out.print("no unknown name was heard")


@app.command()
def rejected(
    number: Annotated[int | None, typer.Argument(help="One rejected message, by its number.")] = None,
    data_dir: DataOption = None,
    limit: Annotated[
        int, typer.Option("--limit", help="How many to list, newest first.", min=1, max=10000)
    ] = 20,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Only those rejected for this reason.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="With a number: the message's bytes as they came.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the messages that were not stored, each with the reason, and how many there are.

    Nothing that a device sends is dropped silently: what cannot be stored is kept here as it came.
    """
    from ingest.reasons import Reason
    from ingest.rejected import RejectedLog

    settings = settings_from(data_dir=data_dir)
    path = settings.data_dir / "rejected.sqlite"
    if not path.exists():
        raise NotFound(f"no rejected messages: {path} does not exist; name the data folder with --data-dir")
    if reason is not None and reason not in set(Reason):
        raise SettingsError(f"no reason is called {reason!r}: use one of {', '.join(sorted(Reason))}")
    log = RejectedLog(path)
    if number is not None:
        item = log.get(number)
        if item is None:
            raise NotFound(f"no rejected message has the number {number}")
        if raw:
            sys.stdout.buffer.write(item.payload)
            return
        rows = [item]
    else:
        rows = log.list(limit=limit, reason=reason)
    counts = log.counts()
    if as_json:
        print_json(
            {
                "counts": counts,
                "items": [
                    {
                        "id": r.id,
                        "received": r.received.isoformat(),
                        "topic": r.topic,
                        "reason": r.reason,
                        "detail": r.detail,
                        "size": r.size,
                        "payload": r.payload.decode("utf-8", "backslashreplace"),
                    }
                    for r in rows
                ],
            }
        )
        return
    for r in rows:
        shown = r.payload[:120].decode("utf-8", "backslashreplace")
        for line in (
            f"#{r.id}  {r.received:%Y-%m-%d %H:%M:%S}Z  {r.reason}  {r.topic}",
            f"    {r.detail}",
            f"    {shown}{'...' if r.size > 120 else ''}",
        ):
            out.print(printable(line), markup=False)
    total = sum(counts.values())
    by_reason = ", ".join(f"{name} {n}" for name, n in sorted(counts.items(), key=lambda item: -item[1]))
    out.print(f"{total} rejected in all" + (f": {by_reason}" if total else ""), markup=False)


@app.command()
def ledger(
    site: SiteOption = None,
    data_dir: DataOption = None,
    sensor: Annotated[str | None, typer.Option("--sensor", help="Only this sensor.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="Only this device.")] = None,
    day: Annotated[
        str | None, typer.Option("--day", help="The last local day, as in 2026-11-21. Default: today.")
    ] = None,
    days: Annotated[int, typer.Option("--days", help="How many days up to it.", min=1, max=31)] = 1,
    as_json: JsonOption = False,
) -> None:
    """Print what was to come of each sensor on a day, and what became of it.

    Expected by the interval in sensors.csv; received, late, duplicate (came again), rejected, missing. Below
    it the numbers of devices' messages that are missing, where devices number them.
    """
    from twuin.app import read_ledger

    try:
        last = None if day is None else date.fromisoformat(day)
    except ValueError:
        raise SettingsError(f"--day {day!r} is not a day, as in 2026-11-21") from None
    found = read_ledger(
        settings_from(site=site, data_dir=data_dir), last, days=days, sensor=sensor, device=device
    )
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    fields = ("expected", "received", "late", "duplicate", "rejected", "missing")
    table = Table(box=None, pad_edge=False)
    for name in ("day", "sensor", "device"):
        table.add_column(name, no_wrap=True)
    for name in fields:
        table.add_column(name, justify="right")
    for line in found.items:
        counts = [f"{getattr(line, f):,}" for f in fields]
        table.add_row(str(line.day), escape(line.sensor), escape(line.device), *counts)
    table.add_row("all", "", "", *(f"{getattr(found.total, f):,}" for f in fields), style="bold")
    out.print(table)
    for u in found.untold:
        whose = f"of device {printable(u.device)}" if u.device else "of no device of the site"
        out.print(f"{u.day}: {u.rejected:,} rejected {whose} name no sensor of the site", markup=False)
    for m in found.messages:
        if m.missing or m.lost:
            gaps = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in m.gaps)
            boot = "" if m.boot is None else f", boot {m.boot}"
            said = f"{m.missing:,} missing" + (f" ({gaps})" if gaps else "")
            out.print(
                f"messages of device {printable(m.device)}{boot}: "
                f"{m.received:,} of {m.highest:,} numbers received, "
                f"{said}, {m.lost:,} will not come any more",
                markup=False,
            )


@app.command()
def clocks(
    site: SiteOption = None,
    data_dir: DataOption = None,
    days: Annotated[
        int, typer.Option("--days", help="How far back to look for the beginning.", min=1, max=31)
    ] = 3,
    release: Annotated[
        bool,
        typer.Option("--release", help="Store what is held, corrected by clocks.csv."),
    ] = False,
    as_stamped: Annotated[
        bool,
        typer.Option(
            "--as-stamped", help="With --release: store it with the times that it came with, after all."
        ),
    ] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="With --device: throw away what is held of it.")
    ] = False,
    device: Annotated[
        str | None, typer.Option("--device", help="With --release or --discard: of this device.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print which devices' clocks are wrong, and what is held because its times cannot be right.

    For each clock that is off by a constant, the line for clocks.csv of the site folder that corrects it.
    """
    from twuin.app import discard_quarantine, read_clocks, release_quarantine

    settings = settings_from(site=site, data_dir=data_dir)
    if discard:
        if device is None or release:
            raise SettingsError("--discard throws away: name the --device, and leave out --release")
        thrown = discard_quarantine(settings, device)
        out.print(
            f"{counted(thrown, 'reading')} thrown away" if thrown else _nothing_of(device), markup=False
        )
        return
    if release:
        done = release_quarantine(settings, device, as_stamped=as_stamped)
        if device is not None and not done.stored + done.held:
            out.print(_nothing_of(device), markup=False)
            return
        out.print(f"{counted(done.stored, 'reading')} stored, {done.held:,} still held", markup=False)
        return
    if as_stamped or device is not None:
        raise SettingsError("--as-stamped and --device go with --release or --discard")
    found = read_clocks(settings, days)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    for o in found.offsets:
        way = "ahead" if o.ahead_s > 0 else "behind"
        why = ", as by a wrong time zone" if o.zone else ""
        span = str(timedelta(seconds=abs(o.ahead_s)))
        out.print(f"{o.device}: {span} {way} since {o.since:%Y-%m-%d %H:%M}Z{why}", markup=False)
        out.print(
            f"    {counted(o.readings, 'reading')} came so; line for clocks.csv: {o.line}", markup=False
        )
    if not found.offsets:
        out.print("no clock is off by a constant")
    for h in found.held:
        out.print(
            f"held of {h.device or 'no device'}: {counted(h.readings, 'reading')} ({h.reason}), stamped "
            f"{h.first:%Y-%m-%d %H:%M}Z to {h.last:%Y-%m-%d %H:%M}Z, "
            f"the last came {h.last_received:%Y-%m-%d %H:%M}Z",
            markup=False,
        )
    if not found.held:
        out.print("nothing is held")
    if found.evicted:
        out.print(f"{found.evicted:,} held readings had to give way to newer ones", markup=False)


def _nothing_of(device: str) -> str:
    """So that a mistyped name is not taken for work that was done."""
    return f"nothing is held of device {device!r}; without --release, this command lists what is"


@app.command()
def spool(data_dir: DataOption = None, as_json: JsonOption = False) -> None:
    """Print what waits on the disk because the store was away or slow, by ingest process.

    Readings wait there safely and are stored in their order as soon as the store takes them. What a process
    left behind that runs no more, any other ingest process of the data folder stores.
    """
    from twuin.app import look_at_spools

    spools = look_at_spools(settings_from(data_dir=data_dir))
    if as_json:
        print_json(
            [
                {
                    "name": s.name,
                    "running": s.running,
                    "readings": s.readings,
                    "bytes": s.bytes,
                    "oldest": None if s.oldest is None else as_datetime(s.oldest).isoformat(),
                    "damaged": [str(path) for path in s.damaged],
                }
                for s in spools
            ]
        )
        return
    for s in spools:
        waits = "nothing waits"
        if s.oldest is not None:
            since = f"{as_datetime(s.oldest):%Y-%m-%d %H:%M:%S}Z"
            wait = "reading waits" if s.readings == 1 else "readings wait"
            waits = f"{s.readings:,} {wait} ({s.bytes / 2**20:,.1f} MiB), the oldest received {since}"
        runs = "running" if s.running else "not running"
        out.print(f"{s.name} ({runs}): {waits}", markup=False)
        if s.readings and not s.running:
            out.print(
                "    the next ingest process of this data folder stores them: `twuin ingest`", markup=False
            )
        for path in s.damaged:
            out.print(f"    damaged, kept for you to look at, then move away: {path}", markup=False)
    if not spools:
        out.print("nothing waits: no ingest process has run here yet", markup=False)
