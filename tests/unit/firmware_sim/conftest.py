"""A hamlet small enough to reckon by hand: reservoir, pump, tank, reducing valve and six junctions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from waterworks.site import Dma, Role, Sensor, Site
from waterworks.units import Quantity

HAMLET = """\
[JUNCTIONS]
A 40 0
B 30 4 HOMES
C 28 6 HOMES
D 25 5 HOMES
E 20 3 SHOPS
F 22 2
[RESERVOIRS]
R 60
[TANKS]
T 85 2.5 0.5 4 9 0
[PIPES]
RA R A 200 200 120 0 Open
TB T B 400 200 120 0 Open
BC B C 500 150 110 2 Open
CD C D 400 150 110 0 Open
EF E F 300 100 100 0 Open
[PUMPS]
PU A T HEAD LIFT
[VALVES]
V D E 150 PRV 30 0
[PATTERNS]
HOMES 0.4 0.3 0.3 0.5 1.2 1.8 1.9 1.4 1.1 1.0 0.9 1.0
HOMES 1.0 0.9 0.9 1.1 1.4 1.6 1.4 1.1 0.9 0.8 0.7 0.4
SHOPS 0.2 0.2 0.2 0.2 0.4 0.8 1.2 1.6 1.8 1.8 1.7 1.7
SHOPS 1.6 1.6 1.6 1.5 1.3 1.1 0.9 0.7 0.5 0.3 0.2 0.2
[CURVES]
LIFT 40 40
[CONTROLS]
LINK PU OPEN IF NODE T BELOW 1.5
LINK PU CLOSED IF NODE T ABOVE 3.5
[TIMES]
Duration 24:00
Hydraulic Timestep 0:15
Pattern Timestep 1:00
[OPTIONS]
Units CMH
Headloss H-W
Accuracy 0.0001
[COORDINATES]
A 0 0
[END]
"""


@pytest.fixture
def hamlet() -> str:
    """The hamlet's EPANET file."""
    return HAMLET


@pytest.fixture
def hamlet_site(tmp_path: Path) -> Callable[..., Site]:
    """Makes the hamlet's site: one inlet meter TB, pressures, the tank's level, a customer's meter."""

    def make(inp: str = HAMLET, zone: str = "Asia/Jakarta", **changes: object) -> Site:
        file = tmp_path / "network.inp"
        file.write_text(inp)
        sensors = (
            Sensor("IN", Quantity.FLOW, "m3/h", "H", "INLET", role=Role.INLET, element="TB"),
            Sensor("P-B", Quantity.PRESSURE, "m", "H", "INLET", element="B"),
            Sensor("P-C", Quantity.PRESSURE, "bar", "H", "LOG-C", element="C"),
            Sensor("P-E", Quantity.PRESSURE, "m", "H", "LOG-E", element="E"),
            Sensor("L-T", Quantity.LEVEL, "cm", "", "TANK", element="T", interval_s=900.0),
            Sensor("USE-E", Quantity.FLOW, "L/h", "H", "USER", role=Role.CONSUMPTION, element="E"),
            Sensor("CL", Quantity.RATIO, "1", "H", "LAB", element="C"),
        )
        return Site(
            "hamlet",
            "Hamlet",
            ZoneInfo(zone),
            (Dma("H", "Hamlet", 100),),
            sensors,
            tmp_path,
            network_file=file,
            node_dma=dict.fromkeys("BCDEF", "H"),
            **changes,  # type: ignore[arg-type]
        )

    return make


@pytest.fixture
def site(hamlet_site: Callable[..., Site]) -> Site:
    """The hamlet."""
    return hamlet_site()


@pytest.fixture
def start() -> np.datetime64:
    """A Wednesday's midnight in Jakarta."""
    return np.datetime64("2026-03-03T17:00:00", "us")
