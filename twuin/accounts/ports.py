"""What accounts need from the outside: a durable place that several processes share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from twuin.accounts.model import Account, Flow, Identity, SecurityEvent, Session, Token
from twuin.accounts.tries import TryStore
from waterworks.errors import TwuinError

Accounts = list[Account]
Sessions = list[Session]
Tokens = list[Token]
SecurityEvents = list[SecurityEvent]
Log = Sequence[SecurityEvent]


class NameTaken(TwuinError):
    """Another account of the site has this name."""


@runtime_checkable
class AccountStore(TryStore, Protocol):
    """Accounts of all sites, with their sessions, tokens and codes, and an append-only security log.

    ``log``: events that are written in the same transaction, or not at all. Secrets come only as digests.
    Safe to use from several threads and processes. Raises StoreUnavailable when asking later may help.
    """

    # Accounts

    def accounts(self, site: str) -> Accounts:
        """All accounts of a site, by name."""
        ...

    def account(self, site: str, id: str) -> Account | None:
        """The account of this id, None where there is none."""
        ...

    def by_name(self, site: str, name: str) -> Account | None:
        """The account that signs in with this name, None where there is none."""
        ...

    def add(self, account: Account, log: Log = ()) -> None:
        """A new account without password. Raises NameTaken."""
        ...

    def change(self, account: Account, log: Log = ()) -> None:
        """Store role, DMAs, names and whether it is disabled; disabling ends its sessions and codes."""
        ...

    def password(self, account: str) -> str:
        """The hash of an account's password, "" where it has none."""
        ...

    def set_password(self, account: str, hash: str, log: Log = ()) -> None:
        """Store the hash of a new password, ending all sessions and codes of the account."""
        ...

    def rehash(self, account: str, old: str, hash: str) -> None:
        """Store another hash of the same password, unless it has changed since it was ``old``."""
        ...

    # Sessions, and the devices and addresses that they come from

    def begin(self, session: Session, log: Log = (), hint: str = "") -> None:
        """A new session; its account was seen at its beginning. hint: see ``hint``."""
        ...

    def session(self, digest: str) -> tuple[Session, Account] | None:
        """A session and its account, however old, None where there is none."""
        ...

    def sessions(self, account: str) -> Sessions:
        """Sessions of an account, the newest use first."""
        ...

    def touch(self, digest: str, at: datetime) -> None:
        """Note that a session was used."""
        ...

    def end(self, digest: str, log: Log = ()) -> bool:
        """End a session; whether there was one."""
        ...

    def end_all(self, account: str, log: Log = ()) -> int:
        """End all sessions of an account; how many there were."""
        ...

    def know(self, site: str, name: str, what: str, at: datetime) -> None:
        """Note that ``name`` signed in from ``what`` (a device's digest, an address)."""
        ...

    def known(self, site: str, name: str, what: str, since: datetime) -> bool:
        """Whether ``name`` signed in from ``what`` at or after ``since``."""
        ...

    def hint(self, digest: str) -> str:
        """What the provider gave when a session began through it, "" where it did not."""
        ...

    # Identities at a provider

    def identity(self, site: str, issuer: str, subject: str) -> Account | None:
        """The account of somebody at a provider, None where there is none."""
        ...

    def identities(self, account: str) -> list[Identity]:
        """Those of an account."""
        ...

    def link(self, site: str, identity: Identity, log: Log = ()) -> bool:
        """Make it the account's; False where it is somebody's, or the account has one of this issuer."""
        ...

    def unlink(self, account: str, log: Log = ()) -> int:
        """Take an account's identities from it, ending its sessions; how many there were."""
        ...

    def put_flow(self, site: str, flow: Flow) -> None:
        """A sign-in through a provider has begun."""
        ...

    def take_flow(self, site: str, state: str, now: datetime) -> Flow | None:
        """The one of this state, which is then gone: no two get it. None where it is none, or over."""
        ...

    # One-time codes

    def put_code(self, account: str, digest: str, ends: datetime, log: Log = ()) -> None:
        """The account's code from now on; one that it had before is gone."""
        ...

    def code(self, account: str, digest: str, now: datetime) -> bool:
        """Whether this is the account's code, not yet ended."""
        ...

    def use_code(self, account: str, digest: str, now: datetime, hash: str, log: Log = ()) -> bool:
        """Store a password's hash if the code is good, and take the code: no two get through with one."""
        ...

    # Tokens

    def add_token(self, token: Token, log: Log = ()) -> None:
        """A new token."""
        ...

    def token(self, digest: str) -> tuple[Token, Account] | None:
        """A token and its owner, ended and revoked ones too, None where there is none."""
        ...

    def tokens(self, site: str, account: str | None = None) -> Tokens:
        """Tokens of an account (None: of all), the newest first."""
        ...

    def use_token(self, id: str, at: datetime) -> None:
        """Note that a token was used."""
        ...

    def revoke(self, id: str, at: datetime, log: Log = ()) -> bool:
        """Revoke a token for good; False where it already was."""
        ...

    # The log

    def record(self, site: str, log: Log) -> None:
        """Append to the security log."""
        ...

    def events(self, site: str, *, before: int | None = None, limit: int = 100) -> SecurityEvents:
        """The newest events of the log, newest first; those below number ``before``."""
        ...

    def prune(self, now: datetime) -> None:
        """Forget sessions, codes and known addresses whose time is over."""
        ...

    def close(self) -> None:
        """Release the store. Closing twice is allowed."""
        ...
