"""GET /api/v1/losses."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient


def test_losses_come_with_limits_and_reasons(client: TestClient) -> None:
    answer = client.get("/api/v1/losses", params={"start": "2026-03-09", "end": "2026-03-09"})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["start"], found["end"], found["days"]) == ("2026-03-09", "2026-03-09", 1)
    assert [d["id"] for d in found["dmas"]] == ["D1", "D2", "D3"]
    d2 = found["dmas"][1]
    assert set(d2["balance"]["system_input"]) == {"value", "low", "high"}
    assert d2["nrw_share"] is None and d2["why"]["nrw"] == "no_bills"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("start=2026-03-09&end=2026-03-08", "must not lie after the last day"),
        ("start=2020-01-01&end=2026-03-08", "at most 731 days"),
        ("start=0001-01-01", "use a day between 1900 and 2200"),
        ("end=9999-12-31", "use a day between 1900 and 2200"),
        ("end=yesterday", "valid date"),
    ],
)
def test_days_that_make_no_report_are_refused(client: TestClient, query: str, message: str) -> None:
    answer = client.get(f"/api/v1/losses?{query}")
    assert answer.status_code == 422
    assert message in answer.text
