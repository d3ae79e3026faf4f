"""The tables ``[priority]`` and ``[[critical]]`` of ``site.toml``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from waterworks.priorities import Critical, PriorityLimits
from waterworks.tables import Problems, suggestion

KINDS = ("m3_day", "cost_day", "connections")
KEYS = (*(f"{level}_{kind}" for kind in KINDS for level in ("high", "medium")), "pressure_drop_m")
CRITICAL_KEYS = ("name", "dma", "node")

Line = Callable[[str, str], int | None]


def read_limits(said: dict[str, Any], line: Line, problems: Problems) -> PriorityLimits:
    """The limits that ``site.toml`` sets. line: where (key, table) is set. Unknown keys are the caller's."""
    table = said.get("priority", {})
    if not isinstance(table, dict):
        problems.error(line("priority", ""), "priority is not a table: write [priority]")
        return PriorityLimits()
    found: dict[str, float] = {}
    for key in KEYS:
        value = table.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            problems.error(line(key, "priority"), f"{key} {value!r} is not a number of 0 or more")
        else:
            found[key] = float(value)
    limits = PriorityLimits(**found)
    monitor = said.get("monitor")
    if {"high_cost_day", "medium_cost_day"} & set(found) and not (
        isinstance(monitor, dict) and monitor.get("water_cost")
    ):
        key = next(k for k in ("high_cost_day", "medium_cost_day") if k in found)
        problems.warning(line(key, "priority"), f"{key} has no effect without water_cost in [monitor]")
    for kind in KINDS:
        high, medium = (getattr(limits, f"{level}_{kind}") for level in ("high", "medium"))
        if high is not None and medium is not None and high < medium:
            key = next(k for k in (f"high_{kind}", f"medium_{kind}") if k in table)
            problems.error(line(key, "priority"), f"high_{kind} {high:g} is below medium_{kind} {medium:g}")
    return limits


def read_critical(said: dict[str, Any], line: Line, problems: Problems) -> tuple[Critical, ...]:
    """The critical customers of ``site.toml``."""
    tables = said.get("critical", [])
    at = line("critical", "")
    if not (isinstance(tables, list) and all(isinstance(t, dict) for t in tables)):
        problems.error(at, "critical is not a list of tables: write [[critical]]")
        return ()
    found = []
    for table in tables:
        for key in table:
            if key not in CRITICAL_KEYS:
                problems.error(at, f"unknown key {key!r} in [[critical]]{suggestion(key, CRITICAL_KEYS)}")
        name, dma = table.get("name"), table.get("dma")
        if not (isinstance(name, str) and name.strip() and isinstance(dma, str) and dma.strip()):
            problems.error(at, 'a critical customer needs both: name = "RSUD" and dma = "D1"')
            continue
        node = table.get("node", "")
        if not isinstance(node, str):
            problems.error(at, f'critical {name.strip()!r}: node {node!r} is no text: write node = "J12"')
            continue
        found.append(Critical(name.strip(), dma.strip(), node.strip()))
    return tuple(found)
