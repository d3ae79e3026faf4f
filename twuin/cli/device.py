"""``twuin device``: which devices may connect to the broker."""

from __future__ import annotations

import csv
import io
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from twuin.cli.broker import FolderOption
from twuin.cli.options import JsonOption, SiteOption, err, out, print_json, settings_from
from waterworks.errors import BrokerError, NotFound, SettingsError
from waterworks.wording import counted

app = typer.Typer(
    no_args_is_help=True,
    help="Which devices may connect to the broker, each with an identity of its own.\n\n"
    "The broker takes over what changes here within seconds (deploy/mosquitto/run.sh).",
)


@app.command()
def add(
    names: Annotated[
        list[str] | None, typer.Argument(help="Devices, as sensors.csv names them.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All devices of the site that have none yet.")] = False,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            "--topic",
            help="A filter of topics it may publish to beside its own, as in 'pdam/reservoir-3/#'; "
            "for gateways and devices that do not speak Twuin's topics.",
            show_default=False,
        ),
    ] = None,
    manager: Annotated[
        bool, typer.Option("--manager", help="Not a device: who sends commands to all devices of the site.")
    ] = False,
    renew: Annotated[
        bool, typer.Option("--renew", help="A new password for one that has an identity already.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Write user names and passwords into this new CSV file, not to the screen."
        ),
    ] = None,
    site: SiteOption = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give devices an identity each: a user name, and a password that is shown this one time.

    A device may publish under its own topics and hear its own commands, nothing else.
    """
    from ingest.access.grants import of_device, of_foreign, of_manager
    from ingest.access.identities import Identities, Role
    from twuin.app import read_settings_site

    settings = settings_from(site=site, broker_dir=folder)
    found = read_settings_site(settings)
    identities = Identities(settings.broker_dir)
    devices = list(dict.fromkeys(s.device for s in found.sensors if s.device))
    wanted = list(names or [])
    if every:
        have = {i.name for i in identities.all() if i.revoked is None and i.site == found.id}
        wanted += [d for d in devices if d not in have]
    if not wanted:
        if every:
            err.print(f"All {counted(len(devices), 'device')} of {found.name} have identities.", markup=False)
            return
        raise SettingsError("name the devices, or give --all")
    more = tuple(topic or ())
    unknown = [n for n in wanted if n not in devices]
    if unknown and not more and not manager:
        raise NotFound(
            f"no sensor of site {found.id} belongs to device {unknown[0]!r}: write it as sensors.csv does, "
            "or say with --topic what it may publish"
        )
    if file is not None and file.exists():
        raise BrokerError(f"{file} exists: name a new file, it is to hold passwords")
    now, made = datetime.now(UTC), []
    for name in dict.fromkeys(wanted):
        if manager:
            role, grants = Role.MANAGER, of_manager(found.id)
        elif name in devices:
            role, grants = Role.DEVICE, of_device(found.id, name, more)
        else:
            role, grants = Role.DEVICE, of_foreign(more)
        identity, secret = identities.add(role, name, found.id, grants, now, renew=renew)
        made.append((name, identity.user, secret))
        if file is not None:
            _save(file, made)  # at each: a password that was made and not written would be lost
    if as_json:
        print_json([{"device": d, "user": u, "password": p} for d, u, p in made])
    elif file is not None:
        out.print(f"{counted(len(made), 'identity', 'identities')} in {file}", markup=False)
    else:
        for name, user, secret in made:
            out.print(f"{name}: user name {user}, password {secret}", markup=False, highlight=False)
        err.print("Passwords are not kept and cannot be shown again.", markup=False)


@app.command()
def revoke(
    names: Annotated[list[str], typer.Argument(help="Devices, or user names as `list` shows them.")],
    folder: FolderOption = None,
) -> None:
    """Take the identity of devices away. The broker throws them out."""
    from ingest.access.identities import Identities

    settings = settings_from(broker_dir=folder)
    identities = Identities(settings.broker_dir)
    for name in names:
        gone = identities.revoke(name, datetime.now(UTC))
        out.print(f"{gone.name}: user {gone.user} revoked", markup=False, highlight=False)


@app.command("list")
def list_(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """List all identities that were ever given, with what they may publish and hear."""
    from ingest.access.identities import Identities

    settings = settings_from(broker_dir=folder)
    known = Identities(settings.broker_dir).all()
    if as_json:
        print_json(
            [
                {
                    "name": i.name,
                    "user": i.user,
                    "role": i.role.value,
                    "site": i.site,
                    "since": i.since.isoformat(),
                    "revoked": None if i.revoked is None else i.revoked.isoformat(),
                    "write": list(i.grants.write),
                    "read": list(i.grants.read),
                }
                for i in known
            ]
        )
        return
    if not known:
        out.print(f"No identities in {settings.broker_dir}.", markup=False)
        return
    table = Table("name", "user name", "for", "site", "since (UTC)", "revoked (UTC)", box=None)
    for i in known:
        revoked = "" if i.revoked is None else f"{i.revoked:%Y-%m-%d %H:%M}"
        table.add_row(i.name, i.user, i.role.value, i.site, f"{i.since:%Y-%m-%d %H:%M}", revoked)
    out.print(table, markup=False)


def _save(file: Path, made: list[tuple[str, str, str]]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("device", "username", "password"))
    rows.writerows(made)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out_file:
            out_file.write(text.getvalue())
    except OSError as e:
        last = made[-1]
        raise BrokerError(
            f"{file} cannot be written: {e.strerror}; the password made last is for {last[0]}: `twuin device "
            "add --renew` makes a new one"
        ) from e
