"""The site folder: ``site.toml``, ``dmas.csv``, ``sensors.csv``, and where there are any ``network.inp``
and ``nodes.csv``, read and checked as a whole. docs/site-folder.md describes every column.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from waterworks import geo, zones
from waterworks.epanet_file import read_network
from waterworks.errors import NetworkError, Problem, Severity, SiteError, UnitError
from waterworks.network import Network, NodeKind
from waterworks.site import NIGHT_USE, Dma, Role, Sensor, Site
from waterworks.site_toml import Head, read_head
from waterworks.tables import Problems, Row, read_table, suggestion
from waterworks.units import Quantity, canonical, to_si

SITE_FILE = "site.toml"
DMAS_FILE = "dmas.csv"
SENSORS_FILE = "sensors.csv"
NODES_FILE = "nodes.csv"
NETWORK_FILE = "network.inp"

DMA_REQUIRED = ("id", "connections")
DMA_OPTIONAL = ("name", "mains_km", "night_use_l_per_connection_h", "pressure_m")
SENSOR_REQUIRED = ("id", "quantity", "unit", "dma", "device")
SENSOR_OPTIONAL = (
    "role",
    "from_dma",
    "element",
    "interval_s",
    "name",
    "tank_area_m2",
    "low",
    "high",
    "lon",
    "lat",
)

_LITRES_PER_HOUR = 1e-3 / 3600  # m3/s
_MEASURES: dict[Role, tuple[Quantity, ...]] = {
    Role.INLET: (Quantity.FLOW,),
    Role.STORAGE: (Quantity.LEVEL,),
    Role.CONSUMPTION: (Quantity.FLOW, Quantity.VOLUME),
}
_K = TypeVar("_K", Quantity, Role)


def read_site(folder: Path) -> Site:
    """The site in ``folder``. Raises SiteError with every mistake in it; warnings do not stand in the way."""
    site, problems = _read(Path(folder))
    errors = [p for p in problems if p.severity is Severity.ERROR]
    if errors or site is None:
        raise SiteError(errors)
    return site


def check_site(folder: Path) -> list[Problem]:
    """All that is wrong or doubtful in ``folder``, ordered by file and line; [] where nothing is."""
    return _read(Path(folder))[1]


def _read(folder: Path) -> tuple[Site | None, list[Problem]]:
    if not folder.is_dir():
        there = "is not a folder" if folder.exists() else "does not exist"
        return None, [Problem(str(folder), None, f"{there}: a site is a folder with a {SITE_FILE} in it")]
    missing = [
        Problem(name, None, f"is missing from {folder}")
        for name in (SITE_FILE, DMAS_FILE, SENSORS_FILE)
        if not (folder / name).is_file()
    ]
    reader = _Reader(folder)
    site = reader.site()
    order = [SITE_FILE, DMAS_FILE, SENSORS_FILE, NODES_FILE]
    found = sorted(
        [*missing, *reader.problems()],
        key=lambda p: (order.index(p.file) if p.file in order else len(order), p.line or 0),
    )
    return (None if any(p.severity is Severity.ERROR for p in found) else site), found


class _Reader:
    """One pass over one folder. ``lines`` remembers where each DMA and sensor was written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about_site = Problems(SITE_FILE)
        self.about_dmas = Problems(DMAS_FILE)
        self.about_sensors = Problems(SENSORS_FILE)
        self.about_nodes = Problems(NODES_FILE)
        self.about_network: list[Problem] = []
        self.dma_line: dict[str, int] = {}
        self.sensor_line: dict[str, int] = {}

    def problems(self) -> list[Problem]:
        return [
            *self.about_site.found,
            *self.about_dmas.found,
            *self.about_sensors.found,
            *self.about_nodes.found,
            *self.about_network,
        ]

    def site(self) -> Site | None:
        head = None
        if (self.folder / SITE_FILE).is_file():
            head = read_head(self.folder / SITE_FILE, self.about_site)
        head = head or Head()
        dmas = self.dmas()
        known = set(self.dma_line) if dmas is not None else None
        sensors = self.sensors(known)
        network_file, network = self.network(head)
        node_dma: dict[str, str] = {}
        if network is not None:
            bad = self.elements(network, sensors or [])
            nodes_csv = (self.folder / NODES_FILE).is_file()
            if nodes_csv:
                node_dma = self.nodes(network, known)
            elif not bad:
                node_dma = self.inferred(network, sensors or [])
            if not bad:
                self.coverage(network, node_dma, sensors or [])
            self.coordinates(network, head)
        elif network_file is None:
            for s in sensors or []:
                if s.role is Role.STORAGE and s.tank_area_m2 is None:
                    self.about_sensors.error(
                        self.sensor_line[s.id],
                        f"storage level {s.id} has no tank_area_m2, and there is no network to take it from",
                    )
        if sensors is not None and dmas is not None:
            self.inlets(sensors)
        if dmas is None or sensors is None:
            return None
        return Site(
            id=head.id,
            name=head.name,
            timezone=ZoneInfo(head.timezone),
            dmas=tuple(dmas),
            sensors=tuple(sensors),
            folder=self.folder,
            crs=head.crs,
            network_file=network_file,
            node_dma=zones.junctions(network, node_dma) if network is not None else {},
            monitor=head.monitor,
        )

    # dmas.csv

    def dmas(self) -> list[Dma] | None:
        path = self.folder / DMAS_FILE
        if not path.is_file():
            return None
        rows = read_table(path, self.about_dmas, required=DMA_REQUIRED, optional=DMA_OPTIONAL)
        if rows is None:
            return None
        if not rows:
            self.about_dmas.error(None, "has no DMA: a site has at least one")
        out = []
        for row in rows:
            dma = row.identifier("id")
            if not self._once(dma, row, self.dma_line, "DMA"):
                continue
            connections = row.whole("connections", least=0)
            row.required("connections")
            mains = row.number("mains_km", least=0)
            night = row.number("night_use_l_per_connection_h", least=0)
            out.append(
                Dma(
                    id=dma,
                    name=row.text("name", dma),
                    connections=connections or 0,
                    mains_m=None if mains is None else mains * 1000,
                    night_use_m3s_per_connection=(NIGHT_USE if night is None else night * _LITRES_PER_HOUR),
                    pressure_m=row.number("pressure_m", least=0),
                )
            )
        return out

    def _once(self, name: str, row: Row, lines: dict[str, int], what: str) -> bool:
        if not name:
            return False
        if name in lines:
            row.error(f"{what} {name!r} is there already, on line {lines[name]}")
            return False
        lines[name] = row.line
        return True

    # sensors.csv

    def sensors(self, known: set[str] | None) -> list[Sensor] | None:
        path = self.folder / SENSORS_FILE
        if not path.is_file():
            return None
        rows = read_table(path, self.about_sensors, required=SENSOR_REQUIRED, optional=SENSOR_OPTIONAL)
        if rows is None:
            return None
        if not rows:
            self.about_sensors.error(None, "has no sensor")
        out = []
        for row in rows:
            sensor = self.one_sensor(row, known)
            if sensor is not None:
                out.append(sensor)
        return out

    def one_sensor(self, row: Row, known: set[str] | None) -> Sensor | None:
        error = row.error
        name = row.identifier("id")
        fresh = self._once(name, row, self.sensor_line, "sensor")
        device = row.identifier("device")
        quantity = _one_of(Quantity, row, "quantity", row.required("quantity"))
        role = _one_of(Role, row, "role", row.text("role", Role.MONITOR))
        unit = row.required("unit")
        if quantity is not None and unit:
            try:
                unit = canonical(unit, quantity)
            except UnitError as e:
                error(str(e))
                unit = ""
        dma, from_dma = row.text("dma"), row.text("from_dma")
        for column, value in (("dma", dma), ("from_dma", from_dma)):
            if value and known is not None and value not in known:
                error(f"{column} {value!r} is not in {DMAS_FILE}{suggestion(value, sorted(known))}")
        self._role(row, role, quantity, dma, from_dma)
        interval = row.number("interval_s", above=0, most=86400)
        area = row.number("tank_area_m2", above=0)
        if area is not None and role is not None and role is not Role.STORAGE:
            error(f"tank_area_m2 belongs to levels with role storage, not {role.value}")
        low, high = row.number("low"), row.number("high")
        if low is not None and high is not None and low >= high:
            error(f"low {low:g} is not below high {high:g}")
        lon, lat = self._position(row)
        if not fresh or quantity is None or role is None or not unit or not device:
            return None
        return Sensor(
            id=name,
            quantity=quantity,
            unit=unit,
            dma=dma,
            device=device,
            role=role,
            from_dma=from_dma,
            element=row.text("element"),
            interval_s=interval or 300.0,
            name=row.text("name"),
            tank_area_m2=area,
            low=None if low is None else float(to_si(low, unit, quantity)),
            high=None if high is None else float(to_si(high, unit, quantity)),
            lon=lon,
            lat=lat,
        )

    def _role(self, row: Row, role: Role | None, quantity: Quantity | None, dma: str, from_dma: str) -> None:
        error = row.error
        right = _MEASURES.get(role) if role is not None else None
        if role is not None and right and quantity is not None and quantity not in right:
            error(f"role {role.value} measures {' or '.join(right)}, not {quantity.value}")
        if role is Role.INLET:
            if not dma and not from_dma:
                error("an inlet meter needs dma (where positive flow goes) or from_dma (where it comes from)")
            elif dma == from_dma:
                error(f"dma and from_dma are both {dma!r}: an inlet meter stands between two areas")
        elif role is not None:
            if from_dma:
                error(f"from_dma belongs to inlet meters, not to role {role.value}")
            if not dma and role is not Role.MONITOR:
                error(f"dma is empty: a sensor of role {role.value} belongs to a DMA")

    def _position(self, row: Row) -> tuple[float | None, float | None]:
        lon, lat = row.number("lon"), row.number("lat")
        good = True
        for column, value, most in (("lon", lon, 180.0), ("lat", lat, 90.0)):
            if value is not None and abs(value) > most:
                hint = ""
                if column == "lat" and lon is not None and abs(lon) <= 90 and abs(value) <= 180:
                    hint = ": are lon and lat swapped?"
                elif abs(value) > 360:
                    hint = ": give degrees, not metres; network coordinates belong into the network file"
                row.error(f"{column} {value:g} is beyond {most:g} degrees{hint}")
                good = False
        if good and (lon is None) != (lat is None) and not (row.text("lon") and row.text("lat")):
            row.error(f"{'lon' if lon is None else 'lat'} is missing beside the other")
            good = False
        return (lon, lat) if good else (None, None)

    # the network, and what the tables say about it

    def network(self, head: Head) -> tuple[Path | None, Network | None]:
        path = self.folder / (head.network or NETWORK_FILE)
        if not path.is_file():
            if head.network:
                self.about_site.error(
                    None,
                    f"network {head.network!r} is not in the folder: put the EPANET file there, or take "
                    "the key out for a site without hydraulic model",
                )
                return path, None
            return None, None
        try:
            return path, read_network(path)
        except NetworkError as e:
            self.about_network.extend(e.problems)
            return path, None

    def elements(self, network: Network, sensors: list[Sensor]) -> bool:
        """Whether any sensor's element is not in the network, or not of the kind that it measures."""
        before = len(self.about_sensors.found)
        for s in sensors:
            line = self.sensor_line[s.id]
            if not s.element:
                if s.role is Role.STORAGE and s.tank_area_m2 is None:
                    self.about_sensors.error(
                        line, f"storage level {s.id} needs its tank as element, or its tank_area_m2"
                    )
                elif s.role is Role.INLET:
                    self.about_sensors.warning(
                        line, f"inlet meter {s.id} names no link of the network as its element"
                    )
                continue
            node, link = s.element in network.node_index, s.element in network.link_index
            if not node and not link:
                near = suggestion(s.element, [*network.node_ids, *network.link_ids])
                self.about_sensors.error(line, f"element {s.element!r} is not in the network{near}")
            elif s.quantity is Quantity.FLOW and s.role is not Role.CONSUMPTION and not link:
                self.about_sensors.error(
                    line, f"flow meter {s.id} stands at node {s.element}: its element is a link"
                )
            elif s.quantity in (Quantity.PRESSURE, Quantity.LEVEL) and not node:
                self.about_sensors.error(
                    line, f"{s.quantity.value} {s.id} stands on link {s.element}: its element is a node"
                )
            elif s.role is Role.CONSUMPTION and not node:
                self.about_sensors.error(
                    line, f"consumption meter {s.id} stands on link {s.element}: its element is a junction"
                )
            elif s.quantity is Quantity.LEVEL or s.role is Role.STORAGE:
                kind = network.node_kind[network.node_index[s.element]]
                if kind == NodeKind.JUNCTION:
                    self.about_sensors.error(line, f"level {s.id} stands at {s.element}, which is no tank")
                elif s.role is Role.STORAGE and kind == NodeKind.RESERVOIR:
                    self.about_sensors.error(
                        line, f"{s.id} has role storage but {s.element} is a reservoir, which stores nothing"
                    )
        return any(p.severity is Severity.ERROR for p in self.about_sensors.found[before:])

    def nodes(self, network: Network, known: set[str] | None) -> dict[str, str]:
        rows = read_table(self.folder / NODES_FILE, self.about_nodes, required=("node", "dma"), optional=())
        out: dict[str, str] = {}
        lines: dict[str, int] = {}
        for row in rows or []:
            node, dma = row.required("node"), row.text("dma")
            if not self._once(node, row, lines, "node"):
                continue
            if node not in network.node_index:
                self.about_nodes.error(
                    row.line, f"node {node!r} is not in the network{suggestion(node, network.node_ids)}"
                )
            if dma and known is not None and dma not in known:
                self.about_nodes.error(
                    row.line, f"dma {dma!r} is not in {DMAS_FILE}{suggestion(dma, sorted(known))}"
                )
            elif dma and node in network.node_index:
                out[node] = dma
        return out

    def inferred(self, network: Network, sensors: list[Sensor]) -> dict[str, str]:
        found = zones.infer(network, sensors)
        for clash in found.clashes:
            self.about_sensors.error(self.sensor_line[clash.sensor], clash.message)
        return found.node_dma

    def coverage(self, network: Network, node_dma: dict[str, str], sensors: list[Sensor]) -> None:
        """Doubts about how DMAs, sensors and network fit together."""
        filled = set(node_dma.values())
        for dma, line in self.dma_line.items():
            if dma not in filled:
                self.about_dmas.warning(line, f"no node of the network lies in DMA {dma}")
        for s in sensors:
            if s.role is Role.INLET or s.element not in network.node_index or not s.dma:
                continue
            if s.quantity is Quantity.LEVEL and s.role is Role.MONITOR:
                continue  # a tank may serve a DMA from outside it
            lies = node_dma.get(s.element)
            if lies != s.dma and filled:
                where = f"in {lies}" if lies else "in no DMA"
                self.about_sensors.warning(
                    self.sensor_line[s.id], f"{s.id} belongs to {s.dma}, but node {s.element} lies {where}"
                )
        used = (network.node_kind == NodeKind.JUNCTION) & (network.base_demand > 0)
        outside = [n for n, u in zip(network.node_ids, used, strict=True) if u and n not in node_dma]
        if outside and filled:
            some = ", ".join(outside[:3]) + (", ..." if len(outside) > 3 else "")
            share = sum(network.base_demand[network.node_index[n]] for n in outside)
            total = float(network.base_demand[used].sum())
            self.about_dmas.warning(
                None,
                f"{len(outside)} junctions with {share / total:.0%} of the demand lie in no DMA ({some})",
            )

    def coordinates(self, network: Network, head: Head) -> None:
        have = np.isfinite(network.xy).all(axis=1)
        if not have.any():
            return
        if not head.crs:
            self.about_site.warning(
                None,
                "crs is not set: the map shows the network without a geographic frame; "
                'write the coordinate system of the network file, such as crs = "EPSG:32749"',
            )
        elif not np.isfinite(geo.to_lonlat(network.xy[have], head.crs)).all():
            self.about_site.error(
                None, f"crs {head.crs!r} does not fit: some coordinates of the network have no place in it"
            )

    def inlets(self, sensors: list[Sensor]) -> None:
        metered = {d for s in sensors if s.role is Role.INLET for d in (s.dma, s.from_dma) if d}
        refused = len(sensors) < len(self.sensor_line)
        for dma, line in self.dma_line.items():
            if dma not in metered and not refused:
                self.about_dmas.error(
                    line, f"DMA {dma} has no inlet: give it at least one flow meter with role inlet"
                )


def _one_of(kind: type[_K], row: Row, column: str, said: str) -> _K | None:
    if not said:
        return None
    names = [k.value for k in kind]
    if said.lower() in names:
        return kind(said.lower())
    near = suggestion(said, names) or f": use one of {', '.join(names)}"
    row.error(f"unknown {column} {said!r}{near}")
    return None
