"""``twuin account`` and ``twuin token``: who may sign in, and which programs may ask."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from twuin.accounts.rights import Right, Role
from twuin.cli.options import DataOption, JsonOption, SiteOption, err, out, print_json, settings_from
from waterworks.wording import counted

if TYPE_CHECKING:
    from twuin.accounts.service import AccountService, By

app = typer.Typer(
    no_args_is_help=True,
    help="Who may sign in to the pages, and as what.\n\n"
    "It works on the database, whether `twuin serve` runs or not.",
)
tokens = typer.Typer(no_args_is_help=True, help="Tokens with which programs ask, each for an account.")

NameArgument = Annotated[str, typer.Argument(help="The name to sign in with.", show_default=False)]
RoleOption = Annotated[Role, typer.Option("--role", help="What the account may do (docs/accounts.md).")]
DmaOption = Annotated[
    list[str] | None,
    typer.Option(
        "--dma",
        help="Only this DMA; may be given several times. Default: all.",
        show_default=False,
    ),
]


@contextmanager
def opened(
    site: SiteOption, data_dir: DataOption, *, keep: bool = True
) -> Iterator[tuple[AccountService, By]]:
    """The accounts, and who changes them here. keep: see ``claim_folder``."""
    from twuin.accounts.service import By
    from twuin.app import open_accounts, read_settings_site
    from twuin.instance import claim_folder

    settings = settings_from(site=site, data_dir=data_dir)
    found = read_settings_site(settings)
    claim_folder(settings.data_dir, found.id, keep=keep)
    with closing(open_accounts(settings, found)) as accounts:
        yield accounts, By(f"(terminal {_user()})")


def _user() -> str:
    try:
        return getpass.getuser()[:40]
    except (KeyError, OSError):  # no name for who runs this
        return "?"


def _show_code(name: str, code: str, hours: float) -> None:
    out.print(f"one-time code for {name}: {code}", markup=False)
    err.print(
        f"It is shown only now and good once, for {hours:g} h: choose a password on the page /welcome.",
        markup=False,
    )


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")] = "admin",
    site: SiteOption = None,
    data_dir: DataOption = None,
) -> None:
    """Make the first account, an administrator's, and show the one-time code to choose a password with."""
    with opened(site, data_dir) as (accounts, by):
        account, code = accounts.first(by, name)
        _show_code(account.name, code, accounts.code_hours)


@app.command()
def add(
    name: NameArgument,
    role: RoleOption = Role.VIEWER,
    full_name: Annotated[str, typer.Option("--full-name", help="The person's name, as others see it.")] = "",
    dma: DmaOption = None,
    provider: Annotated[
        bool,
        typer.Option("--provider", help="Its owner signs in through the provider, by this e-mail address."),
    ] = False,
    site: SiteOption = None,
    data_dir: DataOption = None,
) -> None:
    """Make an account, and show the one-time code with which its owner chooses a password."""
    with opened(site, data_dir) as (accounts, by):
        account, code = accounts.add(name, role, by, full_name=full_name, dmas=dma or None, provider=provider)
        if code:
            _show_code(account.name, code, accounts.code_hours)
        else:
            out.print(f"{account.name} waits for the first sign-in through the provider", markup=False)


@app.command("list")
def show(site: SiteOption = None, data_dir: DataOption = None, as_json: JsonOption = False) -> None:
    """Print all accounts."""
    with opened(site, data_dir, keep=False) as (accounts, _):
        found = accounts.accounts()
    if as_json:
        print_json(
            [
                {
                    "id": a.id, "name": a.name, "full_name": a.full_name, "role": a.role.value,
                    "dmas": None if a.dmas is None else sorted(a.dmas), "disabled": a.disabled,
                    "has_password": a.has_password, "provider": a.provider, "last_sign_in": a.seen,
                }
                for a in found
            ]
        )  # fmt: skip
        return
    table = Table("name", "person", "role", "DMAs", "last sign-in", "", box=None, pad_edge=False)
    for a in found:
        note = (
            "disabled"
            if a.disabled
            else "provider"
            if a.provider
            else ""
            if a.has_password
            else "no password yet"
        )
        seen = "never" if a.seen is None else f"{a.seen:%Y-%m-%d %H:%M}Z"
        where = "all" if a.dmas is None else " ".join(sorted(a.dmas))
        table.add_row(a.name, a.full_name, a.role.value, where, seen, note)
    out.print(table)


@app.command("role")
def set_role(
    name: NameArgument,
    role: Annotated[Role, typer.Argument(help="What the account may do from now on.", show_default=False)],
    dma: DmaOption = None,
    whole_site: Annotated[bool, typer.Option("--whole-site", help="Not limited to DMAs any more.")] = False,
    site: SiteOption = None,
    data_dir: DataOption = None,
) -> None:
    """Change what an account may do; a limit to DMAs stays unless --dma or --whole-site is given."""
    with opened(site, data_dir) as (accounts, by):
        old = accounts.by_name(name)
        new = accounts.change(old.id, by, role=role, dmas=dma or None, whole_site=whole_site)
    where = "the whole site" if new.dmas is None else " ".join(sorted(new.dmas))
    out.print(f"{new.name}: {new.role.value}, {where}", markup=False)


@app.command()
def reset(name: NameArgument, site: SiteOption = None, data_dir: DataOption = None) -> None:
    """Show a one-time code with which the owner of an account chooses a new password."""
    with opened(site, data_dir) as (accounts, by):
        account = accounts.by_name(name)
        _show_code(account.name, accounts.reset(account.id, by), accounts.code_hours)


@app.command()
def disable(name: NameArgument, site: SiteOption = None, data_dir: DataOption = None) -> None:
    """Let nobody in with an account any more: its sessions and tokens end at once."""
    with opened(site, data_dir) as (accounts, by):
        account = accounts.change(accounts.by_name(name).id, by, disabled=True)
    out.print(f"{account.name} is disabled", markup=False)


@app.command()
def enable(name: NameArgument, site: SiteOption = None, data_dir: DataOption = None) -> None:
    """Let a disabled account in again."""
    with opened(site, data_dir) as (accounts, by):
        account = accounts.change(accounts.by_name(name).id, by, disabled=False)
    out.print(f"{account.name} is enabled", markup=False)


@app.command("sign-out")
def sign_out(name: NameArgument, site: SiteOption = None, data_dir: DataOption = None) -> None:
    """Sign an account out everywhere."""
    with opened(site, data_dir) as (accounts, by):
        ended = accounts.end_sessions(accounts.by_name(name).id, by)
    out.print(f"{counted(ended, 'session')} ended", markup=False)


@app.command()
def unlink(name: NameArgument, site: SiteOption = None, data_dir: DataOption = None) -> None:
    """Part an account from the one at the provider that it is linked to, and sign it out everywhere."""
    with opened(site, data_dir) as (accounts, by):
        parted = accounts.unlink(accounts.by_name(name).id, by)
    out.print(f"{name} was linked to nobody" if not parted else f"{name} is parted", markup=False)


@tokens.command("add")
def add_token(
    account: NameArgument,
    purpose: Annotated[str, typer.Option("--for", help="What it is for, as in `prometheus`.")],
    right: Annotated[
        list[Right] | None,
        typer.Option("--right", help="What it may do; may be given several times. Default: see."),
    ] = None,
    dma: DmaOption = None,
    days: Annotated[int, typer.Option("--days", help="For how long it is good.", min=1, max=730)] = 365,
    site: SiteOption = None,
    data_dir: DataOption = None,
) -> None:
    """Make a token that speaks for an account, and show it once."""
    with opened(site, data_dir) as (accounts, by):
        owner = accounts.by_name(account)
        _, text = accounts.add_token(
            owner, by, name=purpose, rights=right or [Right.SEE], days=days, dmas=dma or None
        )
    out.print(text, markup=False)
    err.print(
        f"It is shown only now. Programs send it as `Authorization: Bearer {text[:9]}...`", markup=False
    )


@tokens.command("list")
def list_tokens(site: SiteOption = None, data_dir: DataOption = None, as_json: JsonOption = False) -> None:
    """Print all tokens, without what would let anybody use them."""
    with opened(site, data_dir, keep=False) as (accounts, _):
        found = accounts.tokens()
        owner = {a.id: a.name for a in accounts.accounts()}
    if as_json:
        print_json(
            [
                {
                    "id": t.id, "account": owner[t.account], "for": t.name, "rights": sorted(t.rights),
                    "dmas": None if t.dmas is None else sorted(t.dmas), "made": t.made, "ends": t.ends,
                    "used": t.used, "revoked": t.revoked,
                }
                for t in found
            ]
        )  # fmt: skip
        return
    table = Table("id", "account", "for", "rights", "DMAs", "ends", "last used", "", box=None, pad_edge=False)
    for t in found:
        used = "never" if t.used is None else f"{t.used:%Y-%m-%d %H:%M}Z"
        where = "all" if t.dmas is None else " ".join(sorted(t.dmas))
        gone = "" if t.revoked is None else "revoked"
        table.add_row(
            t.id,
            owner[t.account],
            t.name,
            " ".join(sorted(t.rights)),
            where,
            f"{t.ends:%Y-%m-%d}",
            used,
            gone,
        )
    out.print(table)


@tokens.command()
def revoke(
    id: Annotated[str, typer.Argument(help="Id of the token, from `twuin token list`.", show_default=False)],
    site: SiteOption = None,
    data_dir: DataOption = None,
) -> None:
    """Let nobody use a token any more."""
    with opened(site, data_dir) as (accounts, by):
        done = accounts.revoke(id, by)
    out.print("revoked" if done else "it was revoked already", markup=False)
