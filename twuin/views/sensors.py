"""How the sensors stand."""

from __future__ import annotations

import numpy as np

from twuin.views.convert import SHOWN_UNIT, number, shown
from twuin.views.models import SensorOut
from waterworks.reading import Latest, as_datetime
from waterworks.site import Sensor

QUIET_INTERVALS = 3
"""A sensor is silent after this many of its intervals without a reading,"""

QUIET_FLOOR_S = 900.0
"""but never before this [s of the site's clock], for devices that send in batches,"""

QUIET_WALL_S = 20.0
"""and this [s on the wall], which a reading may need to arrive however fast the site's clock runs."""


def is_quiet(s: Sensor, latest: Latest, now: np.datetime64, clock_speed: float) -> bool:
    """Whether ``s`` should have sent something newer by ``now``."""
    patience = max(QUIET_INTERVALS * s.interval_s, QUIET_FLOOR_S) + QUIET_WALL_S * clock_speed
    return bool((now - latest.time) / np.timedelta64(1, "s") > patience)


def sensor_out(
    s: Sensor,
    latest: Latest | None,
    position: tuple[float, float] | None,
    *,
    now: np.datetime64,
    clock_speed: float,
    judged: bool = True,
    faulty: bool = False,
) -> SensorOut:
    """A sensor with its newest reading, in the unit that people read. judged: it can be silent. faulty: an
    alert says that it does not tell the truth."""
    if latest is None:
        state = "nodata"
    elif is_quiet(s, latest, now, clock_speed):
        state = "silent" if judged else "nodata"
    else:
        state = "suspect" if latest.quality or faulty else "ok"
    lon, lat = (None, None) if position is None else position
    return SensorOut(
        id=s.id,
        name=s.name,
        quantity=s.quantity.value,
        unit=SHOWN_UNIT[s.quantity],
        dma=s.dma,
        device=s.device,
        role=s.role.value,
        element=s.element,
        interval_s=s.interval_s,
        lon=lon,
        lat=lat,
        state=state,
        latest=None if latest is None else number(float(shown(latest.value, s.quantity))),
        latest_at=None if latest is None else as_datetime(latest.time),
    )
