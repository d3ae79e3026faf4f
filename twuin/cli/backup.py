"""``twuin backup`` and ``twuin restore``: an installation in one file, and back."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twuin.cli.options import Common, DataOption, JsonOption, SiteOption, err, out, print_json, settings_from
from waterworks.errors import SettingsError

if TYPE_CHECKING:
    from twuin.backup.manifest import Manifest

PARTS = "config, site, broker, data, database, readings"

app = typer.Typer(
    help="Keep all of an installation in one file, while it runs (docs/backup.md).\n\n"
    "The file holds passwords, keys and what residents told: only its owner may read it, keep it so.",
)

WithoutOption = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="PART", help=f"Leave this out; may be repeated: {PARTS}."),
]
ArchiveArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A back-up (.tar.gz).", show_default=False)
]


def add_to(parent: typer.Typer) -> None:
    """Add both commands to ``parent``."""
    parent.add_typer(app, name="backup")
    parent.command()(restore)


@app.callback(invoke_without_command=True)
def backup(
    context: typer.Context,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FILE_OR_FOLDER", help="The file to write (.tar.gz), or a folder for a new one."
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", help="Of this site's back-ups in the folder keep so many, the newest.", min=1),
    ] = None,
    without: WithoutOption = None,
    as_json: JsonOption = False,
    site: SiteOption = None,
    data_dir: DataOption = None,
) -> None:
    """Keep all of an installation in one file, while it runs."""
    if context.invoked_subcommand is not None:
        return
    if to is None:
        raise SettingsError("--to is missing: name the file to write, or a folder for a new one")
    from twuin.backup_jobs import run_backup

    done = run_backup(
        settings_from(site=site, data_dir=data_dir),
        to,
        config=Common.config,
        without=without or (),
        keep=keep,
        say=partial((err if as_json else out).print, markup=False, highlight=False),
    )
    said = {"file": str(done.path), "bytes": done.bytes, "removed": [str(p) for p in done.removed]}
    if as_json:
        print_json(said | _fields(done.manifest))
        return
    for left in done.manifest.left_out:
        out.print(f"left out: {left}", markup=False)
    for path in done.removed:
        out.print(f"removed: {path}", markup=False)
    out.print(
        f"{done.path}   ({done.bytes / 2**20:,.1f} MiB; it holds secrets, and only its owner may read it)",
        markup=False,
        highlight=False,
    )


@app.command()
def check(archive: ArchiveArgument, as_json: JsonOption = False) -> None:
    """Prove a back-up whole, every byte of it, without restoring it; say what it holds."""
    from twuin.backup.manifest import in_seconds
    from twuin.backup_jobs import run_check

    found = run_check(archive)
    if as_json:
        print_json({"file": str(archive), **_fields(found)})
        return
    say = partial(out.print, markup=False, highlight=False)
    began = in_seconds(found.began)
    say(f"{archive} is whole: {found.site}, as of {began}, by Twuin {found.twuin} on {found.host}")
    for part in found.parts:
        files = found.of(part)
        size = sum(entry.bytes for entry in files) / 2**20
        more = ""
        if part == "readings" and found.readings is not None:
            kept = found.readings
            more = f"; {kept.count:,} readings of {kept.series:,} series"
            more += f", {in_seconds(kept.first)} to {in_seconds(kept.last)}" if kept.count else ""
        if part == "database" and found.database is not None:
            more = f"; {found.database.kind}, schema {found.database.schema_}, "
            more += f"{sum(found.database.rows.values()):,} rows"
        say(f"  {part}: {len(files):,} files, {size:,.1f} MiB{more}")
    for left in found.left_out:
        say(f"  left out: {left}")


def restore(
    archive: ArchiveArgument,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            metavar="FOLDER",
            help="Restore all of it below this folder, with a twuin.toml. Default: to where the settings of "
            "this machine say.",
        ),
    ] = None,
    without: WithoutOption = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Where folders are not empty, move what is there aside; add to readings that are there.",
        ),
    ] = False,
    database: Annotated[
        str | None,
        typer.Option("--database", help="URL of the database to restore into. Default: of the settings."),
    ] = None,
    as_json: JsonOption = False,
    site: SiteOption = None,
    data_dir: DataOption = None,
) -> None:
    """Bring an installation back from a back-up, onto a machine that has none (docs/backup.md).

    Nothing that is there is overwritten. The archive is proved whole before anything is written.
    """
    from twuin import log
    from twuin.restore_jobs import run_restore

    if into is not None and (site is not None or data_dir is not None):
        raise SettingsError("--into names all folders: give it without --site and --data-dir")
    log.configure(Common.log_level or "info")
    done = run_restore(
        archive,
        into=into,
        config=Common.config,
        flags={"site": site, "data_dir": data_dir, "database": database},
        without=without or (),
        replace=replace,
        say=partial((err if as_json else out).print, markup=False, highlight=False),
    )
    if as_json:
        settings = None if done.settings_file is None else str(done.settings_file)
        said: dict[str, Any] = {"parts": done.parts, "readings": done.readings, "notes": done.notes}
        print_json({**said, "settings_file": settings})
        return
    for note in done.notes:
        out.print(f"note: {note}", markup=False, highlight=False)
    start = "" if done.settings_file is None else f": start it with `twuin --config {done.settings_file} ...`"
    out.print(f"restored{start}", markup=False, highlight=False)


def _fields(found: Manifest) -> dict[str, Any]:
    said = found.model_dump(by_alias=True, exclude={"files": True, "named": True, "database": {"columns"}})
    return {**said, "parts": list(found.parts), "files": len(found.files)}
