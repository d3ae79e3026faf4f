from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Alert, Finding, Kind
from twuin.alerts.service import AlertService

DAY0 = datetime(2026, 3, 1, tzinfo=UTC)


class SteppedClock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.time = np.datetime64("2026-03-20T00:00:00", "us")

    def now(self) -> np.datetime64:
        return self.time


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def service(clock: SteppedClock) -> AlertService:
    """Of a town with two pipes, which are so long [m]."""
    return AlertService("town", MemoryAlertStore(), clock, {"p1": 80.0, "p2": 20.0})


@pytest.fixture
def alert(service: AlertService, finding: Callable[..., Finding]) -> Alert:
    """A leak that is open."""
    return service.apply([finding(0, 2, 5)])[0]


@pytest.fixture
def at() -> Callable[[float], datetime]:
    """Hours after the beginning of the test's time as an instant."""
    return lambda hours: DAY0 + timedelta(hours=hours)


@pytest.fixture
def finding(at: Callable[[float], datetime]) -> Callable[..., Finding]:
    """A finding from hours: finding(onset, detected, as_of, ended=None, subject="D1", **rest)."""

    def make(
        onset: float,
        detected: float,
        as_of: float,
        ended: float | None = None,
        *,
        subject: str = "D1",
        kind: Kind = Kind.LEAK,
        **rest: Any,
    ) -> Finding:
        return Finding(
            kind,
            subject,
            rest.pop("dma", subject),
            at(onset),
            at(detected),
            at(as_of),
            None if ended is None else at(ended),
            **rest,
        )

    return make
