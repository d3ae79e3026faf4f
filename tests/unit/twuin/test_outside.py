"""What the settings of a provider must say before anybody can sign in through it."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.town import demo_site_folder
from twuin.app import check_doors, open_accounts, utc_now
from twuin.db import open_account_store, open_database
from twuin.oidc.signing_in import ProviderSignIn
from twuin.outside import check_groups, open_provider
from twuin.settings import load
from waterworks.errors import DataFileError, SettingsError
from waterworks.site_folder import read_site

GIVEN = {"issuer": "https://login.example", "client_id": "twuin"}
GROUPS = '[[group]]\nname = "regu"\nrole = "crew"\ndmas = ["D1"]\n'


def opened(tmp_path: Path, **oidc: Any) -> ProviderSignIn | None:
    folder = tmp_path / "site"
    if not folder.exists():
        shutil.copytree(demo_site_folder(), folder)
    settings = load(None, {"site": folder, "data_dir": tmp_path, "oidc": oidc, "web": {"public_url": ""}})
    check_doors(settings)
    site = read_site(folder)
    with closing(open_database(settings.database_url)) as database:
        accounts = open_accounts(settings, site, database)
        base = "http://127.0.0.1:8080/"
        return open_provider(settings, site, accounts, open_account_store(database), utc_now, base)


def test_without_an_issuer_there_is_none(tmp_path: Path) -> None:
    assert opened(tmp_path) is None


def test_it_is_called_by_its_host_unless_the_settings_say(tmp_path: Path) -> None:
    found, named = opened(tmp_path, **GIVEN), opened(tmp_path, **GIVEN, name="PDAM")
    assert found is not None and found.name == "login.example"
    assert named is not None and named.name == "PDAM"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"issuer": "https://login.example"}, "oidc.client_id is missing"),
        ({**GIVEN, "accounts": "groups"}, "no group is named"),
        ({"passwords": "admins"}, "nobody but administrators"),
        ({**GIVEN, "client_secret_file": "/nowhere"}, "client_secret_file"),
        ({"issuer": "http://login.example"}, "oidc.issuer"),
        ({**GIVEN, "scopes": ["email"]}, '"openid" in it'),
    ],
    ids=["client", "groups", "passwords", "secret", "http", "scopes"],
)
def test_what_is_missing_is_named(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        opened(tmp_path, **given)


def test_the_secret_is_read_from_its_file_and_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush-hush\n")
    found = opened(tmp_path, **GIVEN, client_secret_file=tmp_path / "secret")
    assert found is not None and found._provider.client.secret == "hush-hush"
    assert "hush-hush" not in repr(found)


def test_the_sites_own_file_says_which_groups_get_what(tmp_path: Path) -> None:
    opened(tmp_path)
    file = tmp_path / "site" / "sign_in.toml"
    file.write_text(GROUPS)
    assert opened(tmp_path, **GIVEN, accounts="groups") is not None
    site = read_site(tmp_path / "site")
    assert check_groups(tmp_path / "site", site) == []
    file.write_text(GROUPS.replace("D1", "D99"))
    assert "no DMA 'D99'" in str(check_groups(tmp_path / "site", site)[0])
    with pytest.raises(DataFileError, match="D99"):
        opened(tmp_path, **GIVEN)
