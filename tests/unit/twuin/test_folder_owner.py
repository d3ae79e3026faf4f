"""A data folder is one site's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from twuin.instance import claim_folder
from waterworks.errors import SettingsError

Run = Callable[..., tuple[int, str, str]]

SENSORS = "id,quantity,unit,dma,device,role\nD1-IN,flow,m3/h,D1,L1,inlet\n"


def site_folder(folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / "site.toml").write_text(f'id = "{name}"\n')
    (folder / "dmas.csv").write_text("id,connections\nD1,100\n")
    (folder / "sensors.csv").write_text(SENSORS)
    return folder


def test_a_folder_stays_with_the_first_site(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    claim_folder(folder, "kota")
    claim_folder(folder, "kota")
    with pytest.raises(
        SettingsError, match=r"is that of site 'kota', not of 'desa': name another with --data-dir"
    ):
        claim_folder(folder, "desa")
    claim_folder(tmp_path / "other", "desa")


@pytest.mark.parametrize("found", [b"", b"\n", b"\xff"])
def test_one_in_which_no_site_is_named_goes_to_who_comes(tmp_path: Path, found: bytes) -> None:
    (tmp_path / "site.id").write_bytes(found)
    claim_folder(tmp_path, "kota")
    with pytest.raises(SettingsError, match="not of 'desa'"):
        claim_folder(tmp_path, "desa")


def test_who_only_reads_takes_no_folder(tmp_path: Path) -> None:
    claim_folder(tmp_path, "desa", keep=False)
    claim_folder(tmp_path, "kota")
    with pytest.raises(SettingsError, match="not of 'desa'"):
        claim_folder(tmp_path, "desa", keep=False)


def test_a_site_that_was_renamed_takes_its_folder_along(tmp_path: Path) -> None:
    claim_folder(tmp_path, "kota")
    (tmp_path / "site.id").unlink()  # as the refusal says
    claim_folder(tmp_path, "kota-baru")


def test_readings_of_two_towns_do_not_get_into_one_folder(tmp_path: Path) -> None:
    """Both call their inlet D1-IN: one's past would be taken for the other's."""
    (tmp_path / "readings.csv").write_text("time,D1-IN\n2026-11-01T00:00+07:00,10\n")
    (tmp_path / "mapping.toml").write_text(
        '[[source]]\nfiles = "*.csv"\ntime = { column = "time" }\n'
        '[[source.column]]\nname = "D1-IN"\nsensor = "D1-IN"\n'
    )

    def backfill(name: str) -> subprocess.CompletedProcess[str]:
        site = site_folder(tmp_path / name, name)
        return subprocess.run(
            [
                *(sys.executable, "-m", "twuin", "backfill", "readings.csv", "--mapping", "mapping.toml"),
                *("--site", str(site), "--data-dir", "data"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    first = backfill("kota")
    assert (first.returncode, "1 stored" in first.stdout) == (0, True), first
    second = backfill("desa")
    assert second.returncode == 1
    assert "data folder data is that of site 'kota', not of 'desa'" in " ".join(second.stderr.split())


READING = [
    ("export", "geojson", "sensors", "--to", "sensors.geojson"),
    ("export", "geopackage", "--to", "kota.gpkg"),
    ("export", "series", "--to", "series.csv"),
    ("ingest", "ledger"),
    ("ingest", "clocks"),
    ("ingest", "clocks", "--release"),
    ("ingest", "clocks", "--discard", "--device", "L1"),
    ("ingest", "unknown"),
    ("ingest", "unknown", "--forget"),
    ("account", "list"),
    ("token", "list"),
    ("webhook", "list"),
    ("notify", "list"),
    ("notify", "retry", "--all"),
    ("backup", "--to", "backups"),
    ("losses",),
    ("report", "make", "--format", "xlsx"),
]


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_no_command_takes_the_data_of_another_site_for_its_own(
    twuin: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    site = site_folder(tmp_path / "desa", "desa")
    data = tmp_path / "data"
    data.mkdir()
    for name in ("ledger", "quarantine", "rejected"):
        (data / f"{name}.sqlite").touch()
    (data / "site.id").write_text("kota\n")
    (tmp_path / "backups").mkdir()
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    status, out, err = twuin(*command, "--site", site, "--data-dir", "data")
    assert (status, out) == (1, "")
    assert "data folder data is that of site 'kota', not of 'desa': name another with --data-dir" in err
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "command",
    [("export", "geojson", "sensors", "--to", "sensors.geojson"), ("account", "list"), ("token", "list")],
    ids=" ".join,
)
def test_a_command_that_only_reads_takes_no_folder(
    twuin: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    site = site_folder(tmp_path / "kota", "kota")
    status, _, err = twuin(*command, "--site", site, "--data-dir", "data")
    assert status == 0, err
    assert not (tmp_path / "data" / "site.id").exists()
