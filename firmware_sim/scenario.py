"""Reads a scenario from TOML; every mistake is named by file and line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, TypeVar

from firmware_sim.instants import When
from firmware_sim.scenario_model import (
    VALUE_FAULTS,
    DemandOptions,
    DeviceOptions,
    Event,
    EventKind,
    Fault,
    FaultKind,
    Growth,
    Leak,
    ModelOptions,
    Scenario,
)
from firmware_sim.scenario_rules import (
    DEMAND,
    DEVICES,
    EVENT,
    FAULT,
    LEAK,
    MODEL,
    NEEDS_SHARE,
    NEEDS_VALUE,
    Rules,
    WrongValue,
    absolute,
    step,
    text,
    whole,
)
from waterworks.errors import Problem, ProblemsError

_T = TypeVar("_T")
TABLES = ("name", "seed", "start", "step_s", "model", "demand", "devices", "leak", "fault", "event")


class ScenarioError(ProblemsError):
    """A scenario file that cannot be used."""


def load_scenario(path: Path | str) -> Scenario:
    """Read a scenario file, or by name one that comes with the simulator ("demo").

    Raises ScenarioError with every problem that shows without knowing the site.
    """
    if isinstance(path, str) and re.fullmatch(r"[\w-]+", path) and not Path(path).is_file():
        with as_file(files("firmware_sim") / "scenarios" / f"{path}.toml") as packaged:
            if not packaged.exists():
                known = sorted(p.stem for p in packaged.parent.glob("*.toml"))
                message = f"no such file, and no scenario of that name: there are {', '.join(known)}"
                raise ScenarioError([Problem(path, None, message)])
            return load_scenario(packaged)
    file = Path(path)
    try:
        source = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ScenarioError([Problem(str(path), None, f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ScenarioError([Problem(str(path), None, "is not UTF-8 text: save it as UTF-8")]) from error
    return parse_scenario(source, str(path))


def parse_scenario(source: str, file: str = "scenario.toml") -> Scenario:
    """Read a scenario from its text; ``file`` is what errors call it."""
    try:
        said = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+), column \d+\)", str(error))
        message = re.sub(r" \(at .*\)$", "", str(error))
        line = int(at[1]) if at else source.count("\n") + 1
        raise ScenarioError([Problem(file, line, f"is not TOML: {message}")]) from error
    reader = _Reader(file, source)
    scenario = reader.scenario(said)
    if reader.problems:
        raise ScenarioError(sorted(reader.problems, key=lambda p: p.line or 0))
    return scenario


class Lines:
    """Where in a TOML file a table or one of its keys stands. Lines count from 1."""

    def __init__(self, source: str) -> None:
        self._at: dict[tuple[str, int, str], int] = {}
        table, index, seen = "", 0, dict[str, int]()
        for number, line in enumerate(source.splitlines(), 1):
            if header := re.match(r"\s*(\[\[?)\s*([\w.-]+)\s*\]", line):
                table = header[2]
                index = seen.get(table, -1) + 1
                seen[table] = index
                self._at[table, index, ""] = number
            elif key := re.match(r"\s*\"?([\w-]+)\"?\s*=", line):
                self._at.setdefault((table, index, key[1]), number)

    def of(self, table: str, index: int = 0, key: str = "") -> int | None:
        """Line of a key; of its table where the key is not there."""
        return self._at.get((table, index, key), self._at.get((table, index, "")))


class _Reader:
    def __init__(self, file: str, source: str) -> None:
        self.file, self.source, self.lines = file, source, Lines(source)
        self.problems: list[Problem] = []

    def wrong(self, message: str, table: str = "", index: int = 0, key: str = "") -> None:
        self.problems.append(Problem(self.file, self.lines.of(table, index, key), message))

    def scenario(self, said: dict[str, Any]) -> Scenario:
        self.unknown(said, TABLES, "", 0)
        top = self.values(
            {k: v for k, v in said.items() if k in ("name", "seed", "start", "step_s")},
            {"name": text, "seed": whole(0, 2**63 - 1), "start": absolute, "step_s": step},
            "",
            0,
        )
        return Scenario(
            **top,
            model=ModelOptions(**self.options(said, "model", ModelOptions, MODEL)),
            demand=DemandOptions(**self.options(said, "demand", DemandOptions, DEMAND)),
            devices=DeviceOptions(**self.options(said, "devices", DeviceOptions, DEVICES)),
            leaks=tuple(self.each(said, "leak", self.leak)),
            faults=tuple(self.each(said, "fault", self.fault)),
            events=tuple(self.each(said, "event", self.event)),
            source=self.source,
            file=self.file,
        )

    def options(self, said: dict[str, Any], table: str, of: type, rules: Rules) -> dict[str, Any]:
        found = said.get(table, {})
        if not isinstance(found, dict):
            self.wrong(f"{table} must be a table: write [{table}]", key=table)
            return {}
        self.unknown(found, [f.name for f in fields(of)], table, 0)
        return self.values(found, rules, table, 0)

    def each(
        self, said: dict[str, Any], table: str, read: Callable[[dict[str, Any], int], _T | None]
    ) -> list[_T]:
        found = said.get(table, [])
        if not (isinstance(found, list) and all(isinstance(one, dict) for one in found)):
            self.wrong(f"{table} must be a list of tables: write [[{table}]]", table)
            return []
        items: list[_T] = []
        ids: set[str] = set()
        for index, one in enumerate(found):
            before = len(self.problems)
            item = read({"id": f"{table}-{index + 1}", **one}, index)
            if item is None or len(self.problems) > before:
                continue
            name = str(getattr(item, "id", ""))
            if name in ids:
                self.wrong(f"id {name!r} is given twice", table, index, "id")
            ids.add(name)
            items.append(item)
        return items

    def unknown(
        self, found: Mapping[str, Any], known: list[str] | tuple[str, ...], table: str, index: int
    ) -> None:
        for key in found:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f": did you mean {near[0]!r}?" if near else f": use {', '.join(known)}"
                self.wrong(f"unknown key {key!r}{hint}", table, index, key)

    def values(self, found: Mapping[str, Any], rules: Rules, table: str, index: int) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for key, value in found.items():
            if key in rules:
                try:
                    read[key] = rules[key](value)
                except (WrongValue, ValueError) as error:
                    self.wrong(f"{key}: {error}", table, index, key)
        return read

    def item(
        self, said: dict[str, Any], table: str, index: int, rules: Rules, needs: tuple[str, ...]
    ) -> dict[str, Any] | None:
        self.unknown(said, tuple(rules), table, index)
        read = self.values(said, rules, table, index)
        missing = [key for key in needs if key not in said]
        if missing:
            self.wrong(f"[[{table}]] needs {' and '.join(missing)}", table, index)
        if missing or not all(key in read for key in needs):
            return None
        start, end = read["start"], read.get("end")
        if end is not None and _surely_not_after(end, start):
            self.wrong(f"end {end.text} is not after start {start.text}", table, index, "end")
        return read

    def leak(self, said: dict[str, Any], index: int) -> Leak | None:
        read = self.item(said, "leak", index, LEAK, ("start",))
        if read is None:
            return None
        if ("pipe" in said) == ("dma" in said):
            self.wrong("a leak needs either pipe, or dma to have a pipe drawn there", "leak", index)
        if ("hole_mm" in said) == ("flow_m3h" in said):
            self.wrong("a leak needs its size: either hole_mm or flow_m3h", "leak", index)
        if "pressure_m" in said and "flow_m3h" not in said:
            self.wrong("pressure_m goes with flow_m3h only", "leak", index, "pressure_m")
        leak = Leak(**read)
        if leak.growth is not Growth.ABRUPT and leak.peak is None:
            self.wrong(
                f"a leak of {leak.growth.value} growth needs peak: when it is full-grown", "leak", index
            )
        if leak.growth is Growth.ABRUPT and leak.peak is not None:
            self.wrong('peak goes with growth = "linear" or "quadratic"', "leak", index, "peak")
        if leak.peak is not None and _surely_not_after(leak.peak, leak.start):
            self.wrong(f"peak {leak.peak.text} is not after start {leak.start.text}", "leak", index, "peak")
        return leak

    def fault(self, said: dict[str, Any], index: int) -> Fault | None:
        read = self.item(said, "fault", index, FAULT, ("kind", "start"))
        if read is None:
            return None
        fault = Fault(**read)
        kind = fault.kind.value
        if bool(fault.sensor) == bool(fault.device):
            self.wrong("a fault needs either sensor or device", "fault", index)
        elif fault.sensor and fault.kind not in VALUE_FAULTS:
            self.wrong(f"{kind} is a fault of a device: give device, not sensor", "fault", index, "sensor")
        if fault.kind in NEEDS_VALUE and "value" not in said:
            self.wrong(f"{kind} needs value: {NEEDS_VALUE[fault.kind]}", "fault", index)
        if fault.kind not in NEEDS_VALUE and "value" in said:
            self.wrong(f"{kind} takes no value", "fault", index, "value")
        if fault.kind in NEEDS_SHARE and "share" not in said:
            self.wrong(f"{kind} needs share: how many readings or messages it hits, 0 to 1", "fault", index)
        if fault.kind not in NEEDS_SHARE and "share" in said:
            self.wrong(f"{kind} takes no share", "fault", index, "share")
        if fault.kind is FaultKind.CLOCK_DRIFT and abs(fault.value) > 1e5:
            self.wrong("value: a clock drifts by 100000 ppm at most", "fault", index, "value")
        return fault

    def event(self, said: dict[str, Any], index: int) -> Event | None:
        read = self.item(said, "event", index, EVENT, ("kind", "start"))
        if read is None:
            return None
        event = Event(**read)
        kind = event.kind.value
        place = "node" if event.kind is EventKind.USE else "link"
        other = "link" if place == "node" else "node"
        if not getattr(event, place):
            self.wrong(f"{kind} needs {place}", "event", index)
        if getattr(event, other):
            self.wrong(f"{kind} takes {place}, not {other}", "event", index, other)
        if (event.kind is EventKind.PUMP_HOURS) != bool(event.hours):
            self.wrong('pump_hours, and it alone, needs hours = ["04:00-07:30"]', "event", index)
        needs_value = event.kind in (EventKind.VALVE_SETTING, EventKind.PUMP_SPEED, EventKind.USE)
        if needs_value != ("value" in said):
            self.wrong(f"{kind} {'needs' if needs_value else 'takes no'} value", "event", index)
        return event


def _surely_not_after(later: When, earlier: When) -> bool:
    """Whether two instants of one kind stand in the wrong order."""
    if later.absolute is not None and earlier.absolute is not None:
        return bool(later.absolute <= earlier.absolute)
    plain = all(w.absolute is None and w.clock is None for w in (later, earlier))
    return plain and later.after <= earlier.after
