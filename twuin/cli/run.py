"""Commands that go on until they are stopped: demo, serve, monitor, web; and how these are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from twuin.alerts.model import Kind, Reason
from twuin.cli.options import (
    BrokerOption,
    DataOption,
    JsonOption,
    SchedulerOption,
    SiteOption,
    broker_flags,
    err,
    out,
    print_json,
    progress,
    settings_from,
    speaker,
)
from waterworks.wording import counted

PortOption = Annotated[
    int | None, typer.Option("--port", help="Port of the pages. Default: 8080.", min=0, max=65535)
]
HostOption = Annotated[str | None, typer.Option("--host", help="Address of the pages. Default: 127.0.0.1.")]


def add_to(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(serve)
    app.command()(monitor)
    app.command()(worker)
    app.command()(web)
    app.command()(health)


def demo(
    data_dir: Annotated[
        Path, typer.Option("--data-dir", help="Folder that keeps the demo's data from run to run.")
    ] = Path("twuin-data/demo"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what earlier runs of the demo kept.")
    ] = False,
    port: PortOption = None,
    host: HostOption = None,
    speed: Annotated[
        float, typer.Option("--speed", help="Seconds of the town per second of yours.", min=1, max=3600)
    ] = 300.0,
) -> None:
    """Show everything at work: a simulated town with a leak, on this machine, with nothing to install.

    Runs an MQTT broker, a fleet of simulated sensors, the ingest, the store, the monitor and the pages in
    one go. Open the address it prints, and watch: within two minutes the town has a burst pipe and the page
    says in which DMA, how much, and which pipes to look at. Ctrl-C ends it; the next run goes on where this
    one stopped. There are no accounts: it is open to this machine, and to no other.
    """
    from twuin.demo import run_demo

    settings = settings_from(data_dir=data_dir, web={"port": port, "host": host})
    run_demo(settings, fresh=fresh, speed=speed, say=out.print)


def serve(
    site: SiteOption = None,
    data_dir: DataOption = None,
    broker: BrokerOption = None,
    port: PortOption = None,
    host: HostOption = None,
    ingest: Annotated[
        bool, typer.Option("--ingest/--no-ingest", help="Take readings from the MQTT broker in this process.")
    ] = True,
    clock: Annotated[
        str | None,
        typer.Option(
            "--clock", help="`wall`: the machine's time; `data`: the newest reading's, to look at past data."
        ),
    ] = None,
) -> None:
    """Run ingest, monitor, API and pages for a site.

    People sign in. The first start makes an administrator and shows a one-time code, once, in the terminal.

    The readings come from an MQTT broker. To look at data that you have loaded with `twuin backfill`,
    use `--no-ingest --clock data`.
    """
    from twuin.app import run_serve

    settings = settings_from(
        site=site,
        data_dir=data_dir,
        mqtt=broker_flags(broker),
        web={"port": port, "host": host},
        clock={"kind": clock},
    )
    run_serve(
        settings,
        ingest=ingest,
        say=speaker(out),
        show=partial(out.print, markup=False) if out.is_terminal else None,
    )


def web(
    site: SiteOption = None,
    data_dir: DataOption = None,
    port: PortOption = None,
    host: HostOption = None,
) -> None:
    """Serve API and pages alone, beside `twuin ingest` and `twuin monitor` in processes of their own.

    All three take the same settings and share the data folder. `twuin serve` is all of it in one process.
    """
    from twuin.app import run_web

    settings = settings_from(site=site, data_dir=data_dir, web={"port": port, "host": host})
    run_web(
        settings,
        say=speaker(out),
        show=partial(out.print, markup=False) if out.is_terminal else None,
    )


def health(
    job: Annotated[
        str | None,
        typer.Argument(help="Only this job, as in `monitor` or `ingest-main`.", show_default=False),
    ] = None,
    data_dir: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how the processes of a data folder are; status 1 when one that should run does not.

    With a job, status 1 unless that job runs and none of its parts is down: for a container's or a service
    manager's health check. A part that is degraded, as while the broker is away, is no reason to start anew.
    """
    from datetime import UTC, datetime

    from twuin.signs import Signs
    from waterworks.errors import NotFound

    signs, now = Signs(settings_from(data_dir=data_dir).data_dir), datetime.now(UTC)
    found = [s for s in signs.all() if job is None and not s.ended]
    if job is not None:
        sign = signs.read(job)
        if sign is None:
            known = ", ".join(s.job for s in signs.all()) or "none"
            raise NotFound(f"no job {job[:40]!r} has run with this data folder (known: {known})")
        found = [sign]
    told = {s.job: s.health(now) for s in found}
    if as_json:
        print_json(told)
    elif not told:
        out.print("nothing runs with this data folder, but for pages of `twuin web`")
    else:
        for name, parts in told.items():
            for part, said in parts.items():
                which = name if part == name else f"{name}: {part}"
                out.print(f"{which:<24} {said['status']:<9} {said['detail']}", markup=False)
    if any(said["status"] == "down" for parts in told.values() for said in parts.values()):
        raise typer.Exit(1)


def monitor(
    site: SiteOption = None,
    data_dir: DataOption = None,
    once: Annotated[bool, typer.Option("--once", help="Analyse all readings there are, then stop.")] = False,
    scheduler: SchedulerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Analyse the readings and raise alerts, without pages.

    With `--once`, print the alerts there are after all readings of the store are analysed, and which of them
    were withdrawn because later readings no longer support them.
    """
    from twuin.app import run_monitor, run_monitor_once

    if not once:
        settings = settings_from(site=site, data_dir=data_dir, cluster={"scheduler": scheduler})
        run_monitor(settings, say=speaker(err))
        return
    settings = settings_from(
        site=site, data_dir=data_dir, clock={"kind": "data"}, cluster={"scheduler": scheduler}
    )
    with progress("Analysing", quiet=as_json) as moved:
        watched, measured, alerts = run_monitor_once(settings, progress=moved)
    if as_json:
        print_json([alert.model_dump(mode="json") for alert in alerts])
        return
    if measured is None:
        out.print(f"There are no readings of {watched.name} in {settings.data_dir}.", markup=False)
        return
    for alert in alerts:
        begun, *rest = (
            None if when is None else when.astimezone(watched.timezone).strftime("%Y-%m-%d %H:%M")
            for when in (alert.onset, alert.ended)
        )
        line = f"{alert.kind.value:<11} {alert.subject:<12} {begun} - {rest[0] or 'lasting':<16}"
        if alert.kind is Kind.SENSOR:
            line += f" {alert.evidence.get('fault', '')}"
        elif alert.kind not in (Kind.SILENT, Kind.SUPPLY):
            line += f" {alert.flow_m3h:>8.1f} m3/h {alert.lost_m3:>8.0f} m3"
        said = "withdrawn" if alert.reason is Reason.WITHDRAWN else alert.state.value
        out.print(f"{line}  {said}")
    first, last = (when.astimezone(watched.timezone).strftime("%Y-%m-%d %H:%M") for when in measured)
    gone = sum(alert.reason is Reason.WITHDRAWN for alert in alerts)
    withdrawn = f" ({gone} withdrawn: later readings do not support it any more)" if gone else ""
    out.print(
        f"{counted(len(alerts), 'alert') if alerts else 'No alerts'}{withdrawn} in readings "
        f"from {first} to {last} ({watched.timezone.key}). "
        "A DMA's first 7 measured days only teach what is usual."
    )


def worker(
    site: SiteOption = None,
    data_dir: DataOption = None,
    scheduler: SchedulerOption = None,
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            help="Address at which others reach it. Default: the one by which it reaches the scheduler.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Its name on the scheduler's pages; no two may share one.")
    ] = None,
) -> None:
    """Work for `twuin monitor --scheduler` and `twuin benchmark ... --scheduler`, until stopped.

    One process works on one thing at a time: start as many as there are processors. It takes the same
    settings as the monitor, of site and store, and reads the store itself. A benchmark needs no site.
    """
    from twuin.app import run_worker
    from twuin.benchmark.spread import works

    run_worker(
        settings_from(site=site, data_dir=data_dir, cluster={"scheduler": scheduler, "host": host}),
        name=name,
        more=works(),
        say=speaker(err),
    )
