"""The call that writes to InfluxDB 2, ``/api/v2/write``, on VictoriaMetrics, which takes it too.

VictoriaMetrics is no store for Twuin: it answers before what it took is durable, and it has no InfluxQL.
"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.store.influx.access import Access
from ingest.store.influx.lines import Lines
from ingest.store.influx.schema import Schema
from ingest.store.influx.server import Server
from ingest.store.influx.store import InfluxStore
from waterworks.errors import StoreError
from waterworks.reading import ReadingBatch
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity

pytestmark = pytest.mark.servers

T0 = np.datetime64("2026-03-01", "us")
STEP = np.timedelta64(1, "s")


def exported(url: str, selector: str) -> dict[str, tuple[list[int], list[float]]]:
    """Times [ms] and values of the series that match, by sensor."""
    urllib.request.urlopen(f"{url}/internal/force_flush", timeout=30).close()
    query = urllib.parse.urlencode({"match[]": selector, "start": "2026-01-01T00:00:00Z"})
    with urllib.request.urlopen(f"{url}/api/v1/export?{query}", timeout=30) as answer:
        found = [json.loads(line) for line in answer]
    return {series["metric"]["sensor"]: (series["timestamps"], series["values"]) for series in found}


def test_lines_written_as_to_influxdb_2_come_back(victoria: Any) -> None:
    names = ["plain", "with blank, comma=equals", 'quote"s', "水 ½", "back\\slash\\"]
    sensors = (Sensor(n, Quantity.FLOW, "m3/h", "D 1", "d", Role.INLET) for n in names)
    site = Site("a, b=c", "Town", ZoneInfo("UTC"), (), tuple(sensors), Path())
    rows = np.arange(len(names) * 200)
    values = np.random.default_rng(0).normal(28, 3, len(rows)).round(2) / 3600
    batch = ReadingBatch.columns(
        names, rows % len(names), T0 + (rows // len(names)) * STEP, values, received=T0, quality=rows % 3
    )
    server = Server(Access(victoria.url, "twuin", org="any", token="any"))
    assert server.write(Lines(Schema(site)).of(batch)) == 0
    server.close()
    found = exported(victoria.url, '{__name__="flow_flow_m3s",site="a, b=c",dma="D 1",kind="inlet"}')
    assert sorted(found) == sorted([*names[:4], "back%5Cslash%5C"])
    for k, name in enumerate([*names[:4], "back%5Cslash%5C"]):
        times, read = found[name]
        mine = batch.sensor == k
        assert times == (batch.time[mine].astype(np.int64) // 1000).tolist()
        np.testing.assert_allclose(read, values[mine], rtol=1e-12)
    flags = exported(victoria.url, '{__name__="flow_quality",site="a, b=c"}')
    assert flags["plain"][1] == (batch.quality[batch.sensor == 0]).tolist()


@pytest.mark.parametrize("version", [1, 2])
def test_it_is_refused_as_a_store_since_it_cannot_be_asked(victoria: Any, version: Literal[1, 2]) -> None:
    site = Site("town", "Town", ZoneInfo("UTC"), (), (), Path())
    store = InfluxStore(Access(victoria.url, "twuin", version=version, org="any", token="any"), site)
    with pytest.raises(StoreError):
        store.append(ReadingBatch.of(["a"], [T0], [1.0], received=T0))
    store.close()
