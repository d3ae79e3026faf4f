"""The demo town: a synthetic hillside town in the style of Malang, as a site folder.

    python -m firmware_sim.town OUT

writes it, the same bytes every time. Nothing of it exists: ``town_plan`` draws streets, people and pipes.
The folder that Twuin ships is ``firmware_sim/demo_town``.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from firmware_sim import town_parts
from firmware_sim.town_parts import Town, position
from firmware_sim.town_plan import SEED, draw
from waterworks.epanet_file import read_network
from waterworks.geo import to_lonlat
from waterworks.placing import spread

PRESSURES_A_DMA = 4
NIGHT_USE = 7.0  # litres a connection and hour: roof tanks fill at night (0.27 of the mean)
BILLED = 0.95  # of what customers use: 4 % their meters miss, 1 % is theft
MONTH_DAYS = 365.25 / 12


def demo_site_folder() -> Path:
    """The site folder of the demo town, as installed."""
    return Path(__file__).parent / "demo_town"


def write_town(out: Path, seed: int = SEED) -> None:
    """Write the demo town's site folder to ``out``, in place of one that is there; of another ``seed``,
    another town's."""
    town = draw(seed)
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "network.inp", network_text(town))
    _write(out / "site.toml", SITE)
    _write(out / "dmas.csv", dmas_text(town))
    _write(out / "sensors.csv", sensors_text(town, out / "network.inp"))
    _write(out / "streets.geojson", streets_text(town))


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))


SITE = f"""\
# The demo town: synthetic, in the style of Malang. Written by `python -m firmware_sim.town`.
id = "kota-wening"
name = "Kota Wening"
timezone = "Asia/Jakarta"
crs = "{town_parts.CRS}"
network = "network.inp"

[monitor]
night = [0, 4]  # the town wakes before five
holidays = [2026-08-17, 2026-12-25, 2027-01-01, 2027-08-17, 2027-12-25]
water_cost = 5500  # rupiah a m3, assumed
currency = "IDR"

[balance]  # made up, as the town is
unbilled_unmetered_pct = 0.5
unauthorised_pct = 1
under_registration_pct = 4
economy = "developing"

[service]
min_pressure_m = 10

[economics]  # rupiah, assumed
repair_cost = 2500000
survey_cost_per_km = 400000
location_h = 24
repair_h = 12

[promises]
residents = {{ respond_h = 24, repair_h = 72 }}
"""


LANDMARKS = {
    "D1": "Pasar Sumber Wening",
    "D2": "Taman Melati",
    "D3": "Balai Warga Watu Gede",
    "D4": "Masjid Agung",
    "D5": "Alun-alun",
    "D6": "Terminal",
}
"""What residents go by in each DMA, at the house nearest to its middle."""


def streets_text(town: Town) -> str:
    """Streets and landmarks for residents to tap on: in this town, and only here, each pipe is a street."""
    # Mains that serve nobody run through fields.
    served = {j.id for j in town.junctions.values() if j.zone}
    pipes = [p for p in town.pipes if p.start in served and p.end in served]
    ends = [town.junctions[name] for p in pipes for name in (p.start, p.end)]
    marks = []
    for zone, name in LANDMARKS.items():
        own = [j for j in town.junctions.values() if j.zone == zone]
        middle = [sum(getattr(j, axis) for j in own) / len(own) for axis in ("across", "down")]
        marks.append((name, town.nearest(zone, *middle)))
    lonlat = to_lonlat([position(j.across, j.down) for j in (*ends, *(j for _, j in marks))], town_parts.CRS)
    points = [[round(lon, 5), round(lat, 5)] for lon, lat in lonlat.tolist()]
    lines = [points[i : i + 2] for i in range(0, len(ends), 2)]
    features = [{"type": "Feature", "properties": {}, "geometry": _shape("MultiLineString", lines)}]
    for (name, _), at in zip(marks, points[len(ends) :], strict=True):
        features.append({"type": "Feature", "properties": {"name": name}, "geometry": _shape("Point", at)})
    return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":")) + "\n"


def _shape(kind: str, coordinates: object) -> dict[str, object]:
    return {"type": kind, "coordinates": coordinates}


def network_text(town: Town) -> str:
    """The town as an EPANET file, in litres a second and metres."""
    junctions = town.junctions.values()
    tank = town_parts.TANK
    sections: list[tuple[str, Iterable[Sequence[object]]]] = [
        (
            "TITLE",
            [("Demo town Kota Wening: synthetic, in the style of Malang. UTM zone 49S (EPSG:32749).",)],
        ),
        ("JUNCTIONS", ((j.id, f"{j.elevation:.1f}") for j in junctions)),
        ("RESERVOIRS", [("SPRING", f"{town_parts.SPRING_HEAD:.1f}")]),
        ("TANKS", [("TANK-1", tank["bottom"], tank["init"], tank["min"], tank["max"], tank["diameter"], 0)]),
        (
            "PIPES",
            (
                (p.id, p.start, p.end, f"{p.length:.1f}", p.diameter, p.roughness, 0, p.status)
                for p in town.pipes
            ),
        ),
        ("PUMPS", [("PUMP-1", "PS-1", "PS-2", "HEAD", "HILL")]),
        ("VALVES", ((v.id, v.start, v.end, v.diameter, "PRV", f"{v.setting:.1f}", 0) for v in town.valves)),
        ("TAGS", (("NODE", j.id, j.zone) for j in junctions if j.zone)),
        ("DEMANDS", _demands(town)),
        (
            "PATTERNS",
            [
                (name, *(f"{v:.2f}" for v in values[k : k + 6]))
                for name, values in (
                    ("HOMES", town_parts.HOMES),
                    ("SHOPS", town_parts.SHOPS),
                    ("EVEN", (1.0,)),
                )
                for k in range(0, len(values), 6)
            ],
        ),
        ("CURVES", [("HILL", town_parts.PUMP_LPS, town_parts.PUMP_LIFT)]),
        (
            "CONTROLS",
            [
                (f"LINK PUMP-1 OPEN IF NODE TANK-1 BELOW {town_parts.PUMP_ON}",),
                (f"LINK PUMP-1 CLOSED IF NODE TANK-1 ABOVE {town_parts.PUMP_OFF}",),
            ],
        ),
        (
            "TIMES",
            [
                ("Duration", "168:00"),
                ("Hydraulic Timestep", "0:15"),
                ("Pattern Timestep", "1:00"),
                ("Report Timestep", "1:00"),
                ("Start ClockTime", "12 am"),
            ],
        ),
        (
            "OPTIONS",
            [
                ("Units", "LPS"),
                ("Headloss", "H-W"),
                ("Trials", 100),
                ("Accuracy", "0.0001"),
                ("Unbalanced", "Continue 10"),
                ("Pattern", "HOMES"),
                ("Emitter Exponent", "0.5"),
            ],
        ),
        ("COORDINATES", _coordinates(town)),
        ("VERTICES", ((p.id, *_at(*bend)) for p in town.pipes for bend in p.bends)),
        ("END", []),
    ]
    lines = []
    for name, rows in sections:
        lines.append(f"[{name}]")
        lines.extend(" " + " ".join(str(cell) for cell in row) for row in rows)
        lines.append("")
    return "\n".join(lines)


def _demands(town: Town) -> Iterable[Sequence[object]]:
    """Consumption by pattern, and what seeps away day and night."""
    for j in town.junctions.values():
        if j.connections:
            use = j.connections * town_parts.LITRES_PER_DAY / 86400
            yield j.id, f"{use:.4f}", "SHOPS" if j.shops else "HOMES"
            yield j.id, f"{use * town_parts.LOSSES:.4f}", "EVEN"


def _at(across: float, down: float) -> tuple[str, str]:
    x, y = position(across, down)
    return f"{x:.2f}", f"{y:.2f}"


def _coordinates(town: Town) -> Iterable[Sequence[object]]:
    yield "SPRING", *_at(*town_parts.SPRING_AT)
    yield "TANK-1", *_at(*town_parts.TANK_AT)
    for j in town.junctions.values():
        yield j.id, *_at(j.across, j.down)


def dmas_text(town: Town) -> str:
    rows = []
    for zone in town_parts.ZONES:
        inside = {j.id for j in town.junctions.values() if j.zone == zone.id}
        mains = sum(p.length for p in town.pipes if p.end in inside and not p.closed) / 1000
        count = sum(town.junctions[n].connections for n in inside)
        height = sum(town.junctions[n].elevation for n in inside) / len(inside)
        billed = BILLED * count * town_parts.LITRES_PER_DAY / 1000 * MONTH_DAYS
        pressure = f"{zone.hgl - height:.0f}"
        rows.append((zone.id, zone.name, count, f"{mains:.2f}", NIGHT_USE, pressure, f"{billed:.0f}"))
    heading = (
        "id", "name", "connections", "mains_km", "night_use_l_per_connection_h", "pressure_m",
        "billed_m3_month",
    )  # fmt: skip
    return _csv(heading, rows)


SENSOR_COLUMNS = (
    "id", "name", "quantity", "unit", "role", "dma", "from_dma", "element", "device", "interval_s",
    "low", "high",
)  # fmt: skip


STREETS = (
    "Kenanga", "Mawar", "Anggrek", "Cempaka", "Dahlia", "Flamboyan", "Bugenvil", "Teratai", "Sedap Malam",
    "Kamboja", "Seruni", "Wijayakusuma", "Alamanda", "Soka", "Nusa Indah", "Kecubung", "Cendana", "Tanjung",
)  # fmt: skip
"""Streets that the pressure loggers stand in."""


def sensors_text(town: Town, network_file: Path) -> str:
    """Inlet meters with a pressure beside each, more pressures spread along the pipes, tank and pump."""
    network = read_network(network_file)
    zones = {zone.id: zone.name for zone in town_parts.ZONES}
    rows: list[Sequence[object]] = []

    def pressure(sensor: str, name: str, dma: str, node: str, device: str) -> None:
        rows.append((sensor, name, "pressure", "m", "monitor", dma, "", node, device, 300, 0, 120))

    beside: dict[str, list[str]] = {}
    for sensor, dma, from_dma, meter, chamber in town.inlets:
        unit = "L/s" if dma == "D6" else "m3/h"
        low, high = (-15, 60) if unit == "L/s" else (-50, 200)
        device = sensor.replace("-IN", "-INLET")
        label = (
            f"Meter induk {zones[dma]} {sensor.partition('-IN')[2]}".rstrip()
        )  # "... 2" where there are two
        rows.append((sensor, label, "flow", unit, "inlet", dma, from_dma, meter, device, 300, low, high))
        beside.setdefault(dma, []).append(chamber)
        if len(beside[dma]) == 1:
            pressure(f"{dma}-P1", f"Tekanan inlet {zones[dma]}", dma, chamber, device)
    streets = iter(STREETS)
    for dma, inlets in beside.items():
        inside = [
            network.node_index[j.id] for j in town.junctions.values() if j.zone == dma and j.connections
        ]
        chosen = spread(network, inside, PRESSURES_A_DMA - 1, begin=[network.node_index[n] for n in inlets])
        for k, node in enumerate(chosen, 2):
            sensor = f"{dma}-P{k}"
            pressure(sensor, f"Tekanan Jl. {next(streets)}", dma, network.node_ids[node], f"{sensor}-LOG")
    tank, pump = ("monitor", "D6", "", "TANK-1", "TANK-1"), ("monitor", "D6", "", "MPS1", "PUMP-1")
    rows.append(("TANK-1-L", "Muka air reservoir bukit", "level", "m", *tank, 300, 0, 6))
    rows.append(("PUMP-1-Q", "Debit pompa bukit", "flow", "L/s", *pump, 300, -5, 40))
    return _csv(SENSOR_COLUMNS, sorted(rows, key=lambda r: str(r[0])))


def _csv(heading: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows(rows)
    return text.getvalue()


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m firmware_sim.town OUT\n")
        return 2
    write_town(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
