"""``twuin report bills``: a month's billed volumes into the site folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from twuin.cli.options import SiteOption, err, out, settings_from
from waterworks.losses import Bill


def add_to(app: typer.Typer) -> None:
    app.command()(bills)


def bills(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or workbook (.xlsx, .xls, .ods).")],
    site: SiteOption = None,
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="Sheet of a workbook. Default: the only one that is filled.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only check: write nothing.")] = False,
) -> None:
    """Put billed volumes into billed.csv of the site folder.

    Columns as of billed.csv: month, dma, billed_metered_m3, billed_unmetered_m3, unbilled_metered_m3. A line
    of a month and DMA that is there already is replaced. With a mistake anywhere nothing is written; a
    program that runs takes the new bills within minutes.
    """
    from twuin.app import load_bills

    settings = settings_from(site=site)
    today = datetime.now(UTC).date()
    changes, path = load_bills(settings, file, sheet, today, write=not check)
    for doubt in changes.doubts:
        err.print(f"warning: {doubt}", markup=False)
    for bill in changes.added:
        out.print(f"{_name(bill)}: {_volumes(bill)}", markup=False)
    for before, after in changes.changed:
        out.print(f"{_name(after)}: {_volumes(after)}, was {_volumes(before)}", markup=False)
    told = f"{len(changes.added)} added, {len(changes.changed)} changed, {changes.same} as they were"
    out.print(f"{told}: {path if path is not None else 'checked, nothing written'}", markup=False)


def _name(bill: Bill) -> str:
    return f"{bill.month:%Y-%m} {bill.dma or 'whole site'}"


def _volumes(bill: Bill) -> str:
    said = f"{bill.metered:,.0f} m3"
    if bill.unmetered:
        said += f" and {bill.unmetered:,.0f} m3 without meter"
    return said
