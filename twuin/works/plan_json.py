"""A plan in what JSON knows, and back, without loss."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from twuin.works.model import Plan, Weekly, WorkKind


def plan_json(plan: Plan) -> dict[str, Any]:
    """In SI units; without what is not so."""
    found: dict[str, Any] = {
        "kind": plan.kind.value,
        "start": plan.start.isoformat(),
        "end": None if plan.end is None else plan.end.isoformat(),
        "dmas": list(plan.dmas),
        "pipes": list(plan.pipes),
        "sensors": list(plan.sensors),
        "weekly": None
        if plan.weekly is None
        else {
            "days": list(plan.weekly.days),
            "start_min": plan.weekly.start_min,
            "end_min": plan.weekly.end_min,
        },
        "extra_flow": plan.extra_flow,
        "no_supply": plan.no_supply,
        "low_pressure": plan.low_pressure,
        "silent": plan.silent,
        "refill_s": plan.refill_s,
        "note": plan.note,
    }
    return {k: v for k, v in found.items() if v not in (None, "", [], False)}


def plan_of(told: dict[str, Any]) -> Plan:
    """A plan from its JSON."""
    weekly = told.get("weekly")
    end = told.get("end")
    return Plan(
        WorkKind(told["kind"]),
        datetime.fromisoformat(told["start"]),
        None if end is None else datetime.fromisoformat(end),
        tuple(told.get("dmas", ())),
        tuple(told.get("pipes", ())),
        tuple(told.get("sensors", ())),
        None if weekly is None else Weekly(tuple(weekly["days"]), weekly["start_min"], weekly["end_min"]),
        told.get("extra_flow"),
        told.get("no_supply", False),
        told.get("low_pressure", False),
        told.get("silent", False),
        told.get("refill_s", 0.0),
        told.get("note", ""),
    )
