"""Night-day factors of the last week, for what is shown of a DMA at any time."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from analytics.losses.mnf import SUPPLIED_M
from analytics.losses.ndf import (
    DEFAULT_N1,
    daily_profile,
    lowest_night_slot,
    night_day_factor,
    pressure_of_hour,
)
from twuin.losses.window import read
from waterworks.network import Network
from waterworks.ports import ReadingStore
from waterworks.site import Site
from waterworks.units import Quantity

DAYS = 7


def night_day_factors(
    site: Site, store: ReadingStore, network: Network | None, last: date
) -> dict[str, float]:
    """Night-day factor [h/day] of each DMA whose pressure was measured in the week up to ``last``.

    With the N1 that the site gives, else 1: half a year of nights, from which the report on losses estimates
    it, is too much to read again and again.
    """
    if not any(s.quantity is Quantity.PRESSURE and s.dma for s in site.sensors):
        return {}
    r = read(site, store, network, last - timedelta(days=DAYS - 1), DAYS)
    slots = 86400 // r.step_s
    dry = r.pressure < SUPPLIED_M  # no night flow while there is no water
    inflow = daily_profile(np.where(dry, np.nan, r.inflow), r.local.slot, slots, least=1)
    wet = daily_profile(np.where(dry, np.nan, r.pressure), r.local.slot, slots, least=1)
    pressure = daily_profile(r.pressure, r.local.slot, slots, least=1)
    n1 = np.array([DEFAULT_N1 if d.n1 is None else d.n1 for d in site.dmas])
    night = pressure_of_hour(wet, lowest_night_slot(inflow, site.monitor.night))
    found = night_day_factor(pressure, night, n1)
    return {d.id: float(v) for d, v in zip(site.dmas, found, strict=True) if np.isfinite(v)}
