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
    identities = Identities(_prepared(settings.broker_dir))
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
    handle = None if file is None else _new(file)  # before a password is made that could not be written
    now, made = datetime.now(UTC), []
    if file is not None and handle is not None:
        _save(file, handle, ("device", "username", "password"))
    for name in dict.fromkeys(wanted):
        if manager:
            role, grants = Role.MANAGER, of_manager(found.id)
        elif name in devices:
            role, grants = Role.DEVICE, of_device(found.id, name, more)
        else:
            role, grants = Role.DEVICE, of_foreign(more)
        identity, secret = identities.add(role, name, found.id, grants, now, renew=renew)
        made.append((name, identity.user, secret))
        if file is not None and handle is not None:  # at each: one that was not written would be lost
            _save(file, handle, made[-1])
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
    identities = Identities(_prepared(settings.broker_dir))
    for name in names:
        gone = identities.revoke(name, datetime.now(UTC))
        out.print(f"{gone.name}: user {gone.user} revoked", markup=False, highlight=False)


@app.command("list")
def list_(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """List all identities that were ever given, with what they may publish and hear."""
    from ingest.access.identities import Identities

    settings = settings_from(broker_dir=folder)
    known = Identities(_prepared(settings.broker_dir)).all()
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
    table = Table("name", "user name", "for", "site", "since (UTC)", "revoked (UTC)", box=None)
    for i in known:
        revoked = "" if i.revoked is None else f"{i.revoked:%Y-%m-%d %H:%M}"
        table.add_row(i.name, i.user, i.role.value, i.site, f"{i.since:%Y-%m-%d %H:%M}", revoked)
    out.print(table, markup=False)


def _new(file: Path) -> int:
    """The file for the passwords, open; nobody else may read it. Raises BrokerError, also where it exists."""
    try:
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise BrokerError(f"{file} exists: name a new file, it is to hold passwords") from None
    except OSError as e:
        raise BrokerError(f"{file} cannot be written: {e.strerror}") from e


def _save(file: Path, handle: int, row: tuple[str, ...]) -> None:
    """One line more. Raises BrokerError."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", closefd=False) as out_file:
            out_file.write(text.getvalue())
    except OSError as e:
        raise BrokerError(
            f"{file} cannot be written: {e.strerror}; the password made last is for {row[0]}: `twuin device "
            "add --renew` makes a new one"
        ) from e


def _prepared(folder: Path) -> Path:
    """``folder``, if it is a broker's: an identity in any other lets nobody in. Raises BrokerError."""
    from ingest.access.identities import FILE

    if not (folder / FILE).exists():
        raise BrokerError(
            f"{folder} is not the folder of a broker: name it with --folder, or make it with "
            "`twuin broker init`"
        )
    return folder
