"""The ``twuin`` command."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from twuin import log
from twuin.cli import (
    account,
    backup,
    bench,
    benchmark,
    broker,
    device,
    export,
    files,
    grafana,
    ingest,
    losses,
    notify,
    report,
    run,
    settings,
    setup,
    site,
    sites,
    store,
    webhook,
    works,
)
from twuin.cli.options import Common, err
from waterworks.errors import SettingsError, TwuinError

app = typer.Typer(
    name="twuin",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Open monitor for municipal water networks: finds leaks, says where they are, what they waste.\n\n"
    "Start with `twuin demo`: a simulated town, a leak, and the page that shows it.",
)


def _version(asked: bool) -> None:
    if asked:
        from twuin import __version__

        typer.echo(f"twuin {__version__}")
        raise typer.Exit


@app.callback()
def common(
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Settings file. Default: twuin.toml in this folder, if there is one."),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(
            "--of", metavar="NAME", help="Of this site of an installation with many (`twuin sites`)."
        ),
    ] = None,
    installation: Annotated[
        Path | None,
        typer.Option(
            "--installation",
            help="File of that installation. Default: $TWUIN_INSTALLATION, else installation.toml here.",
            show_default=False,
        ),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", help="debug, info, warning or error. Default: info.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    if of is not None and config is not None:
        raise SettingsError("give --of or --config, not both")
    Common.config = config
    Common.of = of
    Common.installation = installation
    Common.log_level = log_level


run.add_to(app)
files.add_to(app)
settings.add_to(app)
losses.add_to(app)
app.add_typer(report.app, name="report")
app.add_typer(export.app, name="export")
app.add_typer(ingest.app, name="ingest")
app.add_typer(site.app, name="site")
app.add_typer(sites.app, name="sites")
app.add_typer(store.app, name="store")
app.add_typer(setup.app, name="setup")
backup.add_to(app)
app.add_typer(grafana.app, name="grafana")
app.add_typer(notify.app, name="notify")
app.add_typer(works.app, name="works")
app.add_typer(webhook.app, name="webhook")
app.add_typer(broker.app, name="broker")
app.add_typer(device.app, name="device")
app.add_typer(account.app, name="account")
app.add_typer(account.tokens, name="token")
app.add_typer(bench.app, name="bench")
app.add_typer(benchmark.app, name="benchmark")


def main() -> None:
    """Run the command; a mistake of the user's ends in one clear line and status 1, never a traceback."""
    try:
        app(prog_name="twuin")
    except TwuinError as e:
        if log.to_programs():
            logging.getLogger("twuin").error("%s", e)
            sys.exit(1)
        for line in str(e).splitlines():
            err.print(f"[bold red]error:[/] {_plain(line)}")
        sys.exit(1)
    except BrokenPipeError:  # `twuin ... | head`
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
