"""Asks InfluxDB what Grafana would ask for a dashboard, with its variables and macros written out as
Grafana's InfluxDB data source does in InfluxQL mode.

From Grafana's sources: the time filter, ``$__interval`` and its form as in
``pkg/tsdb/influxdb/models/query.go`` and ``gtime.FormatInterval``; the length of a step as in
``packages/grafana-data/src/datetime/rangeutil.ts`` (calculateInterval, roundInterval); ``${name:regex}`` as
the format ``regex`` of variables has it, where a custom value for All is put in as it is.
"""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_POINTS = 1000

ROUND_MS = (
    (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1_500, 1_000), (3_500, 2_000),
    (7_500, 5_000), (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000),
    (210_000, 120_000), (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000),
    (2_700_000, 1_800_000), (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000),
    (32_400_000, 21_600_000), (86_400_000, 43_200_000), (604_800_000, 86_400_000),
)  # fmt: skip

UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


def interval_ms(begin: int, end: int, least: str | None) -> int:
    """Length of a step of a panel."""
    exact = (end - begin) / MAX_POINTS
    rounded = next((to for below, to in ROUND_MS if exact < below), 86_400_000)
    return max(rounded, 0 if least is None else _ms(least))


def _ms(text: str) -> int:
    match = re.fullmatch(r"(\d+)([a-z]+)", text)
    assert match is not None
    return int(match[1]) * dict(UNITS)[match[2]]


def interval_text(ms: int) -> str:
    """As Grafana writes it: whole units, the largest that fits."""
    return next(f"{ms // size}{unit}" for unit, size in UNITS if ms >= size)


def escaped(text: str) -> str:
    return re.sub(r"[\\^$*+?.()|\[\]{}/]", lambda found: "\\" + found[0], text)


@dataclass
class Asker:
    """begin, end: of what is shown [ms]. picked: values of variables; ``raw`` ones go in as they are."""

    url: str
    database: str
    begin: int
    end: int
    picked: dict[str, str] = field(default_factory=dict)
    raw: set[str] = field(default_factory=set)

    def written_out(self, query: str, least: str | None = None) -> str:
        """The question as InfluxDB gets it."""
        ms = interval_ms(self.begin, self.end, least)

        def value(found: re.Match[str]) -> str:
            name, form = found[1], found[2]
            if name in ("__from", "__to"):
                return str(self.begin if name == "__from" else self.end)
            text = self.picked[name]
            assert form in (None, "regex"), found[0]
            return escaped(text) if form == "regex" and name not in self.raw else text

        query = re.sub(r"\$\{(\w+)(?::(\w+))?\}", value, query)
        query = query.replace("$timeFilter", f"time >= {self.begin}ms and time <= {self.end}ms")
        query = query.replace("$__interval", interval_text(ms))
        left = re.sub(r"'[^']*'|/[^/]*\$/", "", query)
        assert "$" not in left, f"not written out: {query}"
        return query

    def ask(self, query: str, least: str | None = None) -> list[dict[str, Any]]:
        """Its series, each with name, tags, columns and values."""
        sent = self.written_out(query, least)
        form = urllib.parse.urlencode({"db": self.database, "epoch": "ms", "q": sent}).encode()
        with urllib.request.urlopen(f"{self.url}/query", form, timeout=60) as answer:
            result = json.load(answer)["results"][0]
        assert "error" not in result, f"{result['error']}: {sent}"
        found: list[dict[str, Any]] = result.get("series", [])
        return found

    def choices(self, query: str) -> list[str]:
        """What a variable lets one pick."""
        return sorted({row[1] for series in self.ask(query) for row in series["values"]})


def panels(model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Panels that ask something."""
    for panel in model["panels"]:
        if panel["type"] != "row":
            yield panel


def values(series: list[dict[str, Any]]) -> list[Any]:
    """All values but times that are there."""
    return [v for s in series for row in s["values"] for v in row[1:] if v is not None]
