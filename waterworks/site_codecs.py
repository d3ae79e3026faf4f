"""``codecs.csv``: its columns, and what each line must say."""

from __future__ import annotations

import re
from pathlib import Path

from waterworks.codecs import MAX_PAYLOAD, MAX_PORT, TYPES, ByteField, ByteType
from waterworks.errors import UnitError
from waterworks.tables import Problems, Row, read_table, suggestion
from waterworks.units import Quantity, canonical

CODECS_FILE = "codecs.csv"
CODECS_REQUIRED = ("device", "name", "byte", "type")
CODECS_OPTIONAL = ("port", "mask", "missing", "scale", "offset", "unit")


def read_codecs(path: Path, problems: Problems) -> tuple[ByteField, ...]:
    """The fields of ``path``, those with mistakes left out; () where there is no such file."""
    if not path.is_file():
        return ()
    rows = read_table(path, problems, required=CODECS_REQUIRED, optional=CODECS_OPTIONAL)
    lines: dict[tuple[str, int | None, str], int] = {}
    found = (_field(row, lines) for row in rows or [])
    return tuple(f for f in found if f is not None)


def _field(row: Row, lines: dict[tuple[str, int | None, str], int]) -> ByteField | None:
    before = len(row.problems.found)
    device, name = row.required("device"), row.required("name")
    at, type = _whole(row, "byte", MAX_PAYLOAD - 1, needed=True), _type(row)
    port = _whole(row, "port", MAX_PORT)
    mask, missing = _whole(row, "mask", 2**64 - 1), _whole(row, "missing", 2**64 - 1, least=-(2**63))
    scale, offset, unit = row.number("scale"), row.number("offset"), _unit(row)
    if scale == 0:
        row.error("scale is 0: every value would be the same")
    if type is not None:
        if at is not None and at + type.size > MAX_PAYLOAD:
            row.error(f"{type.name} from byte {at} goes beyond byte {MAX_PAYLOAD - 1}, the last there can be")
        if type.real and (mask is not None or missing is not None):
            row.error(f"mask and missing are for whole numbers, and {type.name} has fractions")
        elif mask == 0 or (mask or 0) >= 256**type.size:
            row.error(f"mask {row.text('mask')!r} has no bit of {type.name}: write one such as 0x3FFF")
        elif mask and type.signed:
            row.error(f"mask is for numbers without a sign: write u{type.name[1:]} in place of {type.name}")
    key = (device.lower(), port, name)
    if device and name and key in lines:
        row.error(f"name {name!r} of {device!r} is there already, on line {lines[key]}")
    lines.setdefault(key, row.line)
    if len(row.problems.found) > before or at is None or type is None:
        return None
    return ByteField(
        device, name, at, type, port, mask or 0, missing, 1.0 if scale is None else scale, offset or 0.0, unit
    )


def _type(row: Row) -> ByteType | None:
    said = row.required("type").lower()
    if said and said not in TYPES:
        near = suggestion(said, list(TYPES)) or f": use one of {', '.join(TYPES)}"
        if f"{said}be" in TYPES:
            near = f": write {said}be where the high byte comes first, else {said}le"
        row.error(f"unknown type {said!r}{near}")
    return TYPES.get(said)


def _whole(row: Row, column: str, most: int, *, least: int = 0, needed: bool = False) -> int | None:
    """The cell as a whole number, decimal or as 0x3FFF; None where it is empty or wrong."""
    said = row.required(column) if needed else row.text(column)
    if not said:
        return None
    if not re.fullmatch(r"-?\d{1,20}|0[xX][0-9a-fA-F]{1,16}", said, re.ASCII):
        row.error(f"{column} {said!r} is not a whole number such as 6 or 0x3FFF")
        return None
    number = int(said, 16 if said[:2] in ("0x", "0X") else 10)
    if not least <= number <= most:
        row.error(f"{column} {said!r} is not from {least} to {most}")
        return None
    return number


def _unit(row: Row) -> str:
    """The unit as it is written; which quantity it must measure shows with the sensor."""
    said = row.text("unit")
    if said:
        for quantity in Quantity:
            try:
                canonical(said, quantity)
                return said
            except UnitError:
                continue
        row.error(f"unknown unit {said!r}")
    return said
