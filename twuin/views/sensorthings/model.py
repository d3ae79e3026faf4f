"""The eight kinds of entity, their properties and how they are related (OGC 18-088 section 8)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entity: its names, properties in the order in which they are shown, and relations.

    relations: name of the link -> (kind it leads to, whether to many).
    """

    one: str
    many: str
    properties: tuple[str, ...]
    relations: dict[str, tuple[str, bool]] = field(hash=False)


_NAMED = ("name", "description")
KINDS: dict[str, Kind] = {
    kind.many: kind
    for kind in (
        Kind(
            "Thing",
            "Things",
            (*_NAMED, "properties"),
            {
                "Locations": ("Locations", True),
                "HistoricalLocations": ("HistoricalLocations", True),
                "Datastreams": ("Datastreams", True),
            },
        ),
        Kind(
            "Location",
            "Locations",
            (*_NAMED, "encodingType", "location", "properties"),
            {"Things": ("Things", True), "HistoricalLocations": ("HistoricalLocations", True)},
        ),
        Kind(
            "HistoricalLocation",
            "HistoricalLocations",
            ("time",),
            {"Thing": ("Things", False), "Locations": ("Locations", True)},
        ),
        Kind(
            "Datastream",
            "Datastreams",
            (
                *_NAMED,
                "unitOfMeasurement",
                "observationType",
                "observedArea",
                "phenomenonTime",
                "resultTime",
                "properties",
            ),
            {
                "Thing": ("Things", False),
                "Sensor": ("Sensors", False),
                "ObservedProperty": ("ObservedProperties", False),
                "Observations": ("Observations", True),
            },
        ),
        Kind(
            "Sensor",
            "Sensors",
            (*_NAMED, "encodingType", "metadata", "properties"),
            {"Datastreams": ("Datastreams", True)},
        ),
        Kind(
            "ObservedProperty",
            "ObservedProperties",
            ("name", "definition", "description", "properties"),
            {"Datastreams": ("Datastreams", True)},
        ),
        Kind(
            "Observation",
            "Observations",
            ("phenomenonTime", "result", "resultTime", "resultQuality"),
            {"Datastream": ("Datastreams", False), "FeatureOfInterest": ("FeaturesOfInterest", False)},
        ),
        Kind(
            "FeatureOfInterest",
            "FeaturesOfInterest",
            (*_NAMED, "encodingType", "feature", "properties"),
            {"Observations": ("Observations", True)},
        ),
    )
}
OBSERVATIONS = KINDS["Observations"]


class Entity(Protocol):
    """One entity: its kind, its id, its properties and its relations."""

    @property
    def kind(self) -> Kind: ...

    @property
    def id(self) -> str: ...

    def get(self, name: str) -> Any:
        """A property as it is compared: times are datetimes or ``Interval``; None where it has none."""
        ...

    def related(self, name: str) -> list[Entity]:
        """What a link leads to; of one that leads to one, a list of one. Not for Observations."""
        ...
