"""``twuin webhook``: which systems may tell Twuin what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from twuin.cli.account import opened
from twuin.cli.options import DataOption, JsonOption, SiteOption, err, out, print_json, settings_from
from twuin.hooks.senders import Topic
from waterworks.wording import counted

if TYPE_CHECKING:
    from twuin.hooks.senders import Senders

app = typer.Typer(
    no_args_is_help=True,
    help="Systems that tell Twuin of works, complaints and work orders by signed webhooks\n"
    "(docs/webhooks-in.md). Changes count at once, whether `twuin serve` runs or not.",
)

NameArgument = Annotated[
    str, typer.Argument(help="Name of the sender, which stands in its address.", show_default=False)
]


def _senders(site: SiteOption, data_dir: DataOption) -> Senders:
    from twuin.app import open_senders

    return open_senders(settings_from(site=site, data_dir=data_dir))


def _show(name: str, secret: str) -> None:
    out.print(secret, markup=False, soft_wrap=True)
    err.print(
        f"It is shown only now. {name} signs with it and sends to /api/v1/webhooks/{name}", markup=False
    )


@app.command()
def add(
    name: NameArgument,
    may: Annotated[list[Topic], typer.Option("--may", help="What it may tell; may be given several times.")],
    site: SiteOption = None,
    data_dir: DataOption = None,
) -> None:
    """Make a sender, and show its secret once."""
    with opened(site, data_dir) as (accounts, by):
        secret = _senders(site, data_dir).add(name, may)
        accounts.note_sender(by, name, f"may tell {', '.join(sorted(may))}", made=True)
    _show(name, secret)


@app.command()
def rotate(name: NameArgument, site: SiteOption = None, data_dir: DataOption = None) -> None:
    """Show a new secret once. The one before stays good until `twuin webhook retire`."""
    with opened(site, data_dir) as (accounts, by):
        secret = _senders(site, data_dir).rotate(name)
        accounts.note_sender(by, name, "a new secret", made=True)
    _show(name, secret)


@app.command()
def retire(name: NameArgument, site: SiteOption = None, data_dir: DataOption = None) -> None:
    """Let only the newest secret of a sender be good."""
    with opened(site, data_dir) as (accounts, by):
        gone = _senders(site, data_dir).retire(name)
        if gone:
            accounts.note_sender(by, name, "the secret before", made=False)
    out.print(f"{counted(gone, 'secret')} of {name} retired", markup=False)


@app.command()
def remove(name: NameArgument, site: SiteOption = None, data_dir: DataOption = None) -> None:
    """Take nothing from a sender any more."""
    with opened(site, data_dir) as (accounts, by):
        _senders(site, data_dir).remove(name)
        accounts.note_sender(by, name, "removed", made=False)
    out.print(f"{name} is removed", markup=False)


@app.command("list")
def show(site: SiteOption = None, data_dir: DataOption = None, as_json: JsonOption = False) -> None:
    """Print all senders, without their secrets."""
    from twuin.app import check_named_site

    check_named_site(settings_from(site=site, data_dir=data_dir))
    found = _senders(site, data_dir).all()
    if as_json:
        print_json(
            [{"name": s.name, "may": sorted(s.may), "secrets": [k.made for k in s.keys]} for s in found]
        )
        return
    table = Table("name", "may tell", "secret made", "the one before", box=None, pad_edge=False)
    for s in found:
        made = [f"{k.made:%Y-%m-%d %H:%M}Z" for k in s.keys]
        table.add_row(s.name, " ".join(sorted(s.may)), made[0], made[1] if len(made) > 1 else "")
    out.print(table)
