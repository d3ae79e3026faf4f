"""``twuin grafana``: dashboards and what belongs to them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from twuin.cli.grafana_sync import sync
from twuin.cli.options import Common, InfluxUrlOption, SiteOption, TwuinUrlOption, out, settings_from
from twuin.grafana.installation import Installation
from twuin.settings import Settings
from waterworks.errors import SettingsError

app = typer.Typer(no_args_is_help=True, help="Dashboards, alert rules and data sources of Grafana.")

NEEDS = "Grafana's parts are not installed: pip install '.[grafana]' in a copy of Twuin's source"


def site_settings(site: Path | None) -> Settings | None:
    """Of the one site that is meant by --site or --of; None where neither is given."""
    return None if site is None and Common.of is None else settings_from(site=site)


def installation(settings: Settings | None, twuin_url: str | None, influx_url: str | None) -> Installation:
    """What dashboards are made for: the site and InfluxDB of the settings; None: for any site.

    SettingsError where readings are kept elsewhere than in InfluxDB.
    """
    if settings is None:
        made = Installation()
    else:
        from twuin.app import read_settings_site

        store, site = settings.store, read_settings_site(settings)
        if store.kind != "influxdb":
            raise SettingsError(
                "setting store.kind is 'embedded', which Grafana cannot read: dashboards need InfluxDB"
                " (docs/store.md)"
            )
        made = Installation(
            site=site.id,
            name=site.name,
            timezone=str(site.timezone),
            twuin_url=settings.web.public_url or f"http://localhost:{settings.web.port}",
            influx_url=store.url,
            influx_version=store.version,
            database=store.database,
            username=store.username,
        )
    if twuin_url is not None:
        made = replace(made, twuin_url=_address(twuin_url, "--twuin-url"))
    if influx_url is not None:
        made = replace(made, influx_url=_address(influx_url, "--influx-url"))
    return made


def _address(url: str, option: str) -> str:
    if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", url):
        raise SettingsError(f"{option} {url!r} is not an address, as in https://twuin.example")
    return url.rstrip("/")


@app.callback()
def grafana() -> None:
    """Dashboards, alert rules and data sources of Grafana."""


@app.command()
def write(
    site: SiteOption = None,
    folder: Annotated[
        Path, typer.Option("--out", help="Folder to write to. Default: deploy/grafana.")
    ] = Path("deploy/grafana"),
    twuin_url: TwuinUrlOption = None,
    influx_url: InfluxUrlOption = None,
    dashboards: Annotated[
        str | None, typer.Option("--dashboards", help="Path of that folder as Grafana sees it.")
    ] = None,
) -> None:
    """Write the files from which Grafana sets itself up at its start (provisioning).

    Without --site: dashboards for any site of the database, as they are in deploy/grafana. With a site:
    for it alone, in its time zone, with the InfluxDB of the settings.
    """
    try:
        from twuin.grafana.files import DASHBOARDS, provisioning
        from twuin.grafana.files import write as write_files
    except ImportError:
        raise SettingsError(NEEDS) from None
    made = installation(site_settings(site), twuin_url, influx_url)
    changed = write_files(provisioning(made, dashboards or DASHBOARDS), folder)
    for path in changed:
        out.print(str(folder / path), markup=False, highlight=False)
    out.print(f"{len(changed)} files changed" if changed else "nothing to change", markup=False)


app.command()(sync)
