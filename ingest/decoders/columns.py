"""Where decoders put readings: columns that grow, over all messages of a group."""

from __future__ import annotations

from array import array
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.reasons import Reason
from waterworks.reading import TIME_DTYPE, Floats, Quality, Times

MOST_NUMBER = 2**53
"""Numbers of messages and boots from here on are none: JSON's numbers are exact up to it."""

_MOST_MS = 2**62 // 1000  # milliseconds; any later instant is far outside 64-bit microseconds


class Rejection(Exception):
    """A message of which nothing can be used."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Fault(NamedTuple):
    """Readings that a decoder could not use.

    place: the first one's place in the message, which counts its readings from 0. readings: how many.
    """

    place: int
    reason: Reason
    detail: str
    readings: int = 1


class Source(NamedTuple):
    """Who sent a value, of which sensor, in which unit ("" where the message names none)."""

    device: str
    sensor: str
    unit: str


class Columns:
    """N readings as sent: not yet checked against the site, values not yet in SI.

    unwanted: how many more there were, under names that the site does not want.
    marks: of each message that carries its number: device, boot (-1: it says none), number, the oldest that
    its device still keeps (0: it says none), and the newest time of its readings, as far as the last one
    is that [us].
    """

    def __init__(self) -> None:
        self.sources: dict[Source, int] = {}
        self.unwanted = 0
        self.marks: list[tuple[str, int, int, int, int]] = []
        self._source = array("i")
        self._micros = array("q")
        self._values = array("d")
        self._places = array("i")
        self._suspect: list[int] = []  # rows that the device marked

    def __len__(self) -> int:
        return len(self._micros)

    def source(self, device: str, sensor: str, unit: str) -> int:
        """The index under which to add values of this source."""
        return self.sources.setdefault(Source(device, sensor, unit), len(self.sources))

    def mark(
        self, device: str, boot: int | None, number: int, oldest: int, newest: int | None = None
    ) -> None:
        """The message whose readings were just added is ``number`` of ``device``. Numbers beyond belief are
        passed over: counting messages is a service to who sends them. newest: its time [us], if it has one
        of its own."""
        if boot is not None and boot < 0:  # it would count as none
            return
        boot = -1 if boot is None else boot
        if boot < MOST_NUMBER and 0 <= oldest <= number < MOST_NUMBER:
            if newest is None:
                newest = self._micros[-1] if self._micros else 0
            self.marks.append((device, boot, number, oldest, newest))

    def add(self, source: int, micros: int, value: float, place: int = 0, suspect: bool = False) -> None:
        """One reading. micros: device time, microseconds since 1970 UTC. place: see ``Fault``."""
        if suspect:
            self._suspect.append(len(self._micros))
        self._micros.append(micros)
        self._source.append(source)
        self._values.append(value)
        self._places.append(place)

    def extend(
        self, source: int, micros: list[int], values: list[float], place: int = 0, suspect: bool = False
    ) -> None:
        """Readings of one source, the first one at ``place``. The lists are as long as each other."""
        start = len(self._micros)
        self._micros.extend(micros)
        self._values.extend(values)
        self._source.extend([source] * len(micros))
        self._places.extend(range(place, place + len(micros)))
        if suspect:
            self._suspect.extend(range(start, len(self._micros)))

    def place(self, row: int) -> int:
        """The place of a row's reading in its message."""
        return self._places[row]

    def arrays(self) -> tuple[NDArray[np.int32], Times, Floats, NDArray[np.uint16]]:
        """Source (N,), time (N,) UTC, value (N,) as sent, quality flags (N,)."""
        quality = np.zeros(len(self), np.uint16)
        quality[self._suspect] = Quality.SUSPECT
        return (
            np.array(self._source, np.int32),
            np.array(self._micros, np.int64).view(TIME_DTYPE),
            np.array(self._values, np.float64),
            quality,
        )


def micros(time: datetime | int) -> int:
    """Microseconds since 1970 UTC of an instant, or of integer milliseconds.

    Raises Rejection for a time without a zone, and for milliseconds beyond any calendar.
    """
    if isinstance(time, int):
        if not -_MOST_MS < time < _MOST_MS:
            raise Rejection(Reason.BAD_TIME, f"time {time} is no number of milliseconds since 1970")
        return time * 1000
    if time.tzinfo is None:
        raise Rejection(
            Reason.NO_ZONE,
            f"time {time.isoformat()} has no zone: end it with Z or an offset such as +07:00",
        )
    return round(time.timestamp() * 1e6)
