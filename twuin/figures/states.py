"""How the site, its DMAs and its sensors stand, with their places on the map, as figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from twuin.figures.names import DMA_STATES, SENSOR_STATES, STATE
from twuin.views.models import AlertOut, DeviceOut, DmaState, SensorOut
from waterworks.figures import Figure, Value

M3H = 3600.0
"""m3/h in a m3/s."""

DAY_S = 86_400.0


def state_figures(
    time: np.datetime64,
    dmas: Sequence[DmaState],
    sensors: Sequence[SensorOut],
    devices: Sequence[DeviceOut],
    open_alerts: Sequence[AlertOut],
) -> list[Figure]:
    """One point for the site, for each DMA and for each sensor. open_alerts: all that are not over."""
    places: dict[str, list[tuple[float, float]]] = defaultdict(list)
    out = []
    said = {d.id: d for d in devices}
    for s in sensors:
        fields: dict[str, Value] = {"state": SENSOR_STATES[s.state], "name": s.name or s.id, "id": s.id}
        if s.lon is not None and s.lat is not None:
            places[s.dma].append((s.lon, s.lat))
            fields |= {"lon": float(s.lon), "lat": float(s.lat)}
        if s.latest_at is not None:
            newest = np.datetime64(s.latest_at.replace(tzinfo=None), "us")
            fields["age_s"] = max(0.0, float((time - newest) / np.timedelta64(1, "s")))
        device = said.get(s.device)
        if device is not None:
            if device.battery_v is not None:
                fields["battery_v"] = float(device.battery_v)
            if device.signal_dbm is not None:
                fields["signal_dbm"] = float(device.signal_dbm)
        out.append(Figure(STATE, time, {"what": "sensor", "sensor": s.id, "dma": s.dma}, fields))
    for d in dmas:
        fields = {
            "state": DMA_STATES[d.state],
            "name": d.name,
            "id": d.id,
            "open_alerts": d.open_alerts,
            "works": len(d.works),
        }
        if d.excess_m3day is not None:
            fields["excess_m3s"] = d.excess_m3day / DAY_S
        if places[d.id]:
            lon, lat = np.mean(places[d.id], axis=0)
            fields |= {"lon": float(lon), "lat": float(lat)}
        fields["legitimate_m3s"] = d.legitimate_night_use_m3h / M3H
        out.append(Figure(STATE, time, {"what": "dma", "dma": d.id}, fields))
    leaks = [a for a in open_alerts if a.kind.value in ("leak", "night_flow") and a.ended is None]
    known = [d.excess_m3day for d in dmas if d.excess_m3day is not None]
    fields = {
        "open_alerts": len(open_alerts),
        "open_leaks": len(leaks),
        "leak_flow_m3s": sum(a.flow_m3h for a in leaks) / M3H,
        "sensors": len(sensors),
        "sensors_ok": sum(s.state == "ok" for s in sensors),
    }
    if known:
        fields["excess_m3s"] = sum(known) / DAY_S
    out.append(Figure(STATE, time, {"what": "site"}, fields))
    return out
