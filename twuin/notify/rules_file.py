"""``notify.toml``: who is told of what, read and checked as a whole. docs/notify.md describes every key."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twuin.alerts.model import Kind
from twuin.notify.model import (
    EVENTS,
    MAP_LINK,
    PRIORITIES,
    Channel,
    Event,
    Flood,
    Form,
    NotifyConfig,
    Receiver,
    ReportRule,
    Rule,
    Secret,
)
from twuin.notify.toml_reader import TomlReader
from waterworks.errors import DataFileError, Problem, Severity
from waterworks.site import Site
from waterworks.tables import Problems, suggestion, wrong_id
from waterworks.toml_file import TomlLines, read_toml

NOTIFY_FILE = "notify.toml"

LANGUAGES = ("id", "en")
FORMS = tuple(f.value for f in Form if f is not Form.JSON)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

KEYS = ("secrets", "receiver", "rule", "report", "map_link", "give_up_hours", "link_hours")
SECRET_KEYS = ("file", "env")
RECEIVER_KEYS = ("name", "language", "crew", "channels", "quiet", "flood")
CHANNEL_KEYS = ("url", "form", "webhook", "secret")
FLOOD_KEYS = ("more_than", "minutes")
RULE_KEYS = ("to", "crew", "at_least", "kinds", "dmas", "events", "hours", "days", "digest", "through_quiet")

REPORT_KEYS = ("to", "formats", "attach")
REPORT_FORMATS = ("pdf", "xlsx")

PLACE = re.compile(r"\$\{([^{}]*)\}")
"""Where a secret goes into an address."""

CheckUrl = Callable[[str, str], tuple[str, Form]]
"""From an address and a stand-in for its secrets: what is wrong ("": nothing), and how to write for it."""


def read_rules(path: Path, site: Site, check_url: CheckUrl) -> NotifyConfig:
    """The rules in ``path``. Raises DataFileError with every mistake; warnings do not stand in the way."""
    config, problems = check_rules(path, site, check_url)
    errors = [p for p in problems if p.severity is Severity.ERROR]
    if errors:
        raise DataFileError(errors)
    return config


def check_rules(path: Path, site: Site, check_url: CheckUrl) -> tuple[NotifyConfig, list[Problem]]:
    """The rules as far as they can be understood, and all that is wrong or doubtful, ordered by line."""
    problems = Problems(path.name)
    found = read_toml(path, problems)
    if found is None:
        return NotifyConfig(), problems.found
    config = _Reader(*found, problems, site, check_url).config()
    return config, sorted(problems.found, key=lambda p: p.line or 0)


class _Reader(TomlReader):
    def __init__(
        self, said: dict[str, Any], lines: TomlLines, problems: Problems, site: Site, check_url: CheckUrl
    ) -> None:
        super().__init__(said, lines, problems)
        self._site = site
        self._check_url = check_url

    def config(self) -> NotifyConfig:
        self._unknown(self._said, KEYS)
        secrets = self._secrets()
        receivers = self._receivers(secrets)
        if not receivers:
            self._error((), "names no [[receiver]]: nobody would be told anything")
        rules = tuple(self._rule(k, table, receivers) for k, table in enumerate(self._tables("rule")))
        reports = tuple(self._report(k, t, receivers) for k, t in enumerate(self._tables("report")))
        if receivers and not rules and not reports:
            self._error((), "holds no [[rule]]: nobody would be told anything")
        self._unreached(receivers, rules, reports)
        return NotifyConfig(
            receivers,
            rules,
            secrets,
            self._map_link(),
            self._hours("give_up_hours", 24.0, 0.1, 24 * 30),
            self._hours("link_hours", 72.0, 0.1, 24 * 90),
            reports,
        )

    # the parts

    def _secrets(self) -> dict[str, Secret]:
        table = self._said.get("secrets", {})
        if not isinstance(table, dict):
            self._error(("secrets",), "secrets is not a table: write [secrets]")
            return {}
        found = {}
        for name, value in table.items():
            if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
                self._error(("secrets", name), f"secret {name!r}: use letters, digits and '_' in its name")
            elif not isinstance(value, dict) or sum(bool(value.get(k)) for k in SECRET_KEYS) != 1:
                # What stands there may be the secret itself: it is not repeated.
                self._error(
                    ("secrets", name),
                    f'secret {name}: say where it stands, {{ env = "NAME" }} or {{ file = "/path" }}; '
                    "no secret belongs into the site folder",
                )
            else:
                self._unknown(value, SECRET_KEYS, "secrets", name)
                found[name] = Secret(str(value.get("file", "")), str(value.get("env", "")))
                continue
            found[name] = Secret()
        return found

    def _receivers(self, secrets: dict[str, Secret]) -> tuple[Receiver, ...]:
        out: list[Receiver] = []
        for k, table in enumerate(self._tables("receiver")):
            at = ("receiver", k)
            self._unknown(table, RECEIVER_KEYS, *at)
            name = self._text(table, "name", *at)
            if not name:
                self._error((*at, "name"), 'a receiver has no name: write name = "dispatch" or the like')
            elif wrong := wrong_id(name):
                self._error((*at, "name"), f"receiver {name!r} {wrong}")
            elif any(r.name == name for r in out):
                self._error((*at, "name"), f"receiver {name!r} stands here twice")
            language = self._text(table, "language", *at, default="id")
            if not self._one_of(language, LANGUAGES, "language", *at):
                language = "id"
            crew = self._text(table, "crew", *at)
            channels = self._channels(table, k, name, secrets)
            out.append(
                Receiver(
                    name, channels, language, crew, self._window(table, "quiet", *at), self._flood(table, k)
                )
            )
        return tuple(out)

    def _flood(self, table: dict[str, Any], k: int) -> Flood:
        value = table.get("flood", {})
        at = ("receiver", k, "flood")
        if not isinstance(value, dict):
            self._error(at, "flood is not a table: write flood = { more_than = 5, minutes = 10 }")
            return Flood()
        self._unknown(value, FLOOD_KEYS, *at)
        count = value.get("more_than", Flood().more_than)
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 1000:
            self._error((*at, "more_than"), f"more_than {count!r} is not a whole number from 1 to 1000")
            count = Flood().more_than
        minutes = self._number(value, "minutes", Flood().within / timedelta(minutes=1), *at)
        if not 1 <= minutes <= 24 * 60:
            self._error((*at, "minutes"), f"minutes {minutes:g} is not from 1 to 1440")
            minutes = 10.0
        return Flood(count, timedelta(minutes=minutes))

    def _channels(
        self, table: dict[str, Any], k: int, receiver: str, secrets: dict[str, Secret]
    ) -> tuple[Channel, ...]:
        value = table.get("channels", {})
        at = ("receiver", k, "channels")
        if not isinstance(value, dict) or not value:
            self._error(at, f'receiver {receiver!r} has no channels: write channels.email = "mailtos://..."')
            return ()
        out = []
        for name, said in value.items():
            here = (*at, name)
            if wrong := wrong_id(name):
                self._error(here, f"channel {name!r} {wrong}")
            if isinstance(said, str):
                said = {"url": said}
            if not isinstance(said, dict):
                self._error(here, f"channel {name}: give its address in quotes")
                continue
            self._unknown(said, CHANNEL_KEYS, *here)
            if ("url" in said) == ("webhook" in said):
                self._error(here, f"channel {name}: give either url (Apprise) or webhook (an http address)")
                continue
            made = (
                self._webhook(name, said, secrets, *here)
                if "webhook" in said
                else self._apprise(name, said, secrets, *here)
            )
            if made is not None:
                out.append(made)
        return tuple(out)

    def _webhook(
        self, name: str, said: dict[str, Any], secrets: dict[str, Secret], *here: str | int
    ) -> Channel | None:
        url, secret = self._text(said, "webhook", *here), self._text(said, "secret", *here)
        if "form" in said:
            self._error((*here, "form"), f"channel {name}: a webhook is always JSON, take form out")
        if not secret:
            self._error(here, f'channel {name}: a webhook is signed: name its secret, secret = "HOOK"')
        else:
            self._known_secret(secret, secrets, *here, "secret")
        try:
            parts = urlsplit(url)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good or re.search(r"\s", url):
            self._error((*here, "webhook"), f"channel {name}: its webhook is not an http or https address")
            return None
        if parts.username or parts.password:
            self._error((*here, "webhook"), f"channel {name}: no user and password in a webhook's address")
            return None
        self._places(url, secrets, *here, "webhook")
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            self._problems.warning(
                self._lines.of(*here), f"channel {name}: http is not encrypted, others can read what is sent"
            )
        return Channel(name, url, Form.JSON, secret)

    def _apprise(
        self, name: str, said: dict[str, Any], secrets: dict[str, Secret], *here: str | int
    ) -> Channel | None:
        url, form = self._text(said, "url", *here), self._text(said, "form", *here)
        if "secret" in said:
            self._error((*here, "secret"), f"channel {name}: secret is for webhooks; here write ${{NAME}}")
        self._places(url, secrets, *here, "url")
        wrong, usual = self._check_url(url, "x" if PLACE.search(url) else "")
        if wrong:
            self._error((*here, "url"), f"channel {name}: {wrong}")
        if form and not self._one_of(form, FORMS, "form", *here):
            form = ""
        try:
            password = urlsplit(url).password
        except ValueError:
            password = None
        if password and not PLACE.search(password):
            self._problems.warning(
                self._lines.of(*here),
                f"channel {name} holds its password itself: put it outside the site folder and name it in "
                "[secrets]",
            )
        return Channel(name, url, Form(form) if form else usual)

    def _places(self, url: str, secrets: dict[str, Secret], *path: str | int) -> None:
        for name in PLACE.findall(url):
            self._known_secret(name, secrets, *path)

    def _known_secret(self, name: str, secrets: dict[str, Secret], *path: str | int) -> None:
        if name not in secrets:
            near = suggestion(name, sorted(secrets))
            self._error(path, f"secret {name[:40]!r} is not in [secrets]{near}")

    def _rule(self, k: int, table: dict[str, Any], receivers: tuple[Receiver, ...]) -> Rule:
        at = ("rule", k)
        self._unknown(table, RULE_KEYS, *at)
        to, crews = self._texts(table, "to", *at), self._texts(table, "crew", *at)
        if not to and not crews:
            self._error(at, 'a rule names nobody: write to = ["dispatch"] or crew = "north"')
        names = [r.name for r in receivers] + [f"{r.name}/{c.name}" for r in receivers for c in r.channels]
        for name in to:
            if name not in names:
                self._error((*at, "to"), f"receiver {name!r} is not in this file{suggestion(name, names)}")
        known = sorted({r.crew for r in receivers if r.crew})
        for crew in crews:
            if crew not in known:
                self._error((*at, "crew"), f"no receiver is of crew {crew!r}{suggestion(crew, known)}")
        priority = self._text(table, "at_least", *at, default="low")
        if not self._one_of(priority, tuple(PRIORITIES), "at_least", *at):
            priority = "low"
        dmas = self._texts(table, "dmas", *at)
        for dma in dmas:
            if dma not in self._site.dma:
                self._error(
                    (*at, "dmas"), f"DMA {dma!r} is not in dmas.csv{suggestion(dma, list(self._site.dma))}"
                )
        kinds = self._texts(table, "kinds", *at)
        events = self._texts(table, "events", *at) or tuple(e.value for e in EVENTS)
        weekdays, working = self._days(table, *at)
        digest = None if "digest" not in table else self._clock(table["digest"], "digest", *at)
        return Rule(
            to,
            crews,
            PRIORITIES[priority],
            frozenset(Kind(x) for x in kinds if self._one_of(x, tuple(Kind), "kinds", *at)),
            frozenset(dmas),
            frozenset(Event(x) for x in events if self._one_of(x, tuple(Event), "events", *at)),
            self._window(table, "hours", *at),
            weekdays,
            working,
            digest,
            self._flag(table, "through_quiet", *at),
        )

    def _report(self, k: int, table: dict[str, Any], receivers: tuple[Receiver, ...]) -> ReportRule:
        at = ("report", k)
        self._unknown(table, REPORT_KEYS, *at)
        to = self._texts(table, "to", *at)
        if not to:
            self._error(at, 'a report goes to nobody: write to = ["direksi"]')
        by_name = {r.name: r.channels for r in receivers}
        by_name |= {f"{r.name}/{c.name}": (c,) for r in receivers for c in r.channels}
        for name in to:
            if name not in by_name:
                near = suggestion(name, list(by_name))
                self._error((*at, "to"), f"receiver {name!r} is not in this file{near}")
            elif all(c.webhook for c in by_name[name]):
                self._error((*at, "to"), f"receiver {name!r} is a webhook: reports go to people")
        formats = self._texts(table, "formats", *at) or REPORT_FORMATS
        good = frozenset(f for f in formats if self._one_of(f, REPORT_FORMATS, "formats", *at))
        return ReportRule(to, good, self._flag(table, "attach", *at, default=True))

    def _flag(self, table: dict[str, Any], key: str, *at: str | int, default: bool = False) -> bool:
        value = table.get(key, default)
        if not isinstance(value, bool):
            self._error((*at, key), f"{key} {value!r} is neither true nor false")
            return default
        return value

    def _days(self, table: dict[str, Any], *at: str | int) -> tuple[frozenset[int] | None, bool | None]:
        if "days" not in table:
            return None, None
        if table["days"] in ("working", "off"):
            return None, table["days"] == "working"
        days = self._texts(table, "days", *at)
        good = [d for d in days if self._one_of(d, (*WEEKDAYS, "working", "off"), "days", *at)]
        if any(d in ("working", "off") for d in good):
            self._error((*at, "days"), 'days: write days = "working" alone, or a list of weekdays')
            return None, None
        return frozenset(WEEKDAYS.index(d) for d in good), None

    def _map_link(self) -> str:
        link = self._text(self._said, "map_link", default=MAP_LINK)
        try:
            made = link.format(lat="1", lon="2")
            good = made != link and bool(re.fullmatch(r"(https?://|geo:)\S+", made))
        except (KeyError, IndexError, ValueError):
            good = False
        if not good:
            self._error(
                ("map_link",), f"map_link {link[:60]!r} is not an address with {{lat}} and {{lon}} in it"
            )
            return MAP_LINK
        return link

    def _unreached(
        self, receivers: tuple[Receiver, ...], rules: tuple[Rule, ...], reports: tuple[ReportRule, ...]
    ) -> None:
        named = {name.partition("/")[0] for to in (r.to for r in rules) for name in to}
        named |= {name.partition("/")[0] for to in (r.to for r in reports) for name in to}
        crews = {crew for rule in rules for crew in rule.crews}
        for k, r in enumerate(receivers):
            if rules and r.name and r.name not in named and r.crew not in crews:
                self._problems.warning(
                    self._lines.of("receiver", k), f"no rule names receiver {r.name!r}: it is told nothing"
                )
