"""What a message of each format costs from its bytes to checked readings in SI, without broker and store.

    python tests/bench/formats.py [--messages 20000]

Messages in groups of 2,000, as ingest takes them; the best of five runs. Of Sparkplug, data by alias.
"""

from __future__ import annotations

import argparse
import json
import struct
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cbor2

from ingest.pipeline import Pipeline, RawMessage
from waterworks.codecs import TYPES, ByteField
from waterworks.listen import Listening
from waterworks.names import ForeignName, Format
from waterworks.reading import instant
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

DEVICES = 1000
T0 = 1_795_230_000_000
NOW = instant("2026-11-21T12:00:00Z")
GROUP = 2_000
METRICS = 10


def site() -> Site:
    """A thousand devices; each sensor has a name in each format."""
    sensors = tuple(Sensor(f"S{i}", Quantity.FLOW, "m3/h", "D", f"d{i}") for i in range(DEVICES))
    names = []
    for i in range(DEVICES):
        names += [
            ForeignName(f"pdam/{i}/flow", f"S{i}", Format.PLAIN),
            ForeignName("flow", f"S{i}", Format.CHIRPSTACK, f"{i:016x}"),
            ForeignName("flow", f"S{i}", Format.THINGS_STACK, f"probe-{i}"),
        ]
        names += [ForeignName(f"Flow {k}", f"S{i}", Format.SPARKPLUG, f"PDAM/n{i}") for k in range(METRICS)]
    listen = (
        Listening("pdam/#", Format.PLAIN),
        Listening("application/#", Format.CHIRPSTACK),
        Listening("v3/#", Format.THINGS_STACK),
        Listening("spBv1.0/#", Format.SPARKPLUG),
    )
    codecs = (ByteField("probe-*", "flow", 2, TYPES["u16be"], scale=0.1, unit="m3/h"),)
    return Site(
        "bench",
        "Bench",
        ZoneInfo("UTC"),
        (),
        sensors,
        Path(),
        names=tuple(names),
        listen=listen,
        codecs=codecs,
    )


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def _payload(seq: int, metrics: list[bytes]) -> bytes:
    body = b"\x08" + _varint(T0) + b"".join(b"\x12" + _varint(len(m)) + m for m in metrics)
    return body + b"\x18" + _varint(seq)


def sparkplug(k: int, n: int) -> RawMessage:
    """A birth as the first message of each node, data by alias after that."""
    node, seq = k % DEVICES, k // DEVICES
    metrics = []
    for m in range(METRICS):
        name = f"Flow {m}".encode()
        born = b"\x0a" + _varint(len(name)) + name + b"\x20\x0a" if seq == 0 else b""
        metrics.append(
            born + b"\x10" + _varint(m) + b"\x18" + _varint(T0 + 1000 * k) + b"\x69" + struct.pack("<d", 12.5)
        )
    verb = "NBIRTH" if seq == 0 else "NDATA"
    return RawMessage(f"spBv1.0/PDAM/{verb}/n{node}", _payload(seq % 256, metrics))


def message(format: str, k: int, n: int) -> RawMessage:
    """The k-th of n messages."""
    i = k % DEVICES
    at = f"2026-11-21T03:{k // 60 % 60:02d}:{k % 60:02d}Z"
    data: Any
    match format:
        case "json":
            data = {"sensor": f"S{i}", "time": at, "value": 12.5, "unit": "m3/h", "seq": k}
            return RawMessage(f"twuin/bench/d{i}/readings", json.dumps(data).encode())
        case "senml":
            data = [{"bn": f"d{i}/", "bt": T0 / 1000 + k, "n": f"S{i}", "u": "m3/h", "v": 12.5}]
            return RawMessage(f"twuin/bench/d{i}/senml", json.dumps(data).encode())
        case "senml-cbor":
            data = [{-2: f"d{i}/", -3: T0 // 1000 + k, 0: f"S{i}", 1: "m3/h", 2: 12.5}]
            return RawMessage(f"twuin/bench/d{i}/senml-cbor", cbor2.dumps(data))
        case "plain":
            return RawMessage(f"pdam/{i}/flow", b"12.5")
        case "chirpstack":
            data = {
                "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d", "time": at,
                "deviceInfo": {"devEui": f"{i:016x}", "deviceProfileName": "meter", "tags": {"a": "b"}},
                "devAddr": "00189440", "dr": 1, "fCnt": k, "fPort": 1, "data": "qgE=",
                "object": {"flow": 12.5, "battery": "ok"},
                "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -36, "snr": 10.5}],
            }  # fmt: skip
            return RawMessage(f"application/1/device/{i:016x}/event/up", json.dumps(data).encode())
        case "things-stack, bytes":
            data = {
                "end_device_ids": {"device_id": f"probe-{i}", "dev_eui": "0004A30B001C0530"},
                "uplink_message": {
                    "f_cnt": k, "f_port": 2, "frm_payload": "qgEAfQ==", "received_at": at,
                    "rx_metadata": [{"gateway_ids": {"gateway_id": "g"}, "rssi": -35, "snr": 5}],
                },
            }  # fmt: skip
            return RawMessage(f"v3/app@ttn/devices/probe-{i}/up", json.dumps(data).encode())
    return sparkplug(k, n)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=20_000)
    a = parser.parse_args()
    formats = ("json", "senml", "senml-cbor", "plain", "chirpstack", "things-stack, bytes", "sparkplug")
    for format in formats:
        messages = [message(format, k, a.messages) for k in range(a.messages)]
        best = float("inf")
        for _ in range(5):
            pipeline = Pipeline(site(), None, None)  # type: ignore[arg-type]
            began = time.process_time()
            readings = 0
            for start in range(0, a.messages, GROUP):
                group = pipeline.prepare(messages[start : start + GROUP], NOW)
                readings += len(group.batch)
                if group.rejected:
                    raise SystemExit(f"{format}: {group.rejected[0].detail}")
            best = min(best, time.process_time() - began)
        us = best / a.messages * 1e6
        print(f"{format:22} {us:6.1f} us a message, {readings / best:10,.0f} readings/s")


if __name__ == "__main__":
    main()
