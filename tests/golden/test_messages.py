"""Every folder of each format's: a topic and a payload as a device sends it, and what becomes of them.

Payloads in ``.hex`` are bytes in hexadecimal, with comments after ``;``. Where messages rest on those before
them, ``topic`` has a line for each, and ``payload-1``, ``payload-2``, ... are theirs.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import numpy as np
import pytest
from referencing import Registry, Resource

from ingest.pipeline import Group, Pipeline, RawMessage
from waterworks.codecs import TYPES, ByteField
from waterworks.listen import Listening
from waterworks.names import ForeignName, Format
from waterworks.reading import as_datetime, instant
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

FORMATS = ("json", "senml-json", "senml-cbor", "plain", "chirpstack", "things-stack", "sparkplug")
CASES = sorted(p for f in FORMATS for p in (Path(__file__).parent / f).iterdir() if p.is_dir())
JSON_CASES = [c for c in CASES if c.parent.name == "json"]
RECEIVED = instant("2026-11-21T12:00:00Z")
SITE = Site(
    id="malang",
    name="Malang",
    timezone=ZoneInfo("Asia/Jakarta"),
    dmas=(),
    sensors=(
        Sensor("D1-IN", Quantity.FLOW, "m3/h", "D1", "d1"),
        Sensor("D1-P1", Quantity.PRESSURE, "m", "D1", "d1"),
        Sensor("TANK", Quantity.LEVEL, "cm", "D1", "d1", low=0.0, high=6.0),
        Sensor("D2-P1", Quantity.PRESSURE, "bar", "D2", "d2"),
        Sensor("ODD", Quantity.RATIO, "", "D2", "a/b c"),
        # what the examples of RFC 8428 are about
        Sensor("T1", Quantity.TEMPERATURE, "degC", "D1", "ow1"),
        Sensor("U1", Quantity.VOLTAGE, "V", "D1", "ow1"),
        Sensor("RH2", Quantity.RATIO, "%", "D1", "ow2"),
        Sensor("D1-VOL", Quantity.VOLUME, "m3", "D1", "d1"),
        Sensor("LORA-P", Quantity.PRESSURE, "bar", "D1", "24E124AA"),
        Sensor("LORA-V", Quantity.VOLTAGE, "V", "D1", "24E124AA"),
    ),
    folder=Path(),
    names=(
        ForeignName("urn:dev:ow:10e2073a01080063", "T1", Format.SENML, "ow1"),
        ForeignName("urn:dev:ow:10e2073a01080063", "RH2", Format.SENML, "ow2"),
        ForeignName("urn:dev:ow:10e2073a01080063:voltage", "U1"),
        ForeignName("urn:dev:ow:10e2073a0108006:voltage", "U1"),
        ForeignName("urn:dev:ow:10e2073a01080063:temp", "T1"),
        ForeignName("2001:db8::2/temperature", "T1"),
        ForeignName("2001:db8::1/humidity", "RH2"),
        ForeignName("pulses", "D1-VOL", unit="m3", scale=0.01, offset=5.0),
        ForeignName("pdam/reservoir3/level", "TANK", Format.PLAIN, unit="m"),
        ForeignName("pdam/d1/flow", "D1-IN", Format.PLAIN),
        ForeignName("pdam/d1/pressure", "D1-P1", Format.PLAIN, unit="bar", scale=0.001),
        ForeignName("pdam/pump/state", "-", Format.PLAIN),
        ForeignName("meter 7/flow", "D1-IN", Format.PLAIN, unit="L/s"),
        # what the examples of ChirpStack and The Things Stack are about
        ForeignName("level", "TANK", Format.CHIRPSTACK, "0101010101010101", "cm"),
        ForeignName("temperatureSensor.1", "T1", Format.CHIRPSTACK, "0102030405060708", "degC"),
        ForeignName("humiditySensor.1", "-", Format.CHIRPSTACK, "0102030405060708"),
        ForeignName("temperature", "T1", Format.THINGS_STACK, "dev1", "degC"),
        ForeignName("pressure", "LORA-P"),
        ForeignName("BatV", "LORA-V"),
        # Sparkplug; the first is of the specification's examples
        ForeignName("Supply Voltage", "U1", Format.SPARKPLUG, "Sparkplug B Devices/Raspberry Pi", "V"),
        *(
            ForeignName(name, sensor, Format.SPARKPLUG, f"PDAM/n{node}/rtu", unit)
            for node in range(1, 30)
            for name, sensor, unit in (
                ("Flow/Inlet", "D1-IN", ""),
                ("Pressure", "D1-P1", "bar"),
                ("Temp", "T1", "degC"),
                ("Spare", "-", ""),
            )
        ),
    ),
    listen=(
        Listening("pdam/#", Format.PLAIN),
        Listening("application/+/device/+/event/+", Format.CHIRPSTACK),
        Listening("v3/+/devices/+/#", Format.THINGS_STACK),
        Listening("spBv1.0/#", Format.SPARKPLUG),
    ),
    codecs=(
        ByteField("0101010101010101", "level", 0, TYPES["u8"], 1),
        ByteField("24e124*", "pressure", 2, TYPES["u16be"], 2, missing=0xFFFF, scale=0.001, unit="bar"),
        ByteField("24e124*", "BatV", 0, TYPES["u16be"], mask=0x3FFF, scale=0.001, unit="V"),
        ByteField("PT-100", "temperature", 0, TYPES["i16le"], scale=0.1, unit="degC"),
    ),
)


class Untouched:
    """A store and a log that nothing may be asked of."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"decoding called {name}()")


def read(case: Path) -> tuple[list[RawMessage], dict[str, Any]]:
    topics = (case / "topic").read_text().removesuffix("\n").split("\n")
    payloads = [_bytes(p) for p in sorted(case.glob("payload*"), key=lambda p: (len(p.name), p.name))]
    expected = json.loads((case / "expected.json").read_text())
    return [RawMessage(t, p) for t, p in zip(topics, payloads, strict=True)], expected


def _bytes(payload: Path) -> bytes:
    if payload.suffix == ".hex":
        return bytes.fromhex("".join(line.split(";")[0] for line in payload.read_text().splitlines()))
    return payload.read_bytes()


def pipeline() -> Pipeline:
    return Pipeline(SITE, Untouched(), Untouched())  # type: ignore[arg-type]


def prepare(*messages: RawMessage) -> Group:
    return pipeline().prepare(messages, RECEIVED)


def readings_of(group: Group) -> list[tuple[str, datetime, float, int]]:
    b = group.batch
    return [
        (b.names[b.sensor[i]], as_datetime(b.time[i]), float(b.value[i]), int(b.quality[i]))
        for i in range(len(b))
    ]


def wanted(expected: dict[str, Any]) -> list[tuple[str, datetime, Any, int]]:
    return [
        (
            r["sensor"],
            datetime.fromisoformat(r["time"]).astimezone(UTC),
            pytest.approx(r["value"], rel=1e-12),
            r["quality"],
        )
        for r in expected["readings"]
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_message_becomes_these_readings_and_rejections(case: Path) -> None:
    messages, expected = read(case)
    reader = pipeline()
    group = reader.prepare(messages, RECEIVED)
    asked = [r.topic.split("/") for r in reader.foreign.requests()]
    assert [f"{group}/{node}" for _, group, _, node in asked] == expected.get("asks", [])
    assert readings_of(group) == wanted(expected)
    assert (group.batch.received == RECEIVED).all()
    assert sorted((r.reason.value, r.readings) for r in group.rejected) == sorted(
        (r["reason"], r["readings"]) for r in expected["rejected"]
    )
    for entry in expected["rejected"]:
        [found] = [r for r in group.rejected if r.reason.value == entry["reason"]]
        assert entry.get("detail", "") in found.detail
        assert RawMessage(found.topic, found.payload) in messages
        assert "\n" not in found.detail


def test_all_messages_in_one_group_become_what_each_becomes_alone() -> None:
    pairs = [read(case) for case in CASES]
    group = prepare(*[message for messages, _ in pairs for message in messages])
    assert readings_of(group) == [r for _, expected in pairs for r in wanted(expected)]
    rejected = sorted((r.topic, r.payload, r.reason.value, r.readings) for r in group.rejected)
    assert rejected == sorted(
        (found.topic, found.payload, found.reason.value, found.readings)
        for messages, _ in pairs
        for found in prepare(*messages).rejected
    )


# The others: no JSON at all, or sound in form and wrong in content, which no schema can say.
@pytest.mark.parametrize(
    "case", [c for c in JSON_CASES if "schema_valid" in read(c)[1]], ids=lambda p: p.name
)
def test_published_schema_agrees_with_the_decoder(case: Path, root: Path) -> None:
    [message], expected = read(case)
    schema = json.loads((root / "docs/schema/readings.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(json.loads(message.payload)) is expected["schema_valid"]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("status", {"state": "online", "time": "2026-11-21T10:00:00+07:00", "battery_v": 3.6}, {"time": 1}),
        ("command", {"id": "7", "interval_s": 60}, {"id": "7", "interval_s": 0}),
        ("result", {"id": "7", "ok": True, "interval_s": 60}, {"id": "7"}),
    ],
)
def test_schema_of_device_messages_tells_good_from_bad(
    name: str, good: dict[str, Any], bad: dict[str, Any], root: Path
) -> None:
    schemas = [json.loads(p.read_text()) for p in sorted((root / "docs/schema").glob("*.schema.json"))]
    registry: Registry[Any] = Registry().with_resources(
        (s["$id"], Resource.from_contents(s)) for s in schemas
    )
    [schema] = [s for s in schemas if s["$id"] == f"urn:twuin:schema:{name}"]
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema, registry=registry)
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)


def test_reading_times_are_utc_microseconds() -> None:
    [message], _ = read(next(c for c in JSON_CASES if c.name == "single"))
    assert prepare(message).batch.time[0] == np.datetime64("2026-11-21T03:00:00", "us")
