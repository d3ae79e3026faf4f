"""Names that are heard but unknown: kept with what they said last, and never more than so many."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.pipeline import Pipeline, RawMessage
from ingest.reasons import Reason
from ingest.rejected import Rejected, RejectedLog
from ingest.unknown import MOST, Heard, UnknownName, line_for
from waterworks.listen import Listening
from waterworks.names import Format
from waterworks.reading import instant
from waterworks.site import Site

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = np.datetime64("2026-11-21T03:00", "us")


def said(second: int, *names: Heard, topic: str = "twuin/malang/d1/senml") -> Rejected:
    received = NOW + timedelta(seconds=second)
    return Rejected(received, topic, b"[]", Reason.UNKNOWN_SENSOR, "", len(names), names)


def test_a_message_of_unknown_names_leaves_each_in_the_list(
    site: Site, store: Any, rejected: RejectedLog
) -> None:
    pipeline = Pipeline(site, store, rejected)
    pack = [{"bn": "urn:x:", "bt": 1795230000, "bu": "m3/h", "n": "a", "v": 1}, {"n": "b", "v": 2}]
    pack += [
        {"n": "a", "t": 60, "v": 3},
        {"bn": "", "n": "D1-IN", "v": 36},
        {"bn": "", "n": "D1-P1", "vb": True},
    ]
    ours = {"sensor": "D1-X", "time": 1795230000000, "value": 7, "unit": "bar"}
    messages = [
        RawMessage("twuin/malang/d1/senml", json.dumps(pack).encode()),
        RawMessage("twuin/malang/d1/readings", json.dumps(ours).encode()),
    ]
    for _ in range(2):
        pipeline.commit(pipeline.prepare(messages, instant(NOW)))
    found = {n.name: n for n in rejected.unknown()}
    assert set(found) == {"urn:x:a", "urn:x:b", "D1-X"}
    a = found["urn:x:a"]
    assert (a.value, a.unit, a.readings, a.heard) == (3.0, "m3/h", 4, NOW)
    assert (a.topic, a.time) == ("twuin/malang/d1/senml", datetime(2026, 11, 21, 3, 1, tzinfo=UTC))
    assert (found["D1-X"].value, found["D1-X"].unit) == (7.0, "bar")
    assert len(store.readings) == 1


def test_the_last_heard_stands_first_and_the_same_name_of_another_topic_apart(rejected: RejectedLog) -> None:
    rejected.add([said(1, Heard("a", 1.0, "", AT)), said(3, Heard("a", 2.0, "", AT), topic="t")])
    rejected.add([said(2, Heard("b", 3.0, "", AT))])
    assert [(n.name, n.topic, n.value) for n in rejected.unknown()] == [
        ("a", "t", 2.0),
        ("b", "twuin/malang/d1/senml", 3.0),
        ("a", "twuin/malang/d1/senml", 1.0),
    ]
    assert [n.name for n in rejected.unknown(limit=1)] == ["a"]


def test_no_more_than_so_many_are_kept_in_one_call_or_in_many(rejected: RejectedLog) -> None:
    rejected.add([said(0, *(Heard(f"old {i}", 1.0, "", AT) for i in range(3 * MOST)))])
    assert len(rejected.unknown(10 * MOST)) == MOST
    for second in range(1, 4):
        rejected.add([said(second, *(Heard(f"new {second} {i}", 1.0, "", AT) for i in range(MOST // 2)))])
    names = [n.name for n in rejected.unknown(10 * MOST)]
    assert len(names) == MOST
    assert {n.split()[1] for n in names} == {"2", "3"}


def test_what_no_database_or_calendar_holds_is_kept_all_the_same(rejected: RejectedLog) -> None:
    far = np.datetime64(2**62, "us")
    rejected.add([said(0, Heard("\ud800" * 500, nan, "x" * 10_000, far))])
    [kept] = rejected.unknown()
    assert kept.name.startswith("\\ud800") and len(kept.unit) < 1000
    assert (kept.value, kept.time) == (None, None)


def test_a_forgotten_name_comes_back_when_it_is_heard_again(rejected: RejectedLog) -> None:
    rejected.add([said(0, Heard("a", 1.0, "", AT, 5))])
    assert rejected.forget_unknown() == 1
    assert rejected.unknown() == ()
    rejected.add([said(1, Heard("a", 2.0, "", AT))])
    assert [(n.value, n.readings) for n in rejected.unknown()] == [(2.0, 1)]


def test_a_log_of_an_earlier_version_gets_the_list(tmp_path: Path) -> None:
    RejectedLog(tmp_path / "r.sqlite").close()
    db = sqlite3.connect(tmp_path / "r.sqlite")
    db.execute("DROP TABLE unknown")
    db.close()
    log = RejectedLog(tmp_path / "r.sqlite")
    log.add([said(0, Heard("a", 1.0, "", AT))])
    assert len(log.unknown()) == 1
    log.close()


@pytest.mark.parametrize(
    ("topic", "cells"),
    [
        ("pdam/reservoir3/level", ("plain", "")),
        ("spBv1.0/PDAM/NDATA/rtu-9", ("sparkplug", "PDAM/rtu-9")),
        ("spBv1.0/PDAM/DDATA/rtu-9/meter", ("sparkplug", "PDAM/rtu-9/meter")),
        ("application/7/device/24E124AA00000001/event/up", ("chirpstack", "24e124aa00000001")),
        ("v3/app1@ttn/devices/probe-3/up", ("things-stack", "probe-3")),
        ("twuin/malang/d1/senml-cbor", ("senml", "d1")),
    ],
)
def test_a_name_is_told_as_a_line_for_the_table_of_names(topic: str, cells: tuple[str, str]) -> None:
    found = UnknownName("Load", topic, 1.0, "bar", None, NOW, 1)
    assert line_for(found) == ("Load", "", *cells, "bar")
    assert line_for(UnknownName("X", "twuin/malang/d1/readings", 1.0, "", None, NOW, 1)) is None


def test_the_births_and_data_of_an_edge_node_are_one_name(rejected: RejectedLog) -> None:
    for verb in ("DBIRTH", "DDATA", "DBIRTH"):
        rejected.add([said(1, Heard("Load", 1.0, "", AT), topic=f"spBv1.0/PDAM/{verb}/rtu-9/meter")])
    [found] = rejected.unknown()
    assert (found.topic, found.readings) == ("spBv1.0/PDAM/DDATA/rtu-9/meter", 3)


@pytest.mark.parametrize(
    ("root", "topic", "as_mqtt"),
    [
        ("chirpstack", "application/app1/device/any/event/up", "application/app1/device/{}/event/up"),
        ("things-stack", "v3/app1@ttn/devices/any/up", "v3/app1@ttn/devices/{}/up"),
    ],
)
def test_of_uplinks_that_all_come_to_one_address_each_device_has_its_own_lines(
    site: Site, store: Any, rejected: RejectedLog, root: str, topic: str, as_mqtt: str
) -> None:
    listen = (Listening("application/#", Format.CHIRPSTACK), Listening("v3/#", Format.THINGS_STACK))
    pipeline = Pipeline(replace(site, listen=listen), store, rejected)
    case = "decoded_object" if root == "chirpstack" else "example_of_the_manual"
    uplink = (Path(__file__).parents[2] / "golden" / root / case / "payload.json").read_text()
    known = "0102030405060708" if root == "chirpstack" else "dev1"
    for device in ("aa01", "aa02"):
        message = RawMessage(topic, uplink.replace(known, device).encode())
        pipeline.commit(pipeline.prepare([message], instant(NOW)))
    found = rejected.unknown()
    lines = [line_for(n) for n in found]
    assert len(found) == 4 and {n.topic for n in found} == {as_mqtt.format(d) for d in ("aa01", "aa02")}
    assert {line[2:4] for line in lines if line} == {(root, "aa01"), (root, "aa02")}
    assert "names.csv" in rejected.list()[0].detail
