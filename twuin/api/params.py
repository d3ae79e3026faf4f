"""Parameters that several routes take."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, WithJsonSchema

PREFIX = "/api/v1"

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _rfc3339(value: Any) -> Any:
    # Bare numbers, which pydantic takes for seconds or milliseconds by their size, are not for us.
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", value):
        raise ValueError("use RFC 3339 with a zone, as in 2026-11-21T10:00:00+07:00 or ...Z")
    # "+" means a blank in a query: "...T10:00:00+07:00" arrives as "...T10:00:00 07:00".
    return re.sub(r"(T\d\d:\d\d\S*) (\d\d:?\d\d)$", r"\1+\2", value)


def _sensible(when: datetime) -> datetime:
    # Compared before conversion: at the ends of the calendar a change of zone overflows.
    if not EARLIEST.year <= when.year < LATEST.year:
        raise ValueError(f"use a time between {EARLIEST.year} and {LATEST.year}")
    return when.astimezone(UTC)


When = Annotated[
    AwareDatetime,
    BeforeValidator(_rfc3339),
    AfterValidator(_sensible),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

Start = Annotated[
    When | None,
    Query(
        description="First instant, RFC 3339 with zone. Default: seven days before `end`",
        examples=["2026-11-14T00:00:00+07:00"],
    ),
]
End = Annotated[
    When | None,
    Query(
        description="Instant after the last, RFC 3339 with zone. Default: the newest there is",
        examples=["2026-11-21T00:00:00+07:00"],
    ),
]
MaxPoints = Annotated[
    int,
    Query(ge=2, le=20_000, description="At most so many times; where there are more, means over even steps"),
]
Limit = Annotated[int, Query(ge=1, le=500, description="Items on a page")]
Cursor = Annotated[
    str | None, Query(max_length=200, description="`next` of the page before; none for the first page")
]
DmaId = Annotated[str, Path(description="Id of a DMA", examples=["D1"])]
PipeId = Annotated[str, Path(description="Id of a link of the network model", examples=["p123"])]
SensorId = Annotated[str, Path(description="Id of a sensor", examples=["D1-IN"])]
AlertId = Annotated[str, Path(description="Id of an alert", examples=["p6ucmrb7bc"])]
RowId = Annotated[int, Path(ge=1, le=2**63 - 1, description="Number of a rejected message")]
