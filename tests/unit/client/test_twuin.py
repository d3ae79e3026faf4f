"""What a program sees of Twuin through the client, over a real connection."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from twuin.client import ClientError, NotUnderstood, Problem, Twuin
from twuin.client.decode import record
from twuin.client.records import Site

M3H = 3600.0


def test_importing_it_brings_nothing_of_the_server() -> None:
    code = (
        "import sys, twuin.client\n"
        "server = {'fastapi', 'starlette', 'sqlalchemy', 'pydantic', 'scipy', 'pyarrow', 'duckdb'}\n"
        "server |= {'waterworks', 'ingest', 'analytics', 'firmware_sim'}\n"
        "ours = [m for m in sys.modules if m.startswith('twuin.') and not m.startswith('twuin.client')]\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules} & server), *ours)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_readings_are_all_there_as_they_were_stored(twuin: Twuin, small_town: Any) -> None:
    extent = small_town.store.extent(["D1-IN"])
    stored = small_town.store.window(["D1-IN"], extent[0], extent[1] + np.timedelta64(1, "us"))
    found = twuin.readings("D1-IN")
    assert found.unit == "m3/h" and found.step_s is None
    assert found.times.dtype == np.dtype("datetime64[us]")
    np.testing.assert_array_equal(found.times, stored.times)
    np.testing.assert_allclose(found.values, stored.values[:, 0] * M3H, atol=1e-6)
    assert (twuin.readings("T-LEVEL").quality == 2).all()


def test_a_range_takes_its_start_and_leaves_its_end(twuin: Twuin) -> None:
    start = datetime(2026, 3, 10, 7, 0, tzinfo=UTC).astimezone() - timedelta(hours=6)
    found = twuin.readings("D1-IN", start, np.datetime64("2026-03-10T01:15"))
    assert [str(t)[11:16] for t in found.times] == ["01:00", "01:05", "01:10"]


def test_means_say_over_how_long(twuin: Twuin) -> None:
    every, few = twuin.readings("D1-IN"), twuin.readings("D1-IN", max_points=40)
    assert few.step_s is not None and len(few) <= 40 < len(every)
    assert few.values.mean() == pytest.approx(every.values.mean(), rel=0.02)


def test_a_sensor_without_readings_gives_empty_arrays(twuin: Twuin) -> None:
    found = twuin.readings("D2-P")
    assert len(found) == 0 and found.unit == "m" and found.times.dtype == np.dtype("datetime64[us]")


def test_the_inflow_of_a_dma_comes_with_what_was_expected(twuin: Twuin) -> None:
    found = twuin.dma_series("D1", max_points=2000)
    assert found.unit == "m3/h" and len(found) == 36 * 12
    np.testing.assert_allclose(found.expected, 90)
    np.testing.assert_allclose(found.high - found.low, 30)
    assert found.inflow[-1] == pytest.approx(100 + 431 / 12, rel=1e-3)


def test_pages_are_hidden(twuin: Twuin, small_town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    t = small_town
    t.alerts.apply([t.leak("D1"), t.leak("D2", onset_h=-7), t.leak("D3", onset_h=-9)])
    monkeypatch.setattr("twuin.client.twuin.PAGE", 1)
    assert [a.dma for a in twuin.alerts()] == ["D1", "D2", "D3"]


def test_an_alert_is_worked_on_and_the_second_to_act_is_told(twuin: Twuin) -> None:
    (alert,) = twuin.alerts(state="open")
    assert [s.pipe for s in alert.suspects] == ["P2", "P1"] and alert.onset.tzinfo is UTC
    after = twuin.act(alert, "acknowledge", actor="Sari", note="seen")
    assert after.state == "acknowledged" and after.history[-1].actor == "Sari"
    with pytest.raises(Problem) as refused:
        twuin.act(alert, "assign", assignee="Crew 1")
    assert refused.value.status == 409 and refused.value.type == "urn:twuin:problem:stale-alert"
    assert refused.value.more["current_version"] == after.version
    assert "look at it again" in str(refused.value)


def test_the_same_key_is_done_once(twuin: Twuin) -> None:
    (alert,) = twuin.alerts()
    once = twuin.act(alert, "note", note="seen", key="k1")
    again = twuin.act(alert, "note", note="seen", key="k1")
    assert len(once.history) == len(again.history)
    start = datetime(2026, 3, 12, tzinfo=UTC)
    end = start + timedelta(hours=2)
    works = [twuin.enter_work("tank", start, end, dmas=["D1"], no_supply=True, key="7").id for _ in "ab"]
    assert len(set(works)) == len(twuin.works(until=end)) == 1


def test_a_problem_says_what_was_wrong(twuin: Twuin) -> None:
    with pytest.raises(Problem, match=r"404: .*D9"):
        twuin.dma("D9")
    with pytest.raises(Problem) as wrong:
        twuin.readings("D1-IN", max_points=1)
    assert wrong.value.status == 422 and wrong.value.errors[0]["name"] == "max_points"
    with pytest.raises(Problem, match="404"):
        twuin.dma("../alerts")  # a name is no path
    start = datetime(2026, 3, 12, tzinfo=UTC)
    with pytest.raises(Problem, match="422: "):
        twuin.enter_work("flushing", start, start - timedelta(hours=2), dmas=["D1"])


def test_what_cannot_be_meant_is_refused_before_it_is_sent(twuin: Twuin, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="no zone"):
        twuin.readings("D1-IN", datetime(2026, 3, 10))  # noqa: DTZ001
    with pytest.raises(ClientError, match="no time"):
        twuin.readings("D1-IN", np.datetime64("NaT"))
    with pytest.raises(ClientError, match="format="):
        twuin.export_series(tmp_path / "d1.txt")
    for url in (
        "water.example",
        "ftp://water.example",
        "https://me:secret@water.example",
        "https://",
        "http://a?b",
    ):
        with pytest.raises(ClientError, match="address"):
            Twuin(url)
    with pytest.raises(ClientError, match="token"):
        Twuin("https://water.example", "twuin_x\r\nHost: elsewhere")


def test_files_are_whole_and_nothing_is_written_over(twuin: Twuin, tmp_path: Path) -> None:
    path = twuin.export_series(tmp_path / "d1.parquet", ["D1-IN", "D1-P"])
    assert set(pq.read_table(path).column("sensor").to_pylist()) == {"D1-IN", "D1-P"}
    before = path.read_bytes()
    with pytest.raises(ClientError, match="there already"):
        twuin.export_series(path, format="csv")
    assert path.read_bytes() == before
    assert twuin.export_series(path, format="csv", replace=True).read_text().startswith("time,sensor")
    with pytest.raises(Problem, match="D9"):
        twuin.export_series(tmp_path / "d9.csv", "D9")
    with pytest.raises(ClientError, match="No such file"):
        twuin.export_series(tmp_path / "nowhere" / "d1.csv")
    assert [p.name for p in tmp_path.glob("*d*1*")] == ["d1.parquet"]
    assert twuin.export_geopackage(tmp_path / "town.gpkg").read_bytes()[:6] == b"SQLite"


def test_its_text_does_not_tell_the_token() -> None:
    assert repr(Twuin("https://water.example/", "twuin_secret")) == "Twuin('https://water.example')"


def test_a_newer_server_may_tell_more_and_an_older_one_is_named() -> None:
    told = {
        "id": "a", "name": "b", "timezone": "Asia/Jakarta", "now": "2026-03-10T03:00:00Z", "clock_speed": 1,
        "clock": "wall", "watermark": None, "stale_after_s": None, "catching_up": False,
        "has_readings": True, "has_network": True, "currency": "IDR", "bounds": [1, 2, 3, 4], "moon": "full",
    }  # fmt: skip
    site = record(Site, told)
    assert site.bounds == (1.0, 2.0, 3.0, 4.0) and site.now == datetime(2026, 3, 10, 3, tzinfo=UTC)
    for name, value in (
        ("currency", 7),
        ("has_network", 1),
        ("clock_speed", True),
        ("now", "2026-03-10T03:00:00"),
    ):
        with pytest.raises(NotUnderstood, match="no Site"):
            record(Site, {**told, name: value})
    with pytest.raises(NotUnderstood, match="currency"):
        record(Site, {k: v for k, v in told.items() if k != "currency"})
