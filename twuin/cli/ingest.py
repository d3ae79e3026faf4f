"""``twuin ingest``: readings from the broker into the store, and what was rejected on the way."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from twuin.cli.options import (
    BrokerOption,
    DataOption,
    JsonOption,
    SiteOption,
    broker_flags,
    err,
    out,
    print_json,
    settings_from,
)
from waterworks.errors import NotFound

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
    run_ingest(settings_from(site=site, data_dir=data_dir, mqtt=mqtt), say=err.print)


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
    from ingest.rejected import RejectedLog

    settings = settings_from(data_dir=data_dir)
    path = settings.data_dir / "rejected.sqlite"
    if not path.exists():
        raise NotFound(f"no rejected messages: {path} does not exist; name the data folder with --data-dir")
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
        out.print(f"#{r.id}  {r.received:%Y-%m-%d %H:%M:%S}Z  {r.reason}  {r.topic}", markup=False)
        out.print(f"    {r.detail}", markup=False)
        out.print(f"    {shown}{'...' if r.size > 120 else ''}", markup=False)
    total = sum(counts.values())
    by_reason = ", ".join(f"{name} {n}" for name, n in sorted(counts.items(), key=lambda item: -item[1]))
    out.print(f"{total} rejected in all" + (f": {by_reason}" if total else ""), markup=False)
