"""TOML files that people write: what they say, and on which line, which TOML's own reader does not tell."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path as File
from typing import Any

from waterworks.tables import Problems, read_text

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?")
_KEY = re.compile(r"\s*((?:[\w\-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w\-]+|\"[^\"]*\"|'[^']*'))*)\s*=")


def read_toml(file: File, problems: Problems) -> tuple[dict[str, Any], TomlLines] | None:
    """What ``file`` says, and where; None where it cannot be read, with the reason added to ``problems``."""
    text = read_text(file, problems)
    if text is None:
        return None
    try:
        return tomllib.loads(text), TomlLines(text)
    except tomllib.TOMLDecodeError as e:
        match = re.search(r"\(at line (\d+), column \d+\)", str(e))
        end = text.count("\n") + 1 if "end of document" in str(e) else None
        message = re.sub(r" \(at .*\)$", "", str(e))
        problems.error(int(match[1]) if match else end, f"is not TOML: {message}", "not_toml", why=message)
        return None


class TomlLines:
    """Lines of tables and keys. A path names them as the parsed file does: ("receiver", 0, "name")."""

    def __init__(self, text: str) -> None:
        self.text = text.splitlines()
        self._lines: dict[Path, int] = {}
        counts: dict[Path, int] = {}
        table: Path = ()
        for number, line in enumerate(self.text, 1):
            if header := _HEADER.fullmatch(line):
                table = self._inside(_parts(header[2]), counts)
                if header[1] == "[[":
                    self._lines.setdefault(table, number)  # the list itself: where its first one begins
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

    def row(self, said: str, *path: str | int) -> int | None:
        """The line of one text of the list that stands at ``path``."""
        start = self.of(*path)
        for number in range(start or 1, len(self.text) + 1):
            if f'"{said}"' in self.text[number - 1] or f"'{said}'" in self.text[number - 1]:
                return number
        return start


def _parts(text: str) -> list[str]:
    return [p.strip().strip("\"'") for p in re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", text)]
