"""What the engine takes from the store, and how often it asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analytics.options import Options
from ingest.store.duck import DuckStore
from twuin.monitor.engine import Engine
from waterworks.reading import Quality, Window
from waterworks.site import Site

DAY = 96  # rows
START = np.datetime64("2026-03-01T00:00:00", "us")


class Asked(DuckStore):
    """Notes for which sensors it was asked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.windows: list[list[str]] = []

    def window(self, sensors: Any, *args: Any, **options: Any) -> Window:
        self.windows.append(sorted(sensors))
        return super().window(sensors, *args, **options)


def test_the_store_is_asked_once_for_gate_and_inflow_where_nothing_is_out_of_range(
    site: Site, readings: Any, tmp_path: Path
) -> None:
    batch = readings(days=3)
    wrong = (batch.time == START + np.timedelta64(36, "h")) & (batch.sensor == batch.names.index("M1"))
    assert wrong.sum() == 1
    value, quality = batch.value.copy(), batch.quality.copy()
    value[wrong], quality[wrong] = 99.0, int(Quality.OUT_OF_RANGE)
    store = Asked(tmp_path / "readings.duckdb")
    store.append(replace(batch, value=value, quality=quality))
    engine = Engine(site, store, None, Options(), 4)
    engine.start(START)

    def inflow(first: int) -> np.ndarray:
        assert engine.origin is not None
        return engine.inflow(first, DAY, *engine.gate.readings(engine.origin, first, DAY))

    clean = inflow(0)
    assert np.isfinite(clean[2:]).all()  # of a tank's level the rate is known from the second on
    assert store.windows == [["M1", "M2", "P1", "P2", "P3", "T1"], ["T1"]]
    store.windows.clear()
    spoilt = inflow(DAY)
    assert store.windows == [["M1", "M2", "P1", "P2", "P3", "T1"], ["M1", "M2"], ["T1"]]
    assert np.isnan(spoilt[48, 0]) and np.isfinite(np.delete(spoilt[:, 0], 48)).all()

    # Were the meters always asked for, it would be the same.
    engine._gated = None
    assert np.array_equal(inflow(0), clean, equal_nan=True)
    store.close()
