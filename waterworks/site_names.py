"""``names.csv``: its columns, and what each line must say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from waterworks.errors import UnitError
from waterworks.listen import Listening, matches, wrong_filter
from waterworks.names import ANY_OTHER, LORAWAN, SENML_NAME, UNWANTED, ForeignName, Format
from waterworks.site import Sensor
from waterworks.tables import Problems, Row, read_table, suggestion
from waterworks.units import canonical

NAMES_FILE = "names.csv"
NAMES_REQUIRED = ("name", "sensor")
NAMES_OPTIONAL = ("format", "source", "unit", "scale", "offset")


def read_names(
    path: Path,
    problems: Problems,
    sensors: Mapping[str, Sensor] | None,
    listen: Sequence[Listening] | None = None,
) -> tuple[ForeignName, ...]:
    """The names of ``path``, those with mistakes left out; () where there is no such file.

    sensors: those there are, by id; None: not known, as their own table has mistakes. listen: the topics that
    the site listens to; None likewise.
    """
    if not path.is_file():
        return ()
    rows = read_table(path, problems, required=NAMES_REQUIRED, optional=NAMES_OPTIONAL)
    lines: dict[tuple[str, str, str], int] = {}
    found = []
    for row in rows or []:
        name = _name(row, lines, sensors)
        if name is not None:
            found.append(name)
            if listen is not None:
                _heard(row, name, listen)
    return tuple(found)


def _heard(row: Row, name: ForeignName, listen: Sequence[Listening]) -> None:
    """Warns of a line that no message can ever be about."""
    if name.format in (None, Format.SENML):  # SenML comes on Twuin's own topics
        return
    if name.format is Format.PLAIN:
        others = [ln for ln in listen if ln.format is not Format.PLAIN and matches(ln.filter, name.name)]
        if others:
            row.error(f"topic {name.name!r} is one of those that {others[0].format} in site.toml listens to")
    elif not any(ln.format is name.format for ln in listen):
        row.problems.warning(
            row.line,
            f"nothing of format {name.format} is listened to: name its topics in [listen] of site.toml",
        )


def _name(
    row: Row, lines: dict[tuple[str, str, str], int], sensors: Mapping[str, Sensor] | None
) -> ForeignName | None:
    before = len(row.problems.found)
    name, sensor = row.required("name"), row.required("sensor")
    format = _format(row)
    source, unit = row.text("source"), row.text("unit")
    if format in LORAWAN:
        source = source.lower()
    scale, offset = row.number("scale"), row.number("offset")
    if scale == 0:
        row.error("scale is 0: every value would be the same")
    if name and format is Format.SENML and name != ANY_OTHER and not SENML_NAME.fullmatch(name):
        row.error(f"name {name!r} cannot come in SenML: letters A to Z, digits and - : . / _ only")
    if format is Format.PLAIN:
        if source:
            row.error(f"source {source!r}: a plain topic has no sender beside its name; leave it empty")
        if name and name != ANY_OTHER and (wrong := _wrong_topic(name)):
            row.error(f"name {name!r} {wrong}")
    if name == ANY_OTHER and sensor and sensor != UNWANTED:
        row.error(f"name '*' is any name that no other line is about: its sensor can only be '{UNWANTED}'")
    if sensor == UNWANTED and (unit or scale is not None or offset is not None):
        row.error("what is not wanted (sensor '-') has no unit, scale or offset")
    key = (format or "", source, name)
    if name and key in lines:
        row.error(f"name {name!r} is there already, on line {lines[key]}")
    lines.setdefault(key, row.line)
    if sensor and sensor != UNWANTED and sensors is not None:
        if sensor not in sensors:
            row.error(f"sensor {sensor!r} is not in sensors.csv{suggestion(sensor, sorted(sensors))}")
        else:
            unit = _fitting(row, sensors[sensor], source, unit, format)
    if len(row.problems.found) > before:
        return None
    return ForeignName(name, sensor, format, source, unit, 1.0 if scale is None else scale, offset or 0.0)


def _wrong_topic(name: str) -> str | None:
    """What keeps ``name`` from being a topic of another maker's device, if anything."""
    if "+" in name or "#" in name:
        return "has a wildcard: a sensor has one topic"
    return wrong_filter(name)


def _format(row: Row) -> Format | None:
    said = row.text("format")
    if not said:
        return None
    names = [f.value for f in Format]
    if said.lower() in names:
        return Format(said.lower())
    near = suggestion(said, names) or f": use one of {', '.join(names)}, or leave it empty"
    row.error(f"unknown format {said!r}{near}")
    return None


def _fitting(row: Row, sensor: Sensor, source: str, unit: str, format: Format | None) -> str:
    """The unit in Twuin's spelling; reports what does not fit the sensor."""
    if source and sensor.device and format is Format.SENML and source != sensor.device:
        row.error(f"source {source!r} is not the device of sensor {sensor.id!r}, which is {sensor.device!r}")
    if not unit:
        return ""
    try:
        return canonical(unit, sensor.quantity)
    except UnitError as e:
        row.error(f"sensor {sensor.id!r}: {e}")
        return ""
