"""Paging through Observations reads windows, never a series, and finds what a plain loop finds."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from ingest.store.influx.access import Access
from ingest.store.influx.store import InfluxStore
from twuin.views.sensorthings import SensorThings, WrongQuery, walk
from twuin.views.sensorthings.catalogue import Catalogue
from waterworks.ports import ReadingStore
from waterworks.reading import ReadingBatch, Window, as_datetime

ROOT = "http://localhost/sta"
NAMES = ("D1-IN", "D1-D2", "D1-P", "T-LEVEL")
BEGIN = np.datetime64("2026-01-01T00:00:00", "us")


class Counting:
    """A store that notes how large the windows are that are asked of it."""

    def __init__(self, store: ReadingStore) -> None:
        self._store = store
        self.windows: list[int] = []

    def window(self, *given: Any, **more: Any) -> Window:
        window = self._store.window(*given, **more)
        self.windows.append(int((~np.isnan(window.values)).sum()))
        return window

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture(params=["embedded", "influxdb"])
def store(request: pytest.FixtureRequest, small_town: Any, tmp_path: Path) -> Iterator[ReadingStore]:
    """Both kinds of store, with 12,000 readings: dense and sparse stretches, holes, equal and odd times."""
    opened: ReadingStore
    if request.param == "embedded":
        opened = DuckStore(tmp_path / "other.duckdb")
    else:
        url = request.getfixturevalue("influxdb").url
        opened = InfluxStore(Access(url, f"t-{uuid.uuid4().hex}", version=1), small_town.site)
    random = np.random.default_rng(3)
    for k, name in enumerate(NAMES):
        minutes = np.unique(random.integers(0, 60 * 24 * 40, 2500)).astype("timedelta64[m]")
        dense = np.arange(500) * np.timedelta64(1 + k, "s") + np.timedelta64(50, "D")
        times = BEGIN + np.concatenate([minutes, dense, [np.timedelta64(1, "us")]])
        values = random.normal(10, 3, len(times))
        opened.append(ReadingBatch.columns([name], np.zeros(len(times), int), times, values, received=BEGIN))
    yield opened
    opened.close()


def service(town: Any, store: Any) -> SensorThings:
    now = lambda: as_datetime(town.clock.now())  # noqa: E731
    return SensorThings(Catalogue(town.site, store, {}, {}, now), store, now)


def pages(sta: SensorThings, path: str) -> Iterator[list[dict[str, Any]]]:
    """Every page from ``path`` on, as links lead to them."""
    link: str | None = f"{ROOT}/{path}"
    while link:
        at, _, query = link.removeprefix(ROOT + "/").partition("?")
        body = sta.answer(at, query, ROOT).body
        yield body["value"]
        link = body.get("@iot.nextLink")


def plain(store: ReadingStore, down: bool) -> list[str]:
    """Ids of all readings by time, then by name, the slow way."""
    out = []
    for name in NAMES:
        window = store.window([name], BEGIN, BEGIN + np.timedelta64(400, "D"))
        out += [(int(t.astype(np.int64)), name) for t in window.times]
    out.sort(key=lambda k: (-k[0] if down else k[0], k[1]))
    return [f"{name}@{us}" for us, name in out]


@pytest.mark.parametrize("down", [False, True], ids=["oldest first", "newest first"])
def test_pages_hold_every_reading_once_and_in_order(small_town: Any, store: ReadingStore, down: bool) -> None:
    counting = Counting(store)
    sta = service(small_town, counting)
    path = "Observations?$top=997&$select=id" + ("&$orderby=phenomenonTime desc" if down else "")
    found = [[o["@iot.id"] for o in page] for page in pages(sta, path)]
    assert [id for page in found for id in page] == plain(store, down)
    assert all(len(page) == 997 for page in found[:-1])
    assert max(counting.windows) < 9000  # of 12,000


def test_a_page_of_the_newest_reads_little(small_town: Any, store: ReadingStore) -> None:
    counting = Counting(store)
    sta = service(small_town, counting)
    one = sta.answer("Datastreams('D1-IN')/Observations", "$orderby=phenomenonTime desc&$top=1", ROOT)
    assert counting.windows == []
    few = sta.answer("Datastreams('D1-IN')/Observations", "$orderby=phenomenonTime desc&$top=3", ROOT)
    assert few.body["value"][0] == one.body["value"][0]
    assert sum(counting.windows) < 1000


def test_skip_and_count_agree_with_the_pages(small_town: Any, store: ReadingStore) -> None:
    sta = service(small_town, store)
    ids = plain(store, down=False)
    body = sta.answer("Observations", "$skip=5003&$top=10&$count=true&$select=id", ROOT).body
    assert [o["@iot.id"] for o in body["value"]] == ids[5003:5013]
    assert body["@iot.count"] == len(ids)


def test_a_filter_for_what_is_rare_ends_and_says_where_to_go_on(
    small_town: Any, store: ReadingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "JUDGED", 2000)
    monkeypatch.setattr(walk, "LARGEST", 500)
    sta = service(small_town, store)
    for order in ("", "&$orderby=phenomenonTime desc"):
        parts = list(
            pages(sta, "Datastreams('D1-P')/Observations?$filter=result gt 17&$select=result" + order)
        )
        window = store.window(["D1-P"], BEGIN, BEGIN + np.timedelta64(400, "D"))
        assert sum(len(part) for part in parts) == int((np.round(window.values, 6) > 17).sum()) > 0
        assert len(parts) > 1  # it did not look at all of them at once


def test_a_count_beyond_what_a_request_looks_at_is_reckoned(
    small_town: Any, store: ReadingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "BUDGET", 1000)
    monkeypatch.setattr(walk, "LARGEST", 250)
    sta = service(small_town, store)
    within = "$filter=phenomenonTime lt 2026-02-09T00:00:00Z&$top=0&$count=true"
    true = len(store.window(["D1-P"], BEGIN, BEGIN + np.timedelta64(39, "D")).times)
    found = sta.answer("Datastreams('D1-P')/Observations", within, ROOT).body["@iot.count"]
    assert found != true
    assert abs(found - true) < 0.2 * true


def test_what_would_read_too_much_is_refused(
    small_town: Any, store: ReadingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "SORTED", 1000)
    monkeypatch.setattr(walk, "BUDGET", 1000)
    sta = service(small_town, store)
    with pytest.raises(WrongQuery, match="narrow them with"):
        sta.answer("Observations", "$orderby=result", ROOT)
    with pytest.raises(WrongQuery, match=r"\$skip passes"):
        sta.answer("Observations", "$skip=11000", ROOT)
    day = "$orderby=result&$top=2&$filter=phenomenonTime lt 2026-01-02"
    low, second = (o["result"] for o in sta.answer("Observations", day, ROOT).body["value"])
    window = store.window(["D1-P", "T-LEVEL"], BEGIN, BEGIN + np.timedelta64(1, "D"))
    assert [low, second] == pytest.approx(
        np.sort(window.values[~np.isnan(window.values)])[:2].tolist(), abs=1e-6
    )
