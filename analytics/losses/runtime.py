"""Water that a leak lost while nobody knew of it, while it was looked for, and until it was mended; and water
that its repair has saved.

A burst loses its flow times its run time, which falls into awareness, location and repair (Lambert & Hirner
2000, Losses from Water Supply Systems, IWA Blue Pages; Farley & Trow 2003, Losses in Water Distribution
Networks): what is lost in each part is what a quicker step would have saved. A repair saves the flow that is
gone after it, for as long as the leak would have run on.
"""

from __future__ import annotations

from typing import NamedTuple

from analytics.losses.uncertain import Uncertain

LONGEST_DAYS = 365.0
"""A repair is counted for a year at most [days]: what the leak would have done later nobody knows. It would
have come to the surface, been found by the next survey, or grown."""

DAY_H = 24.0
"""Hours by which a flow is multiplied for a day's volume where its day is known, not only its night."""


class Parts(NamedTuple):
    """Water lost [m3] before it was known, while it was looked for, while it was mended."""

    awareness: Uncertain
    location: Uncertain
    repair: Uncertain


def lost_parts(lost: Uncertain, awareness_h: float, location_h: float, repair_h: float) -> Parts:
    """``lost`` [m3] divided by time [h]: as if the leak had always run alike.

    One that grew lost less than that before it was known, and more later. Raises ValueError for a time below
    0; a leak without any run time lost nothing that could be divided: all of it is of awareness.
    """
    spans = (awareness_h, location_h, repair_h)
    if min(spans) < 0:
        raise ValueError(f"a leak cannot run for {min(spans):g} h")
    total = sum(spans)
    if total == 0:
        return Parts(lost, lost * 0.0, lost * 0.0)
    return Parts(*(lost * (span / total) for span in spans))


def saved(fell: Uncertain, hours_a_day: Uncertain, days: float) -> Uncertain:
    """Water that was not lost because of a repair [m3].

    fell: by how much the flow fell [m3/h], hours_a_day: of it that make a day's volume (the night-day factor
    where nights were compared, 24 where days were), days: since the repair, at most ``LONGEST_DAYS`` of them
    count. Raises ValueError for fewer than none.
    """
    if days < 0:
        raise ValueError(f"nothing is saved in {days:g} days")
    return fell * hours_a_day * days
