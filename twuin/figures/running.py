"""Ingest, and Twuin's processes themselves, as figures."""

from __future__ import annotations

import os
import resource
import threading
import time as wall
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from twuin.figures.names import INGEST, LEDGER, PART, PART_STATES, PROCESS, REJECTED
from twuin.views.ledger_models import LedgerLine
from twuin.views.models import IngestStats
from waterworks.figures import Figure, Value
from waterworks.reading import instant


def ingest_figures(time: np.datetime64, process: str, stats: IngestStats) -> list[Figure]:
    """Counters of this process's consumer, where one runs, and what all processes ever rejected."""
    out = [
        Figure(REJECTED, time, {"reason": reason}, {"count": count})
        for reason, count in stats.rejected.by_reason.items()
    ]
    if not stats.running:
        return out
    fields: dict[str, Value] = {
        "connected": int(stats.connected),
        "messages": stats.messages,
        "stored": stats.readings_stored,
        "duplicate": stats.readings_duplicate or 0,
        "expired": stats.readings_expired,
        "unwanted": stats.readings_unwanted,
        "rejected": sum(stats.rejected_here.values()),
        "unacknowledged": stats.messages_unacknowledged,
        "spool_readings": stats.spool_readings,
        "spool_bytes": stats.spool_bytes,
        "reconnects": stats.reconnects,
    }
    return [*out, Figure(INGEST, time, {"process": process}, fields)]


def ledger_figures(
    lines: Iterable[LedgerLine], midnight: Callable[[date], np.datetime64], dma: Mapping[str, str]
) -> list[Figure]:
    """What was to come of each sensor on a local day, and what came, at the midnight that begins the day.

    midnight: gives that of a date. dma: of each sensor.
    """
    return [
        Figure(
            LEDGER,
            midnight(line.day),
            {"sensor": line.sensor, "dma": dma.get(line.sensor, "")},
            {
                "expected": line.expected,
                "received": line.received,
                "late": line.late,
                "duplicate": line.duplicate,
                "rejected": line.rejected,
                "missing": line.missing,
            },
        )
        for line in lines
    ]


def process_figures(
    time: np.datetime64, process: str, watermark: datetime | None, parts: Mapping[str, Mapping[str, Any]]
) -> list[Figure]:
    """This process and its parts."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    fields: dict[str, Value] = {
        "cpu_s": used.ru_utime + used.ru_stime,
        "memory_bytes": _resident(),
        "threads": threading.active_count(),
        "uptime_s": wall.monotonic() - _BEGUN,
    }
    if watermark is not None:
        fields["lag_s"] = max(0.0, float((time - instant(watermark)) / np.timedelta64(1, "s")))
    out = [Figure(PROCESS, time, {"process": process}, fields)]
    for name, part in parts.items():
        state = PART_STATES.get(str(part.get("status", "ok")), 1)
        said: dict[str, Value] = {"state": state, "detail": str(part.get("detail", ""))[:500]}
        out.append(Figure(PART, time, {"process": process, "part": name}, said))
    return out


_BEGUN = wall.monotonic()


def _resident() -> int:
    """Memory that this process holds now [bytes]; where the system does not tell, its most so far."""
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
