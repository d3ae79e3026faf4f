"""Commands that work through files or make them: backfill, replay, simulate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from twuin.cli.options import (
    BrokerOption,
    DataOption,
    JsonOption,
    SiteOption,
    broker_flags,
    err,
    moment,
    out,
    print_json,
    progress,
    settings_from,
)
from waterworks.errors import SettingsError
from waterworks.wording import counted

FilesArgument = Annotated[list[Path], typer.Argument(help="Files of readings (CSV, CSV.gz, Excel, Parquet).")]
MappingOption = Annotated[
    Path, typer.Option("--mapping", help="What the files hold: columns, units, time zone (TOML).")
]


def add_to(app: typer.Typer) -> None:
    app.command()(backfill)
    app.command()(replay)
    app.command()(simulate)


def backfill(
    files: FilesArgument,
    mapping: MappingOption,
    site: SiteOption = None,
    data_dir: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load files of past readings straight into the store.

    Loading the same file twice adds nothing. Rows that cannot be stored are kept with a reason
    (`twuin ingest rejected`).
    """
    from twuin.file_jobs import run_backfill

    settings = settings_from(site=site, data_dir=data_dir)
    with progress("Loading", quiet=as_json) as moved:
        report = run_backfill(settings, files, mapping, progress=moved)
    if as_json:
        print_json(report)
        return
    told = [f"{report['stored']:,} stored"]
    if report["duplicates"] is not None:
        told.append(f"{report['duplicates']:,} there already")
    if report["replaced"] is not None:
        told.append(f"{report['replaced']:,} corrected")
    if report["expired"]:
        told.append(f"{report['expired']:,} older than what the store keeps")
    told += [f"{sum(report['rejected'].values()):,} rejected", counted(report["empty"], "empty cell")]
    out.print(f"{counted(report['read'], 'reading')} read: {', '.join(told)}")
    for reason, number in sorted(report["rejected"].items()):
        out.print(f"  rejected {reason}: {number:,}")


def replay(
    files: FilesArgument,
    mapping: MappingOption,
    site: SiteOption = None,
    broker: BrokerOption = None,
    speed: Annotated[
        str, typer.Option("--speed", help="Times real time, or `max` for as fast as the broker takes it.")
    ] = "max",
    as_json: JsonOption = False,
) -> None:
    """Send files of past readings over MQTT, as the devices would have, in the order of their times."""
    from twuin.file_jobs import run_replay

    settings = settings_from(site=site, mqtt=broker_flags(broker))
    with progress("Sending", quiet=as_json) as moved:
        report = run_replay(settings, files, mapping, speed=_speed(speed), progress=moved)
    if as_json:
        print_json(report)
    else:
        out.print(_sent(report))


def simulate(
    site: SiteOption = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            help="What leaks and what fails, when: a TOML file, or `demo`. Default: nothing does.",
        ),
    ] = None,
    broker: BrokerOption = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Write labelled files into this folder instead of publishing."),
    ] = None,
    layout: Annotated[
        str, typer.Option("--format", help="With --out: parquet, csv, or battle (as in BattLeDIM 2020).")
    ] = "parquet",
    start: Annotated[
        str | None,
        typer.Option("--start", help="Time to begin at, with its zone. Default: so that it ends now."),
    ] = None,
    days: Annotated[
        float | None,
        typer.Option("--days", help="Days to simulate. Needed with --out; without, until stopped."),
    ] = None,
    speed: Annotated[str, typer.Option("--speed", help="Times real time, or `max`.")] = "1",
    seed: Annotated[int | None, typer.Option("--seed", help="Another seed than the scenario's.")] = None,
    logins: Annotated[
        Path | None,
        typer.Option(
            "--logins",
            help="User names and passwords of the devices, as `twuin device add --out` wrote them.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Play the sensors of a site: real hydraulics, leaks and failing devices, from a scenario.

    Without `--site` this is the demo town. Publishes to an MQTT broker as the devices would, or writes the
    readings and the truth of every leak to files. The same scenario and seed give the same readings.
    """
    from twuin.file_jobs import run_simulation, run_simulation_to_files

    settings = settings_from(site=site, mqtt=broker_flags(broker))
    begin = moment(start, "--start")
    if folder is not None:
        if days is None:
            raise SettingsError("--out needs --days: how many days to simulate, as in --days 28")
        with progress("Simulating", quiet=as_json) as moved:
            report = run_simulation_to_files(
                settings, scenario, folder, layout=layout, start=begin, days=days, seed=seed, progress=moved
            )
        if as_json:
            print_json(report)
        else:
            leaks = counted(report["leaks"], "leak")
            out.print(
                f"{counted(report['readings'], 'reading')} and {leaks} written to {folder}", markup=False
            )
        return
    report = run_simulation(
        settings,
        scenario,
        start=begin,
        days=days,
        speed=_speed(speed),
        seed=seed,
        say=err.print,
        logins=logins,
    )
    if as_json:
        print_json(report)
    else:
        out.print(_sent(report))
        if report.get("refused"):
            names = report["refused"]
            shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
            err.print(f"{counted(len(names), 'device')} not let in by the broker: {shown}")


def _sent(report: Mapping[str, Any]) -> str:
    return f"{counted(report['readings'], 'reading')} sent in {counted(report['messages'], 'message')}"


def _speed(text: str) -> float:
    """``max`` or a number above 0. SettingsError for anything else."""
    try:
        speed = float("inf") if text == "max" else float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise SettingsError(f"--speed {text!r} is neither a number above 0 nor `max`")
    return speed
