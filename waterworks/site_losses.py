"""The tables ``[balance]``, ``[service]`` and ``[economics]`` of ``site.toml``, and ``billed.csv``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from waterworks.losses import Bill, LossOptions
from waterworks.tables import Problems, Row, nearest, read_table, suggestion

BILLED_FILE = "billed.csv"
BILLED_REQUIRED = ("month", "billed_metered_m3")
BILLED_OPTIONAL = ("dma", "billed_unmetered_m3", "unbilled_metered_m3")
ECONOMIES = ("developing", "developed")


class _Number(NamedTuple):
    """Where a number goes and what it may be, in the unit that is written; times ``factor`` it is SI."""

    field: str
    factor: float = 1.0
    most: float = math.inf
    least: float = 0.0
    above: bool = False


_PERCENT = 0.01
_NUMBERS: dict[str, dict[str, _Number]] = {
    "balance": {
        "inlet_accuracy_pct": _Number("inlet_accuracy", _PERCENT, 100, above=True),
        "billed_accuracy_pct": _Number("billed_accuracy", _PERCENT, 100),
        "estimate_accuracy_pct": _Number("estimate_accuracy", _PERCENT, 200),
        "unbilled_unmetered_pct": _Number("unbilled_unmetered", _PERCENT, 100),
        "unauthorised_pct": _Number("unauthorised", _PERCENT, 100),
        "under_registration_pct": _Number("under_registration", _PERCENT, 90),
        "data_error_pct": _Number("data_error", _PERCENT, 100),
    },
    "service": {"min_pressure_m": _Number("min_pressure_m", most=200, above=True)},
    "economics": {
        "repair_cost": _Number("repair_cost", above=True),
        "survey_cost_per_km": _Number("survey_cost_per_m", 1e-3, above=True),
        "location_h": _Number("location_h"),
        "repair_h": _Number("repair_h"),
    },
}
TABLES: dict[str, tuple[str, ...]] = {
    "balance": (*_NUMBERS["balance"], "economy"),
    "service": (*_NUMBERS["service"], "prv_outlets"),
    "economics": (*_NUMBERS["economics"],),
}
"""Keys of each table."""

Line = Callable[[str, str], int | None]


def read_options(said: dict[str, Any], line: Line, problems: Problems) -> LossOptions:
    """The three tables out of the whole of ``site.toml``; unknown keys are the caller's to tell.

    line: where (key, table) is set.
    """
    found: dict[str, Any] = {}
    for name, numbers in _NUMBERS.items():
        table = said.get(name, {})
        if not isinstance(table, dict):
            problems.error(line(name, ""), f"{name} is not a table: write [{name}]")
            continue
        for key, limits in numbers.items():
            if key in table:
                value = _number(key, table[key], limits, line(key, name), problems)
                if value is not None:
                    found[limits.field] = value * limits.factor
        if "economy" in table and name == "balance":
            if table["economy"] in ECONOMIES:
                found["economy"] = table["economy"]
            else:
                problems.error(
                    line("economy", name),
                    f'economy {table["economy"]!r} is unknown: write "developing" or "developed"',
                )
        if "prv_outlets" in table and name == "service":
            outlets = table["prv_outlets"]
            if isinstance(outlets, list) and all(isinstance(o, str) for o in outlets):
                found["prv_outlets"] = tuple(outlets)
            else:
                problems.error(
                    line("prv_outlets", name),
                    'prv_outlets is not a list of sensors: write prv_outlets = ["P1"]',
                )
    return LossOptions(**found)


def _number(key: str, value: Any, limits: _Number, line: int | None, problems: Problems) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        problems.error(line, f"{key} {value!r} is not a number")
        return None
    wrong = ""
    if limits.above and value <= limits.least:
        wrong = f"is not above {limits.least:g}"
    elif value < limits.least:
        wrong = f"is below {limits.least:g}"
    elif value > limits.most:
        wrong = f"is above {limits.most:g}"
    if wrong:
        problems.error(line, f"{key} {value:g} {wrong}")
        return None
    return float(value)


def read_bills(path: Path, problems: Problems, known: set[str] | None) -> list[Bill]:
    """The bills of ``path``, those with mistakes left out; [] where there is no such file.

    known: the DMAs there are, None where not known.
    """
    if not path.is_file():
        return []
    rows = read_table(path, problems, required=BILLED_REQUIRED, optional=BILLED_OPTIONAL)
    return bills_of(rows or [], problems, known)


def bills_of(rows: Iterable[Row], problems: Problems, known: set[str] | None) -> list[Bill]:
    """The bills that the rows of a table are, those with mistakes left out."""
    lines: dict[tuple[date, str], int] = {}
    whole: dict[date, int] = {}
    divided: dict[date, int] = {}
    out = []
    for row in rows:
        month = _month(row)
        dma = row.text("dma")
        if dma and known is not None and dma not in known:
            told = f"dma {dma!r} is not in dmas.csv{suggestion(dma, sorted(known))}"
            row.error(told, "dma_unknown", dma=dma, near=nearest(dma, sorted(known)))
            continue
        row.required("billed_metered_m3")
        metered = row.number("billed_metered_m3", least=0, needed=True)
        unmetered = row.number("billed_unmetered_m3", least=0)
        unbilled = row.number("unbilled_metered_m3", least=0)
        if month is None:
            continue
        said, where = month.strftime("%Y-%m"), dma or "the whole site"
        if (month, dma) in lines:
            first = lines[month, dma]
            told = f"{said} of {where} is there already, on line {first}"
            row.error(told, "twice", month=said, dma=dma, line=first)
            continue
        lines[month, dma] = row.line
        (divided if dma else whole).setdefault(month, row.line)
        if month in whole and month in divided:
            other = (whole if dma else divided)[month]
            told = f"{said} is there by DMA and for the whole site (line {other}): write it one way"
            row.error(told, "both_ways", month=said, line=other)
            continue
        if metered is not None:
            out.append(Bill(dma, month, metered, unmetered or 0.0, unbilled or 0.0))
    return out


def _month(row: Row) -> date | None:
    said = row.required("month")
    match = re.fullmatch(r"(\d{4})-(\d{2})", said)
    if match and 1 <= int(match[2]) <= 12 and int(match[1]) > 0:
        return date(int(match[1]), int(match[2]), 1)
    if said:
        row.error(f"month {said!r} is not a month: write it as 2026-10", "not_a_month", said=said)
    return None
