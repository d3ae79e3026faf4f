"""The contract of ``FigureStore`` on a real InfluxDB 1.6."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.store.influx.access import Access
from ingest.store.influx.store import InfluxStore
from waterworks.errors import StoreUnavailable
from waterworks.figures import Figure, FigureStore
from waterworks.site import Site

pytestmark = pytest.mark.servers

TIME = np.datetime64("2026-03-10T03:00:00.000001", "us")


def site(id: str) -> Site:
    return Site(id, id, ZoneInfo("Asia/Jakarta"), (), (), Path())


@pytest.fixture
def access(influxdb: Any) -> Access:
    return Access(influxdb.url, f"t-{uuid.uuid4().hex}", version=1)


@pytest.fixture
def store(access: Access) -> Iterator[InfluxStore]:
    made = InfluxStore(access, site("kota, satu"))
    yield made
    made.close()


def test_it_is_one(store: InfluxStore) -> None:
    assert isinstance(store, FigureStore)


def test_tags_come_back_as_they_were_given_whatever_they_hold(store: InfluxStore) -> None:
    tags = {"span": "leak:a=b, c\\d", "what": "leak", "dma": ""}
    store.write_figures([Figure("m", TIME, tags, {"shown": 1, "text": 'say "x"\\'})])
    assert store.figure_times("m", "shown") == {
        frozenset({("span", "leak:a=b, c\\d"), ("what", "leak")}): [TIME]
    }


def test_written_again_it_is_one_point_and_fields_take_the_old_ones_place(store: InfluxStore) -> None:
    tags = {"span": "a"}
    for shown in (1, 1, 0):
        store.write_figures([Figure("m", TIME, tags, {"shown": shown, "text": "t"})])
    assert store.figure_times("m", "shown") == {}
    store.write_figures([Figure("m", TIME, tags, {"shown": 1})])
    assert list(store.figure_times("m", "shown").values()) == [[TIME]]


def test_each_site_sees_its_own(store: InfluxStore, access: Access) -> None:
    store.write_figures([Figure("m", TIME, {"span": "a"}, {"shown": 1})])
    other = InfluxStore(access, site("kota dua"))
    assert other.figure_times("m", "shown") == {}
    other.close()


def test_figures_are_no_readings(store: InfluxStore) -> None:
    store.write_figures([Figure("twuin_state", TIME, {"sensor": "S1"}, {"state": 0})])
    assert store.names() == []
    assert store.extent() is None


def test_none_is_nothing_and_a_server_that_is_away_is_said_so(new_influxdb: Any, tmp_path: Path) -> None:
    server = new_influxdb(tmp_path)
    store = InfluxStore(Access(server.url, "t", version=1), site("kota"))
    store.write_figures([])
    store.write_figures([Figure("m", TIME, {}, {"x": 1.0})])
    server.end()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.write_figures([Figure("m", TIME, {}, {"x": 1.0})])
    store.close()
