"""Accounts of a site in a database of their own, on a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from twuin.accounts.model import SecurityEvent
from twuin.accounts.passwords import Passwords
from twuin.accounts.rights import Role
from twuin.accounts.service import AccountService, By
from twuin.accounts.sign_in import SignedIn, SignIn, Visitor
from twuin.accounts.tries import Tries
from twuin.db import open_account_store
from twuin.db.account_store import SqlAccountStore

GOOD = "lumbung-derita-sepeda-merah"


class Counting(Passwords):
    """Counts how often a password is compared; hashes that cost nothing."""

    def __init__(self) -> None:
        super().__init__(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.compared = 0

    def matches(self, hash: str, password: str) -> bool:
        self.compared += 1
        return super().matches(hash, password)


@dataclass
class Office:
    """What the tests of accounts work with."""

    store: SqlAccountStore
    now: datetime = datetime(2026, 11, 22, 3, tzinfo=UTC)
    passwords: Counting = field(default_factory=Counting)
    by: By = field(default_factory=lambda: By("terminal"))

    def __post_init__(self) -> None:
        self.tries = Tries(self.store, "town", lambda: self.now)
        self.sign_in = SignIn(
            "town", self.store, lambda: self.now, passwords=self.passwords, tries=self.tries, words=("Kota",)
        )
        self.service = AccountService(
            "town", self.store, lambda: self.now, sign_in=self.sign_in, dmas=("D1", "D2", "D3")
        )

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)

    def person(self, name: str, role: Role = Role.ENGINEER, dmas: list[str] | None = None) -> SignedIn:
        """An account whose owner has chosen a password, and their first session."""
        _, code = self.service.add(name, role, self.by, dmas=dmas)
        return self.sign_in.use_code(name, code, GOOD, Visitor("192.0.2.1"))

    def log(self) -> list[SecurityEvent]:
        """The security log, oldest first."""
        return self.service.events(limit=1000)[::-1]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    store = open_account_store(f"sqlite:///{tmp_path}/twuin.sqlite")
    yield Office(store)
    store.close()


@pytest.fixture
def good() -> str:
    """A password that will do."""
    return GOOD
