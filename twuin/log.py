"""Log lines: for people (time, level, part, message), or a JSON object a line for programs."""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from opentelemetry import trace
from pythonjsonlogger.json import JsonFormatter

from twuin import __version__

LogFormat = Literal["text", "json"]


def configure(level: str, form: LogFormat = "text", *, site: str = "") -> None:
    """Send log lines of ``level`` and above to standard error.

    site: the name of the site's folder, for lines in JSON; empty: none.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(site) if form == "json" else Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their routine lines say nothing to a person who watches water.
    for noisy in ("uvicorn.access", "uvicorn.error", "alembic", "amqtt", "transitions", "httpx", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def to_programs() -> bool:
    """Whether lines are written for programs: then nothing else may stand between them."""
    return any(isinstance(h.formatter, JsonLines) for h in logging.getLogger().handlers)


class Lines(logging.Formatter):
    """Lines for people.

    What a message took from outside cannot pass for a line of its own, nor move a terminal's cursor: further
    lines of it are set in, other control characters written out.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        text = _CONTROL.sub(lambda m: m[0].encode("unicode_escape").decode(), super().format(record))
        return "\n    ".join(text.split("\n"))


class JsonLines(JsonFormatter):
    """One JSON object a line: docs/logs.md names its members."""

    def __init__(self, site: str) -> None:
        fixed = {"version": __version__} | ({"site": site} if site else {})
        super().__init__(
            "%(levelname)s%(name)s%(message)s%(process)d%(threadName)s",
            rename_fields={
                "levelname": "level",
                "name": "part",
                "process": "pid",
                "threadName": "thread",
                "exc_info": "exception",
            },
            static_fields=fixed,
            json_ensure_ascii=False,
        )

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        at = datetime.fromtimestamp(record.created, UTC)
        log_data["time"] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        super().add_fields(log_data, record, message_dict)
        log_data["level"] = record.levelname.lower()
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            log_data["trace_id"] = trace.format_trace_id(span.trace_id)
            log_data["span_id"] = trace.format_span_id(span.span_id)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
