"""What the devices send, against the published schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from firmware_sim.bound import bind
from firmware_sim.device import Device, build_devices
from firmware_sim.observing import observed
from firmware_sim.scenario import parse_scenario
from firmware_sim.unconfirmed import Receipt
from firmware_sim.wire import (
    Number,
    Series,
    Writer,
    command_result,
    garbled,
    last_will,
    read_command,
    read_receipt,
)
from ingest.ledger.numbers import Receipt as Told
from ingest.ledger.numbers import told
from waterworks.site import Site

REFUSED = {"id": "b", "ok": False}
T = 1_790_000_100_000_000  # 2026-09-21T14:15:00Z


@pytest.fixture
def device(site: Site, start: np.datetime64) -> Device:
    bound = bind(site, parse_scenario(""), start)
    columns = {name: i for i, name in enumerate(observed(site, bound.network))}
    return next(d for d in build_devices(bound, columns) if d.id == "INLET")


@pytest.fixture
def writer(site: Site, device: Device) -> Writer:
    return Writer(device, site.timezone, milliseconds=False)


def check(root: Path, schema: str, payload: bytes) -> Any:
    said = json.loads(payload)
    published = {p.name: json.loads(p.read_text()) for p in (root / "docs" / "schema").glob("*.json")}
    registry = Registry().with_resources(
        (text["$id"], Resource.from_contents(text)) for text in published.values()
    )
    validator = Draft202012Validator(published[schema], registry=registry)
    errors = [e.message for e in validator.iter_errors(said)]
    assert not errors, errors
    return said


def test_one_sensor_sends_a_reading_and_several_a_batch(root: Path, device: Device, writer: Writer) -> None:
    meters = device.samplers[0].meters
    one = check(root, "readings.schema.json", writer.sample(Number(3), meters[:1], T, [12.5]))
    time = "2026-09-21T21:15:00+07:00"
    assert one == {"sensor": "IN", "time": time, "value": 12.5, "unit": "m3/h", "seq": 3}
    many = check(root, "readings.schema.json", writer.sample(Number(4), meters, T, [12.5, 40.25]))
    assert [r["value"] for r in many["readings"]] == [12.5, 40.25]


def test_kept_readings_go_out_in_columns(root: Path, device: Device, writer: Writer) -> None:
    meter = device.samplers[0].meters[0]
    said = check(
        root, "readings.schema.json", writer.series(Number(9), [Series(meter, [T, T + 500_000], [1.0, 2.0])])
    )
    assert said["series"][0]["times"] == ["2026-09-21T21:15:00+07:00", "2026-09-21T21:15:00.500+07:00"]


def test_times_can_be_milliseconds(site: Site, device: Device) -> None:
    said = json.loads(
        Writer(device, site.timezone, milliseconds=True).sample(
            Number(1), device.samplers[0].meters, T, [1, 2]
        )
    )
    assert said["readings"][0]["time"] == T // 1000


def test_status_birth_goodbye_and_last_will_are_as_published(root: Path, writer: Writer) -> None:
    birth = check(root, "status.schema.json", writer.status(T, online=True))
    assert birth["state"] == "online" and birth["sensors"] == ["IN", "P-B"] and birth["interval_s"] == 300
    assert check(root, "status.schema.json", writer.status(T, online=False))["state"] == "offline"
    assert check(root, "status.schema.json", last_will()) == {"state": "offline"}


def test_garbage_is_never_a_reading(writer: Writer, device: Device) -> None:
    payload = writer.sample(Number(1), device.samplers[0].meters[:1], T, [12.5])
    kinds = {garbled(payload, device.key, k) for k in range(200)}
    assert len(kinds) == 6
    for one in kinds:
        try:
            said = json.loads(one)
        except ValueError:
            continue
        assert "value" not in said


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b'{"id":"a","interval_s":60}', {"id": "a", "ok": True, "interval_s": 60}),
        (b'{"id":"b","interval_s":0}', REFUSED | {"error": "interval_s must be from 1 to 86400"}),
        (b'{"id":"b","interval_s":"6"}', REFUSED | {"error": "interval_s is missing or no number"}),
        (b'{"interval_s":60}', None),
        (b'{"id":7,"interval_s":60}', None),
        (b"[]", None),
        (b"\xff", None),
    ],
)  # fmt: skip
def test_commands_are_obeyed_refused_or_ignored(
    root: Path, payload: bytes, answer: dict[str, Any] | None
) -> None:
    command = read_command(payload)
    assert (command and check(root, "result.schema.json", command_result(command))) == answer


def test_a_device_that_wants_receipts_says_its_boot_and_what_it_keeps(
    root: Path, device: Device, writer: Writer
) -> None:
    payload = writer.sample(Number(41, 7, 38), device.samplers[0].meters, T, [12.5, 40.25])
    said = check(root, "readings.schema.json", payload)
    assert (said["seq"], said["boot"], said["oldest"]) == (41, 7, 38)


def test_a_receipt_is_understood_as_twuin_writes_it(root: Path) -> None:
    payload = json.dumps(told(Told(7, 29, 41, ((30, 33), (36, 36))))).encode()
    check(root, "receipt.schema.json", payload)
    assert read_receipt(payload) == Receipt(7, 29, 41, [(30, 33), (36, 36)])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"boot":7,"stored":29,"highest":41}',
        b'{"boot":7,"stored":"29","highest":41,"gaps":[]}',
        b'{"boot":7,"stored":29,"highest":41,"gaps":[[30]]}',
        b'{"boot":7,"stored":29,"highest":41,"gaps":[[30,null]]}',
    ],
)
def test_what_is_no_receipt_confirms_nothing(payload: bytes) -> None:
    assert read_receipt(payload) is None
