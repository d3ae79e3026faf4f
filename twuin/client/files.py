"""Answers as files: whole, or not there at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from twuin.client.errors import ClientError


def write(path: Path, chunks: Iterable[bytes], *, replace: bool) -> Path:
    """Write a file beside ``path`` and move it there once it is whole. ClientError where there is one already
    and ``replace`` is not given, or where it cannot be written."""
    if not replace and path.exists():
        raise ClientError(f"{path} is there already: take another name, or say replace=True")
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as e:
        raise ClientError(f"{path}: {e.strerror}") from e
    part = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            for chunk in chunks:
                try:
                    file.write(chunk)
                except OSError as e:
                    raise ClientError(f"{path}: {e.strerror}") from e
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
