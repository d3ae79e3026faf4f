"""Whether the sites of an installation are apart: nothing that one keeps is another's.

Compared is where things really are: paths with their links followed, addresses with their usual ports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ingest.foreign import filters, in_sequence
from ingest.topics import ROOT, escape
from twuin.sites.installation import Member
from waterworks.listen import overlap


@dataclass(frozen=True)
class Place:
    """Something that a site has and that nobody else may have. kind: what it is compared with; key: which it
    is; inside: levels of a path or name, where what lies within another's is the other's."""

    kind: str
    setting: str
    key: tuple[str, ...]
    shown: str
    inside: bool = False

    def meets(self, other: Place) -> bool:
        if self.kind != other.kind:
            return False
        if self.inside or other.inside:
            least = min(len(self.key), len(other.key))
            return self.key[:least] == other.key[:least]
        return self.key == other.key


def overlaps(members: Iterable[Member]) -> dict[str, list[str]]:
    """By site's name, what it shares with another, a line each; {} where all are apart."""
    found: dict[str, list[str]] = {}
    known = [(m, list(places(m))) for m in members]
    for (a, of_a), (b, of_b) in combinations(known, 2):
        for mine in of_a:
            for theirs in of_b:
                if mine.meets(theirs):
                    found.setdefault(a.name, []).append(_line(mine, b, theirs))
                    found.setdefault(b.name, []).append(_line(theirs, a, mine))
        for one, other in ((a, b), (b, a)):
            said = list(_topics(one, other))
            found.setdefault(one.name, []).extend(said)
    return {name: list(dict.fromkeys(lines)) for name, lines in found.items() if lines}


def _line(mine: Place, other: Member, theirs: Place) -> str:
    beside = "" if theirs.shown == mine.shown else f" ({theirs.shown})"
    return (
        f"setting {mine.setting}: {mine.shown} is also that of site {other.name}{beside}: "
        "give each one of its own"
    )


def places(m: Member) -> Iterator[Place]:
    """All that is a site's alone."""
    s = m.settings
    yield Place("site id", "site", (m.site.id,), f"site id {m.site.id!r}")
    yield _path("site", m.site.folder)
    yield _path("data_dir", s.data_dir)
    for host in m.hosts:
        yield Place("host", "web.public_url", (host.rstrip("."),), f"host {host}")
    yield from _database(m)
    if s.store.kind == "influxdb":
        levels = (*_server(s.store.url), *s.store.database.split("/"))
        yield Place("readings", "store.database", levels, f"{s.store.database} at {s.store.url}", inside=True)
    for setting, file in (
        ("notify.key_file", s.notify.key_file or s.data_dir / "notify.key"),
        ("residents.key_file", s.residents.key_file or s.data_dir / "residents.key"),
        ("notify.file", s.notify.file),
        ("oidc.groups_file", s.oidc.groups_file),
    ):
        if file is not None:
            yield _path(setting, file)
    if s.watch.folder is not None:
        yield _path("watch.folder", s.watch.folder)
    if s.mqtt.username:
        key = (*_broker(m), s.mqtt.username)
        yield Place("user of the broker", "mqtt.username", key, f"user {s.mqtt.username}")


def _path(setting: str, path: Path) -> Place:
    return Place("path", setting, path.resolve().parts, str(path), inside=True)


def _database(m: Member) -> Iterator[Place]:
    url = m.settings.database
    if url.startswith("sqlite") or not url:
        file = Path(unquote(url.partition(":///")[2])) if url else m.settings.data_dir / "twuin.sqlite"
        yield _path("database", file)
        return
    said = urlsplit(url)
    where = said.hostname or said.query
    key = (_alias(where), str(said.port or 5432), said.path.strip("/"))
    yield Place("database", "database", key, f"database {said.path.strip('/')} at {where}")


def _server(url: str) -> tuple[str, str]:
    said = urlsplit(url)
    port = said.port or {"http": 80, "https": 443}.get(said.scheme, 0)
    return _alias(said.hostname or ""), f"{port}{said.path.rstrip('/')}"


def _broker(m: Member) -> tuple[str, str]:
    return _alias(m.settings.mqtt.host.lower()), str(m.settings.mqtt.port)


def _alias(host: str) -> str:
    return "127.0.0.1" if host in ("localhost", "::1") else host


def _topics(one: Member, other: Member) -> Iterator[str]:
    """What of a site's ingest would hear another's devices at the broker that they share."""
    if _broker(one) != _broker(other):
        return
    mqtt = one.settings.mqtt
    if mqtt.strays:
        yield f"setting mqtt.strays: give false, for site {other.name} is at the same broker"
    if mqtt.shared:
        yield (
            f"setting mqtt.shared: give false, for site {other.name} is at the same broker, and whoever may "
            "connect to it can take messages out of a shared subscription; or give each a broker of its own"
        )
    theirs = [f"{ROOT}/{escape(other.site.id)}/#", *filters(other.site), *in_sequence(other.site)]
    for mine in (*filters(one.site), *in_sequence(one.site)):
        for topic in theirs:
            if overlap(mine, topic):
                yield (
                    f"{one.site.folder}: topics {mine!r} meet {topic!r} of site {other.name} at the same "
                    "broker: narrow them"
                )
