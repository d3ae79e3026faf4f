"""What waits in the spools of a data folder, seen from outside: nothing is locked, changed or waited for."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ingest.spool.segments import LOCK, as_instant, contents, damaged_paths, segment_paths


class SpoolSeen(NamedTuple):
    """One spool. name: of the ingest process it belongs to. running: whether a process holds it now.

    readings, bytes: sound ones that no store has taken over as a whole file yet; some of the oldest file's
    may be stored already. oldest: when the oldest was received. damaged: files of unreadable bytes.
    """

    name: str
    folder: Path
    running: bool
    readings: int
    bytes: int
    oldest: np.datetime64 | None
    damaged: list[Path]


def spool_folders(root: Path) -> list[Path]:
    """The spools below ``root``, by name. Raises OSError where it cannot be listed."""
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if (p / LOCK).is_file())


def look(root: Path) -> list[SpoolSeen]:
    """All spools below ``root``. Raises OSError where a folder cannot be read."""
    return [_look(folder) for folder in spool_folders(root)]


def _look(folder: Path) -> SpoolSeen:
    readings, size = 0, 0
    oldest: int | None = None
    for path in segment_paths(folder).values():
        with suppress(FileNotFoundError):  # stored and removed meanwhile
            data = path.read_bytes()
            found = contents(data)
            readings += found.readings
            size += len(data)
            if found.oldest is not None:
                oldest = found.oldest if oldest is None else min(oldest, found.oldest)
    return SpoolSeen(
        folder.name, folder, _is_held(folder), readings, size, as_instant(oldest), damaged_paths(folder)
    )


def _is_held(folder: Path) -> bool:
    handle = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
