"""Which sensor a value is of that came under another maker's name, and how to bring it into the columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.decoders.columns import Columns, Rejection
from ingest.decoders.salvage import number_of
from ingest.reasons import Reason
from waterworks.names import Format, Meaning, Names

MAX_NAME = 255
"""Characters of a name, as SenML's are bounded here."""

_REMEMBERED = 50_000  # names and what they stand for; anyone may make up new ones
_WORTH = 3 * MAX_NAME  # characters that are worth remembering: a topic may have 65,535


class Named:
    """Puts values under names of ``format`` into columns, as ``names`` say.

    devices: the site's devices by the names of senders, where those differ.
    """

    def __init__(self, format: Format, names: Names, devices: Mapping[str, str] | None = None) -> None:
        self._format = format
        self._names = names
        self._devices = devices or {}
        self._found: dict[tuple[str, str], Meaning | None] = {}

    def _find(self, source: str, name: str) -> Meaning | None:
        key = source, name
        try:
            return self._found[key]
        except KeyError:
            pass
        meaning = self._names.find(self._format, source, name)
        if len(source) + len(name) <= _WORTH:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[key] = meaning
        return meaning

    def known(self, source: str, name: str) -> bool:
        """Whether the site says of this name what it is: a sensor, or not wanted."""
        return name in self._names.sensors or self._find(source, name) is not None

    def unwanted(self, source: str, name: str) -> bool:
        meaning = self._find(source, name)
        return meaning is not None and meaning.unwanted

    def add(
        self,
        out: Columns,
        source: str,
        name: str,
        value: Any,
        micros: int,
        place: int,
        unit: str = "",
        *,
        suspect: bool = False,
    ) -> None:
        """One value of ``name`` as ``source`` sent it at ``micros``; in ``unit``, "" where it names none.

        A name that the site does not say is taken for a sensor's id. Unless a line of names.csv is about just
        this source, the sensor must be one of the device ``source``. suspect: the sender doubts the value.

        Raises Rejection for what is no number.
        """
        meaning = self._find(source, name)
        if meaning is None:
            if len(name) > MAX_NAME:
                raise Rejection(Reason.BAD_NAME, f"a name of {len(name)} characters; at most {MAX_NAME}")
            device = self._devices.get(source, source)
            out.add(out.source(device, name, unit), micros, number_of(value), place, suspect)
        elif meaning.unwanted:
            out.unwanted += 1
        else:
            number = number_of(value) * meaning.scale + meaning.offset
            device = "" if meaning.of_source else self._devices.get(source, source)
            out.add(out.source(device, meaning.sensor, meaning.unit or unit), micros, number, place, suspect)
