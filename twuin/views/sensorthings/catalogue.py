"""What a site has, as entities: all but the Observations.

A Thing is a measuring point (a device at one place) or a DMA; a Datastream is a sensor's readings or a series
that Twuin computes for a DMA. Ids are those of the site: they stay the same whatever else it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from twuin.views.convert import SHOWN_UNIT, shown
from twuin.views.sensorthings.grammar import Interval
from twuin.views.sensorthings.model import KINDS, Entity, Kind
from waterworks.ports import ReadingStore
from waterworks.reading import Floats, as_datetime
from waterworks.series import Derived, derived
from waterworks.site import Dma, Sensor, Site
from waterworks.units import Quantity

GEOJSON = "application/geo+json"
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
ANALYSIS = "twuin:analysis"
"""Id of the Sensor that computes the series of DMAs."""

_QUDT = "http://qudt.org/vocab/quantitykind/"
_PROPERTY: dict[str, tuple[str, str, str]] = {
    Quantity.FLOW: ("Flow", _QUDT + "VolumeFlowRate", "Volume of water that passes in a time"),
    Quantity.PRESSURE: ("Pressure head", "https://en.wikipedia.org/wiki/Pressure_head", "Metres of water"),
    Quantity.LEVEL: ("Level", _QUDT + "Height", "Height of the water above the sensor's zero"),
    Quantity.VOLUME: ("Volume", _QUDT + "Volume", "Counter of a meter"),
    Quantity.TEMPERATURE: ("Temperature", _QUDT + "Temperature", "Temperature of the water or the device"),
    Quantity.VOLTAGE: ("Voltage", _QUDT + "Voltage", "Voltage of a battery or a supply"),
    Quantity.SIGNAL: ("Signal strength", _QUDT + "SignalStrength", "Strength of a device's radio signal"),
    Quantity.RATIO: ("Ratio", _QUDT + "DimensionlessRatio", "A share, such as a valve's opening"),
    Derived.INFLOW: ("Net inflow", _QUDT + "VolumeFlowRate", "What flows into a DMA less what flows out"),
    Derived.EXPECTED: (
        "Expected inflow",
        _QUDT + "VolumeFlowRate",
        "Inflow that the past leads one to expect",
    ),
    Derived.BAND: (
        "Half width of the expectation",
        _QUDT + "VolumeFlowRate",
        "Half of the band of 90 % around it",
    ),
    Derived.CUSUM: (
        "Test statistic",
        _QUDT + "DimensionlessRatio",
        "Share of its threshold; 1 and above alarms",
    ),
    Derived.LEAK: ("Leak flow", _QUDT + "VolumeFlowRate", "Flow of the leaks that are known at that time"),
    Derived.NIGHT_FLOW: ("Minimum night flow", _QUDT + "VolumeFlowRate", "Lowest rolling hour of a night"),
    Derived.NIGHT_FLOW_USUAL: (
        "Usual night flow",
        _QUDT + "VolumeFlowRate",
        "20th percentile of seven nights",
    ),
}
_UNIT_NAME = {
    "m3/h": ("cubic metre per hour", "m³/h"),
    "m": ("metre", "m"),
    "m3": ("cubic metre", "m³"),
    "degC": ("degree Celsius", "°C"),
    "V": ("volt", "V"),
    "dBm": ("decibel milliwatt", "dBm"),
    "1": ("one", "1"),
}
_UCUM = {"degC": "Cel", "dBm": "10.lg(mW)"}
DAY_S = 86400.0


class Item:
    """An entity of the catalogue."""

    __slots__ = ("_properties", "_related", "id", "kind")

    def __init__(
        self, kind: Kind, id: str, properties: dict[str, Any], related: dict[str, list[Item]]
    ) -> None:
        self.kind = kind
        self.id = id
        self._properties = properties
        self._related = related

    def get(self, name: str) -> Any:
        """A property; None where it has none."""
        found = self._properties.get(name)
        return found() if callable(found) else found

    def related(self, name: str) -> list[Entity]:
        """What a link leads to."""
        return list(self._related[name])

    def link(self, name: str, other: Item) -> None:
        """Add to what a link leads to."""
        self._related.setdefault(name, []).append(other)


class Stream:
    """What a Datastream reads: a series of the store and its unit. interval_s: how often it has a value."""

    __slots__ = ("interval_s", "item", "name", "place", "quantity")

    def __init__(self, item: Item, place: Item, name: str, quantity: Quantity, interval_s: float) -> None:
        self.item = item
        self.place = place
        self.name = name
        self.quantity = quantity
        self.interval_s = interval_s

    def shown(self, values: Floats) -> Floats:
        """SI values in the Datastream's unit."""
        return shown(values, self.quantity)


class Catalogue:
    """Entities of ``site``.

    positions: of sensors, longitude and latitude; outlines: of DMAs, as GeoJSON. now: the present on the
    site's clock.
    """

    def __init__(
        self,
        site: Site,
        store: ReadingStore,
        positions: dict[str, tuple[float, float]],
        outlines: dict[str, dict[str, Any]],
        now: Callable[[], datetime],
    ) -> None:
        self._site = site
        self._store = store
        self._positions = positions
        self._outlines = outlines
        self._made = now()
        self.sets: dict[str, dict[str, Item]] = {name: {} for name in KINDS if name != "Observations"}
        self.streams: dict[str, Stream] = {}
        for sensor in site.sensors:
            self._add_sensor(sensor)
        for dma in site.dmas:
            self._add_dma(dma)

    @cached_property
    def ids(self) -> dict[str, list[str]]:
        """Ids of each set, in order."""
        return {name: sorted(items) for name, items in self.sets.items()}

    def _item(self, set_: str, id: str, **properties: Any) -> Item:
        kind = KINDS[set_]
        links: dict[str, list[Item]] = {name: [] for name in kind.relations if name != "Observations"}
        return self.sets[set_].setdefault(id, Item(kind, id, properties, links))

    def _place(self, id: str, name: str, what: str, geometry: Any, properties: dict[str, Any]) -> Item:
        """A Thing with its Location and its history, and what is observed there, made once."""
        if id in self.sets["Things"]:
            return self.sets["Things"][id]
        thing = self._item("Things", id, name=name, description=what, properties=properties)
        feature = geometry or {"type": "Feature", "geometry": None, "properties": {"id": id}}
        self._item(
            "FeaturesOfInterest",
            id,
            name=name,
            description=what,
            encodingType=GEOJSON,
            feature=feature,
            properties=properties,
        )
        if geometry is None:
            return thing
        location = self._item(
            "Locations",
            id,
            name=name,
            description=f"Where it is: {what}",
            encodingType=GEOJSON,
            location=geometry,
            properties=properties,
        )
        history = self._item("HistoricalLocations", id, time=self._since(thing))
        thing.link("Locations", location)
        thing.link("HistoricalLocations", history)
        location.link("Things", thing)
        location.link("HistoricalLocations", history)
        history.link("Thing", thing)
        history.link("Locations", location)
        return thing

    def _since(self, thing: Item) -> Callable[[], datetime]:
        """Since when a Thing is where it is, as far as is known: since its first reading."""

        def first() -> datetime:
            extent = self._store.extent([d.id for d in thing.related("Datastreams")])
            return self._made if extent is None else as_datetime(extent[0])

        return first

    def _stream(
        self,
        id: str,
        thing: Item,
        sensor: Item,
        observed: str,
        quantity: Quantity,
        interval_s: float,
        **more: Any,
    ) -> None:
        label, definition, meaning = _PROPERTY[observed]
        prop = self._item(
            "ObservedProperties",
            str(observed),
            name=label,
            definition=definition,
            description=meaning,
            properties={},
        )
        unit = SHOWN_UNIT[quantity]
        name, symbol = _UNIT_NAME[unit]
        item = self._item(
            "Datastreams",
            id,
            unitOfMeasurement={"name": name, "symbol": symbol, "definition": f"ucum:{_UCUM.get(unit, unit)}"},
            observationType=MEASUREMENT,
            observedArea=next((place.get("location") for place in thing.related("Locations")), None),
            phenomenonTime=lambda: self._extent(id),
            resultTime=lambda: self._extent(id),
            **more,
        )
        for one, link in ((thing, "Thing"), (sensor, "Sensor"), (prop, "ObservedProperty")):
            item.link(link, one)
            one.link("Datastreams", item)
        self.streams[id] = Stream(item, self.sets["FeaturesOfInterest"][thing.id], id, quantity, interval_s)

    def _extent(self, series: str) -> Interval | None:
        extent = self._store.extent([series])
        return None if extent is None else Interval(as_datetime(extent[0]), as_datetime(extent[1]))

    def _add_sensor(self, s: Sensor) -> None:
        at = self._positions.get(s.id)
        point = None if at is None else {"type": "Point", "coordinates": [round(v, 7) for v in at]}
        spot = s.element or ("" if s.lon is None or s.lat is None else f"{s.lon:.6f},{s.lat:.6f}")
        where = {"device": s.device, "element": s.element, "dma": s.dma}
        thing = self._place(
            f"{s.device}@{spot}" if spot else s.device,
            f"{s.device} at {spot}" if spot else s.device,
            f"Measuring point of device {s.device}",
            point,
            where,
        )
        label = s.name or s.id
        sensor = self._item(
            "Sensors",
            s.id,
            name=label,
            description=f"{s.quantity.value} sensor of device {s.device}",
            encodingType="text/plain",
            metadata=f"{s.quantity.value}, sent in {s.unit} every {s.interval_s:g} s by device {s.device}",
            properties={"device": s.device, "unit_sent": s.unit},
        )
        self._stream(
            s.id,
            thing,
            sensor,
            s.quantity,
            s.quantity,
            s.interval_s,
            name=label,
            description=f"{_PROPERTY[s.quantity][0]} at {s.element or label}",
            properties={
                "kind": "measured",
                "dma": s.dma,
                "from_dma": s.from_dma,
                "role": s.role.value,
                "element": s.element,
                "interval_s": s.interval_s,
            },
        )

    def _add_dma(self, d: Dma) -> None:
        thing = self._place(
            f"dma:{d.id}",
            d.name or d.id,
            f"District metered area {d.id}",
            self._outlines.get(d.id),
            {"dma": d.id, "connections": d.connections},
        )
        analysis = self._item(
            "Sensors",
            ANALYSIS,
            name="Twuin's analysis",
            description="Computes the series of DMAs from what their sensors read",
            encodingType="text/plain",
            metadata="see docs/analytics.md of Twuin",
            properties={},
        )
        step_s = min((s.interval_s for s in self._site.sensors if d.id in (s.dma, s.from_dma)), default=300.0)
        for what in Derived:
            nightly = what in (Derived.NIGHT_FLOW, Derived.NIGHT_FLOW_USUAL)
            self._stream(
                derived(d.id, what),
                thing,
                analysis,
                what,
                Quantity.RATIO if what is Derived.CUSUM else Quantity.FLOW,
                DAY_S if nightly else step_s,
                name=f"{_PROPERTY[what][0]} of {d.name or d.id}",
                description=_PROPERTY[what][2],
                properties={"kind": "computed", "dma": d.id},
            )


def georeferenced(site: Site, positions: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Those of ``positions`` that are on the earth: all where the network has a coordinate system."""
    if site.crs:
        return positions
    own: Sequence[str] = [s.id for s in site.sensors if s.lon is not None and s.lat is not None]
    return {id: positions[id] for id in own if id in positions}
