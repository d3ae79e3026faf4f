"""Files that a broker reads while they are replaced, and that not everybody may read."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.durable import sync_folder
from waterworks.errors import BrokerError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time, by a lock on the file ``path``. Raises BrokerError."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise BrokerError(f"{path} cannot be used: {e.strerror}") from e
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_file(path: Path, content: str | bytes, mode: int) -> None:
    """Replace ``path`` as a whole: who reads it sees what was or what is. Raises BrokerError.

    The file belongs to the group of its folder, so that the broker's own user can be given it.
    """
    data = content.encode() if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb", closefd=False) as out:
                out.write(data)
            group = path.parent.stat().st_gid
            if os.fstat(handle).st_gid != group:
                os.fchown(handle, -1, group)
            os.fchmod(handle, mode)
            os.fsync(handle)
        finally:
            os.close(handle)
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as e:
        raise BrokerError(f"{path} cannot be written: {e.strerror}") from e
