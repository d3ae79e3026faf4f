"""What administrators do with accounts, and people with their own sessions and tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta

from twuin.accounts.model import (
    Account,
    AccountRefused,
    Asker,
    Identity,
    SecurityEvent,
    Token,
    What,
    check_full_name,
    check_name,
    clean_name,
)
from twuin.accounts.ports import AccountStore, NameTaken, SecurityEvents, Sessions, Tokens
from twuin.accounts.rights import WHOLE_SITE, Right, Role
from twuin.accounts.secret import digest, new_code, new_id, new_token, plain_code
from twuin.accounts.sign_in import Lifetimes, SignIn
from waterworks.errors import NotFound

FIRST = "admin"
"""The name of the account that a first start makes."""

MOST_TOKEN_DAYS = 730
MOST_TOKENS = 50
"""Tokens of one account that are good at the same time."""


class By:
    """Who does something, for the log: ``name`` of an account or of a terminal, ``source`` an address."""

    def __init__(self, name: str, source: str = "", account: str = "") -> None:
        self.name, self.source, self.account = name, source, account


class AccountService:
    """The accounts of one site. Safe to use from several threads.

    dmas: those of the site, which people can be limited to.
    """

    def __init__(
        self,
        site: str,
        store: AccountStore,
        now: Callable[[], datetime],
        *,
        sign_in: SignIn | None = None,
        lifetimes: Lifetimes | None = None,
        dmas: Collection[str] = (),
    ) -> None:
        self._site = site
        self._store = store
        self._now = now
        self._lifetimes = lifetimes or Lifetimes()
        self._dmas = frozenset(dmas)
        self.sign_in = sign_in or SignIn(site, store, now, lifetimes=self._lifetimes)

    # Accounts

    def accounts(self) -> list[Account]:
        """All accounts, by name."""
        return self._store.accounts(self._site)

    def account(self, id: str) -> Account:
        """One account. Raises NotFound."""
        found = self._store.account(self._site, id)
        if found is None:
            raise NotFound(f"no account {id[:40]!r} at site {self._site}")
        return found

    def by_name(self, name: str) -> Account:
        """One account by the name that signs in. Raises NotFound."""
        found = self._store.by_name(self._site, clean_name(name))
        if found is None:
            raise NotFound(f"no account is called {name[:80]!r}: `twuin account list` shows those there are")
        return found

    @property
    def empty(self) -> bool:
        """Whether there is no account yet."""
        return not self._store.accounts(self._site)

    def first(self, by: By, name: str = FIRST) -> tuple[Account, str]:
        """The first account, an administrator's, and its one-time code. AccountRefused if there is one."""
        if not self.empty:
            raise AccountRefused(
                "not_first",
                "there are accounts already: `twuin account add` makes more, "
                "`twuin account reset` gives somebody a new one-time code",
            )
        return self.add(name, Role.ADMIN, by)

    def add(
        self,
        name: str,
        role: Role,
        by: By,
        *,
        full_name: str = "",
        dmas: Collection[str] | None = None,
        provider: bool = False,
    ) -> tuple[Account, str]:
        """A new account and the one-time code with which its owner chooses a password.

        provider: of somebody who signs in through the provider, where ``name`` is their e-mail address: there
        is no code then. Raises AccountRefused; NameTaken comes as one too.
        """
        now = self._now()
        made = Account(
            new_id(),
            self._site,
            check_name(name),
            check_full_name(full_name),
            role,
            now,
            self._limit(role, dmas),
            provider=provider,
        )
        event = SecurityEvent(now, What.ACCOUNT_MADE, by.name, made.name, by.source, _words(made))
        try:
            self._store.add(made, [event])
        except NameTaken:
            raise AccountRefused("taken", f"there is an account called {made.name!r} already") from None
        return made, "" if provider else self._code(made, by)

    def change(
        self,
        id: str,
        by: By,
        *,
        role: Role | None = None,
        dmas: Collection[str] | None = None,
        whole_site: bool = False,
        full_name: str | None = None,
        disabled: bool | None = None,
    ) -> Account:
        """Change what is given; ``dmas`` limits to these, ``whole_site`` to none. It holds at once.

        Raises NotFound, AccountRefused: of the last administrator, neither role nor being enabled changes.
        """
        old = self.account(id)
        new = old if role is None else replace(old, role=role)
        if full_name is not None:
            new = replace(new, full_name=check_full_name(full_name))
        if dmas is not None or whole_site or role is not None:
            kept = None if whole_site else old.dmas if dmas is None else dmas
            new = replace(new, dmas=self._limit(new.role, kept))
        if disabled is not None:
            new = replace(new, disabled=disabled)
        if new == old:
            return old
        if _rules(old) and not _rules(new) and not any(_rules(a) for a in self.accounts() if a.id != id):
            raise AccountRefused("last", "this is the last administrator: make another one first")
        what = What.ACCOUNT_CHANGED
        if new.disabled != old.disabled:
            what = What.ACCOUNT_DISABLED if new.disabled else What.ACCOUNT_ENABLED
        detail = _words(new) if _words(new) == _words(old) else f"{_words(old)} -> {_words(new)}"
        self._store.change(new, [SecurityEvent(self._now(), what, by.name, new.name, by.source, detail)])
        return new

    def reset(self, id: str, by: By) -> str:
        """A one-time code with which the owner of an account chooses a new password. Raises NotFound.

        The old password stays good until then: a code that nobody uses locks nobody out.
        """
        return self._code(self.account(id), by)

    def _code(self, account: Account, by: By) -> str:
        code, now = new_code(), self._now()
        event = SecurityEvent(now, What.CODE_MADE, by.name, account.name, by.source)
        self._store.put_code(account.id, digest(plain_code(code)), now + self._lifetimes.code, [event])
        return code

    @property
    def code_hours(self) -> float:
        """For how long a one-time code is good [h]."""
        return self._lifetimes.code / timedelta(hours=1)

    def _limit(self, role: Role, dmas: Collection[str] | None) -> frozenset[str] | None:
        if dmas is None:
            return None
        if role is Role.ADMIN:
            raise AccountRefused("admin_dmas", "an administrator is for the whole site, not for some DMAs")
        unknown = sorted(set(dmas) - self._dmas)
        if unknown:
            raise AccountRefused(
                "dmas",
                f"no DMA {unknown[0][:40]!r} at this site: there are {', '.join(sorted(self._dmas))}",
            )
        if not dmas:
            raise AccountRefused("dmas", "name at least one DMA, or the whole site")
        return frozenset(dmas)

    # Sessions

    def sessions(self, account: str) -> Sessions:
        """Sessions of an account that are still good, the newest use first."""
        now = self._now()
        return [s for s in self._store.sessions(account) if not self.sign_in.over(s, now)]

    def end_sessions(self, id: str, by: By) -> int:
        """Sign an account out everywhere; in how many places it was signed in. Raises NotFound."""
        account = self.account(id)
        event = SecurityEvent(self._now(), What.SESSIONS_ENDED, by.name, account.name, by.source)
        return self._store.end_all(id, [event])

    def identities(self, account: str) -> list[Identity]:
        """Whom an account is linked to at the provider."""
        return self._store.identities(account)

    def unlink(self, id: str, by: By) -> int:
        """Part an account from the provider, ending its sessions; how many links there were. NotFound.

        It can then be linked anew: to whoever signs in by its name as e-mail address if it was made for that,
        else by its owner.
        """
        account = self.account(id)
        event = SecurityEvent(self._now(), What.UNLINKED, by.name, account.name, by.source)
        return self._store.unlink(id, [event])

    # Tokens

    def tokens(self, account: str | None = None) -> Tokens:
        """Tokens of an account (None: of everybody), the newest first."""
        return self._store.tokens(self._site, account)

    def add_token(
        self,
        owner: Account,
        by: By,
        *,
        name: str,
        rights: Collection[Right],
        days: int,
        dmas: Collection[str] | None = None,
    ) -> tuple[Token, str]:
        """A new token for ``owner`` and its text, which is shown once. Raises AccountRefused."""
        name = check_full_name(name)
        if not name:
            raise AccountRefused("token_name", "give the token a name that says where it is used")
        asked = frozenset(rights)
        beyond = sorted(asked - owner.rights)
        if beyond or not asked:
            raise AccountRefused(
                "token_rights",
                f"choose at least one right of {owner.name}: {', '.join(sorted(owner.rights)) or 'none'}",
            )
        if not 1 <= days <= MOST_TOKEN_DAYS:
            raise AccountRefused("token_days", f"a token is good for 1 to {MOST_TOKEN_DAYS} days")
        limit = self._limit(Role.VIEWER, dmas)
        if owner.dmas is not None and (limit is None or limit - owner.dmas):
            limit = owner.dmas if limit is None else self._refuse_dmas(owner)
        if limit is not None and asked & WHOLE_SITE:
            raise AccountRefused(
                "token_rights",
                f"{', '.join(sorted(asked & WHOLE_SITE))}: only for the whole site",
            )
        now, text = self._now(), new_token()
        good = [t for t in self.tokens(owner.id) if t.revoked is None and t.ends > now]
        if len(good) >= MOST_TOKENS:
            raise AccountRefused("token_many", f"{owner.name} has {len(good)} tokens: revoke one first")
        token = Token(new_id(), digest(text), owner.id, name, asked, now, now + timedelta(days=days), limit)
        detail = f"{name} ({token.id}): {', '.join(sorted(asked))}, {days} days{_limited(limit)}"
        event = SecurityEvent(now, What.TOKEN_MADE, by.name, owner.name, by.source, detail)
        self._store.add_token(token, [event])
        return token, text

    def _refuse_dmas(self, owner: Account) -> frozenset[str]:
        own = ", ".join(sorted(owner.dmas or ()))
        raise AccountRefused("dmas", f"{owner.name} is limited to {own}: so is every token")

    def revoke(self, id: str, by: By, *, owner: str | None = None) -> bool:
        """Revoke a token for good (owner: only if it is theirs); False where it was. Raises NotFound."""
        token = next((t for t in self.tokens(owner) if t.id == id), None)
        if token is None:
            raise NotFound(f"no token {id[:40]!r}")
        name = self.account(token.account).name
        now = self._now()
        event = SecurityEvent(now, What.TOKEN_REVOKED, by.name, name, by.source, f"{token.name} ({token.id})")
        return self._store.revoke(id, now, [event])

    # The log

    def note_sender(self, by: By, name: str, detail: str, *, made: bool) -> None:
        """Log that a sender of webhooks got a secret, or lost one."""
        what = What.TOKEN_MADE if made else What.TOKEN_REVOKED
        event = SecurityEvent(self._now(), what, by.name, f"webhook {name}", by.source, detail[:200])
        self._store.record(self._site, [event])

    def events(self, *, before: int | None = None, limit: int = 100) -> SecurityEvents:
        """The security log, newest first; events below number ``before``."""
        return self._store.events(self._site, before=before, limit=limit)

    def close(self) -> None:
        """Release the store."""
        self._store.close()


def by_asker(asker: Asker, source: str) -> By:
    """Whoever asks, for the log."""
    return By(asker.name, source, asker.account)


def _rules(account: Account) -> bool:
    """Whether it is an administrator's who can come in although the provider is away or says otherwise."""
    return account.role is Role.ADMIN and not account.disabled and not account.provider


def _words(account: Account) -> str:
    said = [f"{account.role.value}{_limited(account.dmas)}"]
    said += ["disabled"] if account.disabled else []
    said += ["by the provider"] if account.provider else []
    return ", ".join(said)


def _limited(dmas: frozenset[str] | None) -> str:
    return "" if dmas is None else f", only {' '.join(sorted(dmas))}"
