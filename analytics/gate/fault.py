"""What the gate finds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum


class FaultKind(StrEnum):
    """What is wrong with a sensor."""

    STUCK = "stuck"  # the same value again and again
    OFFSET = "offset"  # shifted at once against its neighbours
    DRIFT = "drift"  # shifting further day by day
    SPIKE = "spike"  # single values far off
    NOISE = "noise"  # scattering more than it did
    CLOCK = "clock"  # its day's course comes too early or too late
    REVERSED = "reversed"  # the sign is turned
    IMPOSSIBLE = "impossible"  # beyond what the network or the instrument can reach


@dataclass(slots=True)
class Fault:
    """One fault of one sensor. Times are rows of the gate.

    sensor: column. onset: first faulty row; detected: the row whose end decided; end: first good row, None
    while it lasts; closed: the row whose end decided that. size: by how much [SI]: shift of ``offset`` and
    ``drift`` as of now, held value of ``stuck``, deviation of ``noise``, height of ``spike``, seconds ahead
    of ``clock``, the value of the others. evidence: figures by name. called: the kind it was first called;
    later ``kind`` may be a better one.
    """

    sensor: int
    kind: FaultKind
    onset: int
    detected: int
    size: float
    end: int | None = None
    closed: int | None = None
    evidence: dict[str, float] = field(default_factory=dict)
    called: FaultKind | None = None

    def __post_init__(self) -> None:
        if self.called is None:
            self.called = self.kind

    def copy(self) -> Fault:
        """A fault that can be followed on without changing this one."""
        return replace(self, evidence=dict(self.evidence))

    def covers(self, row: int) -> bool:
        """Whether it acts at a row."""
        return self.onset <= row and (self.end is None or row < self.end)


@dataclass(slots=True)
class Dry:
    """An area that was without water at times, from row ``onset`` to before ``end`` (None: still at times).

    hours: without supply, in total [h]; last: last row without.
    """

    area: int
    onset: int
    last: int
    rows: int = 1
    end: int | None = None
    closed: int | None = None

    def copy(self) -> Dry:
        """The same, for another gate to follow."""
        return replace(self)
