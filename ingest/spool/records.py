"""How batches of readings lie in a file of the spool: each with its length and its checksums.

A record is a header of 28 bytes and a batch in MessagePack (``store.protocol.encode_batch``). The header has
a checksum of its own, so that a damaged batch costs itself and not its neighbours: where the next record
begins is still known. Where a header is damaged, the next one is looked for by its first four bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from ingest.store.protocol import decode_batch, encode_batch, micros
from waterworks.reading import ReadingBatch

MAGIC = b"\xf5Tw1"
"""Begins each record. 0xF5 occurs in no UTF-8 text; the digit is the version of this layout."""

# magic, bytes of the batch, readings, received of the oldest one [us since 1970], CRC-32 of the batch,
# CRC-32 of all of the header before it
_HEADER = struct.Struct("<4sIIqII")
_CHECKED = _HEADER.size - 4
HEADER_BYTES = _HEADER.size


class Record(NamedTuple):
    """A sound record at ``start`` to ``end`` of the bytes it was found in. ``oldest``: us since 1970."""

    start: int
    end: int
    readings: int
    oldest: int
    body: memoryview

    def batch(self) -> ReadingBatch:
        """What it holds. Raises StoreError where that is no batch."""
        return decode_batch(self.body)


class Unreadable(NamedTuple):
    """Bytes from ``start`` to ``end`` that are no record. torn: a write that broke off, at the very end."""

    start: int
    end: int
    torn: bool


def pack(batch: ReadingBatch) -> bytes:
    """``batch`` as a record."""
    body = encode_batch(batch)
    checked = _HEADER.pack(MAGIC, len(body), len(batch), micros(batch.received.min()), zlib.crc32(body), 0)
    return b"".join([checked[:_CHECKED], struct.pack("<I", zlib.crc32(checked[:_CHECKED])), body])


def walk(data: bytes) -> Iterator[Record | Unreadable]:
    """All of ``data`` in its order, as records and as what lies between them."""
    view = memoryview(data)
    at = 0
    while at < len(data):
        found = _at(view, at)
        if isinstance(found, Unreadable) and not data.startswith(MAGIC, found.end):
            # Not known where it ends, or the end of the file: look whether anything sound follows.
            end = _next(data, view, at + 1)
            torn = end == len(data) and (found.torn or not data[at:].strip(b"\0"))
            found = Unreadable(at, end, torn)
        yield found
        at = found.end


def _at(view: memoryview, at: int) -> Record | Unreadable:
    """The record at ``at``; where there is none, how far that seems to reach."""
    if len(view) - at < HEADER_BYTES:
        return Unreadable(at, len(view), torn=True)
    magic, length, readings, oldest, body_crc, header_crc = _HEADER.unpack_from(view, at)
    if magic != MAGIC or zlib.crc32(view[at : at + _CHECKED]) != header_crc:
        return Unreadable(at, len(view), torn=False)
    start, end = at + HEADER_BYTES, at + HEADER_BYTES + length
    if end > len(view):
        return Unreadable(at, len(view), torn=True)
    body = view[start:end]
    if zlib.crc32(body) != body_crc:
        return Unreadable(at, end, torn=False)
    return Record(at, end, readings, oldest, body)


def _next(data: bytes, view: memoryview, at: int) -> int:
    """Where the next sound record begins, or the end."""
    while (at := data.find(MAGIC, at)) >= 0:
        if isinstance(_at(view, at), Record):
            return at
        at += 1
    return len(data)
