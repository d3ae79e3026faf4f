"""The load that ingest is measured with: sound messages, no reading twice, at the speed of arrays."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from firmware_sim.flood import SITE, Flood, fitting_devices
from ingest.pipeline import Pipeline, RawMessage
from ingest.rejected import RejectedLog
from waterworks.reading import AppendResult, ReadingBatch
from waterworks.site import Dma, Site


class Kept:
    """A store that keeps batches."""

    def __init__(self) -> None:
        self.batches: list[ReadingBatch] = []

    def append(self, batch: ReadingBatch) -> AppendResult:
        self.batches.append(batch)
        return AppendResult(len(batch), 0, 0)


def unpack(packet: bytes) -> tuple[int, RawMessage]:
    """Packet id and message of one PUBLISH of QoS 1, by the rules of MQTT 3.1.1, section 3.3."""
    assert packet[0] == 0x32
    length, at, shift = 0, 1, 0
    while True:
        length += (packet[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if not packet[at - 1] & 128:
            break
    assert length == len(packet) - at
    end = at + 2 + int.from_bytes(packet[at : at + 2], "big")
    topic = packet[at + 2 : end].decode()
    return int.from_bytes(packet[end : end + 2], "big"), RawMessage(topic, packet[end + 2 :])


@pytest.mark.parametrize(
    "flood",
    [
        Flood(12, 3),
        Flood(12, 4, 3),
        Flood(6, 3, 5, columns=True),
        Flood(20_000, 100, 100),
        Flood(1000, 1000, start_ms=1_795_000_000_000),
    ],
)
def test_every_message_is_sound_and_no_reading_comes_twice(flood: Flood, tmp_path: Path) -> None:
    store, log = Kept(), RejectedLog(tmp_path / "rejected.sqlite")
    site = Site(SITE, "Bench", ZoneInfo("UTC"), (Dma("D", "D", 1),), flood.site_sensors(), Path())
    pipeline = Pipeline(site, store, log)
    parts = [flood.packets(0, 70), flood.packets(70, 230)]
    messages = [unpack(row.tobytes()) for part in parts for row in part]
    assert [mid for mid, _ in messages] == [*range(1, 301)]
    group = pipeline.prepare([m for _, m in messages], np.datetime64("2026-11-22T00:00:00", "us"))
    pipeline.commit(group)
    assert not group.rejected
    (batch,) = store.batches
    assert len(batch) == 300 * flood.per_message
    keys = set(zip(batch.sensor.tolist(), batch.time.astype(np.int64).tolist(), strict=True))
    assert len(keys) == len(batch)
    assert len({m.topic for _, m in messages}) == min(flood.devices, 300)


def test_messages_of_a_device_are_counted_without_a_gap() -> None:
    flood = Flood(8, 2)
    bodies = [row.tobytes() for row in flood.packets(0, 20)]
    seqs = [int(b.split(b'"seq":')[1][:10]) for b in bodies if b"/g00001/" in b]
    assert seqs == [*range(seqs[0], seqs[0] + 10)]


def test_packet_ids_go_round_without_the_zero() -> None:
    packets = Flood(4, 2).packets(65_530, 10)
    assert [unpack(p.tobytes())[0] for p in packets] == [
        65_531,
        65_532,
        65_533,
        65_534,
        65_535,
        1,
        2,
        3,
        4,
        5,
    ]


def test_a_single_reading_is_a_message_of_150_bytes() -> None:
    assert len(unpack(Flood(4, 2).packets(0, 1)[0].tobytes())[1].payload) == 150


@pytest.mark.parametrize(
    "what", [{"sensors": 10, "devices": 3}, {"sensors": 10, "devices": 2, "per_message": 3}]
)
def test_what_cannot_be_shared_evenly_is_refused(what: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"cannot be shared evenly|do not fill messages"):
        Flood(**what)


@pytest.mark.parametrize(
    ("sensors", "per_message", "columns", "devices"),
    [
        (1000, 1, False, 100),
        (1000, 100, False, 10),
        (1000, 100, True, 100),
        (26, 1, False, 26),
        (700, 7, False, 100),
    ],
)
def test_as_many_devices_are_taken_as_can_fill_their_messages(
    sensors: int, per_message: int, columns: bool, devices: int
) -> None:
    assert fitting_devices(sensors, per_message, columns) == devices
    Flood(sensors, devices, per_message, columns)


def test_where_no_number_of_devices_fills_messages_it_is_said_why() -> None:
    with pytest.raises(ValueError, match="do not fill messages"):
        Flood(10, fitting_devices(10, 100, False), 100)
