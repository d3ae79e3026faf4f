"""On which line of a TOML file each key stands: TOML's own reader does not say."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?")
_KEY = re.compile(r"\s*((?:[\w\-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w\-]+|\"[^\"]*\"|'[^']*'))*)\s*=")


class TomlLines:
    """Lines of tables and keys. A path names them as the parsed file does: ("receiver", 0, "name")."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        counts: dict[Path, int] = {}
        table: Path = ()
        for number, line in enumerate(text.splitlines(), 1):
            if header := _HEADER.fullmatch(line):
                table = self._inside(_parts(header[2]), counts)
                if header[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                    table = (*table, counts[table])
                self._lines.setdefault(table, number)
            elif key := _KEY.match(line):
                path = (*table, *_parts(key[1]))
                for depth in range(len(table) + 1, len(path) + 1):
                    self._lines.setdefault(path[:depth], number)

    @staticmethod
    def _inside(parts: list[str], counts: dict[Path, int]) -> Path:
        """The path of a header: a part that is a list of tables means its last one, but for the last part."""
        path: Path = ()
        for k, part in enumerate(parts):
            path = (*path, part)
            if path in counts and k < len(parts) - 1:
                path = (*path, counts[path])
        return path

    def of(self, *path: str | int) -> int | None:
        """The line of ``path``, else of what it stands in; None where neither is found."""
        for depth in range(len(path), 0, -1):
            if path[:depth] in self._lines:
                return self._lines[path[:depth]]
        return None


def _parts(text: str) -> list[str]:
    return [p.strip().strip("\"'") for p in re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", text)]
