"""Files into the store, once and again."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from ingest import backfill as backfill_module
from ingest.backfill import backfill
from ingest.mapping import Mapping, load_mapping
from ingest.reasons import Reason
from ingest.rejected import RejectedLog
from ingest.store.duck import DuckStore
from waterworks.errors import DataFileError, StoreUnavailable
from waterworks.reading import Quality
from waterworks.site import Site
from waterworks.site_folder import read_site

MAPPING = """
[[source]]
files = "flow*.csv*"
time = { column = "t" }
[[source.column]]
name = "in"
sensor = "D1-IN"

[[source]]
files = "pressure*.csv*"
time = { column = "t" }
[[source.column]]
name = "p"
sensor = "D1-P1"
unit = "m"
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Mapping:
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING, encoding="utf-8")
    return load_mapping(path)


@pytest.fixture
def duck(tmp_path: Path) -> DuckStore:
    return DuckStore(tmp_path / "store" / "readings.duckdb")


def write(path: Path, heading: str, values: list[object], start: str = "2026-01-01T00:00") -> Path:
    times = np.datetime64(start, "m") + 5 * np.arange(len(values))
    text = "".join(f"{str(t).replace('T', ' ')},{v}\n" for t, v in zip(times, values, strict=True))
    path.write_text(f"t,{heading}\n{text}", encoding="utf-8")
    return path


def test_what_was_read_is_stored_in_si(tmp_path: Path, site: Site, mapping: Mapping, duck: DuckStore) -> None:
    files = [write(tmp_path / "flow1.csv", "in", [36, 72]), write(tmp_path / "pressure1.csv", "p", [20, 30])]
    report = backfill(duck, site, files, mapping)
    assert (report.read, report.stored, report.duplicates, report.replaced) == (4, 4, 0, 0)
    assert (report.empty, report.rejected, report.flagged) == (0, {}, 0)
    t0 = np.datetime64("2025-12-31T17:00", "us")  # midnight in Jakarta
    assert (report.first, report.last) == (t0, t0 + np.timedelta64(300, "s"))
    window = duck.window(["D1-IN", "D1-P1"], t0, t0 + np.timedelta64(1, "h"))
    assert window.values.tolist() == [[0.01, 20.0], [0.02, 30.0]]


def test_the_same_files_again_add_nothing(
    tmp_path: Path, site: Site, mapping: Mapping, duck: DuckStore
) -> None:
    file = write(tmp_path / "flow1.csv", "in", list(range(100)))
    backfill(duck, site, [file], mapping)
    before = duck.changes(0)
    again = backfill(duck, site, [file], mapping)
    assert (again.stored, again.duplicates, again.replaced) == (0, 100, 0)
    assert duck.changes(0) == before


def test_a_corrected_file_replaces_what_differs(
    tmp_path: Path, site: Site, mapping: Mapping, duck: DuckStore
) -> None:
    backfill(duck, site, [write(tmp_path / "flow1.csv", "in", [1, 2, 3])], mapping)
    report = backfill(duck, site, [write(tmp_path / "flow1.csv", "in", [1, 5, 3, 4])], mapping)
    assert (report.stored, report.duplicates, report.replaced) == (1, 2, 1)


def test_every_cell_is_accounted_for_and_rejected_ones_are_kept(
    tmp_path: Path, site: Site, mapping: Mapping, duck: DuckStore, rejected: RejectedLog
) -> None:
    values = [1, "", "x", 3, "inf", 99999999]
    file = write(tmp_path / "flow1.csv", "in", list(values))
    with file.open("a") as more:
        more.write("2026-01-01 00:15,3\nnever,7\ntorn\n2026-01-01 00:00,2\n")
    report = backfill(duck, site, [file], mapping, rejected=rejected)
    assert report.read == 10
    assert report.stored == 3 and report.duplicates == 1 and report.replaced == 1
    assert report.empty == 1 and report.flagged == 1 and report.out_of_order == 2
    assert report.rejected == {
        Reason.WRONG_TYPE: 1,
        Reason.NOT_FINITE: 1,
        Reason.BAD_TIME: 1,
        Reason.UNEQUAL_COLUMNS: 1,
    }
    total = report.stored + report.duplicates + report.replaced + report.empty + report.rejected_total
    assert report.read == total
    entries = rejected.list(10)
    assert {e.topic for e in entries} == {f"file:flow1.csv:{line}" for line in (4, 6, 9, 10)}
    (text,) = [e for e in entries if e.topic == "file:flow1.csv:4"]
    assert text.payload == b"x" and text.reason == Reason.WRONG_TYPE and "'x'" in text.detail
    assert len(report.examples) == 4
    flagged = duck.window(["D1-IN"], np.datetime64("2025"), np.datetime64("2027")).quality
    assert int(flagged.max()) == Quality.OUT_OF_RANGE


def test_a_bad_file_among_good_ones_stores_nothing(
    tmp_path: Path, site: Site, mapping: Mapping, duck: DuckStore
) -> None:
    good = write(tmp_path / "flow1.csv", "in", [1, 2, 3])
    text = "t,p\n" + "2026-01-01 00:00,1\n" * 5000
    bad = tmp_path / "pressure1.csv.gz"
    bad.write_bytes(gzip.compress(text.encode())[:-20])
    with pytest.raises(DataFileError, match=r"pressure1\.csv\.gz.*ends too early"):
        backfill(duck, site, [good, bad], mapping)
    assert duck.names() == []


def test_a_folder_gives_all_its_files(tmp_path: Path, site: Site, mapping: Mapping, duck: DuckStore) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder / "flow1.csv", "in", [1, 2])
    write(folder / "flow2.csv", "in", [3], start="2026-01-02T00:00")
    write(folder / "pressure1.csv", "p", [4])
    (folder / "readme.txt").write_text("not a file of readings")
    report = backfill(duck, site, [folder], mapping)
    assert report.stored == 4 and len(report.files) == 3


def test_readings_are_stored_by_time_in_bounded_batches(
    tmp_path: Path, site: Site, mapping: Mapping, duck: DuckStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill_module, "COMMIT_READINGS", 50)
    sizes, newest = [], np.datetime64("1970")
    append = duck.append

    def watching(batch):  # type: ignore[no-untyped-def]
        nonlocal newest
        sizes.append(len(batch))
        assert batch.time[0] >= newest
        newest = batch.time[-1]
        return append(batch)

    monkeypatch.setattr(duck, "append", watching)
    shares: list[float] = []
    files = [
        write(tmp_path / "flow1.csv", "in", list(range(500))),
        write(tmp_path / "pressure1.csv", "p", list(range(500))),
    ]
    assert backfill(duck, site, files, mapping, progress=shares.append).stored == 1000
    assert max(sizes) <= 50
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_a_store_that_fails_leaves_what_was_counted_in_the_log(
    tmp_path: Path, site: Site, mapping: Mapping, duck: DuckStore, rejected: RejectedLog
) -> None:
    duck.close()
    with pytest.raises(StoreUnavailable):
        backfill(duck, site, [write(tmp_path / "flow1.csv", "in", [1, "x", 3])], mapping, rejected=rejected)
    assert rejected.counts() == {"wrong_type": 1}


@pytest.mark.data
def test_ferrara_as_it_is(root: Path, data_dir: Path, tmp_path: Path) -> None:
    """Two years of hourly inflow; local times with both clock changes, twice."""
    site = read_site(root / "examples" / "ferrara")
    mapping = load_mapping(root / "examples" / "ferrara" / "mapping.toml")
    store = DuckStore(tmp_path / "readings.duckdb")
    report = backfill(store, site, [data_dir / "ferrara" / "InflowData.xlsx"], mapping)
    assert report.rejected == {} and report.replaced == 0 and report.duplicates == 0
    assert (report.read, report.stored, report.empty) == (19679 * 5, 95186, 3209)
    assert report.first == np.datetime64("2020-12-31T23:00") and report.last == np.datetime64(
        "2023-03-31T21:00"
    )

    names = [f"DMA{k}-IN" for k in range(1, 6)]
    window = store.window(names, report.first, report.last + np.timedelta64(1, "us"))
    # each hour of UTC once: none lost in spring, none doubled in autumn (but one that has no value at all)
    hours = np.diff(window.times) // np.timedelta64(1, "h")
    assert len(window.times) == 19678 and sorted(set(hours.tolist())) == [1, 2]

    def litres(sensor: str, start: str, count: int) -> list[float]:
        begin = np.datetime64(start, "us")
        values = store.window([sensor], begin, begin + np.timedelta64(count, "h")).values[:, 0]
        return [round(v * 1000, 9) for v in values.tolist()]

    # lines 10,803 to 10,805: 01:00, then 03:00 and 04:00 on 27 March 2022
    assert litres("DMA1-IN", "2022-03-27T00:00", 3) == [4.2775, 4.02, 4.0375]
    # lines 16,010 to 16,013: 01:00, 02:00, 02:00 again and 03:00 on 30 October 2022
    assert litres("DMA1-IN", "2022-10-29T23:00", 4) == [4.905, 4.46, 4.7675, 4.495]
    # lines 7,274 to 7,277: the same on 31 October 2021
    assert litres("DMA4-IN", "2021-10-30T23:00", 4) == [25.5125, 34.835, 52.1125, 37.575]
    store.close()


@pytest.mark.data
def test_ltown_as_it_is(root: Path, data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ltown"
    folder.mkdir()
    for file in (root / "examples" / "ltown").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "network.inp").write_bytes((data_dir / "ltown" / "network.inp").read_bytes())
    site = read_site(folder)
    mapping = load_mapping(folder / "mapping.toml")
    store = DuckStore(tmp_path / "readings.duckdb")
    files = [data_dir / "ltown" / f"2018_SCADA_{k}.csv.gz" for k in ("Pressures", "Flows", "Levels")]
    report = backfill(store, site, files, mapping)
    assert (report.read, report.stored) == (105_120 * 37, 105_120 * 37)
    assert report.rejected == {} and report.empty == 0
    start, names = np.datetime64("2018-01-01", "us"), ["P-n1", "P-n769", "F-p227", "F-PUMP_1", "L-T1"]
    first = store.window(names, start, start + np.timedelta64(1, "s")).values[0]
    np.testing.assert_allclose(first, [28.84, 48.63, 65.59 / 3600, 44.14 / 3600, 3.41], rtol=1e-12)
    last = store.window(names, np.datetime64("2018-12-31T23:55"), np.datetime64("2019")).values[0]
    np.testing.assert_allclose(last[[0, 2, 4]], [28.5, 105.29 / 3600, 3.21], rtol=1e-12)
    store.close()
