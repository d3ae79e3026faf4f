"""``twuin report``: reports as files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from twuin.cli import bills
from twuin.cli.options import DataOption, SiteOption, out, settings_from
from waterworks.errors import SettingsError

app = typer.Typer(no_args_is_help=True, help="Monthly and yearly reports as PDF and Excel files.")
bills.add_to(app)


class Kind(StrEnum):
    """What a report is written as."""

    PDF = "pdf"
    XLSX = "xlsx"
    JSON = "json"


class Language(StrEnum):
    """What a report is written in."""

    ID = "id"
    EN = "en"


@app.command()
def make(
    period: Annotated[
        str | None,
        typer.Argument(
            metavar="[PERIOD]",
            help="Month or year, as 2026-10 or 2026. Default: the last month that is over.",
        ),
    ] = None,
    site: SiteOption = None,
    data_dir: DataOption = None,
    kind: Annotated[
        list[Kind] | None, typer.Option("--format", help="May be repeated. Default: pdf.")
    ] = None,
    language: Annotated[
        list[Language] | None,
        typer.Option("--language", help="Bahasa Indonesia or English; may be repeated. Default: id."),
    ] = None,
    to: Annotated[
        Path, typer.Option("--to", metavar="FOLDER", help="Where the files go.", show_default="this folder")
    ] = Path(),
) -> None:
    """Write a report of a month or a year.

    It has the water balance with its limits, losses and night flows of each DMA, leaks, pressure, sensors,
    and what is not known and why. Files are named after site and period: mytown-2026-10.id.pdf.
    """
    from twuin.app import run_report

    settings = settings_from(site=site, data_dir=data_dir, clock={"kind": "data"})
    kinds = list(dict.fromkeys(kind or [Kind.PDF]))
    languages = list(dict.fromkeys(language or [Language.ID]))
    if not to.is_dir():
        raise SettingsError(f"--to {to} is no folder: make it first, or name another")
    for file in run_report(settings, period, [k.value for k in kinds], [x.value for x in languages]):
        path = to / file.name
        try:
            path.write_bytes(file.body)
        except OSError as e:
            raise SettingsError(
                f"{path} cannot be written ({e.strerror}): name another folder with --to"
            ) from e
        out.print(str(path), markup=False)
