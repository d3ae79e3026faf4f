"""What was billed on which days."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from waterworks.losses import Bill
from waterworks.site import Dma, Site

MONTH_DAYS = 365.25 / 12
"""Days of a usual month, for volumes that are given for one."""


class Billed(NamedTuple):
    """Volumes a day (D,) [m3/day], NaN on days of which nothing is given."""

    metered: NDArray[np.float64]
    unmetered: NDArray[np.float64]
    unbilled_metered: NDArray[np.float64]


def billed_of_dma(site: Site, dma: Dma, first: date, days: int) -> Billed:
    """What a DMA was billed. Months without a line of its own count as usual ones, where that is given."""
    usual = None if dma.billed_m3_month is None else dma.billed_m3_month / MONTH_DAYS
    return _daily([b for b in site.billing if b.dma == dma.id], usual, first, days)


def billed_of_site(site: Site, first: date, days: int) -> Billed:
    """What the whole site was billed: its own lines, on other days the sum of its DMAs, where all are
    known."""
    whole = _daily([b for b in site.billing if not b.dma], None, first, days)
    others = billed_of_dmas(site, site.dmas, first, days)
    return Billed(*(np.where(np.isfinite(own), own, other) for own, other in zip(whole, others, strict=True)))


def billed_of_dmas(site: Site, dmas: Sequence[Dma], first: date, days: int) -> Billed:
    """What these DMAs were billed together, on days on which that is known of all of them."""
    parts = [billed_of_dma(site, d, first, days) for d in dmas]
    return Billed(*(np.sum(of, axis=0) for of in zip(*parts, strict=True)))


def _daily(bills: Sequence[Bill], usual: float | None, first: date, days: int) -> Billed:
    by_month = {b.month: b for b in bills}
    out = np.full((3, days), np.nan)
    for i in range(days):
        day = first + timedelta(days=i)
        bill = by_month.get(day.replace(day=1))
        if bill is not None:
            length = calendar.monthrange(day.year, day.month)[1]
            out[:, i] = np.array([bill.metered, bill.unmetered, bill.unbilled_metered]) / length
        elif usual is not None:
            out[:, i] = (usual, 0.0, 0.0)
    return Billed(*out)
