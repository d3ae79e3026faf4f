"""The files of a spool: their names, what stands in one, and how to make what was done to a folder last."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ingest.durable import sync_folder
from ingest.spool.records import Record, Unreadable, walk

LOCK = "lock"
"""Held by the process that the folder belongs to; holds its process id, for people."""

_NAME = re.compile(r"(\d{12})\.spool")
_DAMAGED = re.compile(r"(\d{12})-(\d{10})\.damaged")

sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


@dataclass
class Segment:
    """One file of records. Offsets [bytes]: all before ``done`` is in the store, ``end`` is the end.

    readings: in all of the file; done_readings: of these, in the store. oldest: received [us since 1970].
    removed: its name is gone, but perhaps not yet for good.
    """

    number: int
    path: Path
    end: int = 0
    readings: int = 0
    oldest: int | None = None
    done: int = 0
    done_readings: int = 0
    removed: bool = False


class Contents(NamedTuple):
    """What stands in a file: sound readings, where the last sound record ends, and what is unreadable."""

    readings: int
    oldest: int | None
    end: int
    unreadable: list[Unreadable]


def contents(data: bytes) -> Contents:
    """What stands in a file whose bytes are ``data``."""
    readings, end = 0, 0
    oldest: int | None = None
    unreadable = []
    for part in walk(data):
        if isinstance(part, Record):
            readings += part.readings
            oldest = part.oldest if oldest is None else min(oldest, part.oldest)
            end = part.end
        else:
            unreadable.append(part)
    return Contents(readings, oldest, end, unreadable)


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:012d}.spool"


def damaged_path(folder: Path, number: int, offset: int) -> Path:
    """Where to keep what could not be read at ``offset`` of a file."""
    return folder / f"{number:012d}-{offset:010d}.damaged"


def segment_paths(folder: Path) -> dict[int, Path]:
    """The files of records in a folder by their number, in order."""
    found = {int(m[1]): p for p in folder.iterdir() if (m := _NAME.fullmatch(p.name))}
    return dict(sorted(found.items()))


def damaged_paths(folder: Path) -> list[Path]:
    """Files of what could not be read, in order."""
    return sorted(p for p in folder.iterdir() if _DAMAGED.fullmatch(p.name))


def highest_number(folder: Path) -> int:
    """The highest number that any file in a folder bears, 0 for none: numbers are not used again."""
    numbers = [int(m[1]) for p in folder.iterdir() if (m := _NAME.fullmatch(p.name))]
    numbers += [int(m[1]) for p in folder.iterdir() if (m := _DAMAGED.fullmatch(p.name))]
    return max(numbers, default=0)


def as_instant(us: int | None) -> np.datetime64 | None:
    return None if us is None else np.datetime64(us, "us")


def make_folder(folder: Path) -> None:
    """Make ``folder`` and those above it, for good. Raises OSError."""
    missing = [folder, *folder.parents]
    missing = missing[: next(i for i, p in enumerate(missing) if p.exists())]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in missing:
        sync_folder(made.parent)


def write_all(handle: int, data: bytes, offset: int) -> None:
    """All of ``data`` at ``offset`` of an open file. Raises OSError; a part may be written then."""
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def read_part(path: Path, start: int, end: int) -> bytes:
    """Bytes ``start`` to ``end`` of a file. Raises OSError."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def sync_file(path: Path) -> None:
    """Make what was done to a file outlast a power cut. Raises OSError."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
