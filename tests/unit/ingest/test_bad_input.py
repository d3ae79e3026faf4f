"""The table of docs/bad-input.md: examples of each row get what it says, and no row or reason is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import cbor2
import numpy as np
import pytest

from ingest.clocks.quarantine import Quarantine
from ingest.decoders.json_readings import JsonReadings
from ingest.pipeline import Pipeline, RawMessage
from ingest.reasons import Reason
from ingest.rejected import RejectedLog
from waterworks.codecs import TYPES, ByteField
from waterworks.listen import Listening
from waterworks.names import ForeignName, Format
from waterworks.reading import Quality, instant
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

NOW = instant("2026-11-21T12:00:00Z")
MS = 1_795_230_000_000
SITE = Site(
    "kota",
    "Kota",
    ZoneInfo("Asia/Jakarta"),
    (),
    (
        Sensor("F1", Quantity.FLOW, "m3/h", "D1", "d1", since=date(2020, 1, 1)),
        Sensor("P1", Quantity.PRESSURE, "bar", "D1", "d2"),
    ),
    Path(),
    names=(
        ForeignName("pdam/flow", "F1", Format.PLAIN),
        ForeignName("pdam/state", "-", Format.PLAIN),
        ForeignName("flow", "F1", Format.CHIRPSTACK, "aa"),
        ForeignName("flow", "F1", Format.CHIRPSTACK, "bb"),
        ForeignName("pressure", "P1", Format.CHIRPSTACK, "bb"),
        ForeignName("flow", "F1", Format.SPARKPLUG, "g/n"),
    ),
    listen=(
        Listening("pdam/#", Format.PLAIN),
        Listening("application/#", Format.CHIRPSTACK),
        Listening("spBv1.0/#", Format.SPARKPLUG),
    ),
    codecs=(
        ByteField("bb", "flow", 0, TYPES["u8"]),
        ByteField("bb", "pressure", 1, TYPES["u16be"]),
    ),
)
GOOD = {"sensor": "F1", "time": MS, "value": 36}


class Example(NamedTuple):
    """Messages of one row, each of which must get what the row says. good: readings that each still has."""

    messages: list[RawMessage]
    good: int = 0


def ours(payload: Any, good: int = 0, channel: str = "readings") -> Example:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Example([RawMessage(f"twuin/kota/d1/{channel}", data)], good)


def among(*bad: dict[str, Any]) -> Example:
    """Readings that are bad, each in a batch with a good one."""
    return Example([m for b in bad for m in ours({"readings": [GOOD, GOOD | b]}).messages], 1)


def without(key: str) -> Example:
    return ours({"readings": [GOOD, {k: v for k, v in GOOD.items() if k != key}]}, 1)


def on(topic: str, payload: bytes, stale: bool = False) -> Example:
    return Example([RawMessage(topic, payload, stale)])


def uplink(device: str, good: int = 0, **said: Any) -> Example:
    message = {"deviceInfo": {"devEui": device}, "time": "2026-11-21T11:00:00Z", **said}
    return Example(
        [RawMessage(f"application/1/device/{device}/event/up", json.dumps(message).encode())], good
    )


def senml(*records: dict[str, Any], good: int = 0) -> Example:
    return ours(list(records), good, "senml")


def both(*examples: Example) -> Example:
    return Example([m for e in examples for m in e.messages], examples[0].good)


def nested(levels: int) -> Any:
    return 1 if levels == 0 else {"a": nested(levels - 1)}


def rows(root: Path) -> list[tuple[str, str, str]]:
    """Input, reason ("" where there is none) and outcome of each line of the table."""
    text = (root / "docs/bad-input.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    table = []
    for line in lines[2:]:
        cells = tuple(cell.strip() for cell in line[1:-1].split("|"))
        assert len(cells) == 3, line
        table.append((cells[0], cells[1].strip("`"), cells[2]))
    return table


EXAMPLES: dict[str, Callable[[Callable[..., bytes]], Example]] = {
    "JSON that is cut short, or no JSON": lambda _: both(ours(b'{"sensor": "F1", "ti'), ours(b"36 m3/h")),
    "a JSON object without readings, or of two forms at once": lambda _: both(
        ours({"seq": 1}), ours(GOOD | {"readings": [GOOD]})
    ),
    "JSON fields that Twuin does not know": lambda _: ours(GOOD | {"colour": "blue"}, 1),
    "a value as text, a boolean, a list": lambda _: among({"value": "36"}, {"value": True}, {"value": [36]}),
    "`NaN`": lambda _: among({"value": float("nan")}),
    "`Infinity`, `-Infinity`": lambda _: among({"value": float("inf")}, {"value": float("-inf")}),
    "`null` for a value": lambda _: among({"value": None}),
    "a number beyond 64-bit floats (`1e999`)": lambda _: Example(
        [
            RawMessage(m.topic, m.payload.replace(b"123454321", b"1e999"))
            for m in among({"value": 123454321}).messages
        ],
        1,
    ),
    "a value beyond what is believable": lambda _: ours(GOOD | {"value": 1e6}, 1),
    "an unknown unit, or one of another quantity": lambda _: among({"unit": "furlong"}, {"unit": "bar"}),
    "no time": lambda _: both(without("time"), among({"time": ""}), among({"time": None})),
    "a local time without a zone": lambda _: among({"time": "2026-11-21T10:00:00"}),
    "30 February, or text that is no time": lambda _: among(
        {"time": "2026-02-30T10:00:00Z"}, {"time": "noon"}
    ),
    "a time before the year 2000; seconds in place of milliseconds": lambda _: among(
        {"time": "1999-12-31T00:00:00Z"}, {"time": MS // 1000}
    ),
    "a time more than a year ahead": lambda _: among({"time": "2027-11-23T12:00:01Z"}),
    "a time more than 15 minutes ahead (`quarantine.ahead_s`)": lambda _: among(
        {"time": "2026-11-21T12:15:01Z"}, {"time": "2027-11-20T12:00:00Z"}
    ),
    "a time before its sensor was there (`since` in `sensors.csv`)": lambda _: among(
        {"time": "2019-12-31T23:59:59+07:00"}
    ),
    "the same reading again": lambda _: Example(ours(GOOD).messages * 2, 1),
    "a sensor that the site does not have": lambda _: among({"sensor": "F9"}),
    "a sensor of another device": lambda _: among({"sensor": "P1"}),
    "no bytes at all": lambda _: both(ours(b""), ours(b"", channel="senml"), on("pdam/flow", b"")),
    "a message of 10 MB (more than 1 MiB)": lambda _: both(
        ours(b" " * 10_000_000),
        ours(b"\x80" * (2**20 + 1), channel="senml-cbor"),
        on("pdam/flow", b"1" * 10**7),
    ),
    "a batch of more than 10,000 readings": lambda _: both(
        ours({"readings": [GOOD] * 10_001}), senml(*[{"n": "F1", "v": 1}] * 10_001)
    ),
    "JSON nested 100,000 levels deep": lambda _: both(
        ours(b"[" * 100_000), ours(b'{"a":' * 100_000), ours(b"[" * 100_000, channel="senml")
    ),
    "CBOR nested more than 16 levels deep": lambda _: ours(b"\x81" * 17 + b"\x01", channel="senml-cbor"),
    "bytes that are not UTF-8": lambda _: both(
        ours(b'{"sensor": "F\xff1"}'), ours(b'[{"n": "\xff"}]', channel="senml"), on("pdam/flow", b"\xff")
    ),
    "half a surrogate pair in a text": lambda _: among({"time": "\ud800"}),
    "a series with other numbers of times and values": lambda _: ours(
        {
            "series": [
                {"sensor": "F1", "times": [MS, MS + 1000], "values": [1]},
                {"sensor": "F1", "times": [MS], "values": [1]},
            ]
        },
        1,
    ),
    "a topic of no layout": lambda _: both(
        on("twuin/kota/d1", b"1"), on("elsewhere", b"1"), on("spBv1.0/g/NBORN/n", b"x")
    ),
    "a topic of another site": lambda _: on("twuin/desa/d1/readings", json.dumps(GOOD).encode()),
    "a status of a device that the site does not have": lambda _: on(
        "twuin/kota/d9/status", b'{"state": "online"}'
    ),
    "CBOR that is cut short": lambda _: ours(cbor2.dumps([{0: "F1", 2: 36}])[:-1], channel="senml-cbor"),
    "a CBOR list that says it has 2⁶⁴ items": lambda _: ours(b"\x9b" + b"\xff" * 8, channel="senml-cbor"),
    "SenML of a later version, or with a field that must be understood": lambda _: both(
        senml({"bver": 11, "n": "F1", "v": 1}), senml({"n": "F1", "v": 1, "must_": 1})
    ),
    "a SenML name with other characters, or of more than 255": lambda _: both(
        senml({"n": "F1", "v": 36, "bt": MS / 1000}, {"n": "F 1", "v": 1}, good=1),
        senml({"n": "F1", "v": 36, "bt": MS / 1000}, {"n": "F" * 256, "v": 1}, good=1),
    ),
    "a plain topic with text, or with JSON": lambda _: both(
        on("pdam/flow", b"offline"), on("pdam/flow", b'{"v": 1}'), on("pdam/flow", b"2,43")
    ),
    "a plain number that waited at the broker": lambda _: on("pdam/flow", b"36", stale=True),
    "a relative time of SenML in a message that waited there": lambda _: Example(
        [
            RawMessage(m.topic, m.payload, True)
            for m in senml({"n": "F1", "v": 36, "t": MS / 1000}, {"n": "F1", "v": 72, "t": -60}).messages
        ],
        1,
    ),
    "an uplink whose bytes nothing says how to read": lambda _: uplink("aa", data="qg=="),
    "an uplink that is too short for a field of `codecs.csv`": lambda _: uplink("bb", 1, data="qg=="),
    "an uplink whose bytes are no base64": lambda _: uplink("bb", data="?"),
    "a decoded object nested more than 8 levels deep": lambda _: uplink("aa", object=nested(9)),
    "a join, a downlink and the like of a network server": lambda _: both(
        on("application/1/device/aa/event/join", b"{}"), on("application/1/device/aa/command/down", b"\xff")
    ),
    "Sparkplug that is no Protocol Buffers": lambda _: both(
        on("spBv1.0/g/NDATA/n", b'{"metrics": []}'), on("spBv1.0/g/NBIRTH/n", b"\x13" * 1000)
    ),
    "a Sparkplug message of 500,000 empty metrics": lambda _: on("spBv1.0/g/NBIRTH/n", b"\x12\x00" * 500_000),
    "a Sparkplug alias whose birth was not heard": lambda write: Example(
        on(
            "spBv1.0/g/NDATA/n",
            write(MS, 1, {"alias": 1, "t": MS, "double": 1.0}, {"name": "flow", "t": MS, "double": 1.0}),
        ).messages,
        1,
    ),
    "a name that the site does not want": lambda _: on("pdam/state", b"ON"),
    "something at which Twuin's own code fails": lambda _: ours(GOOD),
}


def test_the_table_has_a_row_for_each_example_and_each_reason(root: Path) -> None:
    table = rows(root)
    assert [row[0] for row in table] == list(EXAMPLES)
    assert {row[1] for row in table} - {""} == {r.value for r in Reason}


@pytest.mark.parametrize("row", EXAMPLES)
def test_bad_input_gets_what_the_table_says(
    row: str,
    root: Path,
    sparkplug: Callable[..., bytes],
    store: Any,
    rejected: RejectedLog,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    [(_, reason, outcome)] = [line for line in rows(root) if line[0] == row]
    [what] = re.findall(r"^(message|reading|held|marked|stored|once|nothing)\b", outcome)
    example = EXAMPLES[row](sparkplug)
    if reason == Reason.DECODER_FAILED.value:

        def stumble(*_: object) -> None:
            raise ZeroDivisionError("oh")

        monkeypatch.setattr(JsonReadings, "decode", stumble)
    ahead = np.timedelta64(900, "s")
    pipeline = Pipeline(
        SITE, store, rejected, quarantine=Quarantine(tmp_path / "quarantine.sqlite"), ahead=ahead
    )
    for message in example.messages:
        group = pipeline.prepare([message], NOW)
        held = [] if group.held is None else [r.value for r in group.held.reason]
        assert held == ([reason] if what == "held" else [])
        refused = [reason] if reason and what != "held" else []
        assert [r.reason.value for r in group.rejected] == refused, message.topic
        assert all("\n" not in r.detail and r.detail for r in group.rejected)
        assert len(group.batch) == example.good
        assert (what == "marked") == bool((group.batch.quality & int(Quality.OUT_OF_RANGE)).any())
        pipeline.commit(group)
    stats = pipeline.stats
    if what in ("message", "nothing"):
        assert example.good == 0 and not store.readings
    else:
        assert example.good and len(store.readings) == 1
    if what == "nothing":
        assert stats.other + stats.unwanted == len(example.messages)
    if what == "once":
        assert (stats.stored, stats.duplicates) == (1, len(example.messages) - 1)
    kept = rejected.list()
    assert len(kept) == (len(example.messages) if reason and what != "held" else 0)
    assert all(
        e.payload == m.payload[: 64 * 2**10] for e, m in zip(kept[::-1], example.messages, strict=False)
    )
    if "listed" in outcome:
        assert [n.name for n in rejected.unknown()] == ["F9"]
    assert bool(pipeline.foreign.requests()) == ("asked for its births" in outcome)
