"""``twuin setup``: what an installation needs before its first start, without questions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from twuin.cli.options import DataOption, SiteOption, out, settings_from

app = typer.Typer(
    no_args_is_help=True,
    help="What an installation needs before its first start. Each may run at every start.",
)


@app.callback()
def setup() -> None:
    """What an installation needs before its first start."""


@app.command()
def secrets(
    files: Annotated[
        list[Path], typer.Argument(help="A file for each secret.", metavar="FILE...", show_default=False)
    ],
) -> None:
    """Put a secret made by chance into each of these files that is not there yet.

    Only their owner and their group may read them. Nothing is shown.
    """
    from twuin.secret_files import make_secret

    for path in files:
        out.print(f"{'made' if make_secret(path) else 'there already'}: {path}", markup=False)


@app.command()
def prepare(
    wait: Annotated[
        float, typer.Option("--wait", help="How long to wait for servers that are away [s].", min=0)
    ] = 0.0,
    writer_token: Annotated[
        Path | None,
        typer.Option("--writer-token", help="Make a token of InfluxDB 2 for Twuin itself, into this file."),
    ] = None,
    reader_token: Annotated[
        Path | None,
        typer.Option("--reader-token", help="Make one that may only read, as for Grafana, into this file."),
    ] = None,
    site: SiteOption = None,
    data_dir: DataOption = None,
) -> None:
    """Make what is missing: tables, buckets and their mappings, tokens, and the first account.

    The first account's one-time code is shown once, here. What is there is left as it is.
    """
    from twuin.first_start import prepare as run

    plain = partial(out.print, markup=False, highlight=False)
    run(
        settings_from(site=site, data_dir=data_dir),
        wait_s=wait,
        writer_token=writer_token,
        reader_token=reader_token,
        say=plain,
        show=plain,
    )
