"""Reads the parts of a TOML file one by one, and says of each what is wrong with it."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Any

from twuin.notify.model import Window
from waterworks.tables import Problems, suggestion
from waterworks.toml_file import TomlLines


class TomlReader:
    """What is common to all parts. A path names a place in the file: ("receiver", 0, "name")."""

    def __init__(self, said: dict[str, Any], lines: TomlLines, problems: Problems) -> None:
        self._said = said
        self._lines = lines
        self._problems = problems

    def _error(self, path: tuple[str | int, ...], message: str) -> None:
        self._problems.error(self._lines.of(*path) if path else None, message)

    def _unknown(self, table: dict[str, Any], known: tuple[str, ...], *path: str | int) -> None:
        for key in table:
            if key not in known:
                self._error((*path, key), f"unknown key {key!r}{suggestion(key, known)}")

    def _tables(self, name: str) -> list[dict[str, Any]]:
        found = self._said.get(name, [])
        if not (isinstance(found, list) and all(isinstance(t, dict) for t in found)):
            self._error((name,), f"{name} is not a list of tables: write [[{name}]]")
            return []
        return found

    def _text(self, table: dict[str, Any], key: str, *path: str | int, default: str = "") -> str:
        value = table.get(key, default)
        if not isinstance(value, str):
            self._error((*path, key), f'{key} is not a text: write it in quotes, {key} = "{value}"')
            return default
        return value.strip()

    def _texts(self, table: dict[str, Any], key: str, *path: str | int) -> tuple[str, ...]:
        value = table.get(key, [])
        if isinstance(value, str):
            value = [value]
        if not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            self._error((*path, key), f'{key} is not a list of texts: write {key} = ["a", "b"]')
            return ()
        return tuple(value)

    def _number(self, table: dict[str, Any], key: str, default: Any, *path: str | int) -> Any:
        value = table.get(key, default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            self._error((*path, key), f"{key} {value!r} is not a number of 0 or more")
            return default
        return float(value)

    def _one_of(self, value: str, known: tuple[str, ...], key: str, *path: str | int) -> bool:
        if value in known:
            return True
        self._error((*path, key), f"{key} {value!r} is none of {', '.join(known)}{suggestion(value, known)}")
        return False

    def _clock(self, value: Any, key: str, *path: str | int) -> time | None:
        if isinstance(value, time):
            found = value
        else:
            match = re.fullmatch(r"([01]?\d|2[0-3])[:.]([0-5]\d)", value) if isinstance(value, str) else None
            if match is None:
                self._error((*path, key), f'{key} {value!r} is not a local time of day: write "06:00"')
                return None
            found = time(int(match[1]), int(match[2]))
        return found.replace(second=0, microsecond=0)

    def _window(self, table: dict[str, Any], key: str, *path: str | int) -> Window | None:
        value = table.get(key)
        if value is None:
            return None
        if not (isinstance(value, list) and len(value) == 2):
            self._error((*path, key), f'{key} is not a pair of local times: write {key} = ["22:00", "05:00"]')
            return None
        start, end = (self._clock(v, key, *path) for v in value)
        if start is None or end is None:
            return None
        if start == end:
            self._error((*path, key), f"{key} begins and ends at the same time: without it, all day")
            return None
        return Window(start, end)

    def _hours(self, key: str, default: float, least: float, most: float) -> timedelta:
        value = self._number(self._said, key, default)
        if not least <= value <= most:
            self._error((key,), f"{key} {value:g} is not from {least:g} to {most:g}")
            value = default
        return timedelta(hours=value)
