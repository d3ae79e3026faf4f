"""Signing in, and who a session or a token stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from twuin.accounts.model import Account, AccountRefused, Asker, SecurityEvent, Session, Via, What, clean_name
from twuin.accounts.passwords import Passwords, check_password
from twuin.accounts.ports import AccountStore
from twuin.accounts.rights import WHOLE_SITE, Role
from twuin.accounts.secret import TOKEN_PREFIX, digest, new_secret, plain_code
from twuin.accounts.tries import CODES, DEVICE, PAIR, SOURCE, STRANGERS, Allowance, TooMany, Tries

TOUCH = timedelta(minutes=1)
"""A session's or token's last use is noted no more often than this: not a write for every request."""

KNOWN = timedelta(days=60)
"""So long a device or an address stays known to an account after a sign-in."""

REFUSALS = 100
"""So many failures a minute are logged one by one; the next one that is says how many were not."""

Buckets = list[tuple[tuple[str, ...], Allowance]]


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things last."""

    idle: timedelta = timedelta(hours=12)  # a session that nobody uses
    session: timedelta = timedelta(days=30)  # any session
    code: timedelta = timedelta(hours=24)  # a one-time code


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a request comes from. device: the secret of the device's cookie, "" where it has none."""

    source: str = ""
    agent: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session: its secret, the device's secret, when it began and when it ends at the latest."""

    account: Account
    secret: str
    device: str
    made: datetime
    ends: datetime


class SignInFailed(AccountRefused):
    """Name or password is wrong, or the account is disabled: nobody is told which."""

    def __init__(self) -> None:
        super().__init__("wrong", "name or password is wrong")


class CodeRefused(AccountRefused):
    """The one-time code is wrong, used, or too old."""

    def __init__(self) -> None:
        super().__init__("code", "name or code is wrong, or the code was used or is too old")


class SignIn:
    """Sessions and tokens of one site. Safe to use from several threads.

    words: about the site, which a guesser would try. passwords_for_all: whether others than administrators
    may sign in by password; if not, they come through the provider.
    """

    def __init__(
        self,
        site: str,
        store: AccountStore,
        now: Callable[[], datetime],
        *,
        passwords: Passwords | None = None,
        tries: Tries | None = None,
        lifetimes: Lifetimes | None = None,
        words: Sequence[str] = (),
        passwords_for_all: bool = True,
    ) -> None:
        self._site = site
        self._store = store
        self._now = now
        self._passwords = passwords or Passwords()
        self._tries = tries or Tries(store, site, now)
        self._lifetimes = lifetimes or Lifetimes()
        self._words = tuple(words)
        self.passwords_for_all = passwords_for_all
        self._logged: tuple[datetime, int, int] | None = None

    # By password

    def sign_in(self, name: str, password: str, visitor: Visitor) -> SignedIn:
        """A new session. Raises SignInFailed, TooMany, Busy; as slowly where no such name exists."""
        name = clean_name(name)
        buckets = self._buckets(name, visitor)
        self._take(buckets, name, visitor)
        account = self._store.by_name(self._site, name)
        hash = "" if account is None else self._store.password(account.id)
        if not self._passwords.matches(hash, password) or account is None or account.disabled:
            self._log_failure(What.SIGN_IN_FAILED, name, visitor)
            raise SignInFailed
        if not self.by_password(account):  # as if it were wrong: whether it is right is nobody's business
            self._log_failure(What.SIGN_IN_FAILED, name, visitor, "passwords are for administrators")
            raise SignInFailed
        self._tries.give_back(buckets)
        if self._passwords.outdated(hash):
            self._store.rehash(account.id, hash, self._passwords.hash(password))
        return self.begin(account, visitor, What.SIGNED_IN)

    def use_code(self, name: str, code: str, password: str, visitor: Visitor) -> SignedIn:
        """Choose a password by a one-time code, and a new session.

        Raises CodeRefused, AccountRefused where the password will not do, TooMany, Busy.
        """
        name, hidden, now = clean_name(name), digest(plain_code(code)), self._now()
        # The code leads past what strangers did to the account: only its own tries count.
        buckets: Buckets = [(("code", visitor.source), CODES)]
        self._take(buckets, name, visitor)
        account = self._store.by_name(self._site, name)
        none = account is None or account.disabled or not self.by_password(account)
        if account is None or none or not self._store.code(account.id, hidden, now):
            self._log_failure(What.SIGN_IN_FAILED, name, visitor, "one-time code")
            raise CodeRefused
        self._tries.give_back(buckets)
        check_password(password, self.words(account))
        changed = SecurityEvent(now, What.PASSWORD_CHANGED, name, name, visitor.source, "by one-time code")
        if not self._store.use_code(account.id, hidden, now, self._passwords.hash(password), [changed]):
            raise CodeRefused
        return self.begin(replace(account, has_password=True), visitor, What.SIGNED_IN)

    def change_password(self, asker: Asker, old: str, new: str, visitor: Visitor) -> SignedIn:
        """Change one's own password: all sessions end, and a new one begins here.

        Raises SignInFailed where ``old`` is not the present one, AccountRefused, TooMany, Busy.
        """
        account = self._store.account(self._site, asker.account)
        if account is None or not self.by_password(account):
            raise SignInFailed
        buckets: Buckets = [(("own", account.id), DEVICE)]
        self._take(buckets, account.name, visitor)
        if not self._passwords.matches(self._store.password(account.id), old):
            self._log_failure(What.SIGN_IN_FAILED, account.name, visitor, "change of password")
            raise SignInFailed
        self._tries.give_back(buckets)
        check_password(new, self.words(account))
        changed = SecurityEvent(
            self._now(), What.PASSWORD_CHANGED, account.name, account.name, visitor.source
        )
        self._store.set_password(account.id, self._passwords.hash(new), [changed])
        return self.begin(account, visitor)

    def by_password(self, account: Account) -> bool:
        """Whether an account's owner may sign in by password."""
        return self.passwords_for_all or account.role is Role.ADMIN

    def begin(
        self,
        account: Account,
        visitor: Visitor,
        what: What | None = None,
        *,
        detail: str = "",
        lasts: timedelta | None = None,
        hint: str = "",
    ) -> SignedIn:
        """A new session for an account whose owner showed who they are.

        lasts: how long at most, where that is not the usual. hint: what signs them out of a provider too.
        """
        now, secret = self._now(), new_secret()
        device = visitor.device or new_secret()
        ends = now + min(self._lifetimes.session, lasts or self._lifetimes.session)
        session = Session(
            digest(secret), account.id, now, now, ends, visitor.source[:80], visitor.agent[:200]
        )
        events = (
            []
            if what is None
            else [SecurityEvent(now, what, account.name, account.name, visitor.source, detail)]
        )
        self._store.begin(session, events, hint)
        for place in (_device(device), _address(visitor)):
            self._store.know(self._site, account.name, place, now)
        self._store.prune(now)
        return SignedIn(account, secret, device, now, ends)

    def words(self, account: Account) -> tuple[str, ...]:
        """What a guesser knows about an account."""
        return (account.name, account.full_name, *self._words)

    # Who asks

    def by_session(self, secret: str) -> Asker | None:
        """Who is signed in with this secret, None when it is not or no longer good."""
        found = self._store.session(digest(secret))
        if found is None:
            return None
        session, account = found
        now = self._now()
        if account.site != self._site or account.disabled or self.over(session, now):
            return None
        if now - session.seen >= TOUCH:
            self._store.touch(session.digest, now)
        return _asker(account, Via.SESSION, session.digest)

    def over(self, session: Session, now: datetime) -> bool:
        """Whether a session's time is over."""
        return now >= session.ends or now - session.seen >= self._lifetimes.idle

    def by_token(self, text: str, visitor: Visitor) -> Asker | None:
        """Whom a token speaks for, None when it is not or no longer good."""
        found = self._store.token(digest(text)) if text.startswith(TOKEN_PREFIX) else None
        now = self._now()
        if found is None:
            return None
        token, account = found
        if account.site != self._site or account.disabled or token.revoked is not None or now >= token.ends:
            self._log_failure(What.TOKEN_REFUSED, account.name, visitor, f"token {token.name} ({token.id})")
            return None
        if token.used is None or now - token.used >= TOUCH:
            self._store.use_token(token.id, now)
        asker = _asker(account, Via.TOKEN, token.id)
        dmas = _both(asker.dmas, token.dmas)
        rights = token.rights & (asker.rights if dmas is None else asker.rights - WHOLE_SITE)
        return replace(asker, rights=rights, dmas=dmas, shown=f"{account.shown} ({token.name})")

    def sign_out(self, asker: Asker, source: str) -> str:
        """End the session with which somebody asks; the hint that it began with, "" for none."""
        hint = self._store.hint(asker.key)
        event = SecurityEvent(self._now(), What.SIGNED_OUT, asker.name, asker.name, source)
        self._store.end(asker.key, [event])
        return hint

    def refused(self, asker: Asker, source: str, detail: str) -> None:
        """Log that somebody asked for what they have no right to."""
        self._log_failure(What.REFUSED, asker.name, Visitor(source), detail[:200], actor=asker.name)

    def saw_personal(self, asker: Asker, source: str, what: str) -> None:
        """Log that somebody looked at who sent a report: every time, as each look is to be answered for."""
        event = SecurityEvent(self._now(), What.PERSONAL_SEEN, asker.name, asker.name, source, what[:200])
        self._store.record(self._site, [event])

    # Tries and what is logged of them

    def slow_down(self, visitor: Visitor) -> None:
        """Raises TooMany where an address begins too many sign-ins through the provider."""
        self._take([(("provider", visitor.source), SOURCE)], "", visitor)

    def failed(self, about: str, visitor: Visitor, detail: str) -> None:
        """Log that somebody did not get in."""
        self._log_failure(What.SIGN_IN_FAILED, about, visitor, detail[:200])

    def _buckets(self, name: str, visitor: Visitor) -> Buckets:
        since = self._now() - KNOWN
        pair: Buckets = [(("pair", name, visitor.source), PAIR)]
        if visitor.device and self._store.known(self._site, name, _device(visitor.device), since):
            return [(("device", name, digest(visitor.device)), DEVICE)]
        source: Buckets = [(("source", visitor.source), SOURCE)]
        if self._store.known(self._site, name, _address(visitor), since):
            return pair + source
        return [*pair, *source, (("strangers", name), STRANGERS)]

    def _take(self, buckets: Buckets, name: str, visitor: Visitor) -> None:
        try:
            self._tries.take(buckets)
        except TooMany as e:
            if e.first:
                self._log_failure(What.SLOWED, name, visitor)
            raise

    def _log_failure(
        self, what: What, about: str, visitor: Visitor, detail: str = "", *, actor: str = ""
    ) -> None:
        """Log it, unless a flood is on; how many were left out is said with the next one."""
        now = self._now()
        began, count, omitted = self._logged or (now, 0, 0)
        if now - began >= TOUCH:
            began, count = now, 0
        if count >= REFUSALS:
            self._logged = (began, count, omitted + 1)
            return
        self._logged = (began, count + 1, 0)
        if omitted:
            detail = f"{detail}; {omitted} more events before it were not logged".lstrip("; ")
        self._store.record(
            self._site, [SecurityEvent(now, what, actor, about[:80], visitor.source[:80], detail)]
        )


def _asker(account: Account, via: Via, key: str) -> Asker:
    return Asker(
        via, account.rights, account.dmas, account.id, account.name, account.shown, account.role, key
    )


def _both(a: frozenset[str] | None, b: frozenset[str] | None) -> frozenset[str] | None:
    """The DMAs within two limits, of which None is none."""
    if a is None or b is None:
        return b if a is None else a
    return a & b


def _device(secret: str) -> str:
    return f"device {digest(secret)}"


def _address(visitor: Visitor) -> str:
    return f"address {visitor.source}"
