"""``twuin store``: where readings are kept."""

from __future__ import annotations

import typer

from twuin.cli.options import DataOption, SiteOption, out, settings_from

app = typer.Typer(no_args_is_help=True, help="Where readings are kept.")


@app.callback()
def store() -> None:
    """Where readings are kept."""


@app.command()
def init(site: SiteOption = None, data_dir: DataOption = None) -> None:
    """Make what the store of the settings needs, where it is missing, and see that it answers.

    In InfluxDB: the database or bucket, the journal's beside it, and their names for InfluxQL. Twuin does
    so by itself when it first needs them; this says at once whether address, rights and names are right.
    """
    from twuin.app import init_store

    for line in init_store(settings_from(site=site, data_dir=data_dir)):
        out.print(line, markup=False, highlight=False)
