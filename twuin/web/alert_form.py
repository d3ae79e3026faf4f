"""The form of an alert's page: which step it offers first, and what of it goes with the one that is taken."""

from __future__ import annotations

import math
from typing import Any

from twuin.alerts.model import UNREPAIRED, Reason, State
from twuin.alerts.steps import BY_ACTION, CLOSING, WATER
from twuin.alerts.work import Cause, LeakType, Method, Place
from twuin.views.models import AlertOut

NEXT = {
    State.OPEN: "acknowledge",
    State.ACKNOWLEDGED: "assign",
    State.ASSIGNED: "arrive",
    State.ON_SITE: "locate",
    State.LOCATED: "start_repair",
    State.REPAIRING: "repaired",
    State.REPAIRED: "",
    State.VERIFIED: "close",
    State.CLOSED: "reopen",
}
"""The step that usually comes next."""


def closing(alert: AlertOut) -> list[Reason]:
    """The reasons with which a person may close this alert now."""
    left = [r for r in CLOSING if r is not Reason.ENDED or alert.ended is not None]
    if alert.kind in WATER and alert.state in UNREPAIRED:
        left.remove(Reason.REPAIRED)
    return left


def asked_by(form: dict[str, str]) -> dict[str, Any]:
    """The fields that belong to the form's action, as ``AlertService.act`` takes them.

    The form sends all of its fields, whichever button was pressed. What cannot be read counts as left out.
    """
    step = BY_ACTION.get(form.get("action", ""))
    if step is None:
        return {}
    reason = _one_of(Reason, form.get("reason"))
    every: dict[str, Any] = {
        "assignee": form.get("assignee", "").strip()[:80],
        "place": _place(form),
        "leak_type": _one_of(LeakType, form.get("leak_type")),
        "method": _one_of(Method, form.get("method")),
        "reason": reason,
        "cause": _one_of(Cause, form.get("cause")) if reason is Reason.FALSE_ALARM else None,
        "duplicate_of": form.get("duplicate_of", "")[:40] if reason is Reason.DUPLICATE else "",
    }
    belongs = {*step.needs.split(", "), *step.may.split(", ")}
    return {name: value for name, value in every.items() if name in belongs}


def _one_of(kind: Any, text: str | None) -> Any:
    return kind(text) if text in set(kind) else None


def _place(form: dict[str, str]) -> Place | None:
    pipe = form.get("pipe", "").strip()[:80]
    try:
        along = float(form.get("along_m", "").replace(",", "."))
    except ValueError:
        along = math.nan
    return Place(pipe, along if math.isfinite(along) else None) if pipe else None
