"""Heard but unknown: names that messages bring and the site does not know, each with what it said last.

Kept in the file of rejected messages, in the same transactions. Bounded: names that were not heard for the
longest time give way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import NamedTuple

import numpy as np

from ingest.decoders.sparkplug import ROOT as SPARKPLUG
from ingest.topics import ROOT
from waterworks.names import Format
from waterworks.reading import as_datetime

MOST = 1000
"""Names that are kept. A site has tens of them; a device gone mad makes up any number."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS unknown (
    topic TEXT NOT NULL,
    name TEXT NOT NULL,
    value REAL,                           -- as sent; NULL where it was no finite number
    unit TEXT NOT NULL,
    time INTEGER NOT NULL,                -- of the value, by the device; microseconds since 1970 UTC
    heard INTEGER NOT NULL,               -- when it came; microseconds since 1970 UTC
    readings INTEGER NOT NULL,            -- with this name, since it is in the list
    PRIMARY KEY (topic, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unknown_by_heard ON unknown (heard);
"""
_MAX_TEXT = 200  # characters of a name, a unit or a topic


class Heard(NamedTuple):
    """What one message says under one name: the last ``value`` [unit, "" where it names none] at ``time``,
    the last of ``readings`` readings. source: the device that says it, where the message names one."""

    name: str
    value: float
    unit: str
    time: np.datetime64
    readings: int = 1
    source: str = ""


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name in the list. value: as last sent, None where that was no finite number; time: by the device,
    None where it is in no calendar. heard: when it last came. readings: so many since it is in the list."""

    name: str
    topic: str
    value: float | None
    unit: str
    time: datetime | None
    heard: datetime
    readings: int


def keep(db: sqlite3.Connection, messages: Iterable[tuple[int, str, Iterable[Heard]]]) -> None:
    """Take down what messages said: (received [us since 1970], topic, names). In the caller's transaction."""
    last: dict[tuple[str, str], tuple[float | None, str, int, int, int]] = {}
    for received, topic, names in messages:
        for h in names:
            key = _clean(_usual(topic, h.source)), _clean(h.name)
            before = last.pop(key, None)  # so that the dict has the last heard at its end
            count = h.readings + (before[-1] if before else 0)
            value = h.value if isfinite(h.value) else None
            micros = int(h.time.astype("datetime64[us]").astype(np.int64))
            last[key] = value, _clean(h.unit), micros, received, count
            if len(last) > MOST:
                del last[next(iter(last))]
    if not last:
        return
    db.executemany(
        "INSERT INTO unknown (topic, name, value, unit, time, heard, readings) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET value = excluded.value, unit = excluded.unit, time = excluded.time,"
        " heard = excluded.heard, readings = readings + excluded.readings",
        [(*key, *said) for key, said in last.items()],
    )
    db.execute(
        "DELETE FROM unknown WHERE (topic, name) IN"
        " (SELECT topic, name FROM unknown ORDER BY heard DESC, topic, name LIMIT -1 OFFSET ?)",
        (MOST,),
    )


def _usual(topic: str, source: str) -> str:
    """The topic of a sender's data: Sparkplug's births say the same names on another one, and over HTTP the
    uplinks of all devices may come to one address."""
    levels = topic.split("/")
    match levels:
        case [*_, "device", device, "event", "up"] if source and device.lower() != source.lower():
            levels[-3] = source.lower()
        case [*_, "devices", device, "up"] if source and device.lower() != source.lower():
            levels[-2] = source.lower()
        case _:
            pass
    if levels[0] == SPARKPLUG and len(levels) > 3 and levels[2] in ("NBIRTH", "DBIRTH"):
        levels[2] = f"{levels[2][0]}DATA"
    return "/".join(levels)


def line_for(found: UnknownName) -> tuple[str, str, str, str, str] | None:
    """Cells of names.csv for a name, its sensor left empty: name, sensor, format, source, unit.

    By the usual layouts of topics; what fits none is taken for a plain number on its topic. None for Twuin's
    own JSON, which names sensors by their ids.
    """
    levels = found.topic.split("/")
    format, source = Format.PLAIN.value, ""
    match levels:
        case [root, _, device, *rest] if root == ROOT:
            if not (rest and rest[0].startswith(Format.SENML.value)):
                return None
            format, source = Format.SENML.value, device
        case [root, group, _, node, *rest] if root == SPARKPLUG:
            format, source = Format.SPARKPLUG.value, "/".join([group, node, *rest])
        case [*_, "device", device, "event", "up"]:
            format, source = Format.CHIRPSTACK.value, device.lower()
        case [*_, "devices", device, "up"]:
            format, source = Format.THINGS_STACK.value, device.lower()
        case _:
            pass
    return found.name, "", format, source, found.unit


def from_row(row: tuple[str, str, float | None, str, int, int, int]) -> UnknownName:
    """An entry of ``SELECT topic, name, value, unit, time, heard, readings``."""
    topic, name, value, unit, time, heard, readings = row
    return UnknownName(name, topic, value, unit, _instant(time), _moment(heard), readings)


def _moment(micros: int) -> datetime:
    return as_datetime(np.datetime64(micros, "us"))


def _instant(micros: int) -> datetime | None:
    try:
        return _moment(micros)
    except (ValueError, OverflowError, AttributeError, TypeError):  # a time beyond datetime's years
        return None


def _clean(text: str) -> str:
    """``text`` bounded, and without surrogates, which SQLite cannot hold."""
    return text[:_MAX_TEXT].encode("utf-8", "backslashreplace").decode("utf-8")
