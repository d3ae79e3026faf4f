"""The names that devices of other makers give to what they measure, and the sensors they are.

Twuin's own messages name sensors by their ids. Other formats carry names of their own; a site says in
``names.csv`` which sensor each one is, in which unit and on which scale its values come.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

SENML_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
"""What a name of SenML may be (RFC 8428, section 4.5.1)."""


class Format(StrEnum):
    """A kind of message that carries names of its own."""

    SENML = "senml"  # JSON and CBOR alike; the source is the device of the topic
    PLAIN = "plain"  # a topic with one number; the name is the topic, and there is no source
    CHIRPSTACK = "chirpstack"  # uplinks of ChirpStack 4; the source is the DevEUI
    THINGS_STACK = "things-stack"  # uplinks of The Things Stack 3; the source is the device id
    SPARKPLUG = "sparkplug"  # Sparkplug B; the source is group/node or group/node/device


LORAWAN = (Format.CHIRPSTACK, Format.THINGS_STACK)
"""Formats whose senders are written in small letters."""

UNWANTED = "-"
"""In place of a sensor: what comes under the name is not wanted."""

ANY_OTHER = "*"
"""In place of a name: any that no other line is about. Only for what is not wanted."""


@dataclass(frozen=True, slots=True)
class ForeignName:
    """``name`` is sensor ``sensor`` (or ``UNWANTED``). format: of which kind of message, None: of any.

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
    """What a name stands for; see ``ForeignName``. of_source: said of just that sender."""

    sensor: str
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    of_source: bool = False

    @property
    def unwanted(self) -> bool:
        return self.sensor == UNWANTED


class Names:
    """Looks names up: the line for just this format and source goes before one for any.

    sensors: ids of the site's sensors, which ``ANY_OTHER`` is not about.
    """

    def __init__(self, names: Iterable[ForeignName] = (), sensors: Container[str] = ()) -> None:
        self.sensors = sensors
        self._known: dict[tuple[str, str, str], Meaning] = {
            (n.format or "", n.source, n.name): Meaning(n.sensor, n.unit, n.scale, n.offset, bool(n.source))
            for n in names
        }
        self.any_unwanted = any(meaning.unwanted for meaning in self._known.values())
        self._any_other = any(name == ANY_OTHER for _, _, name in self._known)

    def find(self, format: Format, source: str, name: str) -> Meaning | None:
        """What ``name`` stands for when ``source`` sends it, None where the site does not say."""
        if not self._known:
            return None
        found = self._line(format, source, name)
        if found is None and self._any_other and name not in self.sensors:
            return self._line(format, source, ANY_OTHER)
        return found

    def _line(self, format: Format, source: str, name: str) -> Meaning | None:
        for key in (
            (format.value, source, name),
            ("", source, name),
            (format.value, "", name),
            ("", "", name),
        ):
            if (found := self._known.get(key)) is not None:
                return found
        return None
