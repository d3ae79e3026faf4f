"""Accounts, their sessions and tokens, security events, and who asks for something."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from twuin.accounts.rights import Right, Role, rights_of
from waterworks.errors import TwuinError

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,63}")


class AccountRefused(TwuinError):
    """What was asked of an account cannot be done; the message says why. ``word`` names it for pages."""

    def __init__(self, word: str, message: str) -> None:
        self.word = word
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may sign in.

    name: what they type to sign in. full_name: how the history of an alert calls them. dmas: the DMAs that
    they are limited to, None: the whole site. has_password: False until they chose one. provider: they sign
    in through the provider, by a name that is their e-mail address there; it may also say what they may do.
    """

    id: str
    site: str
    name: str
    full_name: str
    role: Role
    made: datetime
    dmas: frozenset[str] | None = None
    disabled: bool = False
    has_password: bool = False
    seen: datetime | None = None  # last sign-in
    provider: bool = False

    @property
    def shown(self) -> str:
        """How others see them."""
        return self.full_name or self.name

    @property
    def rights(self) -> frozenset[Right]:
        """What they may do; nothing while disabled."""
        return frozenset() if self.disabled else rights_of(self.role, limited=self.dmas is not None)


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which somebody is signed in. ``digest``: of its secret, which is stored nowhere."""

    digest: str
    account: str
    made: datetime
    seen: datetime
    ends: datetime
    source: str = ""
    agent: str = ""

    @property
    def ref(self) -> str:
        """What it is called where it is listed; of no use to sign in."""
        return self.digest[:16]


@dataclass(frozen=True, slots=True)
class Token:
    """What a program shows instead of a password.

    rights: what it may do at most; what its owner may do now bounds it too, and so do both sets of DMAs.
    """

    id: str
    digest: str
    account: str
    name: str
    rights: frozenset[Right]
    made: datetime
    ends: datetime
    dmas: frozenset[str] | None = None
    used: datetime | None = None
    revoked: datetime | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody at a provider, and whose account they are here. subject: the name that a provider never gives
    to anybody else; an e-mail address or a user name it may."""

    issuer: str
    subject: str
    account: str
    made: datetime


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in through the provider that a browser has begun. state: its digest. browser: digest of what
    that browser alone has. next: where to go then. account: whose account is to be linked, "" to sign in."""

    state: str
    browser: str
    nonce: str
    verifier: str
    next: str
    ends: datetime
    account: str = ""


class What(StrEnum):
    """What kind of security event."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SLOWED = "slowed"
    SIGNED_OUT = "signed_out"
    SESSIONS_ENDED = "sessions_ended"
    LINKED = "linked"
    UNLINKED = "unlinked"
    PASSWORD_CHANGED = "password_changed"
    CODE_MADE = "code_made"
    ACCOUNT_MADE = "account_made"
    ACCOUNT_CHANGED = "account_changed"
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_ENABLED = "account_enabled"
    TOKEN_MADE = "token_made"
    TOKEN_REVOKED = "token_revoked"
    TOKEN_REFUSED = "token_refused"
    REFUSED = "refused"
    PERSONAL_SEEN = "personal_seen"


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """One line of the security log; never changed, never removed.

    actor: who did it, "" where nobody was signed in. about: the name of the account it is about, as it was
    given. source: the address it came from. seq: its number, 0 until it is stored.
    """

    at: datetime
    what: What
    actor: str = ""
    about: str = ""
    source: str = ""
    detail: str = ""
    seq: int = 0


class Via(StrEnum):
    """How somebody showed who they are."""

    NOBODY = "nobody"
    OPEN = "open"  # a demo: no accounts, whoever sits at this machine
    SESSION = "session"
    TOKEN = "token"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who a request comes from, and what they may do. key: digest of the session, or id of the token."""

    via: Via
    rights: frozenset[Right] = frozenset()
    dmas: frozenset[str] | None = None
    account: str = ""
    name: str = ""
    shown: str = ""
    role: Role | None = None
    key: str = ""

    def may(self, right: Right) -> bool:
        return right in self.rights


NOBODY = Asker(Via.NOBODY)

OPEN = Asker(Via.OPEN, frozenset(Right) - {Right.ACCOUNTS, Right.TOKENS, Right.BILLS})
"""Whoever uses a demo. Its bills are part of its folder, the program's own: nobody puts others in."""


def clean_name(text: str) -> str:
    """The name to sign in with as it is stored: small letters, no blanks around it."""
    return unicodedata.normalize("NFKC", text).strip().casefold()[:200]


def check_name(text: str) -> str:
    """``clean_name``, or AccountRefused where it cannot be one."""
    name = clean_name(text)
    if not NAME.fullmatch(name):
        raise AccountRefused(
            "name",
            f"{text[:80]!r} cannot be a name to sign in with: use 2 to 64 of a-z, 0-9, '.', '_', '-', '@'",
        )
    return name


def check_full_name(text: str) -> str:
    """A person's name as it is shown: one line of at most 80 characters. AccountRefused for others."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if len(name) > 80 or any(not c.isprintable() for c in name):
        raise AccountRefused("full_name", "a person's name has at most 80 characters, all of them printable")
    return name
