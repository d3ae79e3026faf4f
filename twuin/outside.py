"""Puts together what lets people sign in through a provider, where the settings name one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from twuin.oidc.groups import GROUPS_FILE, Rule, read_groups
from waterworks.errors import DataFileError, Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from twuin.accounts.ports import AccountStore
    from twuin.accounts.service import AccountService
    from twuin.oidc.signing_in import ProviderSignIn
    from twuin.settings import Settings
    from waterworks.site import Site


def open_provider(
    settings: Settings,
    site: Site,
    accounts: AccountService,
    store: AccountStore,
    now: Callable[[], datetime],
    base: str,
) -> ProviderSignIn | None:
    """Sign-in through the provider of the settings, None where they name none. It is not asked yet.

    base: where people reach the pages, unless web.public_url says. Raises SettingsError, DataFileError.
    """
    given = settings.oidc
    if not given.issuer:
        return None
    if not given.client_id:
        raise SettingsError(
            "setting oidc.client_id is missing: the provider gives it when you register Twuin there"
        )
    rules = group_rules(settings, site)
    if given.accounts == "groups" and not rules:
        raise SettingsError(
            f"oidc.accounts = groups, but no group is named: write {GROUPS_FILE} into {site.folder}"
        )
    from twuin.oidc.provider import Client, Provider  # takes a while to import: only who needs it pays
    from twuin.oidc.signing_in import ProviderSignIn, Rules

    root = (settings.web.public_url or base).rstrip("/")
    client = Client(
        given.issuer,
        given.client_id,
        given.secret(),
        given.scopes,
        given.ca_file,
        wanted=("email", "name", *((given.groups_claim,) if rules else ())),
    )
    return ProviderSignIn(
        Provider(client),
        accounts,
        store,
        Rules(
            given.groups_claim,
            rules,
            open=given.accounts == "groups",
            session=timedelta(hours=given.session_hours),
        ),
        now,
        site=site.id,
        name=given.name or urlsplit(given.issuer).hostname or given.issuer,
        back=f"{root}/signin/return",
        home=f"{root}/signin",
    )


def group_rules(settings: Settings, site: Site) -> tuple[Rule, ...]:
    """What the groups of the provider get; () where no file says."""
    path = settings.oidc.groups_file or site.folder / GROUPS_FILE
    if settings.oidc.groups_file is None and not path.is_file():
        return ()
    return read_groups(path, [d.id for d in site.dmas])


def check_groups(folder: Path, site: Site) -> list[Problem]:
    """All that is wrong in a site folder's sign_in.toml; [] where it has none."""
    path = folder / GROUPS_FILE
    if not path.is_file():
        return []
    try:
        read_groups(path, [d.id for d in site.dmas])
    except DataFileError as e:
        return list(e.problems)
    return []
