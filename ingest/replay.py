"""Files of past readings sent over MQTT, as their devices would have sent them, in the order of time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ingest.backfill import EXAMPLES
from ingest.files import Refused, Tally, open_files
from ingest.link import BrokerOptions
from ingest.mapping import Mapping
from ingest.order import in_time_order
from ingest.publisher import Publisher
from ingest.reasons import Reason
from ingest.topics import Channel, build
from waterworks.clocks import WallClock
from waterworks.reading import Quality, ReadingBatch
from waterworks.site import Site
from waterworks.units import SI_UNIT

MAX_READINGS = 2_000
"""In a message; an ingest process takes 10,000."""

SLICE_S = 3600.0
"""Of event time that devices take turns for, at the highest speed. It bounds how far the devices'
readings come out of order against each other."""

TICK_S = 0.25
"""Of wall time in a slice, at a given speed."""


@dataclass
class ReplayReport:
    """What was sent. complete: False where it was stopped before the end. The rest as in BackfillReport."""

    files: list[Path]
    read: int = 0
    readings: int = 0
    messages: int = 0
    empty: int = 0
    rejected: dict[Reason, int] = field(default_factory=dict)
    examples: list[Refused] = field(default_factory=list)
    first: np.datetime64 | None = None
    last: np.datetime64 | None = None
    reconnects: int = 0
    complete: bool = False


def replay(
    files: Sequence[Path],
    mapping: Mapping,
    site: Site,
    broker: BrokerOptions,
    *,
    speed: float = math.inf,
    stop: threading.Event | None = None,
    progress: Callable[[float], None] | None = None,
) -> ReplayReport:
    """Send the readings of ``files`` to ``broker``, ``speed`` times as fast as they were measured.

    Each device's readings go to its topic, in columns and SI units, QoS 1, at most
    ``publisher.MAX_IN_FLIGHT`` messages under way; when this returns, the broker has acknowledged all.
    Times are those of the files: at any speed, and sent again, these are the same readings. A file whose
    rows are not in order of time is held in memory as a whole (about 100 bytes a reading).

    Raises DataFileError where a file or the mapping is wrong, before anything is sent, and BrokerError.
    ValueError for a speed that is not above 0.
    """
    if not speed > 0:
        raise ValueError(f"replay speed {speed} is not above 0")
    stop = stop or threading.Event()
    opened = open_files(files, mapping, site)
    tally, report = Tally(), ReplayReport([f.path for f in opened])
    total = max(1, sum(f.cells for f in opened))
    streams = [f.batches(tally, received=WallClock().now()) for f in opened]
    merged = in_time_order(
        # in_time_order sorts each batch it holds, so a file that is out of order becomes one batch
        [s if f.in_order else _whole(s) for f, s in zip(opened, streams, strict=True)]
    )
    messages = _Messages(site)
    began = time.monotonic()
    with Publisher(broker, f"replay-{site.id}") as publisher:
        for part in _slices(merged, SLICE_S if math.isinf(speed) else max(TICK_S * speed, 1e-6)):
            if report.first is None:
                report.first = part.time[0]
            if not math.isinf(speed):
                due = began + float((part.time[-1] - report.first) / np.timedelta64(1, "s")) / speed
                stop.wait(max(0.0, due - time.monotonic()))
            for topic, payload, count in messages.of(part):
                if not publisher.publish(topic, payload, stop):
                    break
                report.readings += count
            _keep_examples(report, tally)
            if stop.is_set():
                break
            report.last = part.time[-1] if report.last is None else max(report.last, part.time[-1])
            if progress is not None:
                progress(min(1.0, (report.readings + tally.empty + sum(tally.rejected.values())) / total))
        else:
            report.complete = True
        report.complete = publisher.drain(stop) and report.complete
        report.messages, report.reconnects = publisher.sent, publisher.reconnects
    report.read, report.empty, report.rejected = tally.read, tally.empty, dict(tally.rejected)
    _keep_examples(report, tally)
    return report


def _keep_examples(report: ReplayReport, tally: Tally) -> None:
    report.examples += tally.take_refused()[: EXAMPLES - len(report.examples)]


def _whole(stream: Iterator[ReadingBatch]) -> Iterator[ReadingBatch]:
    """All of a file in one batch: the price of a file that is not in the order of time."""
    yield ReadingBatch.concat(list(stream))


def _slices(batches: Iterator[ReadingBatch], seconds: float) -> Iterator[ReadingBatch]:
    """Readings by time, cut where ``seconds`` of event time are full."""
    us = max(1, round(seconds * 1e6))
    held = ReadingBatch.empty()
    for batch in batches:
        held = ReadingBatch.concat([held, batch])
        if not len(held):
            continue
        number = held.time.astype(np.int64) // us
        cuts = np.flatnonzero(np.diff(number)) + 1
        for start, end in zip([0, *cuts[:-1].tolist()], cuts.tolist(), strict=False):
            yield held.take(np.arange(start, end))
        held = held.take(np.arange(cuts[-1] if len(cuts) else 0, len(held)))
    if len(held):
        yield held


class _Messages:
    """Readings as the messages of their devices."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._seq: dict[str, int] = {}
        self._encode = msgspec.json.Encoder().encode

    def of(self, batch: ReadingBatch) -> Iterator[tuple[str, bytes, int]]:
        """Topic, payload and number of readings of each message, one or more a device."""
        devices: dict[str, list[tuple[str, bool, np.ndarray[Any, Any]]]] = {}
        suspect = (batch.quality & int(Quality.SUSPECT)) != 0
        order = np.lexsort((suspect, batch.sensor))  # stable: in time within a series
        key = batch.sensor[order].astype(np.int64) * 2 + suspect[order]
        for rows in np.split(order, np.flatnonzero(np.diff(key)) + 1):
            name = batch.names[int(batch.sensor[rows[0]])]
            device = self._site.sensor[name].device or name
            devices.setdefault(device, []).append((name, bool(suspect[rows[0]]), rows))
        for device, series in devices.items():
            message: list[dict[str, Any]] = []
            count = 0
            for name, doubted, rows in series:
                for start in range(0, len(rows), MAX_READINGS):
                    piece = rows[start : start + MAX_READINGS]
                    if message and count + len(piece) > MAX_READINGS:
                        yield self._message(device, message, count)
                        message, count = [], 0
                    message.append(self._series(batch, name, doubted, piece))
                    count += len(piece)
            yield self._message(device, message, count)

    def _series(
        self, batch: ReadingBatch, name: str, doubted: bool, rows: np.ndarray[Any, Any]
    ) -> dict[str, Any]:
        us = batch.time[rows].astype(np.int64)
        whole = us % 1000 == 0
        # Milliseconds where they say it all, text where a time is finer.
        times: list[Any] = (
            (us // 1000).tolist() if whole.all() else [f"{t}Z" for t in batch.time[rows].astype(str)]
        )
        series = {
            "sensor": name,
            "unit": SI_UNIT[self._site.sensor[name].quantity],
            "times": times,
            "values": batch.value[rows].tolist(),
        }
        return series | {"quality": "suspect"} if doubted else series

    def _message(self, device: str, series: list[dict[str, Any]], count: int) -> tuple[str, bytes, int]:
        seq = self._seq[device] = self._seq.get(device, 0) + 1
        topic = build(self._site.id, device, Channel.READINGS)
        return topic, self._encode({"device": device, "seq": seq, "series": series}), count
