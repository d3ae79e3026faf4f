"""``twuin site``: check a site folder, or make one from an EPANET file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from twuin.cli.options import JsonOption, err, out, print_json, settings_from
from waterworks.wording import counted

app = typer.Typer(no_args_is_help=True, help="Check a site folder, or make one from an EPANET file.")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The site folder.")],
    as_json: JsonOption = False,
) -> None:
    """Name every mistake in a site folder, by file and line. Status 1 if there is any."""
    from twuin.outside import check_groups
    from twuin.telling import check_notify
    from waterworks.site_folder import check_site, read_site

    settings_from()
    problems = check_site(folder)
    # Its rules name DMAs: they are checked against a whole site.
    if all(p.severity != "error" for p in problems):
        site = read_site(folder)
        problems += [*check_notify(folder, site), *check_groups(folder, site)]
    errors = [p for p in problems if p.severity == "error"]
    if as_json:
        print_json(
            [{"file": p.file, "line": p.line, "severity": p.severity, "message": p.message} for p in problems]
        )
    else:
        for p in problems:
            out.print(f"{p.severity}: {p}", markup=False)
        if not errors:
            site = read_site(folder)
            network = "a network model" if site.network_file else "no network model"
            found = f"{counted(len(site.dmas), 'DMA')}, {counted(len(site.sensors), 'sensor')}, {network}"
            out.print(f"{folder}: {site.name}, {found}: no mistakes", markup=False)
        else:
            err.print(f"{counted(len(errors), 'mistake')} to mend in {folder}", markup=False)
    if errors:
        raise typer.Exit(1)


@app.command("import")
def import_(
    network: Annotated[Path, typer.Argument(help="An EPANET input file (.inp), in any of EPANET's units.")],
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder to make. Default: named as the file.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the site. Default: the folder's.")
    ] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="Time zone, as in Asia/Jakarta.")] = None,
    crs: Annotated[
        str | None, typer.Option("--crs", help="Coordinate system of the file, as in EPSG:32749.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a site folder from an EPANET file: DMAs, inlet meters and suggested sensors are inferred."""
    from waterworks.site_import import import_site

    settings_from()
    target = folder or Path(network.stem)
    report = import_site(network, target, name=name, timezone=timezone, crs=crs)
    if as_json:
        print_json({"folder": str(target), "notes": list(report.notes)})
        return
    for note in report.notes:
        out.print(f"- {note}", markup=False)
    then = f"twuin site check {shlex.quote(str(target))}"
    out.print(f"Made {target}. Look through its files, then run: {then}", markup=False)
