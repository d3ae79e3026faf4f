"""Silences that are one event: a sensor that comes and goes, all those of a device, a line that is down.

Pure rules over silences, so that sixty of them do not become sixty alerts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from twuin.alerts.model import Finding, Kind
from waterworks.reading import as_datetime
from waterworks.site import Sensor

WELL = np.timedelta64(24 * 3600 * 1_000_000, "us")
"""A sensor that falls silent again sooner than this after it came back comes and goes: a loose aerial, a
radio that fails every night. It is well again when it has been heard for so long."""

TOGETHER = np.timedelta64(1800 * 1_000_000, "us")
"""Silences that begin within this time of the first have one cause, if they share a device or are many."""

STRAGGLING = np.timedelta64(6 * 3600 * 1_000_000, "us")
"""A sensor that stays away so long after half of the others are back has a cause of its own."""

MANY, DEVICES = 5, 3
"""So many sensors, of so many devices, and half of all that are watched: not they fail, but what is behind
them (a broker, a line, the power of a district)."""


class Silence(NamedTuple):
    """Nothing came from ``start`` to ``end`` (None: it lasts). limit: after so long it is one. times: how
    often it fell silent in that time."""

    sensor: Sensor
    start: np.datetime64
    end: np.datetime64 | None
    limit: np.timedelta64
    times: int = 1

    @property
    def detected(self) -> tuple[np.datetime64, str]:
        """What orders silences by when they were noticed."""
        return self.start + self.limit, self.sensor.id


def lasting_ones(silences: Sequence[Silence], now: np.datetime64) -> list[Silence]:
    """``silences`` of one sensor, oldest first, with those that follow each other closely as one.

    One that came back is over at once; one that comes and goes when it has been well for ``WELL``.
    """
    out: list[Silence] = []
    for s in silences:
        last = out[-1] if out else None
        if last is not None and last.end is not None and s.start - last.end < WELL:
            out[-1] = last._replace(end=s.end, times=last.times + 1)
        else:
            out.append(s)
    if out and out[-1].times > 1 and out[-1].end is not None and now - out[-1].end < WELL:
        out[-1] = out[-1]._replace(end=None)
    return out


def grouped(silences: Sequence[Silence], watched: int) -> list[list[Silence]]:
    """Silences of all sensors as events, the members of each in the order in which they were noticed.

    watched: how many sensors are watched.
    """
    left = sorted(silences, key=lambda s: (s.start, s.sensor.id))
    events: list[list[Silence]] = []
    while left:
        first = left[0].start
        cluster = [s for s in left if s.start - first <= TOGETHER]
        left = left[len(cluster) :]
        stays, straggling = _split(cluster)
        if _is_outage(cluster, watched):
            events.append(stays)
            events += _by_device(straggling)
        else:
            events += _by_device(cluster)
    return [sorted(e, key=lambda s: s.detected) for e in events]


def _is_outage(cluster: Sequence[Silence], watched: int) -> bool:
    devices = {s.sensor.device or s.sensor.id for s in cluster}
    return len(cluster) >= MANY and len(devices) >= DEVICES and 2 * len(cluster) >= watched


def _split(members: Sequence[Silence]) -> tuple[list[Silence], list[Silence]]:
    """Those that came back with most of them, or wait with them, and those that stay away much longer."""
    ends = sorted(s.end for s in members if s.end is not None)
    if 2 * len(ends) < len(members):
        return list(members), []
    back = ends[(len(members) - 1) // 2] + STRAGGLING
    together = [s for s in members if s.end is not None and s.end <= back]
    return together, [s for s in members if s.end is None or s.end > back]


def _by_device(silences: Sequence[Silence]) -> list[list[Silence]]:
    def device(s: Silence) -> str:
        return s.sensor.device or s.sensor.id

    events = []
    for _, members in groupby(sorted(silences, key=device), key=device):
        events += [part for part in _split(list(members)) if part]
    return events


def silence_finding(event: Sequence[Silence], now: np.datetime64) -> Finding:
    """The finding of one event; its subject is the sensor that was noticed first."""
    first = event[0]
    ends = [s.end for s in event]
    over = None if any(e is None for e in ends) else max(e for e in ends if e is not None)
    dmas = {s.sensor.dma for s in event}
    evidence = {
        "interval_s": first.sensor.interval_s,
        "limit_s": float(first.limit / np.timedelta64(1, "s")),
    }
    if len(event) > 1:
        evidence["sensors"] = [s.sensor.id for s in event]  # type: ignore[assignment]
    if first.times > 1:
        evidence["silences"] = first.times
    return Finding(
        kind=Kind.SILENT,
        subject=first.sensor.id,
        dma=first.sensor.dma if len(dmas) == 1 else "",
        onset=as_datetime(first.start),
        detected=as_datetime(first.start + first.limit),
        as_of=as_datetime(now if over is None else over),
        ended=None if over is None else as_datetime(over),
        confidence=1.0,
        evidence=evidence,
    )
