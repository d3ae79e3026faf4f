"""How the demo town is laid out: terrain, streets, pipes, valves and meters, drawn by rule from a seed.

A spring feeds a gravity main that runs down a slope; two pressure reducing valves on the main make three
pressure zones, a third feeds one DMA out of another; a pump lifts water to a tank for a hill beside it.

    spring --- main --+-- D1          --PRV-1--+-- D2 --PRV-3-- D4     --PRV-2--+-- D5 (two inlets)
                      +-- pump, tank -- D6     +-- D3

Only ``random.Random.random``, whose stream Python guarantees, and rounded arithmetic are used, so that
the same town comes out on every machine.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, field
from typing import NamedTuple

SEED = 20261121
CRS = "EPSG:32749"  # UTM zone 49 south
ORIGIN = (679_600.0, 9_119_800.0)  # where the main enters the town [m]: near 112.63 E, 7.96 S
DOWNHILL = math.radians(-62)  # direction of the slope, counterclockwise from east
LITRES_PER_DAY = 600.0  # consumption of a connection: 18 m3 a month, a household's with a roof tank
LOSSES = 0.16  # background leakage as a share of consumption, spread over all junctions
SPRING_HEAD = 546.0  # [m]
SPRING_AT = (-130.0, -1560.0)


@dataclass(frozen=True)
class Zone:
    """A DMA as it is drawn: a warped grid of streets between across and down coordinates [m].

    hgl: head at its inlet by design [m]; roughness: Hazen-Williams C of its pipes.
    """

    id: str
    name: str
    across: tuple[float, float]
    down: tuple[float, float]
    columns: int
    rows: int
    tilt: float
    connections: tuple[int, int]
    hgl: float
    roughness: int


ZONES = (
    Zone("D1", "Sumber Wening", (-1080, -110), (90, 760), 9, 8, 0.05, (6, 12), 545, 125),
    Zone("D2", "Taman Melati", (-1120, -110), (960, 1640), 10, 7, -0.04, (7, 14), 513, 130),
    Zone("D3", "Watu Gede", (110, 1060), (960, 1640), 9, 7, 0.06, (6, 12), 513, 120),
    Zone("D4", "Pasar Lama", (-1120, -110), (1800, 2470), 10, 7, 0.03, (8, 15), 487, 115),
    Zone("D5", "Kali Bening", (110, 1080), (1790, 2500), 9, 8, -0.05, (7, 13), 488, 130),
    Zone("D6", "Bukit Cemara", (500, 1110), (160, 635), 7, 6, 0.04, (5, 9), 567, 135),
)

# The main's way down the slope: (across, down) [m].
TRUNK = (
    (-120.0, -1500.0),
    (-60.0, -1050.0),
    (40.0, -520.0),
    (0.0, 0.0),
    (20.0, 330.0),
    (0.0, 700.0),
    (-10.0, 860.0),
    (5.0, 930.0),
    (0.0, 1290.0),
    (10.0, 1690.0),
    (0.0, 1760.0),
    (0.0, 2020.0),
    (10.0, 2330.0),
)
TANK_AT = (1180.0, 90.0)
TANK = {"bottom": 566.0, "init": 2.6, "min": 0.3, "max": 4.5, "diameter": 9.0}
PUMP_LPS, PUMP_LIFT = 10.0, 32.0  # its design point [L/s, m]
PUMP_ON, PUMP_OFF = 1.6, 4.0  # levels of the tank between which the pump works [m]

# Share of the day's mean by hour: up for the first prayer and the bath before six, again at dusk.
HOMES = (0.30, 0.26, 0.27, 0.45, 1.30, 2.05, 1.85, 1.35, 1.05, 0.92, 0.88, 0.90,
         0.95, 0.86, 0.85, 1.10, 1.55, 1.80, 1.45, 1.10, 0.85, 0.66, 0.50, 0.38)  # fmt: skip
SHOPS = (0.15, 0.15, 0.25, 0.60, 1.10, 1.30, 1.30, 1.40, 1.55, 1.60, 1.60, 1.55,
         1.45, 1.45, 1.50, 1.50, 1.40, 1.20, 1.10, 1.00, 0.80, 0.45, 0.25, 0.15)  # fmt: skip


@dataclass
class Junction:
    id: str
    across: float
    down: float
    zone: str = ""  # "": on the main
    connections: int = 0
    shops: bool = False

    @property
    def elevation(self) -> float:
        return round(ground(self.across, self.down), 1)


@dataclass
class Pipe:
    id: str
    start: str
    end: str
    length: float
    diameter: int
    roughness: int
    closed: bool = False
    bends: list[tuple[float, float]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return "Closed" if self.closed else "Open"


class Valve(NamedTuple):
    """A pressure reducing valve; setting [m]."""

    id: str
    start: str
    end: str
    diameter: int
    setting: float


class Inlet(NamedTuple):
    """A flow meter on ``pipe``; ``chamber``: the junction behind it, and behind its valve if it has one."""

    sensor: str
    dma: str
    from_dma: str
    pipe: str
    chamber: str


@dataclass
class Town:
    junctions: dict[str, Junction] = field(default_factory=dict)
    sources: dict[str, Junction] = field(default_factory=dict)  # the spring and the tank
    pipes: list[Pipe] = field(default_factory=list)
    valves: list[Valve] = field(default_factory=list)
    inlets: list[Inlet] = field(default_factory=list)

    def add(self, junction: Junction) -> Junction:
        self.junctions[junction.id] = junction
        return junction

    def lay(
        self, name: str, start: str, end: str, diameter: int, roughness: int, stretch: float = 1.0
    ) -> Pipe:
        a, b = (self.junctions.get(n) or self.sources[n] for n in (start, end))
        length = round(math.hypot(a.across - b.across, a.down - b.down) * stretch, 1)
        pipe = Pipe(name, start, end, max(length, 1.0), diameter, roughness)
        self.pipes.append(pipe)
        return pipe

    def nearest(self, zone: str, across: float, down: float) -> Junction:
        return min(
            (j for j in self.junctions.values() if j.zone == zone and j.connections),
            key=lambda j: (round(math.hypot(j.across - across, j.down - down), 3), j.id),
        )


def ground(across: float, down: float) -> float:
    """Elevation of the ground [m]: a slope with two swells, and a hill for the tank."""
    slope = 511.0 - (0.0318 if down > 0 else 0.012) * down
    swell = 2.2 * math.sin(across / 310.0) + 1.8 * math.cos(down / 270.0 + across / 700.0)
    hill = 47.0 * math.exp(-((across - TANK_AT[0]) ** 2 + (down - TANK_AT[1]) ** 2) / (2 * 330.0**2))
    return slope + swell + hill


def position(across: float, down: float) -> tuple[float, float]:
    """Easting and northing [m], UTM."""
    c, s = math.cos(DOWNHILL), math.sin(DOWNHILL)
    return (round(ORIGIN[0] + down * c - across * s, 2), round(ORIGIN[1] + down * s + across * c, 2))


def draw() -> Town:
    """The whole town."""
    chance = random.Random(SEED)
    town = Town()
    for zone in ZONES:
        _streets(town, zone, chance)
    _main(town)
    _connect(town)
    _size(town)
    return town


def _streets(town: Town, zone: Zone, chance: random.Random) -> None:
    """A warped, tilted grid with blocks taken out of it, in one piece."""
    names: dict[tuple[int, int], str] = {}
    width, depth = zone.across[1] - zone.across[0], zone.down[1] - zone.down[0]
    middle = (sum(zone.across) / 2, sum(zone.down) / 2)
    for r in range(zone.rows):
        for c in range(zone.columns):
            u = (c + 0.34 * (chance.random() - 0.5)) / (zone.columns - 1) - 0.5
            v = (r + 0.34 * (chance.random() - 0.5)) / (zone.rows - 1) - 0.5
            u += 0.05 * math.sin(3.1 * v + zone.tilt * 40)
            v += 0.05 * math.sin(2.7 * u + zone.tilt * 60)
            du, dv = u * width, v * depth
            across = middle[0] + du * math.cos(zone.tilt) - dv * math.sin(zone.tilt)
            down = middle[1] + du * math.sin(zone.tilt) + dv * math.cos(zone.tilt)
            low, high = zone.connections
            number = f"J{zone.id[1:]}{len(names) + 1:02d}"
            names[r, c] = town.add(
                Junction(
                    number,
                    round(across, 1),
                    round(down, 1),
                    zone.id,
                    low + int(chance.random() * (high - low + 1)),
                    chance.random() < (0.3 if zone.id == "D4" else 0.08),
                )
            ).id
    edges = [((r, c), (r, c + 1)) for r in range(zone.rows) for c in range(zone.columns - 1)]
    edges += [((r, c), (r + 1, c)) for r in range(zone.rows - 1) for c in range(zone.columns)]
    weight = {e: chance.random() for e in edges}
    # A spanning tree of the cheapest edges keeps it in one piece; of the others two in five stay.
    group = {k: k for k in names}

    def root(k: tuple[int, int]) -> tuple[int, int]:
        while group[k] != k:
            k = group[k]
        return k

    kept = []
    for e in sorted(edges, key=lambda e: weight[e]):
        a, b = root(e[0]), root(e[1])
        if a != b:
            group[a] = b
            kept.append(e)
        elif weight[e] < 0.62:
            kept.append(e)
    for k, (a, b) in enumerate(sorted(kept), 1):
        pipe = town.lay(
            f"P{zone.id[1:]}{k:03d}",
            names[a],
            names[b],
            0,
            zone.roughness,
            1.0 + 0.04 * chance.random(),
        )
        if pipe.length > 90 and chance.random() < 0.35:
            pipe.bends = _bend(town, pipe, (chance.random() - 0.5) * 24.0)


def _bend(town: Town, pipe: Pipe, aside: float) -> list[tuple[float, float]]:
    a, b = town.junctions[pipe.start], town.junctions[pipe.end]
    du, dv = b.across - a.across, b.down - a.down
    run = math.hypot(du, dv)
    return [
        (
            round((a.across + b.across) / 2 - dv / run * aside, 1),
            round((a.down + b.down) / 2 + du / run * aside, 1),
        )
    ]


def _main(town: Town) -> None:
    """The gravity main T01..., with PRV-1 and PRV-2 in it."""
    for k, (across, down) in enumerate(TRUNK):
        town.add(Junction(f"T{k:02d}", across, down))
    town.sources["SPRING"] = Junction("SPRING", *SPRING_AT)
    town.lay("M00", "SPRING", "T00", 300, 130, 1.01)
    for k in range(1, len(TRUNK)):
        start, end = f"T{k - 1:02d}", f"T{k:02d}"
        if k in (7, 10):
            valve = "PRV-1" if k == 7 else "PRV-2"
            head = ZONES[1].hgl if k == 7 else ZONES[4].hgl
            town.valves.append(Valve(valve, start, end, 250, round(head - town.junctions[end].elevation, 1)))
            continue
        diameter = 300 if k < 7 else 250 if k < 10 else 200
        town.lay(f"M{k:02d}", start, end, diameter, 130, 1.01)


def _connect(town: Town) -> None:
    """Inlets with their meters, the pumped tank, and the shut valves between neighbours."""

    def inlet(sensor: str, dma: str, source: str, from_dma: str = "", diameter: int = 200) -> Junction:
        at = town.junctions[source]
        zone = next(z for z in ZONES if z.id == dma)
        target = town.nearest(dma, at.across, at.down)
        du, dv = target.across - at.across, target.down - at.down
        run = math.hypot(du, dv)
        share = min(12.0, run / 3) / run
        chamber = town.add(
            Junction(
                sensor.replace("-IN", "-CH"),
                round(at.across + du * share, 1),
                round(at.down + dv * share, 1),
                dma,
            )
        )
        meter = town.lay(sensor.replace("-IN", "-M"), source, chamber.id, diameter, zone.roughness)
        if from_dma:
            after = town.add(
                Junction(f"{dma}-PR", chamber.across + 2.0, chamber.down + 4.0, dma),
            )
            setting = round(zone.hgl - after.elevation, 1)
            town.valves.append(Valve("PRV-3", chamber.id, after.id, 150, setting))
            chamber = after
        town.inlets.append(Inlet(sensor, dma, from_dma, meter.id, chamber.id))
        town.lay(sensor.replace("-IN", "-F"), chamber.id, target.id, diameter, zone.roughness)
        return target

    inlet("D1-IN", "D1", "T04")
    inlet("D2-IN", "D2", "T07")
    inlet("D3-IN", "D3", "T08")
    low = town.nearest("D2", -600.0, 1640.0)
    inlet("D4-IN", "D4", low.id, from_dma="D2")
    inlet("D5-IN1", "D5", "T11")
    inlet("D5-IN2", "D5", "T12", diameter=150)

    # The pumped hill: main - pump - rising main - tank - meter - D6.
    at = town.junctions["T04"]
    town.add(Junction("PS-1", 60.0, at.down - 8.0))
    town.add(Junction("PS-2", 72.0, at.down - 8.0))
    town.lay("MPS1", "T04", "PS-1", 200, 130)
    rising = town.add(Junction("PS-3", 640.0, 120.0))
    town.lay("MPS2", "PS-2", rising.id, 150, 135, 1.03)
    foot = town.add(Junction("TK-1", TANK_AT[0] - 20.0, TANK_AT[1] + 15.0))
    town.lay("MPS3", rising.id, foot.id, 150, 135, 1.03)
    town.sources["TANK-1"] = Junction("TANK-1", *TANK_AT)
    town.lay("MPS4", foot.id, "TANK-1", 200, 135)
    inlet("D6-IN", "D6", foot.id)
    _shut(town, "BV-1", "D2", "D3", 1500.0)
    _shut(town, "BV-2", "D4", "D5", 2200.0)


def _shut(town: Town, name: str, left: str, right: str, down: float) -> None:
    """A boundary valve, shut: a link between two DMAs that is there but carries nothing."""
    a = town.nearest(left, -110.0, down)
    b = town.nearest(right, 110.0, down)
    zone = next(z for z in ZONES if z.id == left)
    pipe = town.lay(name, a.id, b.id, 100, zone.roughness, 1.02)
    pipe.closed = True


def _size(town: Town) -> None:
    """Diameters of the street pipes from the connections that each serves along the shortest ways."""
    served = _served(town)
    for pipe in town.pipes:
        if pipe.diameter:
            continue
        degree = [sum(p.start == n or p.end == n for p in town.pipes) for n in (pipe.start, pipe.end)]
        least = 50 if min(degree) == 1 else 63
        count = served.get(pipe.id, 0)
        for limit, diameter in ((45, 50), (110, 75), (260, 100), (700, 150), (10_000, 200)):
            if count <= limit:
                pipe.diameter = max(diameter, least)
                break


def _served(town: Town) -> dict[str, int]:
    """Connections downstream of each pipe along the shortest ways from the inlets."""
    meters = {i.pipe for i in town.inlets}
    near: dict[str, list[tuple[str, Pipe]]] = {n: [] for n in town.junctions}
    for p in town.pipes:
        ends = [town.junctions.get(n) for n in (p.start, p.end)]
        if not p.closed and p.id not in meters and all(j is not None and j.zone for j in ends):
            near[p.start].append((p.end, p))
            near[p.end].append((p.start, p))
    heads = [p.end for p in town.pipes if p.id in meters] + [v.end for v in town.valves if v.id == "PRV-3"]
    before: dict[str, tuple[str, Pipe] | None] = {}
    queue: list[tuple[float, str, int]] = [(0.0, n, -1) for n in heads]
    heapq.heapify(queue)
    ways: list[tuple[str, Pipe]] = []
    order: list[str] = []
    while queue:
        at, node, way = heapq.heappop(queue)
        if node in before:
            continue
        before[node] = ways[way] if way >= 0 else None
        order.append(node)
        for other, pipe in near.get(node, ()):
            if other not in before:
                ways.append((node, pipe))
                heapq.heappush(queue, (round(at + pipe.length, 1), other, len(ways) - 1))
    load = {n: j.connections for n, j in town.junctions.items()}
    # D4 hangs on D2: what it needs passes the junction where its meter stands.
    for _, dma, from_dma, meter, _ in town.inlets:
        if from_dma:
            source = next(p.start for p in town.pipes if p.id == meter)
            load[source] += sum(j.connections for j in town.junctions.values() if j.zone == dma)
    out: dict[str, int] = {}
    for node in reversed(order):
        origin = before[node]
        if origin is not None:
            parent, pipe = origin
            out[pipe.id] = out.get(pipe.id, 0) + load[node]
            load[parent] += load[node]
    return out
