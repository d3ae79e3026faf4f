"""What the demo town is made of: its DMAs, its ground, and pipes, valves and meters to be laid in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

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
