"""Log lines for people: time, level, part, message."""

from __future__ import annotations

import logging
import sys


def configure(level: str) -> None:
    """Send log lines of ``level`` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their routine lines say nothing to a person who watches water.
    for noisy in ("uvicorn.access", "uvicorn.error", "alembic", "amqtt", "transitions", "httpx", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
