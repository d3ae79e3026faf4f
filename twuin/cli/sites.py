"""``twuin sites``: many utilities in one installation."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from twuin import log
from twuin.cli.options import Common, JsonOption, err, out, print_json
from waterworks.errors import TwuinError
from waterworks.wording import counted

if TYPE_CHECKING:
    from twuin.sites.installation import Installation, Member

app = typer.Typer(
    no_args_is_help=True,
    help="Many utilities in one installation, strictly apart (docs/many-sites.md).\n\n"
    "Any other command works on one of them with `twuin --of NAME ...`.",
)


@app.callback()
def sites() -> None:
    """Many utilities in one installation."""


def _installation() -> Installation:
    from twuin.sites.installation import find_installation, load_installation

    log.configure(Common.log_level or "info")
    return load_installation(find_installation(Common.installation))


def _members(at: Installation) -> tuple[list[Member], dict[str, list[str]]]:
    """Sites that can be read, and by name what is wrong with them and the others."""
    from twuin.sites.apart import overlaps
    from twuin.sites.installation import load_members

    wrong: dict[str, list[str]] = {}
    found = load_members(at, lambda name, why: wrong.setdefault(name, []).extend(why.splitlines()))
    for name, lines in overlaps(found).items():
        wrong.setdefault(name, []).extend(lines)
    return found, wrong


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the sites: where their pages are, and where each keeps what it has."""
    found, wrong = _members(_installation())
    if as_json:
        print_json([{**_plain(m), "wrong": wrong.get(m.name, [])} for m in found])
        return
    table = Table("name", "utility", "pages", "data folder", "database", "readings", box=None)
    for m in found:
        said = _plain(m)
        table.add_row(*(said[k] for k in ("name", "utility", "pages", "data_dir", "database", "readings")))
    out.print(table, markup=False)
    if wrong:
        err.print(
            f"{counted(len(wrong), 'site')} cannot be served: `twuin sites check` says why", markup=False
        )


def _plain(m: Member) -> dict[str, Any]:
    s = m.settings
    url = s.database.partition("://")
    return {
        "name": m.name,
        "id": m.site.id,
        "utility": m.site.name,
        "pages": s.web.public_url,
        "data_dir": str(s.data_dir),
        "database": f"{url[0]}://{url[2].rpartition('@')[2]}" if s.database else "in the data folder",
        "readings": f"{s.store.database} at {s.store.url}"
        if s.store.kind == "influxdb"
        else "in the data folder",
    }


@app.command()
def check(as_json: JsonOption = False) -> None:
    """Say what is wrong with any site, and what two of them share that each should have alone.

    What it names is not served. Status 1 where there is anything.
    """
    at = _installation()
    found, wrong = _members(at)
    if as_json:
        print_json({name: wrong.get(name, []) for name in at.names()})
    else:
        for name, lines in sorted(wrong.items()):
            for line in lines:
                out.print(f"{name}: {line}", markup=False)
        if not wrong:
            out.print(f"{counted(len(found), 'site')}, each with all of its own", markup=False)
    if wrong:
        raise typer.Exit(1)


@app.command()
def health(as_json: JsonOption = False) -> None:
    """Say how ingest and monitor of each site are; status 1 where any is down or missing.

    For more of one: `twuin --of NAME health`.
    """
    from twuin.signs import INGEST, MONITOR, Signs, health_of_others

    at = _installation()
    found, wrong = _members(at)
    now = datetime.now(UTC)
    told: dict[str, dict[str, Any]] = {}
    for m in found:
        told[m.name] = health_of_others(Signs(m.settings.data_dir), (), (INGEST, MONITOR), now)
        told[m.name][INGEST] = told[m.name].get(INGEST, {"status": "ok", "detail": "runs"})
    for name, lines in wrong.items():
        told.setdefault(name, {})["settings"] = {"status": "down", "detail": lines[0]}
    if as_json:
        print_json(told)
    else:
        for name, parts in sorted(told.items()):
            bad = {part: said for part, said in parts.items() if said["status"] != "ok"}
            worst = (
                "down" if any(s["status"] == "down" for s in bad.values()) else "degraded" if bad else "ok"
            )
            why = "; ".join(f"{part}: {said['detail']}" for part, said in bad.items())
            out.print(f"{name:<24} {worst:<9} {why}".rstrip(), markup=False)
    if any(said["status"] == "down" for parts in told.values() for said in parts.values()):
        raise typer.Exit(1)


@app.command()
def web() -> None:
    """Serve the pages and API of all sites in one process, each under its own host name.

    Ingest and monitor of each run beside it: `twuin --of NAME ingest`, `twuin --of NAME monitor`. Sites that
    are added are taken up within seconds; for a change of settings start it anew.
    """
    from twuin.sites.serve import run_sites

    run_sites(_installation(), say=partial(out.print, markup=False))


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Its name here: part of its host name, as in `kota`.")],
    site: Annotated[Path, typer.Option("--site", help="Its site folder (site.toml, sensors.csv, dmas.csv).")],
) -> None:
    """Give a new site all that it needs, and its administrator's one-time code, which is shown this once.

    Settings file, data folder and keys; as far as the installation's file says how: database or bucket with
    a user or token that reaches it alone, and an identity at the broker. What is there is left as it is, so
    it may be run again after a failure.
    """
    from twuin.sites.make import add as make

    plain = partial(out.print, markup=False, highlight=False)
    try:
        make(_installation(), name, site, say=plain)
    except TwuinError as e:
        e.args = (f"site {name}: {e}",)
        raise
