"""The names that devices of other makers give to what they measure, and the sensors they are.

Twuin's own messages name sensors by their ids. Other formats carry names of their own; a site says in
``names.csv`` which sensor each one is, in which unit and on which scale its values come.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

SENML_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
"""What a name of SenML may be (RFC 8428, section 4.5.1)."""


class Format(StrEnum):
    """A kind of message that carries names of its own."""

    SENML = "senml"  # JSON and CBOR alike; the source is the device of the topic


@dataclass(frozen=True, slots=True)
class ForeignName:
    """``name`` is sensor ``sensor``. format: of which kind of message, None: of any.

    source: who sends it, "" : whoever. unit: what its values are in, whatever the message says; "" : what
    the message says, else the sensor's own. A value as sent, times ``scale`` plus ``offset``, is in that
    unit.
    """

    name: str
    sensor: str
    format: Format | None = None
    source: str = ""
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0


class Meaning(NamedTuple):
    """What a name stands for; see ``ForeignName``."""

    sensor: str
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0


class Names:
    """Looks names up: the line for just this format and source goes before one for any."""

    def __init__(self, names: Iterable[ForeignName] = ()) -> None:
        self._known: dict[tuple[str, str, str], Meaning] = {
            (n.format or "", n.source, n.name): Meaning(n.sensor, n.unit, n.scale, n.offset) for n in names
        }

    def find(self, format: Format, source: str, name: str) -> Meaning | None:
        """What ``name`` stands for when ``source`` sends it, None where the site does not say."""
        if not self._known:
            return None
        for key in (
            (format.value, source, name),
            ("", source, name),
            (format.value, "", name),
            ("", "", name),
        ):
            if (found := self._known.get(key)) is not None:
                return found
        return None
