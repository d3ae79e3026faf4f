"""What pages say about accounts, in one language: roles, rights, what went wrong, security events."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from twuin.accounts.model import Session, What
from twuin.accounts.passwords import MIN_LENGTH
from twuin.accounts.rights import Right, Role
from twuin.web.formats import Formats


@dataclass(frozen=True)
class AccountWords:
    """Names and sentences in the language of ``formats``."""

    formats: Formats

    def role(self, role: str) -> str:
        _ = self.formats.gettext
        return {
            Role.VIEWER: _("Viewer"),
            Role.CREW: _("Field crew"),
            Role.DISPATCHER: _("Dispatcher"),
            Role.ENGINEER: _("Engineer"),
            Role.ADMIN: _("Administrator"),
        }[Role(role)]

    def right(self, right: str) -> str:
        _ = self.formats.gettext
        return {
            Right.SEE: _("See DMAs, sensors, the map, alerts and losses"),
            Right.SITE: _("See reports and the control room's wall"),
            Right.WORK: _("Work on alerts: on site, found, repaired; notes"),
            Right.ACT: _("Acknowledge alerts, send people"),
            Right.CLOSE: _("Close and reopen alerts"),
            Right.PLAN: _("Enter, change and cancel planned works"),
            Right.BILLS: _("Put in what was billed"),
            Right.INTAKE: _("See what came in and what was rejected"),
            Right.SEND: _("Send readings over HTTP, as devices do"),
            Right.METRICS: _("Read the figures for Prometheus"),
            Right.TOKENS: _("Make tokens for programs"),
            Right.PERSONAL: _("See who sent residents' reports"),
            Right.ACCOUNTS: _("Manage accounts, read the security log"),
        }[Right(right)]

    def where(self, dmas: Collection[str] | None) -> str:
        """What somebody is limited to."""
        return self.formats.gettext("whole site") if dmas is None else ", ".join(sorted(dmas))

    def problem(self, word: str, wait_min: int = 1, provider: str = "") -> str:
        """What went wrong with a form, and what would be right. provider: what the provider is called."""
        _, ngettext = self.formats.gettext, self.formats.ngettext
        if word == "slow":
            return ngettext(
                "Too many tries. Try again in %(n)s minute.",
                "Too many tries. Try again in %(n)s minutes.",
                wait_min,
            ) % {"n": self.formats.number(wait_min, 0)}
        said = {
            "wrong": _("Name or password is wrong."),
            "code": _("Name or code is wrong, or the code was used or is too old: ask an administrator."),
            "again": _("The two passwords are not the same."),
            "busy": _("Too many people are signing in right now. Try again in some seconds."),
            "short": _("The password is too short: use at least %(n)s characters, best several words.")
            % {"n": self.formats.number(MIN_LENGTH, 0)},
            "long": _("The password is too long."),
            "common": _("This password is easily guessed. Use several words that do not belong together."),
            "name": _("This cannot be a name to sign in with: use small letters, digits, dots, _ or -."),
            "full_name": _("A person's name has at most 80 characters."),
            "taken": _("There is an account of this name already."),
            "last": _("This is the last administrator: make another one first."),
            "admin_dmas": _("An administrator is for the whole site, not for some DMAs."),
            "dmas": _("Choose DMAs of this site that the account may see, or the whole site."),
            "token_name": _("Give the token a name that says where it is used."),
            "token_rights": _("Choose at least one right; some are only for the whole site."),
            "token_days": _("Choose for how many days the token is good."),
            "token_many": _("There are too many tokens: revoke one first."),
            "provider_away": _("%(name)s does not answer at the moment. Try again in some minutes."),
            "provider_refused": _("%(name)s did not say clearly who you are, so you are not signed in. Try "
                                  "again; if it stays like this, tell an administrator: the security log "
                                  "says why."),
            "cancelled": _("You are not signed in: signing in at %(name)s was called off."),
            "stale": _("This sign-in was begun in another browser, took too long, or was used already. Begin "
                       "again."),
            "account_disabled": _("Your account is disabled here. Ask an administrator of Twuin."),
            "no_account": _("You are signed in at %(name)s, but there is no account for you here yet. Ask an "
                            "administrator of Twuin for one, by the e-mail address that you have there."),
            "no_email": _("%(name)s does not confirm an e-mail address of yours, so no account can be made "
                          "for you. Have your address confirmed there, then sign in again."),
            "no_group": _("You are in none of the groups at %(name)s that may use Twuin. Ask an "
                          "administrator of Twuin which one you should be in."),
            "linked": _("This account at %(name)s belongs to another account here, or yours to another "
                        "there."),
        }  # fmt: skip
        if word in said and "%(name)s" in said[word]:
            return said[word] % {"name": provider}
        return said.get(word, _("That did not work"))

    def event(self, what: str) -> str:
        _ = self.formats.gettext
        return {
            What.SIGNED_IN: _("signed in"),
            What.SIGN_IN_FAILED: _("sign-in failed"),
            What.SLOWED: _("tries slowed down"),
            What.SIGNED_OUT: _("signed out"),
            What.SESSIONS_ENDED: _("signed out everywhere"),
            What.LINKED: _("linked to the provider"),
            What.UNLINKED: _("parted from the provider"),
            What.PASSWORD_CHANGED: _("password changed"),
            What.CODE_MADE: _("one-time code made"),
            What.ACCOUNT_MADE: _("account made"),
            What.ACCOUNT_CHANGED: _("account changed"),
            What.ACCOUNT_DISABLED: _("account disabled"),
            What.ACCOUNT_ENABLED: _("account enabled"),
            What.TOKEN_MADE: _("token made"),
            What.TOKEN_REVOKED: _("token revoked"),
            What.TOKEN_REFUSED: _("token refused"),
            What.REFUSED: _("access refused"),
            What.PERSONAL_SEEN: _("who reported was looked at"),
        }[What(what)]

    def detail(self, what: str, detail: str) -> str:
        """What the log says beside an event: of accounts and passwords in the reader's language, all else as
        it was written."""
        _ = self.formats.gettext
        if what == What.PASSWORD_CHANGED and detail == "by one-time code":
            return _("by a one-time code")
        accounts = (
            What.ACCOUNT_MADE, What.ACCOUNT_CHANGED, What.ACCOUNT_DISABLED, What.ACCOUNT_ENABLED,
        )  # fmt: skip
        if what not in accounts:
            return detail
        said = {"disabled": _("disabled"), "by the provider": _("provider")}
        said |= {role.value: self.role(role.value) for role in Role}

        def told(part: str) -> str:
            if part.startswith("only "):
                return _("only %(dmas)s") % {"dmas": part.removeprefix("only ")}
            return said.get(part, part)

        return " → ".join(", ".join(map(told, state.split(", "))) for state in detail.split(" -> "))

    def event_state(self, what: str) -> str:
        """How an event is shown: as a warning, or plainly."""
        bad = (What.SIGN_IN_FAILED, What.SLOWED, What.TOKEN_REFUSED, What.REFUSED)
        return "watch" if What(what) in bad else "normal"

    def browser(self, session: Session) -> str:
        """A browser in two words, as far as it says."""
        agent = session.agent
        # In this order: nearly all call themselves Safari, and most of the others Chrome.
        kinds = (
            ("Edg", "Edge"),
            ("OPR", "Opera"),
            ("Firefox", "Firefox"),
            ("Chrome", "Chrome"),
            ("Safari", "Safari"),
        )
        systems = (
            ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
            ("Mac OS", "macOS"), ("Linux", "Linux"),
        )  # fmt: skip
        found = [next((name for mark, name in names if mark in agent), "") for names in (kinds, systems)]
        return ", ".join(filter(None, found)) or self.formats.gettext("unknown browser")
