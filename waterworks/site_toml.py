"""``site.toml``: what a site is called, where its clock stands, what its monitor is told."""

from __future__ import annotations

import datetime
import math
import re
import zoneinfo
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from waterworks import geo
from waterworks.listen import Listening, overlap, wrong_filter
from waterworks.losses import LossOptions
from waterworks.names import Format
from waterworks.priorities import Critical, PriorityLimits
from waterworks.promises import Promises
from waterworks.site import MonitorOptions
from waterworks.site_losses import TABLES, read_options
from waterworks.site_priorities import KEYS as PRIORITY_KEYS
from waterworks.site_priorities import read_critical, read_limits
from waterworks.site_promises import KEYS as PROMISES_KEYS
from waterworks.site_promises import read_promises
from waterworks.tables import Problems, suggestion, wrong_id
from waterworks.toml_file import TomlLines, read_toml

KEYS = (
    "id",
    "name",
    "timezone",
    "since",
    "crs",
    "network",
    "monitor",
    "listen",
    "promises",
    "priority",
    "critical",
    *TABLES,
)
LISTEN_KEYS = tuple(f.value for f in Format if f is not Format.SENML)  # SenML comes on Twuin's own topics
MONITOR_KEYS = ("night", "holidays", "water_cost", "visit_cost", "currency")
_SERVICE = {"promises": PROMISES_KEYS, "priority": PRIORITY_KEYS}
_TABLES = {"monitor": MONITOR_KEYS, "listen": LISTEN_KEYS, **_SERVICE, **TABLES}


@dataclass(frozen=True)
class Head:
    """What ``site.toml`` says. ``network``: a file name, "" where the key is absent. ``since``: the local day
    on which sensors began to measure of which ``sensors.csv`` does not say."""

    id: str = ""
    name: str = ""
    timezone: str = "Asia/Jakarta"
    since: datetime.date | None = None
    crs: str = ""
    network: str = ""
    monitor: MonitorOptions = field(default_factory=MonitorOptions)
    losses: LossOptions = field(default_factory=LossOptions)
    listen: tuple[Listening, ...] = ()
    promises: Promises | None = None
    priority: PriorityLimits = field(default_factory=PriorityLimits)
    critical: tuple[Critical, ...] = ()


def read_head(path: Path, problems: Problems) -> Head | None:
    """``site.toml``, its mistakes added to ``problems``; None when it cannot be read as TOML."""
    found = read_toml(path, problems)
    return None if found is None else _Reader(*found, problems).head()


class _Reader:
    def __init__(self, said: dict[str, Any], lines: TomlLines, problems: Problems) -> None:
        self.said = said
        self.lines = lines
        self.problems = problems

    def head(self) -> Head:
        self._unknown(self.said, KEYS, "")
        for name, keys in {**TABLES, **_SERVICE}.items():
            if isinstance(self.said.get(name), dict):
                self._unknown(self.said[name], keys, name)
        if "id" not in self.said:
            self.problems.error(None, 'id is missing: write id = "kota" or the like')
        site = self._text("id")
        if site and (wrong := wrong_id(site)):
            self.problems.error(self.line("id"), f"id {site!r} {wrong}")
        elif "id" in self.said and not site and isinstance(self.said["id"], str):
            self.problems.error(self.line("id"), "id is empty")
        zone, monitor = self._timezone(), self._monitor()
        return Head(
            id=site,
            name=self._text("name") or site,
            timezone=zone,
            since=self._since(),
            crs=self._crs(),
            network=self._network(),
            monitor=monitor,
            losses=read_options(self.said, self.line, self.problems),
            listen=self._listen(),
            promises=read_promises(
                self.said, zoneinfo.ZoneInfo(zone), monitor.holidays, self.line, self.problems
            ),
            priority=read_limits(self.said, self.line, self.problems),
            critical=read_critical(self.said, self.line, self.problems),
        )

    def line(self, key: str, table: str = "") -> int | None:
        """Where ``key`` of ``table`` is set, else where the table begins."""
        return self.lines.of(table, key) if table else self.lines.of(key)

    def _unknown(self, table: dict[str, Any], known: tuple[str, ...], name: str) -> None:
        for key in table:
            if key not in known:
                where = f" in [{name}]" if name else ""
                hint = suggestion(key, known)
                if not hint:
                    for other, keys in (("", KEYS), *_TABLES.items()):
                        if other != name and key in keys:
                            hint = f": it belongs {f'into [{other}]' if other else 'above the first [table]'}"
                self.problems.error(self.line(key, name), f"unknown key {key!r}{where}{hint}")

    def _text(self, key: str) -> str:
        value = self.said.get(key, "")
        if not isinstance(value, str):
            self.problems.error(self.line(key), f'{key} is not a text: write it in quotes, {key} = "{value}"')
            return ""
        return value.strip()

    def _timezone(self) -> str:
        zone = self._text("timezone") or Head.timezone
        try:
            zoneinfo.ZoneInfo(zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            self.problems.error(self.line("timezone"), f"unknown timezone {zone!r}{_zone_hint(zone)}")
            return "UTC"
        return zone

    def _since(self) -> datetime.date | None:
        day = self.said.get("since")
        if day is None:
            return None
        if not isinstance(day, datetime.date) or isinstance(day, datetime.datetime):
            self.problems.error(
                self.line("since"), "since is no day: write since = 2026-03-01, without quotes"
            )
            return None
        return day

    def _crs(self) -> str:
        crs = self._text("crs")
        if crs and (wrong := geo.wrong_crs(crs)):
            self.problems.error(self.line("crs"), f"crs {crs!r} {wrong}")
            return ""
        return crs

    def _network(self) -> str:
        name = self._text("network")
        if name and Path(name).name != name:
            self.problems.error(
                self.line("network"), f"network {name!r} is not a file name: the file lies in the folder"
            )
            return ""
        return name

    def _monitor(self) -> MonitorOptions:
        table = self.said.get("monitor", {})
        if not isinstance(table, dict):
            self.problems.error(self.line("monitor"), "monitor is not a table: write [monitor]")
            return MonitorOptions()
        self._unknown(table, MONITOR_KEYS, "monitor")
        default = MonitorOptions()
        water = self._cost("water_cost", table, default.water_cost)
        visit = self._cost("visit_cost", table, default.visit_cost)
        if visit > 0 and not table.get("water_cost"):
            self.problems.warning(
                self.line("visit_cost", "monitor"),
                "visit_cost has no effect without water_cost, the value of what a visit saves",
            )
        return MonitorOptions(
            night=self._night(table.get("night"), default.night),
            holidays=self._holidays(table.get("holidays", [])),
            water_cost=water,
            visit_cost=visit,
            currency=self._currency(table.get("currency", default.currency)),
        )

    def _listen(self) -> tuple[Listening, ...]:
        table = self.said.get("listen", {})
        if not isinstance(table, dict):
            self.problems.error(self.line("listen"), "listen is not a table: write [listen]")
            return ()
        self._unknown(table, LISTEN_KEYS, "listen")
        found: list[Listening] = []
        for key in LISTEN_KEYS:
            said = table.get(key, [])
            line = self.line(key, "listen")
            if not (isinstance(said, list) and all(isinstance(f, str) for f in said)):
                self.problems.error(line, f'{key} is not a list of topics: write {key} = ["pdam/#"]')
                continue
            for text in said:
                if wrong := wrong_filter(text):
                    self.problems.error(line, f"{key} {text!r} {wrong}")
                    continue
                for other in found:
                    if overlap(text, other.filter):
                        self.problems.error(
                            line,
                            f"{key} {text!r} and {other.format} {other.filter!r} share topics: a message "
                            "would come twice",
                        )
                        break
                else:
                    found.append(Listening(text, Format(key)))
        return tuple(found)

    def _night(self, value: Any, default: tuple[float, float]) -> tuple[float, float]:
        if value is None:
            return default
        if not (isinstance(value, list) and len(value) == 2 and all(_is_number(v) for v in value)):
            self.problems.error(
                self.line("night", "monitor"), "night is not a pair of local hours: write night = [0, 5]"
            )
            return default
        start, end = float(value[0]), float(value[1])
        if not (0 <= start < end <= 24 and end - start >= 1):
            self.problems.error(
                self.line("night", "monitor"),
                f"night = [{start:g}, {end:g}] is no stretch of at least one hour within a day [0, 24]",
            )
            return default
        return (start, end)

    def _holidays(self, value: Any) -> frozenset[datetime.date]:
        days = value if isinstance(value, list) else [value]
        good = [d for d in days if isinstance(d, datetime.date) and not isinstance(d, datetime.datetime)]
        for d in days:
            if d not in good:
                self.problems.error(
                    self.line("holidays", "monitor"),
                    f"holiday {d!r} is not a date: write 2026-08-17, without quotes",
                )
        return frozenset(good)

    def _cost(self, key: str, table: dict[str, Any], default: float) -> float:
        value = table.get(key, default)
        if not _is_number(value) or value < 0:
            self.problems.error(self.line(key, "monitor"), f"{key} {value!r} is not a number of 0 or more")
            return default
        return float(value)

    def _currency(self, value: Any) -> str:
        if not (isinstance(value, str) and re.fullmatch(r"[A-Z]{3}", value)):
            self.problems.error(
                self.line("currency", "monitor"),
                f'currency {value!r} is not a code of three capitals such as "IDR"',
            )
            return MonitorOptions().currency
        return value


_INDONESIA = {"WIB": "Asia/Jakarta", "WITA": "Asia/Makassar", "WIT": "Asia/Jayapura"}


def _zone_hint(zone: str) -> str:
    """What to write instead. In Asia most wrong names are towns that have no zone of their own, and the
    zone whose name looks most like the town's is seldom the town's: Malang's is not Manila's.
    """
    if zone.upper() in _INDONESIA:
        return f": write {_INDONESIA[zone.upper()]}"
    names = sorted(zoneinfo.available_timezones())
    typed = zone.lower()
    allowed = 1 if len(zone.rpartition("/")[2]) <= 6 else 2
    distance, near = min((_edits(typed, n.lower()), n) for n in names if abs(len(n) - len(zone)) <= 2)
    if distance <= allowed:
        return f": did you mean {near!r}?"
    own = ", ".join(f"{n} ({short})" for short, n in _INDONESIA.items())
    if typed.startswith(("asia/", "indonesia")) or "/" not in zone:
        return f": in Indonesia use {own}; elsewhere a name such as Asia/Singapore or UTC"
    return suggestion(zone, names) or f": use a name such as {own}, UTC"


def _edits(a: str, b: str) -> int:
    """The least number of letters to put in, take out or change (Levenshtein)."""
    before = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
        before = row
    return before[-1]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
