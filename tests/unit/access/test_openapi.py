"""Whatever fits the OpenAPI description is answered without a defect, and to nobody who may not have it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from starlette.responses import Response

from twuin.accounts.rights import Right

EXAMPLES = int(os.environ.get("TWUIN_SCHEMATHESIS_EXAMPLES", "3"))
"""Requests made up for each operation; some hundred find more, and take minutes."""

BY_SIGNATURE = {"POST /api/v1/webhooks/{sender}"}
"""What only a signature opens, and no account."""

Check = Callable[[str, dict[str, Any], Response], None]


def operations(office: Any) -> Iterator[Any]:
    """All operations of the description."""
    schema = schemathesis.openapi.from_dict(office.client().get("/api/v1/openapi.json").json())
    for found in schema.get_all_operations():
        yield found.ok()


def send_all(office: Any, client: Callable[[], TestClient], check: Check) -> int:
    """Send what schemathesis makes up for each operation; how many requests that were."""
    office.stopping.set()
    return sum(_send_some(operation, client, check) for operation in operations(office))


def _send_some(operation: Any, client: Callable[[], TestClient], check: Check) -> int:
    sent = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def one(case: Any) -> None:
        nonlocal sent
        sent += 1
        request = case.as_transport_kwargs(base_url="http://localhost")
        kept = {k: v for k, v in request.items() if k in ("method", "url", "params", "json", "data")}
        headers = {k: v for k, v in (request.get("headers") or {}).items() if fits_a_header(k, v)}
        # What says who asks is not to be made up.
        headers = {k: v for k, v in headers.items() if k.lower() not in ("authorization", "cookie")}
        answer = client().request(**kept, headers=headers)
        check(operation.label, operation.definition.raw, answer)

    one()
    return sent


def fits_a_header(name: str, value: Any) -> bool:
    """Whether a client can send it at all."""
    text = value if isinstance(value, str) else ""
    return text.isascii() and text.isprintable() and text.strip() == text and name.isascii()


def test_nobody_gets_past_the_door(office: Any) -> None:
    nobody = office.client()

    def check(label: str, raw: dict[str, Any], answer: Any) -> None:
        if "security" in raw:
            assert answer.status_code == 401, (label, answer.status_code)
        else:
            assert answer.status_code < 500, (label, answer.text)

    assert send_all(office, lambda: nobody, check) >= len(list(operations(office)))


def test_who_is_limited_gets_neither_a_defect_nor_what_is_not_theirs(office: Any) -> None:
    rights = office.people["engineer@D1"].rights

    def check(label: str, raw: dict[str, Any], answer: Any) -> None:
        assert answer.status_code < 500, (label, answer.text)
        assert answer.status_code != 401 or label in BY_SIGNATURE, (label, answer.text)
        need = raw.get("x-right")
        if need in set(Right) and need not in rights:
            assert answer.status_code == 403, (label, answer.status_code)
        elif answer.status_code == 200 and "openapi" not in label:
            assert "Lowokwaru" not in answer.text, label

    send_all(office, lambda: office.browser("engineer@D1"), check)


def test_an_administrator_finds_no_defect(office: Any) -> None:
    def check(label: str, raw: dict[str, Any], answer: Any) -> None:
        assert answer.status_code < 500, (label, answer.status_code, answer.text)
        assert answer.status_code not in (401, 403) or label in BY_SIGNATURE, (label, answer.text)

    send_all(office, lambda: office.browser("admin"), check)
