"""``twuin broker``: what an MQTT broker needs before devices may connect to it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from twuin.cli.options import SiteOption, err, out, settings_from

app = typer.Typer(no_args_is_help=True, help="The MQTT broker of an installation.")

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        help="Folder of the broker's certificates and identities. Default: twuin-broker.",
        show_default=False,
    ),
]


@app.callback()
def broker() -> None:
    """The MQTT broker of an installation."""


@app.command()
def init(
    site: SiteOption = None,
    folder: FolderOption = None,
    host: Annotated[
        list[str] | None,
        typer.Option(
            "--host",
            help="Name or address under which devices reach the broker; may be given several times. "
            "Default: this machine's name. localhost and 127.0.0.1 are always among them.",
            show_default=False,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", help="Group that the broker runs as, where you run this as root."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the ingest process that gets an identity.")
    ] = None,
) -> None:
    """Make the broker's certificates, and identities for Twuin itself, where they are missing.

    It may run at every start: what is there is left as it is, and a certificate that ends soon is renewed.
    Then run deploy/mosquitto/run.sh with the folder, and give devices identities with `twuin device add`.
    """
    import socket

    from ingest.access.certificates import CA
    from ingest.access.grants import heard
    from ingest.access.identities import Identities, Role
    from ingest.access.setup import CERTIFICATES, password_file, prepare
    from twuin.app import read_settings_site

    settings = settings_from(site=site, broker_dir=folder, mqtt={"name": name})
    hosts = [*(host or [socket.gethostname()]), "localhost", "127.0.0.1"]
    found, target = read_settings_site(settings), settings.broker_dir
    only = None if settings.mqtt.strays else heard(found)  # of a broker that serves several sites
    for line in prepare(target, found.id, settings.mqtt.name, hosts, datetime.now(UTC), group, heard=only):
        out.print(line, markup=False, highlight=False)
    user = next(
        i.user for i in Identities(target).all() if (i.role, i.name) == (Role.INGEST, settings.mqtt.name)
    )
    full = target.resolve()
    err.print("Settings for this ingest process (twuin.toml):", markup=False)
    for line in (
        "[mqtt]",
        f'name = "{settings.mqtt.name}"',
        "port = 8883",
        "tls = true",
        f'ca_file = "{full / CERTIFICATES / CA}"',
        f'username = "{user}"',
        f'password_file = "{password_file(full, settings.mqtt.name)}"',
    ):
        err.print(f"    {line}", markup=False)
