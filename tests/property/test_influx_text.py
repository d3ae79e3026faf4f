"""Whatever a series is called and whatever it measures, InfluxDB gives it back as it was written."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.store.influx.access import Access
from ingest.store.influx.server import JOURNAL_POLICY, Server
from ingest.store.influx.store import InfluxStore
from ingest.store.influx.text import original, plain
from waterworks.errors import StoreError
from waterworks.reading import ReadingBatch
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity

T0 = np.datetime64("2026-03-01", "us")
FAR = T0 + np.timedelta64(20_000, "D")

LINE = st.characters(
    exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029"
)  # any character but line ends, controls and halves of surrogate pairs
NASTY = st.text(st.sampled_from("\\,= \"'%5C2#:/;{}aé水"), min_size=1, max_size=12)
NAMES = st.one_of(st.text(LINE, min_size=1, max_size=40), NASTY)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(name=st.one_of(NAMES, st.text(st.sampled_from("\\%5C2"), min_size=1)), other=NAMES)
def test_no_two_names_are_written_alike(name: str, other: str) -> None:
    assert original(plain(name)) == name
    assert "\\" not in plain(name)
    assert (plain(name) == plain(other)) == (name == other)


@pytest.mark.parametrize("name", ["", "a\nb", "a\rb", "\x00", "a\x7f", "a\u2028b", "\ud800", "x" * 5000])
def test_a_name_that_is_no_line_of_text_is_refused(name: str) -> None:
    with pytest.raises(StoreError):
        plain(name)


VERSIONS = [1, 2] if os.environ.get("TWUIN_TEST_INFLUX_URL") else [1]


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Access]:
    """A database of an InfluxDB 1.6, and of a 2.x where one is named as for the contract suite."""
    name = f"names-{uuid.uuid4().hex}"
    if request.param == 1:
        yield Access(request.getfixturevalue("influxdb").url, name, version=1)
        return
    url, token, org = (os.environ[f"TWUIN_TEST_INFLUX_{what}"] for what in ("URL", "TOKEN", "ORG"))
    access = Access(url, name, org=org, token=token)
    yield access
    api = Server(access).client.buckets_api()
    for made in (name, f"{name}/{JOURNAL_POLICY}"):
        for bucket in api.find_buckets(name=made, org=org).buckets:
            api.delete_bucket(bucket)


def site_of(site: str, names: list[str], dma: str) -> Site:
    """A site whose sensors have these names: of every quantity, in one DMA."""
    kinds = list(Quantity)
    sensors = (
        Sensor(name, kinds[k % len(kinds)], "m", dma, "d", list(Role)[k % len(Role)])
        for k, name in enumerate(names)
    )
    return Site(site, site, ZoneInfo("UTC"), (), tuple(sensors), Path())


@pytest.mark.servers
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    site=NAMES,
    dma=st.one_of(st.just(""), NAMES),
    sensors=st.lists(NAMES, min_size=1, max_size=5, unique=True),
    others=st.lists(NAMES, min_size=1, max_size=5, unique=True),
    values=st.lists(FINITE, min_size=10, max_size=10),
    micros=st.lists(st.integers(0, 10**15), min_size=10, max_size=10),
    quality=st.integers(0, 65535),
)
def test_names_values_and_times_come_back_from_influxdb(
    server: Access,
    site: str,
    dma: str,
    sensors: list[str],
    others: list[str],
    values: list[float],
    micros: list[int],
    quality: int,
) -> None:
    # The databases are shared by all examples: the site keeps them apart.
    store = InfluxStore(server, site_of(f"{site}{uuid.uuid4().hex}", sensors, dma))
    try:
        names = list(dict.fromkeys([*sensors, *others]))
        times = T0 + np.array(micros[: len(names)], "timedelta64[us]")
        batch = ReadingBatch.of(names, times, values[: len(names)], received=T0, quality=quality)
        store.append(batch)
        assert store.names() == sorted(names)
        latest = store.latest()
        for k, name in enumerate(names):
            window = store.window([name], T0, FAR)
            assert window.times.tolist() == [times[k].item()]
            assert window.values.tobytes() == np.array([values[k]]).tobytes()
            assert window.quality.tolist() == [[quality]]
            assert (latest[name].time, latest[name].quality) == (times[k], quality)
        cursor = store.changes(0).cursor
        store.append(batch)
        assert store.changes(cursor).spans == {name: (times[k], times[k]) for k, name in enumerate(names)}
    finally:
        store.close()
