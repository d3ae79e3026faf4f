"""Whatever is asked, the API answers, with a problem document where it cannot, and never with a 5xx."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

nasty = st.sampled_from(
    [
        "",
        "-1",
        "0",
        "1e309",
        "NaN",
        "null",
        "9" * 400,
        "../../etc/passwd",
        "%2e%2e%2f",
        "a/b",
        "\0",
        "\ud7ff\uffff",
        "🚰" * 50,
        "x" * 10_000,
        "' OR 1=1 --",
        "<script>",
        "2026-03-01T00:00:00Z",
        "2026-03-10T00:00:00+07:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.999999-14:00",
        "2026-02-30T00:00:00Z",
        "2026-03-10T23:59:60Z",
        "open",
        "leak",
        "csv",
        "D1",
        "D1-IN",
        "dma:D1:inflow",
        "-5f-aaaa",
        "ffffffffffffffff-a",
    ]
)
text = nasty | st.text(max_size=40) | st.integers().map(str) | st.floats().map(str) | st.datetimes().map(str)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | nasty | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
bodies = json_values | st.fixed_dictionaries(
    {
        "action": st.sampled_from(["acknowledge", "close", "reopen", "note"]),
        "version": st.integers(0, 5) | st.integers(),
    },
    optional={
        "reason": st.sampled_from(["repaired", "ended", "withdrawn", None]),
        "note": st.text(max_size=30),
        "actor": st.text(max_size=90),
    },
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_request_makes_a_server_error(client: TestClient, small_town: Any, data: st.DataObject) -> None:
    small_town.alerts.apply([small_town.leak()])
    alert = small_town.alerts.list().items[0].id
    paths = client.app.openapi()["paths"]  # type: ignore[attr-defined]
    path = data.draw(st.sampled_from(sorted(p for p in paths if not p.endswith("/events"))))
    method = data.draw(st.sampled_from([*paths[path], "get", "post", "delete"]))
    declared = paths[path].get(method, {}).get("parameters", [])
    filled = path
    for parameter in declared:
        if parameter["in"] == "path":
            known = {"alerts": alert, "dmas": "D1", "sensors": "D1-IN"}.get(path.split("/")[3], "1")
            value = data.draw(st.just(known) | text)
            filled = filled.replace("{" + parameter["name"] + "}", quote(value, safe=""))
    filled = filled.replace("{id}", "x")
    names = [p["name"] for p in declared if p["in"] == "query"] or ["start"]
    query = data.draw(st.lists(st.tuples(st.sampled_from(names), text), max_size=3))
    headers = data.draw(
        st.dictionaries(
            st.sampled_from(
                ["accept", "if-none-match", "last-event-id", "range", "content-type", "accept-encoding"]
            ),
            st.sampled_from(["*/*", "text/csv", "", ",,;q=", "W/", "gzip", "x" * 5000, "application/json"]),
            max_size=2,
        )
    )
    encoded = "&".join(f"{quote(n)}={quote(v, safe='')}" for n, v in query)
    more: dict[str, Any] = {"json": data.draw(bodies)} if method in ("post", "put") else {}
    try:
        answer = client.request(method, f"{filled}?{encoded}", headers=headers, **more)
    except ValueError:
        return  # NaN is no JSON: the client itself refuses to send it
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
        assert len(answer.content) < 20_000
