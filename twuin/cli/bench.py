"""``twuin bench``: how much this machine takes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from twuin.cli.options import JsonOption, err, out, print_json, settings_from
from waterworks.errors import SettingsError

if TYPE_CHECKING:
    from twuin.load.bench import Report, Store

app = typer.Typer(no_args_is_help=True, help="Measure how much this machine takes in, on servers of its own.")


@app.callback()
def bench() -> None:
    """A group even while it has a single case."""


@app.command()
def ingest(
    store: Annotated[
        str, typer.Option("--store", help="embedded, or influxdb (an InfluxDB 1.x on this machine).")
    ] = "embedded",
    per_message: Annotated[
        int, typer.Option("--per-message", min=1, max=1000, help="Readings in a message.")
    ] = 1,
    columns: Annotated[
        bool,
        typer.Option(
            "--columns", help="Its readings are of one sensor at many times, not of many at one time."
        ),
    ] = False,
    sensors: Annotated[int, typer.Option("--sensors", min=1, help="Sensors.")] = 1_000,
    devices: Annotated[
        int | None,
        typer.Option(
            "--devices",
            min=1,
            help="Devices that send them, evenly; each has a topic. Default: 100, or fewer to fill messages.",
        ),
    ] = None,
    processes: Annotated[
        int, typer.Option("--processes", min=1, max=64, help="Ingest processes that share the load.")
    ] = 1,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, help="How long to publish.")] = 30.0,
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=1.0, help="Messages a second. Default: as many as become durable."),
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="How often; the median run is shown.")] = 1,
    mqtt_version: Annotated[str, typer.Option("--mqtt", help="MQTT version: 3.1.1 or 5.")] = "3.1.1",
    peer: Annotated[
        bool,
        typer.Option("--peer", help="Beside it, in turn: a subscriber of paho-mqtt that only counts."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish to a Mosquitto of its own as fast as readings become durable, and say how fast that was.

    Broker, publisher, store and ingest share this machine. Each reading is checked and stored as in `twuin
    ingest`; a message counts when it is acknowledged, which is when its readings are on disk.
    """
    from firmware_sim.flood import Flood, fitting_devices
    from twuin.load.bench import Options, run

    settings_from(log_level="warning")
    kinds: dict[str, Store] = {"embedded": "embedded", "influxdb": "influxdb"}
    if store not in kinds:
        raise SettingsError(f"--store {store!r} is neither embedded nor influxdb")
    if devices is None:
        devices = fitting_devices(sensors, per_message, columns)
    try:
        flood = Flood(sensors, devices, per_message, columns)
    except ValueError as e:
        raise SettingsError(f"--sensors, --devices, --per-message: {e}") from None
    ways = [False, True] if peer else [False]
    reports: dict[bool, list[Report]] = {way: [] for way in ways}
    for k in range(runs):
        for way in ways:
            err.print(f"run {k + 1} of {runs}{', paho-mqtt alone' if way else ''} ...", markup=False)
            options = Options(
                flood, kinds[store], processes, seconds, rate=rate, version=mqtt_version, peer=way
            )
            reports[way].append(run(options))
    medians = [sorted(r, key=lambda x: x.per_s)[len(r) // 2] for r in reports.values()]
    if as_json:
        print_json([r.as_json() for r in medians])
        return
    for report in medians:
        out.print(_table(report), markup=False)
    lost = sum(r.lost for way in reports.values() for r in way)
    rejected = sum(r.rejected for way in reports.values() for r in way)
    out.print(f"Lost: {lost}. Rejected: {rejected}.", markup=False)
    if lost or rejected:
        raise typer.Exit(1)


def _table(r: Report) -> Table:
    o = r.options
    what = "paho-mqtt alone, counting" if o.peer else f"ingest into the {o.store} store"
    if o.processes > 1:
        what = f"{o.processes} processes, {what}"
    table = Table(what, "", box=None, title_justify="left")
    rows = [
        (
            "sensors / devices / readings a message",
            f"{o.flood.sensors:,} / {o.flood.devices:,} / {o.flood.per_message}",
        ),
        ("messages a second", f"{r.per_s:,.0f}"),
        ("readings a second", f"{r.readings_per_s:,.0f}"),
        ("messages sent, in seconds", f"{r.sent:,} in {r.seconds:.1f}"),
        ("from publishing to durable, p50 / p99", f"{r.delay_p50:.3f} / {r.delay_p99:.3f} s"),
        (
            "processor time a message",
            ", ".join(f"{name} {1e6 * s:.1f} us" for name, s in r.cpu.items()),
        ),
    ]
    if r.memory:
        quarters = " / ".join(f"{m:.0f}" for m in r.memory)
        rows.append(("memory of a process by quarter of the run; at most", f"{quarters}; {r.peak_mb:.0f} MB"))
    if r.spooled:
        rows.append(
            (
                "readings by way of the spool; until stored after the end",
                f"{r.spooled:,}; {r.drained_s:.1f} s",
            )
        )
    for row in rows:
        table.add_row(*row)
    return table
