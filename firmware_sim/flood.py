"""Many messages at once, from devices that only exist as topics: a load for brokers and ingest.

    python -m firmware_sim.flood --port 1883 --sensors 1000 --devices 100 --per-message 1 --seconds 60

Packets are made by columns of bytes and written to one socket, so that the publisher is no bottleneck: what
a client library does for each message would be. QoS 1; each message is acknowledged by the broker.
"""

from __future__ import annotations

import argparse
import json
import mmap
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from waterworks.errors import BrokerError
from waterworks.site import Sensor
from waterworks.units import Quantity

Bytes = NDArray[np.uint8]

SITE = "bench"
MIDS = 65_535
"""Packet identifiers that MQTT has (3.1.1, section 2.3.1)."""

AT_ONCE = 500  # messages made and written together
START_MS = 1_700_000_000_000
FIRST_SEQ = 1_000_000_000  # so that all numbers have as many digits


def fitting_devices(sensors: int, per_message: int, columns: bool, most: int = 100) -> int:
    """How many devices, ``most`` at most, can share the sensors evenly and fill their messages.

    Where no number does, some number with which ``Flood`` says why.
    """
    for devices in range(min(most, sensors), 0, -1):
        if not sensors % devices and (columns or not sensors // devices % per_message):
            return devices
    return min(most, sensors)


@dataclass(frozen=True)
class Flood:
    """What is sent. Message i comes from device i mod ``devices``, with ``per_message`` readings.

    columns: the readings of a message are so many times of one sensor; else so many sensors at one time. Each
    device has sensors / devices sensors, in turn; no two readings have the same sensor and time.
    """

    sensors: int
    devices: int
    per_message: int = 1
    columns: bool = False
    start_ms: int = START_MS

    def __post_init__(self) -> None:
        if self.sensors % self.devices:
            raise ValueError(f"{self.sensors} sensors cannot be shared evenly by {self.devices} devices")
        if not self.columns and self.own % self.per_message:
            raise ValueError(f"{self.own} sensors of a device do not fill messages of {self.per_message}")
        if self.sensors > 10**7 or self.devices > 10**5:
            raise ValueError("at most 10,000,000 sensors and 100,000 devices")

    @property
    def own(self) -> int:
        """Sensors of a device."""
        return self.sensors // self.devices

    @property
    def blocks(self) -> int:
        """Messages of a device until each of its sensors had its turn."""
        return self.own if self.columns else self.own // self.per_message

    def site_sensors(self) -> tuple[Sensor, ...]:
        """The sensors of a site that takes it."""
        return tuple(
            Sensor(f"S{i:07d}", Quantity.FLOW, "m3/h", "D", f"g{i // self.own:05d}")
            for i in range(self.sensors)
        )

    def packets(self, first: int, count: int) -> Bytes:
        """PUBLISH packets (count, length) of messages first, first + 1, ..., with the MQTT ids they count."""
        i = np.arange(first, first + count)
        device, turn = i % self.devices, i // self.devices
        head, body = self._frame()
        out = np.tile(np.frombuffer(head + body, np.uint8), (count, 1))
        at = len(head)
        mids = (i % MIDS + 1).astype(">u2").view(np.uint8).reshape(count, 2)
        out[:, at - 2 : at] = mids
        topic = head.index(b"/g") + 2
        out[:, topic : topic + 5] = _digits(device, 5)
        seq = at + body.index(b'"seq":') + 6
        out[:, seq : seq + 10] = _digits(FIRST_SEQ + turn, 10)
        block = turn % self.blocks
        if self.columns:
            names = device[:, None] * self.own + block[:, None]
            spacing = np.arange(self.per_message)
        else:
            names = device[:, None] * self.own + block[:, None] * self.per_message
            names = names + np.arange(self.per_message)
            spacing = np.zeros(1, np.int64)
        times = self.start_ms + (turn // self.blocks)[:, None] * len(spacing) + spacing
        for k, place in enumerate(_all(body, b'"S')):
            out[:, at + place + 2 : at + place + 9] = _digits(names[:, k], 7)
        for k, place in enumerate(_all(body, b"1700000000000")):
            out[:, at + place : at + place + 13] = _digits(times[:, min(k, times.shape[1] - 1)], 13)
        value = 10_000 + (i * 7919) % 90_000
        for place in _all(body, b"12.345"):
            digits = _digits(value, 5)
            out[:, at + place : at + place + 2] = digits[:, :2]
            out[:, at + place + 3 : at + place + 6] = digits[:, 2:]
        return out

    def _frame(self) -> tuple[bytes, bytes]:
        """Head of a packet, with the id that is filled in, and payload."""
        if self.columns:
            times = ",".join([str(START_MS)] * self.per_message)
            values = ",".join(["12.345"] * self.per_message)
            one = f'{{"sensor":"S0000000","unit":"m3/h","times":[{times}],"values":[{values}]}}'
            body = f'{{"seq":1000000000,"series":[{one}]}}'
        elif self.per_message == 1:
            body = (
                f'{{"sensor":"S0000000","time":{START_MS},"value":12.345,"unit":"m3/h","quality":"good",'
                '"seq":1000000000,"battery_v":3.61,"signal_dbm":-71}'
            )
            body += " " * (150 - len(body))
        else:
            one = f'{{"sensor":"S0000000","time":{START_MS},"value":12.345,"unit":"m3/h"}}'
            body = f'{{"seq":1000000000,"readings":[{",".join([one] * self.per_message)}]}}'
        topic = f"twuin/{SITE}/g00000/readings".encode()
        rest = len(topic) + 4 + len(body)
        return b"\x32" + _length(rest) + struct.pack(">H", len(topic)) + topic + b"\0\0", body.encode()


class Progress:
    """Counts of several processes in files of eight bytes each, which all of them can look at."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._maps = []
        for path in paths:
            with path.open("r+b") as file:
                self._maps.append(mmap.mmap(file.fileno(), 8))

    @staticmethod
    def make(path: Path) -> None:
        path.write_bytes(bytes(8))

    @property
    def total(self) -> int:
        return sum(struct.unpack("<q", m[:8])[0] for m in self._maps)

    def set(self, value: int) -> None:
        """Of the first."""
        self._maps[0][:8] = struct.pack("<q", value)


def publish(
    flood: Flood,
    port: int,
    *,
    host: str = "127.0.0.1",
    messages: int | None = None,
    seconds: float = 60.0,
    rate: float | None = None,
    backlog: int = 20_000,
    stored: Progress | None = None,
) -> tuple[int, list[tuple[float, int]]]:
    """Publish ``messages``, or for ``seconds``; how many, and when (monotonic) so many had been written.

    rate: messages a second at most. backlog: how many of them may be on their way, to the broker where
    ``stored`` is None, else into the store, of which it counts the readings. Raises BrokerError.
    """
    written: list[tuple[float, int]] = []
    sent = acked = 0
    with _connect(host, port) as s:
        s.setblocking(False)
        waiting = memoryview(b"")
        tail = 0
        begin = time.monotonic()
        while True:
            now = time.monotonic()
            over = now - begin > seconds if messages is None else sent >= messages
            if over and acked >= sent and not waiting:
                break
            done = acked if stored is None else min(acked, stored.total // flood.per_message)
            room = min(backlog - (sent - done), MIDS - (sent - acked))
            if rate is not None:
                room = min(room, int((now - begin) * rate) - sent)
            if messages is not None:
                room = min(room, messages - sent)
            if not waiting and not over and room > 0:
                count = min(room, AT_ONCE)
                waiting = memoryview(flood.packets(sent, count).tobytes())
                written.append((time.monotonic(), sent + count))
                sent += count
            readable, writable, _ = select.select([s], [s] if waiting else [], [], 0.002)
            if readable:
                data = s.recv(1 << 18)
                if not data:
                    raise BrokerError("the broker closed the connection")
                acked, tail = acked + (tail + len(data)) // 4, (tail + len(data)) % 4
            if writable:
                waiting = waiting[s.send(waiting[: 1 << 18]) :]
        s.setblocking(True)
        s.sendall(b"\xe0\0")
    return sent, written


def _connect(host: str, port: int) -> socket.socket:
    s = socket.create_connection((host, port), timeout=10)
    try:
        name = b"flood"
        body = b"\0\4MQTT\4\2\0\0" + struct.pack(">H", len(name)) + name
        s.sendall(b"\x10" + _length(len(body)) + body)
        if s.recv(4) != b"\x20\2\0\0":
            raise BrokerError(f"MQTT broker {host}:{port} refuses the load's connection")
    except BaseException:
        s.close()
        raise
    return s


def _length(n: int) -> bytes:
    """Remaining length (MQTT 3.1.1, section 2.2.3)."""
    out = b""
    while True:
        n, digit = divmod(n, 128)
        out += bytes([digit | (128 if n else 0)])
        if not n:
            return out


def _digits(numbers: NDArray[np.int64], width: int) -> Bytes:
    """ASCII digits (n, width) of ``numbers`` (n,)."""
    powers = 10 ** np.arange(width - 1, -1, -1)
    found: Bytes = (numbers[:, None] // powers % 10 + 48).astype(np.uint8)
    return found


def _all(text: bytes, part: bytes) -> list[int]:
    """Where ``part`` stands in ``text``."""
    places, at = [], text.find(part)
    while at >= 0:
        places.append(at)
        at = text.find(part, at + 1)
    return places


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--sensors", type=int, default=1000)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--per-message", type=int, default=1)
    parser.add_argument("--columns", action="store_true", help="many times of one sensor in a message")
    parser.add_argument("--start-ms", type=int, default=START_MS)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--messages", type=int)
    parser.add_argument("--rate", type=float, help="messages a second at most")
    parser.add_argument("--backlog", type=int, default=20_000, help="messages on their way at most")
    parser.add_argument("--progress", type=Path, action="append", help="files with counts of stored readings")
    a = parser.parse_args()
    flood = Flood(a.sensors, a.devices, a.per_message, a.columns, a.start_ms)
    sent, written = publish(
        flood,
        a.port,
        host=a.host,
        messages=a.messages,
        seconds=a.seconds,
        rate=a.rate,
        backlog=a.backlog,
        stored=Progress(a.progress) if a.progress else None,
    )
    sys.stdout.write(json.dumps({"sent": sent, "written": written}) + "\n")


if __name__ == "__main__":
    main()
