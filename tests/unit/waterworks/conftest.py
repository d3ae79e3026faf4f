"""A small site that is right, to be spoilt one mistake at a time, and EPANET files in every unit system."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

NETWORK = """\
[JUNCTIONS]
 a 10 0
 b 12 1.5
 c 11 2.5
 d 9 1
[RESERVOIRS]
 r 60
[TANKS]
 t 40 2 0 4 10 0
[PIPES]
 main r a 100 200 130
 in b a 80 150 130
 street b c 120 100 130
 out c d 90 100 130
 up d t 40 100 130
[COORDINATES]
 r 679500 9119900
 a 679550 9119850
 b 679600 9119800
 c 679700 9119800
 d 679800 9119750
 t 679850 9119750
[OPTIONS]
 Units LPS
 Headloss H-W
[END]
"""
# "in" is drawn out of D1, from b to a: what it carries into D1 is negative.

SITE = """\
id = "kota"
name = "Kota"
timezone = "Asia/Jakarta"
crs = "EPSG:32749"
network = "network.inp"

[monitor]
night = [0, 5]
holidays = [2026-08-17]
water_cost = 5500
currency = "IDR"
"""

DMAS = """\
id,name,connections,mains_km,night_use_l_per_connection_h,pressure_m
D1,Satu,100,1.5,2.0,30
D2,Dua,50,,,
"""

SENSORS = """\
id,quantity,unit,dma,device,role,from_dma,element,interval_s,name,tank_area_m2,low,high,lon,lat
F1,flow,L/s,,LOG-1,inlet,D1,in,300,Inlet,,-50,50,,
F2,flow,L/s,D2,LOG-2,inlet,D1,out,300,,,,,,
P1,pressure,bar,D1,LOG-3,monitor,,c,60,,,0,10,112.63,-7.96
L1,level,m,D2,LOG-4,storage,,t,300,,,,,,
"""


class Folder:
    """A site folder under a temporary path whose files can be changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("network.inp", NETWORK)
        self.write("site.toml", SITE)
        self.write("dmas.csv", DMAS)
        self.write("sensors.csv", SENSORS)

    def write(self, name: str, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        (self.path / name).write_bytes(data)

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.path / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
        self.write(name, text.replace(old, new))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A right site folder of two DMAs: source -> D1 (b, c) -> D2 (d and the tank t)."""
    return Folder(tmp_path)


@pytest.fixture
def network_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes an EPANET file and gives its path."""

    def write(text: str) -> Path:
        path = tmp_path / "some.inp"
        path.write_text(text, encoding="utf-8")
        return path

    return write
