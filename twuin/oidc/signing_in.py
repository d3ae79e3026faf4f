"""From a button to a session, by way of the provider; and whose account somebody there is.

Who somebody is at the provider is told by issuer and subject alone, which never change and are never given to
anybody else. An e-mail address says whose account it is once: at the first sign-in, only where the provider
has verified it, and only for an account that an administrator made for somebody who signs in that way. An
account with which somebody signs in by password is linked by its owner, who is signed in to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from twuin.accounts.model import (
    Account,
    AccountRefused,
    Asker,
    Flow,
    Identity,
    SecurityEvent,
    What,
    check_name,
    clean_name,
)
from twuin.accounts.ports import AccountStore
from twuin.accounts.secret import digest, new_secret, same
from twuin.accounts.service import AccountService, By
from twuin.accounts.sign_in import SignedIn, Visitor
from twuin.oidc.groups import Grant, Rule, granted
from twuin.oidc.provider import Provider, ProviderAway, ProviderRefused

FLOW = timedelta(minutes=10)
"""So long somebody may take at the provider."""

ACTOR = "(provider)"
"""Who changes what the provider says, in the security log: no account can have this name."""


@dataclass(frozen=True)
class Rules:
    """Who may come in and as what. groups_claim: which claim names somebody's groups. groups: what they get;
    (): the accounts say. open: accounts are made for whoever is in one of these groups; else only who was
    invited comes in. session: how long a session lasts at most until the provider is asked again."""

    groups_claim: str = "groups"
    groups: Sequence[Rule] = ()
    open: bool = False
    session: timedelta = timedelta(hours=12)


@dataclass(frozen=True)
class Came:
    """Somebody is back. signed: their new session; None where an account was linked. next: where to go."""

    signed: SignedIn | None
    next: str


class NotLetIn(AccountRefused):
    """Who signed in at the provider does not come in here."""


class ProviderSignIn:
    """Sign-in through one provider. name: what people call it. back: the address that it sends browsers to.
    home: where it sends those that signed out."""

    def __init__(
        self,
        provider: Provider,
        accounts: AccountService,
        store: AccountStore,
        rules: Rules,
        now: Callable[[], datetime],
        *,
        site: str,
        name: str,
        back: str,
        home: str,
    ) -> None:
        self.name = name
        self._provider = provider
        self._accounts = accounts
        self._store = store
        self._rules = rules
        self._now = now
        self._site = site
        self._back = back
        self._home = home

    def begin(self, browser: str, next: str, visitor: Visitor, *, account: str = "") -> str:
        """Where to send a browser. browser: a secret that it alone has. account: whose is to be linked.

        Raises ProviderAway, TooMany.
        """
        self._accounts.sign_in.slow_down(visitor)
        state, nonce, verifier = new_secret(), new_secret(), new_secret() + new_secret()
        try:
            address = self._provider.address(self._back, state, nonce, verifier)
        except ProviderAway as e:
            self._accounts.sign_in.failed("", visitor, f"{self.name}: {e}")
            raise
        ends = self._now() + FLOW
        flow = Flow(digest(state), digest(browser), nonce, verifier, next[:2000], ends, account)
        self._store.put_flow(self._site, flow)
        return address

    def came_back(self, answer: Mapping[str, str], browser: str, visitor: Visitor, asker: Asker) -> Came:
        """Take what the provider sent a browser back with. Raises NotLetIn, ProviderAway."""
        name = ""
        try:
            flow = self._flow(answer, browser)
            claims, id_token = self._claims(answer, flow)
            name = clean_name(_text(claims, "email") or _text(claims, "sub"))[:80]
            if flow.account:
                self._link_own(flow, claims, asker, visitor)
                return Came(None, flow.next)
            account = self._account(claims, visitor)
            name = account.name
            account = self._as_granted(account, claims, visitor)
        except ProviderRefused as e:
            self._accounts.sign_in.failed(name, visitor, f"{self.name}: {e}")
            raise NotLetIn(e.word, str(e)) from e
        except (AccountRefused, ProviderAway) as e:
            self._accounts.sign_in.failed(name, visitor, f"{self.name}: {e}")
            raise
        signed = self._accounts.sign_in.begin(
            account, visitor, What.SIGNED_IN,
            detail=f"by {self.name}", lasts=self._rules.session, hint=id_token,
        )  # fmt: skip
        return Came(signed, flow.next)

    def end_address(self, hint: str) -> str:
        """Where to go to sign out of the provider too. hint: of the session that ended; "": not by it."""
        return self._provider.end_address(hint, self._home) if hint else ""

    def _flow(self, answer: Mapping[str, str], browser: str) -> Flow:
        flow = self._store.take_flow(self._site, digest(answer.get("state", "")), self._now())
        if flow is None:
            raise ProviderRefused("no sign-in was begun with this state, or it was used, or is over", "stale")
        if not browser or not same(flow.browser, digest(browser)):
            raise ProviderRefused("another browser began this sign-in", "stale")
        return flow

    def _claims(self, answer: Mapping[str, str], flow: Flow) -> tuple[Mapping[str, Any], str]:
        self._provider.check_issuer(answer.get("iss", ""))
        error = answer.get("error", "")
        if error:
            word = "cancelled" if error == "access_denied" else "provider_refused"
            raise ProviderRefused(f"it answers {_plain(error)}", word)
        if not answer.get("code"):
            raise ProviderRefused("it sends neither a code nor an error")
        told = self._provider.told(answer["code"], self._back, flow.verifier, flow.nonce)
        return told.claims, told.id_token

    def _account(self, claims: Mapping[str, Any], visitor: Visitor) -> Account:
        issuer, subject = self._provider.client.issuer, str(claims["sub"])
        account = self._store.identity(self._site, issuer, subject)
        if account is None:
            account = self._invited(claims) or self._new(claims, visitor)
            self._link(account, subject, visitor, f"{issuer} {subject}")
        if account.disabled:
            raise NotLetIn("account_disabled", f"account {account.name} is disabled")
        return account

    def _invited(self, claims: Mapping[str, Any]) -> Account | None:
        """The account that was made for this e-mail address; the first that comes with it takes it."""
        email = _verified(claims)
        account = self._store.by_name(self._site, clean_name(email)) if email else None
        if account is None or not account.provider or self._store.identities(account.id):
            return None
        return account

    def _new(self, claims: Mapping[str, Any], visitor: Visitor) -> Account:
        grant = self._granted(claims)
        if not self._rules.open or grant is None:
            raise NotLetIn(
                "no_account", "no account is linked to it, and none waits for a verified address of it"
            )
        email = _verified(claims)
        if not email:
            raise NotLetIn(
                "no_email", "an account is called by an e-mail address, and none of it is verified"
            )
        name = " ".join(_text(claims, "name").split())[:80]
        full_name = name if name.isprintable() else ""
        made, _ = self._accounts.add(
            check_name(email), grant.role, By(ACTOR, visitor.source),
            full_name=full_name, dmas=grant.dmas, provider=True,
        )  # fmt: skip
        return made

    def _as_granted(self, account: Account, claims: Mapping[str, Any], visitor: Visitor) -> Account:
        """The account as the groups say, where they do: one that is not the provider's is left as it is."""
        if not self._rules.groups or not account.provider:
            return account
        grant = self._granted(claims)
        if grant is None:
            raise NotLetIn("no_group", f"{account.name} is in no group of {GROUPS_SAID}")
        return self._accounts.change(
            account.id, By(ACTOR, visitor.source),
            role=grant.role, dmas=grant.dmas, whole_site=grant.dmas is None,
        )  # fmt: skip

    def _granted(self, claims: Mapping[str, Any]) -> Grant | None:
        told = claims.get(self._rules.groups_claim)
        groups = [told] if isinstance(told, str) else told if isinstance(told, list) else []
        return granted(self._rules.groups, {g for g in groups if isinstance(g, str)})

    def _link_own(self, flow: Flow, claims: Mapping[str, Any], asker: Asker, visitor: Visitor) -> None:
        """Link the account of who is signed in, and was when it began."""
        if asker.account != flow.account:
            raise NotLetIn("stale", "whoever wanted to link an account is no longer signed in to it")
        issuer, subject = self._provider.client.issuer, str(claims["sub"])
        owner = self._store.identity(self._site, issuer, subject)
        if owner is not None and owner.id == flow.account:
            return
        self._link(self._accounts.account(flow.account), subject, visitor, f"{issuer} {subject}")

    def _link(self, account: Account, subject: str, visitor: Visitor, detail: str) -> None:
        now = self._now()
        event = SecurityEvent(now, What.LINKED, account.name, account.name, visitor.source, detail[:300])
        identity = Identity(self._provider.client.issuer, subject, account.id, now)
        if not self._store.link(self._site, identity, [event]):
            raise NotLetIn("linked", "it is linked to another account, or the account to somebody else")


GROUPS_SAID = "sign_in.toml"


def _verified(claims: Mapping[str, Any]) -> str:
    """The e-mail address that the provider has verified, "" for none. Only the truth counts, not "true"."""
    return _text(claims, "email") if claims.get("email_verified") is True else ""


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _plain(said: str) -> str:
    return "".join(c for c in said if c.isalnum() or c in "_-. ")[:60]
