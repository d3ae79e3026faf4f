"""Secrets in files of their own, made where they are missing."""

from __future__ import annotations

import contextlib
import os
import secrets
import string
from pathlib import Path

from waterworks.errors import SettingsError

LENGTH = 40
"""Letters and digits of a secret: 238 bits."""

MODE = 0o440
"""For its owner and its group alone: servers of other users are given the group."""


def make_secret(path: Path) -> bool:
    """Put a new secret into ``path``; False where there is one. SettingsError where it cannot be written."""
    letters = string.ascii_letters + string.digits
    return not has_secret(path) and write_secret(
        path, "".join(secrets.choice(letters) for _ in range(LENGTH))
    )


def has_secret(path: Path) -> bool:
    """Whether there is one. SettingsError where the file is there and cannot be read, or is empty."""
    try:
        if path.read_text("utf-8").strip():
            return True
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError) as e:
        raise SettingsError(
            f"secret {path} cannot be read: {getattr(e, 'strerror', None) or 'no text'}"
        ) from e
    raise SettingsError(f"secret {path} is empty: write one into it, or remove it, and one is made")


def write_secret(path: Path, secret: str) -> bool:
    """Put ``secret`` into ``path``, whole; False where another process was faster. SettingsError as above."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, path)
        except FileExistsError:
            return False
        return True
    except OSError as e:
        raise SettingsError(f"secret {path} cannot be written: {e.strerror}") from e
    finally:
        with contextlib.suppress(OSError):
            new.unlink()
