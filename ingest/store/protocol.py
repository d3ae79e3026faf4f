"""What the owner of the store and its clients say to each other over the Unix socket.

Each message is four bytes of length and that many bytes of MessagePack; arrays travel as their raw bytes,
little-endian. A client opens with ``Hello``; the owner answers with ``Welcome``, or ``Failed`` and hangs
up. Then each request is answered by its result, or by ``Failed``. Nothing is ever executed from a message.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from waterworks.errors import StoreError, StoreUnavailable
from waterworks.reading import TIME_DTYPE, AppendResult, Changes, Gap, Latest, ReadingBatch, Window

VERSION = 2
"""Of this protocol. Both sides must speak the same."""

MAX_BYTES = 1 << 30
"""Of a message. A window of a hundred sensors over a year at 5-minute steps is a tenth of it."""

_LENGTH = struct.Struct("<I")

if sys.byteorder != "little":  # pragma: no cover
    raise ImportError("the shared reading store sends arrays as they lie in memory: little-endian only")


class Hello(msgspec.Struct, tag=True, frozen=True):
    version: int


class Welcome(msgspec.Struct, tag=True, frozen=True):
    version: int
    pid: int


class Failed(msgspec.Struct, tag=True, frozen=True):
    """``passing``: asking again later may help (StoreUnavailable), else it will not (StoreError)."""

    message: str
    passing: bool


class Append(msgspec.Struct, tag=True, frozen=True):
    names: list[str]
    sensor: bytes
    time: bytes
    value: bytes
    quality: bytes
    received: bytes


class AskWindow(msgspec.Struct, tag=True, frozen=True):
    """Instants and the step are microseconds (since 1970, UTC)."""

    sensors: list[str]
    start: int
    end: int
    step: int | None
    exclude: int


class AskBatch(msgspec.Struct, tag=True, frozen=True):
    sensors: list[str]
    start: int
    end: int


class AskLatest(msgspec.Struct, tag=True, frozen=True):
    sensors: list[str] | None


class AskGaps(msgspec.Struct, tag=True, frozen=True):
    sensor: str
    start: int
    end: int
    longer_than: int


class AskExtent(msgspec.Struct, tag=True, frozen=True):
    sensors: list[str] | None


class AskChanges(msgspec.Struct, tag=True, frozen=True):
    since: int


class AskNames(msgspec.Struct, tag=True, frozen=True):
    pass


class Appended(msgspec.Struct, tag=True, frozen=True):
    stored: int
    duplicates: int
    replaced: int


class SentWindow(msgspec.Struct, tag=True, frozen=True):
    times: bytes
    values: bytes
    quality: bytes
    width: int


class SentBatch(msgspec.Struct, tag=True, frozen=True):
    batch: Append


class SentLatest(msgspec.Struct, tag=True, frozen=True):
    """Per sensor: time, value, quality, received."""

    readings: dict[str, tuple[int, float, int, int]]


class SentGaps(msgspec.Struct, tag=True, frozen=True):
    gaps: list[tuple[int, int]]


class SentExtent(msgspec.Struct, tag=True, frozen=True):
    extent: tuple[int, int] | None


class SentChanges(msgspec.Struct, tag=True, frozen=True):
    cursor: int
    spans: dict[str, tuple[int, int]]


class SentNames(msgspec.Struct, tag=True, frozen=True):
    names: list[str]


Request = Hello | Append | AskWindow | AskBatch | AskLatest | AskGaps | AskExtent | AskChanges | AskNames
Answer = (
    Welcome
    | Failed
    | Appended
    | SentWindow
    | SentBatch
    | SentLatest
    | SentGaps
    | SentExtent
    | SentChanges
    | SentNames
)

_M = TypeVar("_M")
_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_batches: msgspec.msgpack.Decoder[Append] = msgspec.msgpack.Decoder(Append)


# -- messages on a socket --------------------------------------------------------------------------


def send(sock: socket.socket, message: Request | Answer) -> None:
    """Raises StoreError, and sends nothing, where the message is too long; OSError from the socket."""
    body = _encoder.encode(message)
    if len(body) > MAX_BYTES:
        raise StoreError(
            f"{len(body) >> 20} MB at once is more than the {MAX_BYTES >> 20} MB that go through the shared "
            "store: ask for less time or fewer sensors, or append smaller batches"
        )
    if len(body) < 65536:
        sock.sendall(_LENGTH.pack(len(body)) + body)
    else:
        sock.sendall(_LENGTH.pack(len(body)))
        sock.sendall(body)


def receive_request(sock: socket.socket) -> Request | None:
    """The next request, None where the client hung up between two. OSError where it did so within one."""
    body = _receive(sock)
    return None if body is None else _decode(_requests, body)


def receive_answer(sock: socket.socket) -> Answer:
    """The owner's answer. Raises OSError where the owner is gone."""
    body = _receive(sock)
    if body is None:
        raise ConnectionResetError("the owner of the store hung up")
    return _decode(_answers, body)


def _decode(decoder: msgspec.msgpack.Decoder[_M], body: bytearray) -> _M:
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise StoreError(f"the other side of the shared store speaks another language: {error}") from error


def _receive(sock: socket.socket) -> bytearray | None:
    head = _exactly(sock, _LENGTH.size, may_end=True)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MAX_BYTES:
        raise StoreError(f"a message of {length} bytes on the shared store's socket: {MAX_BYTES} are allowed")
    return _exactly(sock, length)


def _exactly(sock: socket.socket, length: int, *, may_end: bool = False) -> bytearray | None:
    # Grown as the bytes come: a length alone must not make anyone set memory aside.
    out = bytearray(min(length, 1 << 20))
    have = 0
    while have < length:
        if have == len(out):
            out.extend(bytes(min(length - have, max(have, 1 << 20))))
        got = sock.recv_into(memoryview(out)[have:])
        if not got:
            if may_end and not have:
                return None
            raise ConnectionResetError("the other side hung up in the middle of a message")
        have += got
    return out


# -- the words of the port, as messages ------------------------------------------------------------


def micros(when: np.datetime64) -> int:
    """An instant as microseconds since 1970."""
    return int(when.astype(TIME_DTYPE).astype(np.int64))


def span_micros(length: np.timedelta64) -> int:
    """A length of time in microseconds."""
    return int(length / np.timedelta64(1, "us"))


def instant_at(us: int) -> np.datetime64:
    return np.datetime64(us, "us")


def _raw(array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def pack_batch(batch: ReadingBatch) -> Append:
    return Append(
        list(batch.names),
        _raw(batch.sensor),
        _raw(batch.time),
        _raw(batch.value),
        _raw(batch.quality),
        _raw(batch.received),
    )


def unpack_batch(message: Append) -> ReadingBatch:
    """Raises StoreError where the columns are no columns."""
    try:
        return ReadingBatch(
            tuple(message.names),
            np.frombuffer(message.sensor, np.int32),
            np.frombuffer(message.time, TIME_DTYPE),
            np.frombuffer(message.value, np.float64),
            np.frombuffer(message.quality, np.uint16),
            np.frombuffer(message.received, TIME_DTYPE),
        )
    except ValueError as error:
        raise StoreError(f"a batch that is no batch: {error}") from error


def encode_batch(batch: ReadingBatch) -> bytes:
    """``batch`` as bytes, for who keeps batches in files."""
    return _encoder.encode(pack_batch(batch))


def decode_batch(data: bytes | memoryview) -> ReadingBatch:
    """Raises StoreError where ``data`` is no batch."""
    try:
        batch = unpack_batch(_batches.decode(data))
    except msgspec.MsgspecError as error:
        raise StoreError(f"a batch that is no batch: {error}") from error
    n = len(batch)
    if not (len(batch.sensor) == len(batch.value) == len(batch.quality) == len(batch.received) == n) or (
        n and not 0 <= batch.sensor.min() <= batch.sensor.max() < len(batch.names)
    ):
        raise StoreError("a batch that is no batch: its columns do not fit each other")
    return batch


def pack_window(window: Window) -> SentWindow:
    return SentWindow(
        _raw(window.times), _raw(window.values), _raw(window.quality), int(window.values.shape[1])
    )


def unpack_window(message: SentWindow) -> Window:
    times = np.frombuffer(bytearray(message.times), TIME_DTYPE)
    shape = (len(times), message.width)
    # bytearray: what a store gives may be written to, wherever it comes from
    values = np.frombuffer(bytearray(message.values), np.float64).reshape(shape)
    quality = np.frombuffer(bytearray(message.quality), np.uint16).reshape(shape)
    return Window(times, values, quality)


def pack_latest(latest: dict[str, Latest]) -> SentLatest:
    return SentLatest(
        {n: (micros(r.time), float(r.value), int(r.quality), micros(r.received)) for n, r in latest.items()}
    )


def unpack_latest(message: SentLatest) -> dict[str, Latest]:
    return {
        name: Latest(instant_at(time), value, quality, instant_at(received))
        for name, (time, value, quality, received) in message.readings.items()
    }


def pack_gaps(gaps: list[Gap]) -> SentGaps:
    return SentGaps([(micros(gap.start), micros(gap.end)) for gap in gaps])


def unpack_gaps(message: SentGaps) -> list[Gap]:
    return [Gap(instant_at(a), instant_at(b)) for a, b in message.gaps]


def pack_extent(extent: tuple[np.datetime64, np.datetime64] | None) -> SentExtent:
    return SentExtent(None if extent is None else (micros(extent[0]), micros(extent[1])))


def unpack_extent(message: SentExtent) -> tuple[np.datetime64, np.datetime64] | None:
    return None if message.extent is None else (instant_at(message.extent[0]), instant_at(message.extent[1]))


def pack_changes(changes: Changes) -> SentChanges:
    return SentChanges(changes.cursor, {n: (micros(a), micros(b)) for n, (a, b) in changes.spans.items()})


def unpack_changes(message: SentChanges) -> Changes:
    return Changes(message.cursor, {n: (instant_at(a), instant_at(b)) for n, (a, b) in message.spans.items()})


def pack_result(result: AppendResult) -> Appended:
    return Appended(result.stored, result.duplicates or 0, result.replaced or 0)  # this store tells them


def pack_error(error: StoreError | StoreUnavailable) -> Failed:
    return Failed(str(error), isinstance(error, StoreUnavailable))


def unpack_error(message: Failed) -> StoreError | StoreUnavailable:
    return StoreUnavailable(message.message) if message.passing else StoreError(message.message)
