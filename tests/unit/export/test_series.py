"""Series that are taken along are all there, with unit, zone and quality, and are never held as a whole."""

from __future__ import annotations

import csv
import io
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from twuin.views.export import series
from twuin.views.export.series import SeriesFormat
from twuin.views.views import Views
from waterworks.errors import NotFound

STEP = np.timedelta64(300, "s")


def rows_of(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode())))


def test_csv_names_time_zone_unit_and_quality_of_every_reading(api: TestClient) -> None:
    answer = api.get("/export/series")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = rows_of(answer.content)
    assert len(rows) == 4 * 36 * 12
    assert [r["sensor"] for r in rows[:: 36 * 12]] == ["D1-IN", "D1-D2", "D1-P", "T-LEVEL"]
    assert rows[0] == {
        "time": "2026-03-08T15:05:00Z", "sensor": "D1-IN", "quantity": "flow", "value": "100.0",
        "unit": "m3/h", "quality": "0", "flags": "good",
    }  # fmt: skip
    assert rows[-1]["flags"] == "out_of_range"
    assert rows[-1]["quality"] == "2"
    local = rows_of(api.get("/export/series?sensor=D1-P&local=true&end=2026-03-08T22:10:00%2B07:00").content)
    assert [(r["time"], r["value"], r["unit"]) for r in local] == [("2026-03-08T22:05:00+07:00", "35.0", "m")]


def test_parquet_holds_the_same_with_types_and_what_they_mean(api: TestClient, views: Views) -> None:
    answer = api.get("/export/series?format=parquet&local=true")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = pq.read_table(io.BytesIO(answer.content))
    assert str(table.schema.field("time").type) == "timestamp[us, tz=Asia/Jakarta]"
    meta = table.schema.metadata
    assert meta[b"twuin.site"] == b"town"
    assert meta[b"twuin.quality"] == b"1 suspect, 2 out_of_range, 4 clock, 8 estimated"
    plain = rows_of(b"".join(views.export_series((), None, None, SeriesFormat.CSV)))
    found = table.to_pydict()
    for k in range(0, len(plain), 97):
        assert found["time"][k].astimezone(UTC) == datetime.fromisoformat(plain[k]["time"])
        assert found["value"][k] == pytest.approx(float(plain[k]["value"]), abs=1e-6)
        for name in ("sensor", "quantity", "unit", "flags"):
            assert found[name][k] == plain[k][name]
        assert found["quality"][k] == int(plain[k]["quality"])
    assert table.num_rows == len(plain)


def test_an_unknown_sensor_or_an_empty_range_is_told(api: TestClient) -> None:
    assert api.get("/export/series?sensor=nothing").status_code == 404
    assert api.get("/export/series?start=2026-03-09T00:00:00Z&end=2026-03-08T00:00:00Z").status_code == 422
    empty = api.get("/export/series?start=2030-01-01T00:00:00Z")
    assert empty.text == "time,sensor,quantity,value,unit,quality,flags\r\n"
    assert (
        pq.read_table(
            io.BytesIO(api.get("/export/series?format=parquet&end=2020-01-01T00:00:00Z").content)
        ).num_rows
        == 0
    )


@pytest.mark.parametrize("format", list(SeriesFormat))
def test_a_long_series_is_written_in_little_memory(
    small_town: Any, views: Views, monkeypatch: pytest.MonkeyPatch, format: SeriesFormat
) -> None:
    times = np.datetime64("2020-01-01", "us") + np.arange(60_000) * STEP
    small_town.put("D2-P", times, 30.0)
    monkeypatch.setattr(series, "ROWS", 1_000)
    tracemalloc.start()
    size = sum(len(chunk) for chunk in views.export_series(["D2-P"], None, None, format))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > (2_000_000 if format is SeriesFormat.CSV else 20_000)
    assert peak < 1_500_000


def test_nobody_gets_what_is_not_theirs(small_town: Any, views: Views) -> None:
    limited = views.limited_to(frozenset({"D1"}))
    rows = rows_of(b"".join(limited.export_series((), None, None, SeriesFormat.CSV)))
    assert {r["sensor"] for r in rows} == {"D1-IN", "D1-D2", "D1-P"}
    with pytest.raises(NotFound):
        limited.export_series(["T-LEVEL"], None, None, SeriesFormat.CSV)


def test_the_command_writes_whole_files_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from twuin.cli.export import _write
    from waterworks.errors import SettingsError

    def broken() -> Any:
        yield b"some"
        raise OSError(28, "No space left on device")

    to = tmp_path / "series.csv"
    with pytest.raises(SettingsError, match="No space left"):
        _write(to, broken())
    assert list(tmp_path.iterdir()) == []
    _write(to, iter([b"all"]))
    assert to.read_bytes() == b"all"
    assert list(tmp_path.iterdir()) == [to]
    with pytest.raises(SettingsError, match="there already"):
        _write(to, iter([b"other"]))
    assert to.read_bytes() == b"all"
