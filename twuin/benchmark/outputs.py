"""Whether what a benchmark is asked to write can be written: said before minutes of computing, not after."""

from __future__ import annotations

import tempfile
from pathlib import Path

from waterworks.errors import BenchmarkError


def check_file(path: Path, option: str) -> None:
    """Raise BenchmarkError where ``path`` cannot be written. What is there already stays as it is."""
    new = not path.exists()
    try:
        with path.open("a"):
            pass
        if new:
            path.unlink()
    except OSError as e:
        raise BenchmarkError(
            f"cannot write {path}: {e.strerror or e}; name another file with {option}"
        ) from None


def check_folder(folder: Path, option: str) -> None:
    """Make ``folder``. Raise BenchmarkError where that cannot be done, or nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as e:
        raise BenchmarkError(
            f"cannot write into {folder}: {e.strerror or e}; name another folder with {option}"
        ) from None
