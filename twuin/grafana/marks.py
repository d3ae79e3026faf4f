"""How the sync knows again what it wrote, and whether somebody has changed it since.

Each thing carries a mark in itself, where people do not see it: a digest of what Twuin wanted and, where
Grafana counts them, the version that Grafana gave it. So nothing need be remembered outside of Grafana, any
machine may run the sync, and a mark goes where its thing goes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

NAME = "twuin_sync"
"""Name of the mark: a hidden constant of a dashboard, a field of a data source or of a rule's last step."""


@dataclass(frozen=True, slots=True)
class Mark:
    """digest: of what was wanted. version: that Grafana gave it; 0: it counts none."""

    digest: str
    version: int = 0

    def __str__(self) -> str:
        return f"{self.digest}@{self.version}"

    @classmethod
    def read(cls, text: object) -> Mark | None:
        """A mark from its text; None: it is none."""
        found = re.fullmatch(r"([0-9a-f]{16})@(\d{1,9})", text) if isinstance(text, str) else None
        return None if found is None else cls(found[1], int(found[2]))


def digest(wanted: object) -> str:
    """16 hexadecimal digits that stand for it."""
    text = json.dumps(wanted, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def mark_dashboard(model: Mapping[str, Any], mark: Mark) -> Json:
    """A dashboard with its mark."""
    made: Json = json.loads(json.dumps(model))
    variables = made.setdefault("templating", {}).setdefault("list", [])
    variables[:] = [v for v in variables if v.get("name") != NAME]
    variables.append({"name": NAME, "type": "constant", "hide": 2, "query": str(mark), "skipUrlSync": True})
    return made


def dashboard_mark(model: Mapping[str, Any]) -> Mark | None:
    """The mark of a dashboard."""
    for variable in (model.get("templating") or {}).get("list") or []:
        if variable.get("name") == NAME:
            return Mark.read(variable.get("query"))
    return None


def mark_datasource(model: Mapping[str, Any], mark: Mark) -> Json:
    """A data source with its mark."""
    return {**model, "jsonData": {**model.get("jsonData", {}), NAME: str(mark)}}


def datasource_mark(model: Mapping[str, Any]) -> Mark | None:
    """The mark of a data source."""
    return Mark.read((model.get("jsonData") or {}).get(NAME))


def mark_rule(model: Mapping[str, Any], mark: Mark) -> Json:
    """A rule with its mark, in its last step: labels and annotations would be sent to people."""
    *steps, last = model["data"]
    return {**model, "data": [*steps, {**last, "model": {**last["model"], NAME: str(mark)}}]}


def rule_mark(model: Mapping[str, Any]) -> Mark | None:
    """The mark of a rule."""
    steps = model.get("data") or [{}]
    return Mark.read((steps[-1].get("model") or {}).get(NAME))


def rule_essence(model: Mapping[str, Any]) -> Json:
    """What of a rule Grafana gives back as it got it, for the digest: Grafana fills in fields of its own."""
    kept = ("title", "folderUID", "ruleGroup", "condition", "noDataState", "execErrState", "for")
    told = model.get("notification_settings") or {}
    return {
        **{k: model.get(k) for k in kept},
        "labels": model.get("labels") or {},
        "annotations": model.get("annotations") or {},
        "notification_settings": {k: v for k, v in told.items() if v},
        "data": [
            {
                "refId": step.get("refId"),
                "datasourceUid": step.get("datasourceUid"),
                "from": (step.get("relativeTimeRange") or {}).get("from", 0),
                "to": (step.get("relativeTimeRange") or {}).get("to", 0),
                "model": {
                    k: v
                    for k, v in (step.get("model") or {}).items()
                    if k not in (NAME, "intervalMs", "maxDataPoints")
                },
            }
            for step in model.get("data") or []
        ],
    }


def differences(wanted: Any, found: Any, at: str = "") -> Iterator[str]:
    """What of ``wanted`` is otherwise in ``found``, one line each; what only that has does not matter."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key in wanted:
            yield from differences(wanted[key], found.get(key), f"{at}.{key}" if at else str(key))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for n, (a, b) in enumerate(zip(wanted, found, strict=True)):
            yield from differences(a, b, f"{at}[{n}]")
    elif wanted != found and not (wanted in (None, "", 0, False) and found in (None, "", 0, False)):
        yield f"{at}: {_short(found)} -> {_short(wanted)}"


def dashboard_differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """What of a dashboard changes, panel by panel."""
    new, old = _panels(wanted), _panels(found)
    for title in new:
        if title not in old:
            yield f"new panel {title!r}"
        elif list(differences(new[title], old[title])):
            fields = sorted(
                {re.split(r"[.\[]", line)[0].rstrip(":") for line in differences(new[title], old[title])}
            )
            yield f"panel {title!r}: {', '.join(fields)}"
    yield from (f"panel {title!r} goes" for title in old if title not in new)
    for key in ("title", "description", "timezone", "tags", "time", "refresh", "links", "annotations"):
        if list(differences(wanted.get(key), found.get(key))):
            yield key if key != "title" else f"title: {_short(found.get(key))} -> {_short(wanted.get(key))}"
    was, now = _variables(found), _variables(wanted)
    if was.keys() != now.keys():
        yield f"variables: {_names(set(was))} -> {_names(set(now))}"
    for name in sorted(now.keys() & was.keys()):
        if list(differences(now[name], was[name])):
            yield f"variable {name}"


def _variables(model: Mapping[str, Any]) -> dict[str, Any]:
    """Variables by name, without the mark. What they show at first is not looked at: Grafana fills it in."""
    listed = (model.get("templating") or {}).get("list") or []
    return {
        str(v.get("name")): {k: x for k, x in v.items() if k not in ("current", "options")}
        for v in listed
        if v.get("name") != NAME
    }


def _names(names: set[Any]) -> str:
    return ", ".join(sorted(map(str, names))) or "none"


def _panels(model: Mapping[str, Any]) -> dict[str, Any]:
    """Panels by title, those of one title numbered."""
    found: dict[str, Any] = {}
    for panel in model.get("panels") or []:
        title = str(panel.get("title", ""))
        name = title
        n = 1
        while name in found:
            n += 1
            name = f"{title} ({n})"
        found[name] = {k: v for k, v in panel.items() if k != "id"}
    return found


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 80 else text[:77] + "..."
