"""Readings without those of sensors that were found not to tell the truth while they did not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twuin.alerts.model import Alert, Kind, Reason
from twuin.alerts.service import AlertService
from waterworks.ports import ReadingStore
from waterworks.reading import as_datetime
from waterworks.trusted import TrustedStore

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DENIED = (Reason.FALSE_ALARM, Reason.WITHDRAWN)
"""A person, or later readings, say that the sensor did tell the truth."""


def believed(store: ReadingStore, alerts: AlertService) -> TrustedStore:
    """``store`` without readings of a sensor from the onset of its fault to the fault's end."""

    def distrusted(names: list[str], seconds: Ints, step_s: int) -> Bools:
        out = np.zeros((len(seconds), len(names)), bool)
        if not len(seconds):
            return out
        first = as_datetime(np.datetime64(int(seconds[0]) * 1_000_000, "us"))
        cursor: str | None = None
        while True:
            page = alerts.list(kinds=(Kind.SENSOR,), since=first, limit=1000, cursor=cursor)
            for alert in page.items:
                if alert.finding.subject in names and alert.reason not in DENIED:
                    out[_within(alert, seconds, step_s), names.index(alert.finding.subject)] = True
            cursor = page.next
            if cursor is None:
                return out

    return TrustedStore(store, distrusted)


def _within(alert: Alert, seconds: Ints, step_s: int) -> Bools:
    fault = alert.finding
    begun = fault.onset.timestamp()
    over = np.inf if fault.ended is None else fault.ended.timestamp()
    return np.asarray((seconds + max(step_s, 1) > begun) & (seconds < over))
