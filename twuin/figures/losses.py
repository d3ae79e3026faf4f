"""Losses and water balance as figures: of the 28 local days up to a day, written at that day's midnight."""

from __future__ import annotations

import numpy as np

from twuin.figures.names import LOSS
from twuin.views.loss_models import Limited, LossesOut, LossOut
from waterworks.figures import Figure, Value

BALANCE = (
    "system_input",
    "authorised",
    "billed",
    "billed_metered",
    "billed_unmetered",
    "unbilled",
    "losses",
    "apparent",
    "unauthorised",
    "meter_error",
    "data_error",
    "real",
    "nrw",
)
"""Components of the water balance, as ``BalanceOut`` names them."""


def loss_figures(time: np.datetime64, found: LossesOut) -> list[Figure]:
    """One point for the site and for each DMA; of one of which nothing is known, none."""
    service = {} if found.service is None else dict(found.service.by_dma)
    out = []
    areas = [("site", found.site), *(("dma", d) for d in found.dmas)]
    for what, area in areas:
        fields = _fields(area)
        share = service.get(area.id)
        if what == "site" and found.service is not None:
            share = found.service.share
        if share is not None:
            fields["service_1"] = float(share)
        if fields:
            fields["days"] = found.days
            out.append(Figure(LOSS, time, {"what": what, "dma": area.id}, fields))
    return out


def _fields(area: LossOut) -> dict[str, Value]:
    fields: dict[str, Value] = {}

    def put(name: str, value: float | None) -> None:
        if value is not None and np.isfinite(value):
            fields[name] = float(value)

    def limits(name: str, value: Limited | None) -> None:
        if value is not None:
            put(name, value.value)
            put(f"{name}_low", value.low)
            put(f"{name}_high", value.high)

    for component in BALANCE:
        limits(f"{component}_m3", getattr(area.balance, component))
    limits("nrw_1", area.nrw_share)
    limits("real_m3day", area.real_m3day)
    limits("excess_m3day", area.excess_m3day)
    limits("ili_1", area.ili)
    limits("night_flow_m3h", area.night_flow_m3h)
    limits("legitimate_m3h", area.legitimate_m3h)
    put("background_m3h", area.background_m3h)
    put("burst_m3h", area.burst_m3h)
    put("uarl_m3day", area.uarl_m3day)
    put("pressure_m", area.pressure_m)
    put("night_pressure_m", area.night_pressure_m)
    put("cost_day", area.cost_day)
    put("measured_1", area.measured_share if area.measured_share > 0 else None)
    return fields
