"""Labelled files, read again by the part of Twuin that reads anybody's files."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from firmware_sim.files import OutputError, write_files
from firmware_sim.fleet import readings
from firmware_sim.scenario import parse_scenario
from ingest.files import Tally, open_files
from ingest.mapping import load_mapping
from waterworks.reading import ReadingBatch
from waterworks.site import Site

TEXT = """
[devices]
clock_spread_s = 0

[[leak]]
id = "hole"
pipe = "CD"
start = "+6h"
end = "+30h"
flow_m3h = 5

[[fault]]
id = "radio"
kind = "offline"
device = "LOG-C"
start = "+20h"
end = "+28h"

[[fault]]
id = "slow clock"
kind = "zone"
device = "LOG-E"
start = "+10h"
value = -5
"""
HOURS = 54


def known(batch: ReadingBatch) -> dict[tuple[str, int], float]:
    times = batch.time.astype(np.int64).tolist()
    names = [batch.names[i] for i in batch.sensor]
    return dict(zip(zip(names, times, strict=True), batch.value.tolist(), strict=True))


@pytest.mark.parametrize("format", ["parquet", "csv", "battle"])
def test_files_and_their_mapping_give_back_what_the_devices_delivered(
    site: Site, start: np.datetime64, tmp_path: Path, format: Literal["parquet", "csv", "battle"]
) -> None:
    # A quantity that is no pressure, flow or level has no place in the wide files.
    site = replace(site, sensors=tuple(s for s in site.sensors if s.id != "CL"))
    end = start + np.timedelta64(HOURS, "h")
    report = write_files(site, parse_scenario(TEXT), tmp_path / "out", start, end, format=format)
    mapping = load_mapping(tmp_path / "out" / "mapping.toml")
    tally = Tally()
    files = open_files(mapping.files_in(tmp_path / "out"), mapping, site)
    read = ReadingBatch.concat(
        b for f in files for b in f.batches(tally, received=np.datetime64("2027-01-01", "us"))
    )
    delivered = ReadingBatch.concat(readings(site, parse_scenario(TEXT), start, end))
    found, wanted = known(read), known(delivered)
    assert found.keys() == wanted.keys()
    # The wide files have two decimals; a pressure of 0.001 bar is 0.0102 m.
    tolerance = 0.0051 if format == "battle" else 1e-9
    assert max(abs(found[k] - v) for k, v in wanted.items()) <= tolerance
    assert report.readings == len(delivered)
    assert all(path.is_file() for path in report.paths)


def test_truth_stands_beside_the_readings(site: Site, start: np.datetime64, tmp_path: Path) -> None:
    write_files(site, parse_scenario(TEXT), tmp_path / "out", start, start + np.timedelta64(HOURS, "h"))
    with (tmp_path / "out" / "leaks.csv").open() as file:
        (leak,) = csv.DictReader(file)
    assert (leak["id"], leak["pipe"], leak["dma"]) == ("hole", "CD", "H")
    assert leak["start"] == "2026-03-04T06:00:00+07:00" and leak["end"] == "2026-03-05T06:00:00+07:00"
    with gzip.open(tmp_path / "out" / "leak_flows.csv.gz", "rt") as file:
        flows = list(csv.DictReader(file))
    assert len(flows) == HOURS * 12
    told = np.array([float(row["hole"]) for row in flows])
    assert np.flatnonzero(told).tolist() == list(range(72, 360))
    assert told.max() == pytest.approx(float(leak["peak_flow_m3h"]), abs=1e-3)
    assert told.sum() / 12 == pytest.approx(float(leak["volume_m3"]), abs=0.3)
    with (tmp_path / "out" / "faults.csv").open() as file:
        assert [(f["id"], f["device"]) for f in csv.DictReader(file)] == [
            ("radio", "LOG-C"),
            ("slow clock", "LOG-E"),
        ]
    assert (tmp_path / "out" / "scenario.toml").read_text() == TEXT


def test_wide_files_look_like_the_competitions(site: Site, start: np.datetime64, tmp_path: Path) -> None:
    new_year = np.datetime64("2026-12-31T00:00", "us")
    write_files(
        site,
        parse_scenario(TEXT),
        tmp_path / "out",
        new_year,
        new_year + np.timedelta64(2, "D"),
        format="battle",
    )
    names = sorted(p.name for p in (tmp_path / "out").glob("*SCADA*"))
    kinds = ("Demands", "Flows", "Levels", "Pressures")
    assert names == [f"{year}_SCADA_{kind}.csv.gz" for year in (2026, 2027) for kind in kinds]
    with gzip.open(tmp_path / "out" / "2026_SCADA_Pressures.csv.gz", "rt") as file:
        lines = file.read().splitlines()
    assert lines[0] == "Timestamp;B;C;E"
    assert lines[1].startswith("2026-12-31 07:00:00;") and "," in lines[1] and "." not in lines[1]


def test_wide_files_need_devices_in_step(site: Site, start: np.datetime64, tmp_path: Path) -> None:
    spread = parse_scenario('[devices]\nphase = "spread"\n')
    with pytest.raises(OutputError, match="aligned"):
        write_files(site, spread, tmp_path / "out", start, start + np.timedelta64(1, "h"), format="battle")


def test_a_folder_in_use_is_left_alone(site: Site, start: np.datetime64, tmp_path: Path) -> None:
    end = start + np.timedelta64(1, "h")
    with pytest.raises(OutputError, match="not empty"):
        write_files(site, parse_scenario(""), tmp_path, start, end)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OutputError, match="is a file"):
        write_files(site, parse_scenario(""), file, start, end)
