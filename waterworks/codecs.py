"""How the bytes of an uplink are read: numbers at fixed places, as a site's ``codecs.csv`` lists them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

MAX_PAYLOAD = 255
"""Bytes of an uplink. LoRaWAN carries 242 at most (RP002-1.0.4, section 2.4 and others)."""

MAX_PORT = 255


class ByteType(NamedTuple):
    """A kind of number in ``size`` bytes. real: IEEE 754, else a whole number."""

    name: str
    size: int
    order: Literal["big", "little"]
    signed: bool = False
    real: bool = False


def _types() -> Iterator[ByteType]:
    for kind, sizes in (("u", (1, 2, 3, 4, 8)), ("i", (1, 2, 3, 4, 8)), ("f", (4, 8))):
        for size in sizes:
            name = f"{kind}{8 * size}"
            if size == 1:
                yield ByteType(name, size, "big", kind == "i")
                continue
            yield ByteType(f"{name}be", size, "big", kind == "i", kind == "f")
            yield ByteType(f"{name}le", size, "little", kind == "i", kind == "f")


TYPES = {t.name: t for t in _types()}
"""By name: ``u16be`` is two bytes, unsigned, the high one first."""

_REAL = {("big", 4): ">f", ("little", 4): "<f", ("big", 8): ">d", ("little", 8): "<d"}


@dataclass(frozen=True, slots=True)
class ByteField:
    """One number of an uplink: ``type`` from byte ``at`` (the first is 0), called ``name``.

    device: a pattern (``*`` any number of characters, ``?`` one) for the device's id or its kind. port: of
    the uplink, None: any. mask: which bits of a whole number count, moved down to the lowest; 0: all.
    missing: the number that stands for no value. A number, times ``scale`` plus ``offset``, is in ``unit``.
    """

    device: str
    name: str
    at: int
    type: ByteType
    port: int | None = None
    mask: int = 0
    missing: int | None = None
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""

    def read(self, payload: bytes) -> float | None:
        """The value in ``payload``, None where it says there is none. ValueError: the bytes end before."""
        raw = payload[self.at : self.at + self.type.size]
        if len(raw) < self.type.size:
            last = self.at + self.type.size - 1
            raise ValueError(f"field {self.name!r} is in bytes {self.at} to {last}; there are {len(payload)}")
        if self.type.real:
            number: float = struct.unpack(_REAL[self.type.order, self.type.size], raw)[0]
            return number * self.scale + self.offset
        whole = int.from_bytes(raw, self.type.order, signed=self.type.signed)
        if self.mask:
            whole = (whole & self.mask) // (self.mask & -self.mask)
        return None if whole == self.missing else float(whole) * self.scale + self.offset


def fields_for(fields: Iterable[ByteField], device: str, kind: str, port: int) -> tuple[ByteField, ...]:
    """The fields of an uplink on ``port`` of a device: those whose pattern fits its id or its kind."""
    return tuple(
        f
        for f in fields
        if f.port in (None, port) and (fnmatchcase(device, f.device.lower()) or fnmatchcase(kind, f.device))
    )
