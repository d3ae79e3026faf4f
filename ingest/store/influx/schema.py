"""Where a series lies in InfluxDB: its measurement, its tags and its field.

One measurement for each quantity, its field in SI with the unit in its name (``flow``: ``flow_m3s``), and
the tags ``site``, ``dma``, ``sensor`` and ``kind`` (what the sensor is there for). Derived series lie in a
measurement of their own. Every point has the fields ``quality`` and ``received`` [us since 1970] too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from waterworks.series import PREFIX, UNIT_OF, Derived
from waterworks.site import Site
from waterworks.units import SI_UNIT, Quantity

_SPELLED = {"m3/s": "m3s", "m": "m", "m3": "m3", "degC": "degc", "V": "v", "dBm": "dbm", "1": "1"}
"""Units as they stand in the name of a field."""

DERIVED, OTHER, JOURNAL = "derived", "reading", "twuin_changes"
"""Measurements beside those of the quantities. OTHER: series that no sensor of the site has."""

QUALITY, RECEIVED = "quality", "received"


class Column(NamedTuple):
    """A measurement and the field that holds its values [SI]."""

    measurement: str
    field: str


class Place(NamedTuple):
    """Where one series is written: its column, and its tags beside ``site`` and ``sensor``."""

    column: Column
    dma: str
    kind: str


def _of(quantity: Quantity) -> Column:
    return Column(quantity.value, f"{quantity.value}_{_SPELLED[SI_UNIT[quantity]]}")


_DERIVED_FIELD = {"m3/s": "flow_m3s", "1": "share_1"}
_OTHER = Column(OTHER, "value")

COLUMNS: tuple[Column, ...] = (
    *(_of(quantity) for quantity in Quantity),
    *(Column(DERIVED, field) for field in _DERIVED_FIELD.values()),
    _OTHER,
)
"""All in which readings may lie."""


class Level(NamedTuple):
    """Means that are kept beside the readings.

    policy: retention policy (of a bucket of 2.x: the part of its name after the slash). step_s: length of
    a bin [s], None: a local day of the site.
    """

    policy: str
    step_s: int | None


LEVELS = (Level("15min", 900), Level("day", None))


@dataclass(frozen=True)
class Schema:
    """Places of the series of one site."""

    site: Site

    @cached_property
    def _places(self) -> dict[str, Place]:
        return {s.id: Place(_of(s.quantity), s.dma, s.role.value) for s in self.site.sensors}

    def place(self, name: str) -> Place:
        """Where readings of ``name`` are written."""
        found = self._places.get(name)
        if found is not None:
            return found
        head, _, what = name.rpartition(":")
        if head.startswith(PREFIX) and what in _DERIVED:
            unit = UNIT_OF[_DERIVED[what]]
            return Place(Column(DERIVED, _DERIVED_FIELD[unit]), head.removeprefix(PREFIX), what)
        return Place(_OTHER, "", "")

    def settled(self, name: str) -> bool:
        """Whether readings of ``name`` count in one place alone; others are read where they are found."""
        return name in self._places or self.place(name).column.measurement == DERIVED


_DERIVED = {what.value: what for what in Derived}
