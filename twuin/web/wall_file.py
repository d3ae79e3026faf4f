"""``wall.toml`` of a running site: read again whenever it changed, and never worse than it was."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from waterworks.errors import Problem
from waterworks.site_wall import WALL_FILE, read_wall
from waterworks.tables import Problems
from waterworks.wall import Wall, usual_wall

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WallRead:
    """The wall as it is to be shown. problems: what is wrong in the file as it is now, by line; while there
    are any, ``wall`` is the last one that was right. digest: changes with the wall."""

    wall: Wall
    problems: tuple[Problem, ...]
    digest: str


class WallFile:
    """The wall of one site folder. dmas, sensors: the ids that may stand in it. Safe from several threads."""

    def __init__(self, folder: Path, dmas: Collection[str], sensors: Collection[str]) -> None:
        self._path = folder / WALL_FILE
        self._dmas, self._sensors = dmas, sensors
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._good: Wall | None = None
        self._problems: tuple[Problem, ...] = ()

    def read(self, *, has_map: bool) -> WallRead:
        """The wall now. has_map: whether the site has places to draw, for the usual wall."""
        with self._lock:
            self._look()
            wall = self._good or usual_wall(has_map=has_map)
            digest = hashlib.blake2b(repr(wall).encode(), digest_size=6).hexdigest()
            return WallRead(wall, self._problems, digest)

    def _look(self) -> None:
        try:
            s = self._path.stat()
        except OSError:
            self._seen, self._good, self._problems = None, None, ()
            return
        seen = (s.st_mtime_ns, s.st_size, s.st_ino)
        if seen == self._seen:
            return
        about = Problems(WALL_FILE)
        wall = read_wall(self._path, about, self._dmas, self._sensors)
        self._seen = seen
        self._problems = tuple(sorted(about.found, key=lambda p: p.line or 0))
        self._good = wall or self._good
        for problem in self._problems:
            log.warning("%s", problem)
