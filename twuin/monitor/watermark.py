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
       ``now``: a clock that is ahead gets nobody further.
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
    reached = np.array(
        [min(latest[s.id].time, latest[s.id].received, now) for s in use],
        dtype="datetime64[us]",
    )
    n = len(use)
    quorum = 1 if n < 3 else max(2, -(-n // 5))
    front = np.sort(reached)[n - quorum]
    grace = np.array([max(3 * s.interval_s, grace_s) for s in use]) * 1e6
    alive = reached >= front - grace.astype("timedelta64[us]")
    needed = np.array([s.role in (Role.INLET, Role.STORAGE) for s in use])
    voters = alive & needed if (alive & needed).any() else alive
    mark: np.datetime64 = min(reached[voters].min(), front) - np.timedelta64(round(lateness_s * 1e6), "us")
    return mark
