"""The site folder: ``site.toml``, ``dmas.csv``, ``sensors.csv``, and where there are any ``network.inp``,
``nodes.csv``, ``valves.csv``, ``fittings.csv``, ``billed.csv``, ``names.csv``, ``codecs.csv`` and
``clocks.csv``, read and checked as a whole. docs/site-folder.md and docs/formats.md describe every
column. ``wall.toml`` is checked with them, but a mistake in what displays show keeps nobody from
watching the network.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from waterworks import epanet_text, geo, zones
from waterworks.epanet_file import read_network
from waterworks.errors import NetworkError, Problem, Severity, SiteError
from waterworks.network import Network, NodeKind
from waterworks.site import Role, Sensor, Site
from waterworks.site_clocks import CLOCKS_FILE, read_clocks
from waterworks.site_codecs import CODECS_FILE, read_codecs
from waterworks.site_fittings import FITTINGS_FILE, read_fittings
from waterworks.site_losses import BILLED_FILE, read_bills
from waterworks.site_names import NAMES_FILE, read_names
from waterworks.site_tables import once, read_dmas, read_sensors
from waterworks.site_toml import Head, read_head
from waterworks.site_valves import VALVES_FILE, read_valves
from waterworks.site_wall import WALL_FILE, read_wall
from waterworks.tables import Problems, read_table, suggestion
from waterworks.units import Quantity
from waterworks.wording import counted

SITE_FILE = "site.toml"
DMAS_FILE = "dmas.csv"
SENSORS_FILE = "sensors.csv"
NODES_FILE = "nodes.csv"
NETWORK_FILE = "network.inp"
FAR = 0.5
"""Beyond this distance from the network's bounds a sensor is thought misplaced [degrees, some 50 km]."""


def read_site(folder: Path) -> Site:
    """The site in ``folder``. Raises SiteError with every mistake in it; warnings do not stand in the way."""
    site, problems = _read(Path(folder))
    errors = [p for p in problems if p.severity is Severity.ERROR]
    if errors or site is None:
        raise SiteError(errors)
    return site


def check_site(folder: Path) -> list[Problem]:
    """All that is wrong or doubtful in ``folder``, ordered by file and line; [] where nothing is."""
    folder = Path(folder)
    site, found = _read(folder)
    if (folder / WALL_FILE).is_file():
        about = Problems(WALL_FILE)
        read_wall(folder / WALL_FILE, about, *((None, None) if site is None else (site.dma, site.sensor)))
        found += sorted(about.found, key=lambda p: p.line or 0)
    return found


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
    order = [
        SITE_FILE,
        DMAS_FILE,
        SENSORS_FILE,
        NODES_FILE,
        VALVES_FILE,
        FITTINGS_FILE,
        BILLED_FILE,
        NAMES_FILE,
        CODECS_FILE,
        CLOCKS_FILE,
    ]
    found = sorted(
        [*missing, *reader.problems()],
        key=lambda p: (order.index(p.file) if p.file in order else len(order), p.line or 0),
    )
    return (None if any(p.severity is Severity.ERROR for p in found) else site), found


def _wrong(about: Problems) -> bool:
    return any(p.severity is Severity.ERROR for p in about.found)


def _skipped(about: Problems, lines: dict[str, int]) -> bool:
    """Whether the heading or a row without an id is wrong: ``lines`` may then not hold all that there are."""
    known = set(lines.values())
    return any(p.line is not None and p.line not in known for p in about.found)


class _Reader:
    """One pass over one folder. ``lines`` remembers where each DMA and sensor was written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about_site = Problems(SITE_FILE)
        self.about_dmas = Problems(DMAS_FILE)
        self.about_sensors = Problems(SENSORS_FILE)
        self.about_nodes = Problems(NODES_FILE)
        self.about_valves = Problems(VALVES_FILE)
        self.about_fittings = Problems(FITTINGS_FILE)
        self.about_bills = Problems(BILLED_FILE)
        self.about_names = Problems(NAMES_FILE)
        self.about_codecs = Problems(CODECS_FILE)
        self.about_clocks = Problems(CLOCKS_FILE)
        self.about_network: list[Problem] = []
        self.dma_line: dict[str, int] = {}
        self.sensor_line: dict[str, int] = {}

    def problems(self) -> list[Problem]:
        return [
            *self.about_site.found,
            *self.about_dmas.found,
            *self.about_sensors.found,
            *self.about_nodes.found,
            *self.about_valves.found,
            *self.about_fittings.found,
            *self.about_bills.found,
            *self.about_names.found,
            *self.about_codecs.found,
            *self.about_clocks.found,
            *self.about_network,
        ]

    def site(self) -> Site | None:
        """The site, None where a table cannot be read. What only follows from a mistake is not told."""
        said = None
        if (self.folder / SITE_FILE).is_file():
            said = read_head(self.folder / SITE_FILE, self.about_site)
        head = said or Head()
        dmas = read_dmas(self.folder / DMAS_FILE, self.about_dmas, self.dma_line)
        known = set(self.dma_line) if dmas and not _skipped(self.about_dmas, self.dma_line) else None
        sensors = read_sensors(self.folder / SENSORS_FILE, self.about_sensors, self.sensor_line, known)
        lacking = (
            not sensors
            or len(sensors) < len(self.sensor_line)
            or _skipped(self.about_sensors, self.sensor_line)
        )
        network_file, network = self.network(head)
        node_dma: dict[str, str] = {}
        if network is not None:
            bad = self.elements(network, sensors or [])
            nodes_csv = (self.folder / NODES_FILE).is_file()
            if nodes_csv:
                node_dma = self.nodes(network, known)
            elif not bad and not lacking:
                node_dma = self.inferred(network, sensors or [])
            if not any(_wrong(p) for p in (self.about_dmas, self.about_sensors, self.about_nodes)):
                self.coverage(network, node_dma, sensors or [])
            if said is not None and not _wrong(self.about_site):
                self.coordinates(network, head, sensors or [])
        elif network_file is None and said is not None:
            for s in sensors or []:
                if s.role is Role.STORAGE and s.tank_area_m2 is None:
                    self.about_sensors.error(
                        self.sensor_line[s.id],
                        f"storage level {s.id} has no tank_area_m2, and there is no network to take it from",
                    )
        if sensors is not None and not lacking:
            self.inlets(sensors)
            self.outlets(head, sensors)
        valves = read_valves(self.folder / VALVES_FILE, self.about_valves, network)
        fittings = read_fittings(self.folder / FITTINGS_FILE, self.about_fittings, network)
        if network_file is None and said is not None:
            for found, about in ((valves, self.about_valves), (fittings, self.about_fittings)):
                if found:
                    about.error(None, "names pipes, and there is no network that has them")
        for customer in head.critical:
            if known is not None and customer.dma not in known:
                hint = suggestion(customer.dma, sorted(known))
                self.about_site.error(
                    None, f"critical {customer.name!r}: dma {customer.dma!r} is not in dmas.csv{hint}"
                )
            if customer.node and network is not None and customer.node not in network.node_index:
                hint = suggestion(customer.node, network.node_ids)
                self.about_site.error(
                    None, f"critical {customer.name!r}: node {customer.node!r} is not in the network{hint}"
                )
        bills = read_bills(self.folder / BILLED_FILE, self.about_bills, known)
        complete = None if sensors is None or lacking else {s.id: s for s in sensors}
        listen = None if said is None or _wrong(self.about_site) else head.listen
        names = read_names(self.folder / NAMES_FILE, self.about_names, complete, listen)
        codecs = read_codecs(self.folder / CODECS_FILE, self.about_codecs)
        devices = None if complete is None else {s.device for s in complete.values()}
        clocks = read_clocks(self.folder / CLOCKS_FILE, self.about_clocks, devices, ZoneInfo(head.timezone))
        if dmas is None or sensors is None:
            return None
        return Site(
            id=head.id,
            name=head.name,
            timezone=ZoneInfo(head.timezone),
            dmas=tuple(dmas),
            sensors=tuple(replace(s, since=s.since or head.since) for s in sensors),
            folder=self.folder,
            crs=head.crs,
            network_file=network_file,
            node_dma=zones.junctions(network, node_dma) if network is not None else {},
            monitor=head.monitor,
            losses=head.losses,
            billing=tuple(bills),
            names=names,
            listen=head.listen,
            codecs=codecs,
            clocks=clocks,
            valves=valves,
            fittings=fittings,
            promises=head.promises,
            priority=head.priority,
            critical=head.critical,
        )

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
            network = read_network(path)
            if not epanet_text.ends(path):
                message = "has no [END] as its last line: if it was cut off, something is missing in it"
                self.about_network.append(Problem(path.name, None, message, Severity.WARNING))
        except NetworkError as e:
            self.about_network.extend(e.problems)
            return path, None
        return path, network

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
            if not once(node, row, lines, "node"):
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
                f"{counted(len(outside), 'junction')} with {share / total:.0%} of the demand "
                f"{'lies' if len(outside) == 1 else 'lie'} in no DMA ({some})",
            )

    def coordinates(self, network: Network, head: Head, sensors: list[Sensor]) -> None:
        have = np.isfinite(network.xy).all(axis=1)
        if not have.any():
            return
        if not head.crs:
            self.about_site.warning(
                None,
                "crs is not set: the map shows the network without a geographic frame; "
                'write the coordinate system of the network file, such as crs = "EPSG:32749"',
            )
            return
        lonlat = geo.to_lonlat(network.xy[have], head.crs)
        if not np.isfinite(lonlat).all():
            self.about_site.error(
                None, f"crs {head.crs!r} does not fit: some coordinates of the network have no place in it"
            )
            return
        low, high = lonlat.min(axis=0) - FAR, lonlat.max(axis=0) + FAR
        for s in sensors:
            if s.lon is not None and s.lat is not None:
                at = np.array([s.lon, s.lat])
                if (at < low).any() or (at > high).any():
                    self.about_sensors.warning(
                        self.sensor_line[s.id],
                        f"{s.id} stands at {s.lon:g}, {s.lat:g}, far from the network around "
                        f"{lonlat[:, 0].mean():.3f}, {lonlat[:, 1].mean():.3f}: lon and lat, or crs, "
                        "are wrong",
                    )

    def inlets(self, sensors: list[Sensor]) -> None:
        metered = {d for s in sensors if s.role is Role.INLET for d in (s.dma, s.from_dma) if d}
        for dma, line in self.dma_line.items():
            if dma not in metered:
                self.about_dmas.error(
                    line, f"DMA {dma} has no inlet: give it at least one flow meter with role inlet"
                )

    def outlets(self, head: Head, sensors: list[Sensor]) -> None:
        """The pressure sensors behind reducing valves that ``site.toml`` names."""
        if not head.losses.prv_outlets:
            return
        quantity = {s.id: s.quantity for s in sensors}
        text = (self.folder / SITE_FILE).read_text("utf-8-sig").splitlines()
        line = next((i for i, said in enumerate(text, 1) if said.lstrip().startswith("prv_outlets")), None)
        for name in head.losses.prv_outlets:
            if name not in quantity:
                wrong = f"is not in {SENSORS_FILE}{suggestion(name, sorted(quantity))}"
            elif quantity[name] is not Quantity.PRESSURE:
                wrong = f"measures {quantity[name].value}, not pressure"
            else:
                continue
            self.about_site.error(line, f"prv_outlets: sensor {name!r} {wrong}")
