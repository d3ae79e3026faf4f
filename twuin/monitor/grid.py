"""Time on the grid: the step that a site's readings ask for, and local time on it."""

from __future__ import annotations

import numpy as np

from waterworks.localtime import LocalTime, instant_of, local_time, midnight, moment, second_of, utc_seconds
from waterworks.site import Role, Site

__all__ = [
    "LocalTime",
    "instant_of",
    "local_time",
    "midnight",
    "moment",
    "second_of",
    "site_step",
    "utc_seconds",
]

STEPS = (900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400)
"""Steps [s] that divide a day; a quarter of an hour is the shortest that is looked at."""


def site_step(site: Site) -> int:
    """Step of the site's grid [s]: 15 minutes, or what the inlet meters' median interval asks for."""
    intervals = [s.interval_s for s in site.sensors if s.role in (Role.INLET, Role.STORAGE)]
    wanted = float(np.median(intervals)) if intervals else float(STEPS[0])
    return next((s for s in STEPS if s >= wanted), STEPS[-1])
