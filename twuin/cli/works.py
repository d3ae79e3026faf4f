"""``twuin works``: planned works and known events from a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twuin.cli.options import DataOption, SiteOption, out, settings_from
from waterworks.wording import counted

app = typer.Typer(
    no_args_is_help=True, help="Planned works and known events, which excuse what they explain."
)


@app.callback()
def group() -> None:
    """Planned works and known events, which excuse what they explain."""


@app.command("import")
def import_works(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV file, with the columns of docs/works.md.")
    ],
    site: SiteOption = None,
    data_dir: DataOption = None,
    check: Annotated[bool, typer.Option("--check", help="Only check: enter nothing.")] = False,
) -> None:
    """Enter all works of a table, or none of them where anything is wrong.

    They count from now on, as if entered on the page /works. The same line of the same file again is the same
    work.
    """
    from twuin.app import import_works

    entered, before = import_works(settings_from(site=site, data_dir=data_dir), file, write=not check)
    if check:
        out.print(f"{counted(entered, 'work')} in order, nothing entered", markup=False)
    else:
        there = f"{before:,} {'was' if before == 1 else 'were'} there"
        out.print(f"{counted(entered, 'work')} entered, {there}", markup=False)
