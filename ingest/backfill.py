"""Files into the store: checked, in SI, in order of time, as often as one likes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ingest.files import Refused, Tally, open_files
from ingest.mapping import Mapping
from ingest.order import in_time_order, pieces
from ingest.reasons import Reason
from ingest.rejected import Rejected, RejectedLog
from ingest.stats import plus
from waterworks.clocks import WallClock
from waterworks.ports import ReadingStore
from waterworks.reading import Quality
from waterworks.site import Site

COMMIT_READINGS = 250_000
"""Readings in a transaction: large enough for the store's speed, small enough for little memory."""

EXAMPLES = 20
"""Rejected cells that a report shows; all of them are in the log of rejected input."""

Progress = Callable[[float], None]
"""Told the share of the work that is done [0..1]."""


@dataclass
class BackfillReport:
    """What became of the files' cells: read = stored + duplicates + replaced + expired + empty + rejected.

    duplicates, replaced: None where the store does not tell (``stored`` counts them too). expired: readings
    older than what the store keeps.
    flagged: stored, but outside of the sensor's believable range. out_of_order: rows with an earlier time
    than a row above them (stored all the same). first, last: times of the readings [UTC].
    """

    files: list[Path]
    read: int = 0
    stored: int = 0
    duplicates: int | None = 0
    replaced: int | None = 0
    expired: int = 0
    empty: int = 0
    flagged: int = 0
    out_of_order: int = 0
    rejected: dict[Reason, int] = field(default_factory=dict)
    examples: list[Refused] = field(default_factory=list)
    first: np.datetime64 | None = None
    last: np.datetime64 | None = None

    @property
    def rejected_total(self) -> int:
        return sum(self.rejected.values())


def backfill(
    store: ReadingStore,
    site: Site,
    files: Sequence[Path],
    mapping: Mapping,
    *,
    rejected: RejectedLog | None = None,
    progress: Progress | None = None,
) -> BackfillReport:
    """Read ``files`` as ``mapping`` describes them, and store their readings.

    A file that was stored before adds nothing. What cannot be stored is counted by reason, and kept in
    ``rejected`` with its file and line. Raises DataFileError where a file or the mapping is wrong, before
    anything is stored (but for a damage that shows only when the values are read: the message then says
    where, and what stands before it is stored), StoreError and StoreUnavailable from the store.
    """
    opened = open_files(files, mapping, site)
    report = BackfillReport([f.path for f in opened])
    tally = Tally()
    received = WallClock().now()
    total = max(1, sum(f.cells for f in opened))
    streams = [f.batches(tally, received=received) for f in opened]
    try:
        for merged in in_time_order(streams):
            for batch in pieces(merged, COMMIT_READINGS):
                result = store.append(batch)
                report.stored += result.stored
                report.duplicates = plus(report.duplicates, result.duplicates)
                report.replaced = plus(report.replaced, result.replaced)
                report.expired += result.expired
                report.flagged += int(np.count_nonzero(batch.quality & int(Quality.OUT_OF_RANGE)))
            report.first = merged.time[0] if report.first is None else min(report.first, merged.time[0])
            report.last = merged.time[-1] if report.last is None else max(report.last, merged.time[-1])
            _keep(tally, report, rejected, received)
            if progress is not None:
                progress(min(1.0, tally.read / total))
    finally:
        _keep(tally, report, rejected, received)
    if progress is not None:
        progress(1.0)
    return report


def _keep(tally: Tally, report: BackfillReport, log: RejectedLog | None, received: np.datetime64) -> None:
    """Bring what was counted so far into the report, and what was refused into the log."""
    report.read, report.empty, report.out_of_order = tally.read, tally.empty, tally.out_of_order
    report.rejected = dict(tally.rejected)
    refused = tally.take_refused()
    report.examples += refused[: EXAMPLES - len(report.examples)]
    if log is not None and refused:
        log.add([as_rejected(r, received) for r in refused])


def as_rejected(refused: Refused, received: np.datetime64) -> Rejected:
    """A refused cell as an entry of the log of rejected input; its topic is ``file:NAME:LINE``."""
    return Rejected(
        received,
        f"file:{refused.file.name}:{refused.line}",
        refused.text.encode("utf-8", "backslashreplace"),
        refused.reason,
        refused.detail,
        refused.readings,
    )
