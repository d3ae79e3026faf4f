"""The client and the OpenAPI description cannot drift apart."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from twuin.client import Place, Twuin, records
from twuin.client.twuin import Layer, Order, Step

SCHEMA = {
    "Site": "SiteOut",
    "Dma": "DmaState",
    "Promise": "ClockOut",
    "Work": "WorkOut",
}
"""Schemas that are not named as the record, with or without ``Out``."""


@pytest.fixture
def described(server: Any) -> dict[str, Any]:
    answer: dict[str, Any] = requests.get(server.url + "/api/v1/openapi.json", timeout=30).json()
    return answer


def resolved(schema: dict[str, Any], of: dict[str, Any]) -> dict[str, Any]:
    """What a ``$ref`` stands for."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = of["components"]["schemas"][schema["$ref"].split("/")[-1]]
    return found


def schema_of(kind: Any, of: dict[str, Any]) -> dict[str, Any]:
    schemas = of["components"]["schemas"]
    name = SCHEMA.get(kind.__name__, kind.__name__ + "Out")
    found: dict[str, Any] = schemas.get(name) or schemas[kind.__name__]
    return found


def fits(hint: Any, told: dict[str, Any], of: dict[str, Any]) -> bool:
    """Whether what the description tells is read as ``hint``, no more and no less."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        some = [x for x in inner if x is not types.NoneType]
        options = told.get("anyOf", [])
        rest = [x for x in options if x.get("type") != "null"]
        return len(some) == len(rest) == 1 and len(options) == 2 and fits(some[0], rest[0], of)
    told = resolved(told, of)
    if dataclasses.is_dataclass(hint):
        return told is schema_of(hint, of)
    if origin is Literal:
        return set(inner) == set(told.get("enum") or [told.get("const")])
    if origin is tuple and inner[-1] is Ellipsis:
        return told.get("type") == "array" and fits(inner[0], told["items"], of)
    if origin is tuple:
        parts = told.get("prefixItems", [])
        return len(parts) == len(inner) and all(fits(h, p, of) for h, p in zip(inner, parts, strict=True))
    if origin is dict:
        more = told.get("additionalProperties")
        if told.get("type") != "object":
            return False
        return more is True if inner[1] is Any else isinstance(more, dict) and fits(inner[1], more, of)
    if hint in (datetime, date):
        return bool(told.get("format") == ("date-time" if hint is datetime else "date"))
    plain = {str: "string", float: "number", int: "integer", bool: "boolean"}
    return bool(plain.get(hint) == told.get("type") and "format" not in told and "enum" not in told)


KINDS = [x for x in map(records.__dict__.get, records.__all__) if dataclasses.is_dataclass(x)]


def test_records_have_the_fields_and_types_of_their_schemas(described: dict[str, Any]) -> None:
    assert len(KINDS) > 25
    for kind in KINDS:
        told = schema_of(kind, described)["properties"]
        hints = get_type_hints(kind)
        assert set(hints) == set(told), kind
        wrong = [name for name, hint in hints.items() if not fits(hint, told[name], described)]
        assert not wrong, (kind, {name: (hints[name], told[name]) for name in wrong})


def test_what_would_not_fit_is_seen(described: dict[str, Any]) -> None:
    alert = schema_of(records.Alert, described)["properties"]
    for hint, name in (
        (float, "dma"), (str, "flow_m3h"), (float, "cost"), (datetime | None, "onset"), (date, "onset"),
        (Literal["open"], "state"), (str, "kind"), (tuple[str, ...], "suspects"), (tuple[int, ...], "near"),
        (records.Place | None, "check"), (dict[str, str], "evidence"),
    ):  # fmt: skip
        assert not fits(hint, alert[name], described), (hint, name)


def test_words_that_go_out_are_those_that_the_server_takes(described: dict[str, Any]) -> None:
    action = described["components"]["schemas"]["Transition"]["properties"]["action"]
    assert set(get_args(Step)) == set(action["pattern"].strip("^$()").split("|"))
    listed = described["paths"]["/api/v1/alerts"]["get"]["parameters"]
    (order,) = (p["schema"] for p in listed if p["name"] == "order")
    assert set(get_args(Order)) == set(resolved(order, described)["enum"])
    (layer,) = described["paths"]["/api/v1/export/layers/{layer}"]["get"]["parameters"]
    assert set(get_args(Layer)) == set(resolved(layer["schema"], described)["enum"])


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[requests.PreparedRequest]]:
    """What is sent, as it is sent."""
    found: list[requests.PreparedRequest] = []
    usual = requests.Session.send

    def send(self: Any, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        found.append(request)
        return usual(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", send)
    yield found


def test_every_method_asks_for_what_the_description_has_and_reads_the_answer(
    twuin: Twuin, described: dict[str, Any], sent: list[requests.PreparedRequest], tmp_path: Path
) -> None:
    start, end = datetime(2026, 3, 9, tzinfo=UTC), datetime(2026, 3, 10, tzinfo=UTC)
    (alert,) = twuin.alerts(state=["open"], kind="leak", dma="D1", assignee="", since=start)
    work = twuin.enter_work(
        "flushing", end + timedelta(days=1), end + timedelta(days=1, hours=3), dmas=["D1"], sensors=["D1-P"],
        extra_m3h=20, refill_h=0, no_supply=True, low_pressure=True, silent=True, note="n", actor="Sari",
    )  # fmt: skip
    weekly = twuin.enter_work(
        "intermittent",
        start,
        dmas=["D3"],
        pipes=["P1"],
        weekdays=[0, 6],
        from_time="22:00",
        to_time="04:00",
        no_supply=True,
    )
    calls: dict[str, Any] = {
        "site": twuin.site(),
        "dmas": twuin.dmas(),
        "dma": twuin.dma("D1"),
        "dma_series": twuin.dma_series("D1", start, end, max_points=100),
        "night_flow": twuin.night_flow("D1", days=3),
        "network": twuin.network(),
        "sensors": twuin.sensors(),
        "sensor": twuin.sensor("D1-IN"),
        "readings": (twuin.readings("D1-IN", start, end), twuin.readings("D1-IN", start, end, max_points=9)),
        "alerts": alert,
        "alert": twuin.alert(alert.id),
        "act": twuin.act(
            alert, "locate", place=Place(pipe="P1", along_m=0.0, lon=None, lat=None), leak_type="joint",
            note="wet", happened=datetime(2026, 3, 10, 2, tzinfo=UTC), actor="Budi",
        ),
        "losses": twuin.losses(date(2026, 3, 8), date(2026, 3, 9)),
        "works": twuin.works(since=start, until=end + timedelta(days=2), dma="D1"),
        "work": twuin.work(work.id),
        "enter_work": (work, weekly),
        "layer": twuin.layer("alerts"),
        "export_geopackage": twuin.export_geopackage(tmp_path / "town.gpkg"),
        "export_series": twuin.export_series(tmp_path / "d1.csv", "D1-IN", start, end, local=True),
    }  # fmt: skip
    public = {
        n for n, v in vars(Twuin).items() if not n.startswith("_") and isinstance(v, types.FunctionType)
    }
    assert set(calls) == public - {"close"}
    for request in sent:
        method, url = str(request.method).lower(), urlsplit(str(request.url))
        (path,) = (
            p for p, operations in described["paths"].items()
            if method in operations and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", p), url.path)
            and not ("{id}" in p and url.path in described["paths"])
        )  # fmt: skip
        known = {p["name"] for p in described["paths"][path][method].get("parameters", [])}
        assert set(parse_qs(url.query, keep_blank_values=True)) <= known, request.url
    assert calls["act"].place == Place(pipe="P1", along_m=0.0, lon=None, lat=None)
    assert work.refill_h == 0 and weekly.weekdays == (0, 6)
