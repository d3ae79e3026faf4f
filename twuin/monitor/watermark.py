"""Up to when the readings are in: a rule that neither a dead sensor nor a wrong clock can hold or drag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from waterworks.reading import Latest
from waterworks.site import Role, Sensor


def watermark(
    sensors: Sequence[Sensor],
    latest: Mapping[str, Latest],
    now: np.datetime64,
    *,
    lateness_s: float = 0.0,
    grace_s: float = 3600.0,
) -> np.datetime64 | None:
    """The time up to which readings are taken to be complete; None where nothing has been read.

    1. A device time counts at most as the time at which the reading was received and as
       ``now``: a clock that is ahead gets nobody further. Nor does a clock of our own that is behind, as
       after a start without network, take back what was read: ``now`` is no earlier than ``heard``.
    2. The front is the time that a fifth of the sensors, and at least two of three or more, have reached.
    3. A sensor lives if it is within three of its intervals, and at least ``grace_s``, of the front.
    4. The watermark is the least of the living meters that inflow is made of (of all the living where none
       of these lives), never beyond the front, less ``lateness_s``.

    A meter that has died holds the watermark for its grace, no longer; what it buffered meanwhile comes as
    late data. Consumption meters have no say.
    """
    use = [s for s in sensors if s.role is not Role.CONSUMPTION and s.id in latest]
    if not use:
        return None
    n = len(use)
    quorum = _quorum(n)
    present = max(now, heard([latest[s.id] for s in use]))
    reached = np.array(
        [min(latest[s.id].time, latest[s.id].received, present) for s in use],
        dtype="datetime64[us]",
    )
    front = np.sort(reached)[n - quorum]
    grace = np.array([max(3 * s.interval_s, grace_s) for s in use]) * 1e6
    alive = reached >= front - grace.astype("timedelta64[us]")
    needed = np.array([s.role in (Role.INLET, Role.STORAGE) for s in use])
    voters = alive & needed if (alive & needed).any() else alive
    mark: np.datetime64 = min(reached[voters].min(), front) - np.timedelta64(round(lateness_s * 1e6), "us")
    return mark


def heard(newest: Sequence[Latest]) -> np.datetime64:
    """The time by our own clock at which sensors, a fifth of them and more than one, were last heard."""
    received = np.sort(np.array([r.received for r in newest], "datetime64[us]"))
    return np.datetime64(received[len(newest) - _quorum(len(newest))], "us")


def _quorum(n: int) -> int:
    return 1 if n < 3 else max(2, -(-n // 5))
