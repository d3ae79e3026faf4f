"""Options that several commands share, and how commands speak to people and scripts."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from twuin import log
from twuin.settings import Settings, load
from waterworks.errors import SettingsError

SiteOption = Annotated[
    Path | None,
    typer.Option("--site", help="Site folder (site.toml, sensors.csv, dmas.csv).", show_default=False),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of readings, alerts and rejected messages. Default: twuin-data."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON for a script instead of text for a person.")
]
BrokerOption = Annotated[
    str | None,
    typer.Option(
        "--broker", metavar="HOST[:PORT]", help="MQTT broker. Default: 127.0.0.1:1883.", show_default=False
    ),
]
TwuinUrlOption = Annotated[
    str | None,
    typer.Option("--twuin-url", help="Where Twuin's pages are, for links. Default: web.public_url."),
]
InfluxUrlOption = Annotated[
    str | None,
    typer.Option("--influx-url", help="InfluxDB as Grafana reaches it. Default: store.url."),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Spread the work over the workers of this Dask scheduler, as in tcp://127.0.0.1:8786.",
        show_default=False,
    ),
]

# In a file or a pipe nobody has a width: a table of words cut to pieces cannot be read.
out = Console(emoji=False, highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)
err = Console(emoji=False, stderr=True, highlight=False, soft_wrap=True)


class Common:
    """What was given before the command: the settings file and how much to log."""

    config: Path | None = None
    installation: Path | None = None
    of: str | None = None
    log_level: str | None = None


def settings_from(**flags: Any) -> Settings:
    """Settings from file, environment and this command's flags; sets up the log as they say.

    With `--of NAME` from that site's file of the installation, and never from the environment.
    """
    given = {**flags, "log_level": Common.log_level}
    if Common.of is None:
        settings = load(Common.config, given)
    else:
        from twuin.sites.installation import find_installation, load_installation

        file = load_installation(find_installation(Common.installation)).file_of(Common.of)
        settings = load(file, given, environment=False)
        Common.config = file
    log.configure(
        settings.log_level, settings.log_format, site="" if settings.site is None else settings.site.name
    )
    return settings


def speaker(console: Console) -> Callable[[str], None]:
    """Says what a process that goes on is at: to a person on ``console``, or in the log for programs."""
    if log.to_programs():
        return logging.getLogger("twuin").info
    return partial(console.print, markup=False)


def broker_flags(broker: str | None) -> dict[str, Any]:
    """``HOST[:PORT]`` (an IPv6 address in brackets) as settings. SettingsError when it is neither."""
    if broker is None:
        return {}
    match = re.fullmatch(
        r"\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?|([^\s:\[\]]+)(?::(\d{1,5}))?|((?=(?:.*:){2})[0-9A-Fa-f:.]+)",
        broker,
    )
    if match is None:
        raise SettingsError(f"--broker {broker!r} is not HOST or HOST:PORT, as in 192.0.2.7:1883")
    host = match[1] or match[3] or match[5]
    port = match[2] or match[4]
    return {"host": host, "port": int(port) if port else None}


def moment(text: str | None, option: str) -> datetime | None:
    """A time with its zone, as in 2026-01-31T20:00+07:00. SettingsError for anything else."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise SettingsError(
            f"{option} {text!r} is not a time with its zone, as in 2026-01-31T20:00+07:00 or ...Z"
        )
    return when


def printable(text: str) -> str:
    """``text`` from a device as one line: what could move a terminal's cursor, or worse, is written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_json(value: Any) -> None:
    """``value`` as JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Callable[[float], None]]:
    """A bar on standard error, moved by a share of the work done [0..1]; none where nobody watches."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=quiet or not err.is_terminal,
    ) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=min(max(share, 0.0), 1.0))
