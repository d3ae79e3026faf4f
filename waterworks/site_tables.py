"""``dmas.csv`` and ``sensors.csv``: their columns, and what each row must say by itself."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TypeVar

from waterworks.errors import UnitError
from waterworks.site import NIGHT_USE, Dma, Role, Sensor
from waterworks.tables import Problems, Row, read_table, suggestion
from waterworks.units import Quantity, canonical, to_si

DMA_REQUIRED = ("id", "connections")
DMA_OPTIONAL = (
    "name",
    "mains_km",
    "night_use_l_per_connection_h",
    "pressure_m",
    "service_pipe_km",
    "icf",
    "n1",
    "large_night_use_m3h",
    "billed_m3_month",
    "zone",
)
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
    "since",
)

MOST_ZONE = 60
"""Letters of a zone's name."""

_LITRES_PER_HOUR = 1e-3 / 3600  # m3/s
_MEASURES: dict[Role, tuple[Quantity, ...]] = {
    Role.INLET: (Quantity.FLOW,),
    Role.STORAGE: (Quantity.LEVEL,),
    Role.CONSUMPTION: (Quantity.FLOW, Quantity.VOLUME),
}
_K = TypeVar("_K", Quantity, Role)


def read_dmas(path: Path, problems: Problems, lines: dict[str, int]) -> list[Dma] | None:
    """The DMAs of ``path``, None where it is no table; ``lines`` takes the line of each."""
    if not path.is_file():
        return None
    rows = read_table(path, problems, required=DMA_REQUIRED, optional=DMA_OPTIONAL)
    if rows is None:
        return None
    if not rows:
        problems.error(None, "has no DMA: a site has at least one")
    out = []
    for row in rows:
        dma = row.identifier("id")
        if not once(dma, row, lines, "DMA"):
            continue
        connections = row.whole("connections", least=0)
        row.required("connections")
        mains = row.number("mains_km", least=0)
        night = row.number("night_use_l_per_connection_h", least=0)
        icf = row.number("icf", above=0, most=100)
        out.append(
            Dma(
                id=dma,
                name=row.text("name", dma),
                connections=connections or 0,
                mains_m=None if mains is None else mains * 1000,
                night_use_m3s_per_connection=(NIGHT_USE if night is None else night * _LITRES_PER_HOUR),
                pressure_m=row.number("pressure_m", least=0),
                service_m=(row.number("service_pipe_km", least=0) or 0.0) * 1000,
                icf=1.0 if icf is None else icf,
                n1=row.number("n1", least=0.3, most=3),
                large_night_m3s=(row.number("large_night_use_m3h", least=0) or 0.0) / 3600,
                billed_m3_month=row.number("billed_m3_month", least=0),
                zone=" ".join(row.text("zone").split())[:MOST_ZONE],
            )
        )
    return out


def once(name: str, row: Row, lines: dict[str, int], what: str) -> bool:
    if not name:
        return False
    if name in lines:
        row.error(f"{what} {name!r} is there already, on line {lines[name]}")
        return False
    lines[name] = row.line
    return True


def read_sensors(
    path: Path, problems: Problems, lines: dict[str, int], known: set[str] | None
) -> list[Sensor] | None:
    """The sensors of ``path``, those with mistakes left out, None where it is no table.

    ``lines`` takes the line of each id, ``known`` are the DMAs there are (None: not known).
    """
    if not path.is_file():
        return None
    rows = read_table(path, problems, required=SENSOR_REQUIRED, optional=SENSOR_OPTIONAL)
    if rows is None:
        return None
    if not rows:
        problems.error(None, "has no sensor")
    out = []
    for row in rows:
        sensor = _sensor(row, lines, known)
        if sensor is not None:
            out.append(sensor)
    return out


def _sensor(row: Row, lines: dict[str, int], known: set[str] | None) -> Sensor | None:
    error = row.error
    name = row.identifier("id")
    fresh = once(name, row, lines, "sensor")
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
            error(f"{column} {value!r} is not in dmas.csv{suggestion(value, sorted(known))}")
    _check_role(row, role, quantity, dma, from_dma)
    interval = row.number("interval_s", above=0, most=86400)
    area = row.number("tank_area_m2", above=0)
    if area is not None and role is not None and role is not Role.STORAGE:
        error(f"tank_area_m2 belongs to levels with role storage, not {role.value}")
    low, high = row.number("low"), row.number("high")
    if low is not None and high is not None and low >= high:
        error(f"low {low:g} is not below high {high:g}")
    lon, lat = _position(row)
    since = _day(row, "since")
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
        since=since,
    )


def _check_role(row: Row, role: Role | None, quantity: Quantity | None, dma: str, from_dma: str) -> None:
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


def _day(row: Row, column: str) -> date | None:
    said = row.text(column)
    if not said:
        return None
    try:
        return date.fromisoformat(said)
    except ValueError:
        row.error(f"{column} {said!r} is no day: write it as 2026-11-21")
        return None


def _position(row: Row) -> tuple[float | None, float | None]:
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


def _one_of(kind: type[_K], row: Row, column: str, said: str) -> _K | None:
    if not said:
        return None
    names = [k.value for k in kind]
    if said.lower() in names:
        return kind(said.lower())
    near = suggestion(said, names) or f": use one of {', '.join(names)}"
    row.error(f"unknown {column} {said!r}{near}")
    return None
