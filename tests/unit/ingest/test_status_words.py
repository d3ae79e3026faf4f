"""What is wrong with a status is said in words that its sender knows."""

from __future__ import annotations

import pytest

from ingest.decoders.columns import Rejection
from ingest.decoders.json_status import decode_result, decode_status


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"[]", "the message is a list; an object is wanted"),
        (b"{}", "field `state` is missing"),
        (b'{"state": "asleep"}', "`state` is 'asleep'; 'online' or 'offline' is wanted"),
        (b'{"state": 1}', "`state` is a number; text is wanted"),
        (b'{"state": "online", "time": "soon"}', "`time` is not like 2026-11-21T10:00:00+07:00 (RFC 3339)"),
        (b'{"state": "online", "battery_v": "3.6"}', "`battery_v` is text; a number or null is wanted"),
        (b'{"state": "online", "sensors": [5]}', "`sensors[0]` is a number; text is wanted"),
    ],
)
def test_a_status_is_rejected_with_the_field_and_what_would_be_right(payload: bytes, said: str) -> None:
    with pytest.raises(Rejection) as rejection:
        decode_status(payload)
    assert rejection.value.detail == said


def test_an_answer_to_a_command_is_too() -> None:
    with pytest.raises(Rejection) as rejection:
        decode_result(b'{"id": 7, "ok": true}')
    assert rejection.value.detail == "`id` is a number; text is wanted"
