"""Files that may change while they are in use."""

from __future__ import annotations

from pathlib import Path

Mark = tuple[int, int, int] | None


class Watched:
    """Whether files have changed since the last look, by their time, size and number. Missing counts too.

    Made, or told of a file, before that is read: what changes meanwhile is then read again.
    """

    def __init__(self, *paths: Path) -> None:
        self._marks = {path: _mark(path) for path in paths}

    def changed(self) -> bool:
        """Whether any has changed since the last call."""
        found = {path: _mark(path) for path in self._marks}
        changed = found != self._marks
        self._marks = found
        return changed

    def only(self, *paths: Path) -> None:
        """Look at these from now on. Those that were looked at before are held against that look."""
        self._marks = {p: self._marks[p] if p in self._marks else _mark(p) for p in paths}


def _mark(path: Path) -> Mark:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
