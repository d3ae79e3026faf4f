"""What has to be there before the first process of an installation starts, made where it is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from twuin.accounts.service import By
from twuin.app import TERMINAL, Say, init_store, make_store_token, open_accounts, read_settings_site
from twuin.db import open_database
from twuin.instance import claim_folder
from twuin.secret_files import has_secret, write_secret
from twuin.settings import Settings
from waterworks.errors import StoreUnavailable

AGAIN_S = 1.0
"""So long until a server that is away is asked again [s]."""

_T = TypeVar("_T")


def prepare(
    settings: Settings,
    *,
    wait_s: float,
    writer_token: Path | None,
    reader_token: Path | None,
    say: Say,
    show: Say,
) -> None:
    """Data folder, schema of the database, store, tokens for it, and the first account.

    It may run at every start: what is there is left as it is. wait_s: how long to wait for servers that are
    away [s]. writer_token, reader_token: files for tokens of InfluxDB 2 to write and read, or only read, what
    Twuin keeps there; the settings' own token has to be one that may make tokens. show: told the first
    account's one-time code, which nobody is told again.
    """
    site = read_settings_site(settings)
    claim_folder(settings.data_dir, site.id)
    patience = _Patience(wait_s, say)
    with closing(patience.get(lambda: open_database(settings.database_url))) as database:
        say("the database has the newest schema")
        for line in patience.get(lambda: init_store(settings)):
            say(line)
        for path, writes in ((writer_token, True), (reader_token, False)):
            if path is not None and not has_secret(path):
                token = make_store_token(settings, writes=writes)
                if token is None:
                    say(f"{path.name}: this store has no tokens")
                elif write_secret(path, token):
                    say(f"made: a token to {'write and read' if writes else 'read'} the store, in {path}")
        accounts = open_accounts(settings, site, database)
        if not accounts.empty:
            return
        account, code = accounts.first(By(TERMINAL))
        address = settings.web.public_url or f"http://localhost:{settings.web.port}"
        show(
            f"Sign in for the first time at {address}/welcome?name={account.name}\n"
            f"    name {account.name}    one-time code {code}    "
            f"(shown only now, good for {accounts.code_hours:g} hours)"
        )


class _Patience:
    """Asks servers that are away again, until so long [s] after it began, and once at least; 0: never."""

    def __init__(self, wait_s: float, say: Say) -> None:
        self._wait_s, self._say = wait_s, say
        self._give_up = time.monotonic() + wait_s

    def get(self, ask: Callable[[], _T]) -> _T:
        told = ""
        while True:
            try:
                return ask()
            except StoreUnavailable as e:
                over = time.monotonic() >= self._give_up
                if not self._wait_s or (over and told):
                    raise
                if str(e) != told:
                    told = str(e)
                    self._say(f"waiting: {told}")
                time.sleep(AGAIN_S)
