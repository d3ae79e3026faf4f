"""The gate of sensors before the tracker, on a folder's measurements as on a site's readings."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analytics.gate.fault import Fault
from analytics.gate.gate import Gate
from analytics.model.work import Work
from twuin.monitor.distrust import Distrust, layout_of
from twuin.monitor.plant import Plant, Rows, hourly
from waterworks.gating import gating
from waterworks.site import Dma, Role, Sensor, Site
from waterworks.units import Quantity

Floats = NDArray[np.float64]

STEPS = (900, 1800, 3600)
"""Steps of the gate [s]: that of a site's monitor, or the measurements' where these are coarser."""


def site_of(plant: Plant, names: dict[str, tuple[str, ...]]) -> Site:
    """The folder as a site, of which the parts between flow meters are the DMAs.

    names: columns of the measurements. Customers' meters are not checked and left out.
    """
    n, zone = plant.network, plant.layout.zone

    def dma(node: int) -> str:
        return f"Z{zone[node] + 1}" if zone[node] >= 0 else ""

    sensors = [
        Sensor(f"P-{x}", Quantity.PRESSURE, "m", dma(n.node_index[x]), x, element=x)
        for x in names["Pressures"]
    ]
    for x in names["Flows"]:
        link = n.link_index[x]
        into, out_of = dma(int(n.end[link])), dma(int(n.start[link]))
        sensors.append(
            Sensor(f"F-{x}", Quantity.FLOW, "m3/s", into, x, Role.INLET, from_dma=out_of, element=x)
        )
    sensors += [
        Sensor(f"L-{x}", Quantity.LEVEL, "m", dma(n.node_index[x]), x, element=x) for x in names["Levels"]
    ]
    return Site(
        id="folder",
        name="folder",
        timezone=ZoneInfo("UTC"),
        dmas=tuple(Dma(f"Z{k + 1}", f"Zone {k + 1}", 0) for k in range(plant.layout.zones)),
        sensors=tuple(sensors),
        folder=Path(),
        network_file=None,
        node_dma={},
    )


class BattleGate:
    """Fed with the measurements in their order; then says which of them the tracker should not see.

    ``faults``: what it has found, times in its own rows (``STEPS`` from ``origin`` on).
    """

    def __init__(self, plant: Plant, names: dict[str, tuple[str, ...]], origin: int, interval_s: int) -> None:
        """origin [s since 1970]: midnight of the first day."""
        self.origin, self._interval = origin, interval_s
        self.step_s = next((s for s in STEPS if s >= interval_s), STEPS[-1])
        frame = gating(site_of(plant, names), plant.network)
        self.ids = frame.ids
        self._gate = Gate(layout_of(frame), self.step_s)
        self._distrust = Distrust(frame, self.step_s)

    @property
    def faults(self) -> list[Fault]:
        return self._gate.faults

    def advance(self, rows: Rows, until: int) -> Work[int | None]:
        """Take what was measured up to ``until`` [s since 1970], a midnight, hour by hour. Returns the first
        second of which it now says other than before, None where it says nothing new."""
        gate, step = self._gate, self.step_s
        values = np.hstack([rows.pressure, rows.flow, rows.level])
        at = np.arange(self.origin + gate.rows * step, until, step)
        x = hourly(values, np.searchsorted(rows.seconds, np.append(at, until)).astype(np.int64))
        for first in range(0, len(x), 3600 // step):
            hour = slice(first, first + 3600 // step)
            day, second = np.divmod(at[hour], 86400)
            gate.advance(x[hour], np.zeros(x[hour].shape, bool), day, second // step)
            yield
        gate.forget(1)  # nobody takes it back
        row = self._distrust.changed(gate)
        return None if row is None else self.origin + row * step

    def believed(self, rows: Rows) -> Rows:
        """The rows without what is not to be trusted, as far as is known by now."""
        doubt = self._distrust.of(
            self._gate, self.origin, self.ids, rows.seconds, self._interval, doubt_before=True
        )
        if not doubt.any():
            return rows
        p, f, k = rows.pressure.shape[1], rows.flow.shape[1], rows.level.shape[1]
        at = np.split(doubt, [p, p + f, p + f + k], axis=1)
        return rows._replace(
            pressure=np.where(at[0], np.nan, rows.pressure),
            flow=np.where(at[1], np.nan, rows.flow),
            level=np.where(at[2], np.nan, rows.level),
        )
