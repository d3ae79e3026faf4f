"""``twuin works import``: a table of planned works, all of it or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from twuin.app import open_embedded
from waterworks.site_folder import read_site

Run = Callable[..., tuple[int, str, str]]
HEAD = "kind,start,end,dmas,extra_m3h\n"
FLUSHING = "flushing,2026-10-05 08:00,2026-10-05 12:00,{},20\n"


@pytest.fixture
def load(twuin: Run, tmp_path: Path, root: Path) -> Run:
    """Imports a table with these lines into the Ferrara example: status, output, errors."""
    site = ("--site", root / "examples" / "ferrara", "--data-dir", "data")

    def run(lines: str, *flags: str) -> tuple[int, str, str]:
        (tmp_path / "works.csv").write_text(HEAD + lines, "utf-8")
        return twuin("works", "import", "works.csv", *site, *flags)

    return run


def test_works_of_a_table_are_entered_once(load: Run, root: Path) -> None:
    dma = read_site(root / "examples" / "ferrara").dmas[0].id
    line = FLUSHING.format(dma)
    assert "1 work in order, nothing entered" in load(line, "--check")[1]
    assert "1 work entered, 0 were there" in load(line)[1]
    assert "0 works entered, 1 was there" in load(line)[1]


def test_every_mistake_of_a_table_is_named_at_once(load: Run, root: Path) -> None:
    """What cannot be read, and what can be read but not be entered here."""
    dma = read_site(root / "examples" / "ferrara").dmas[0].id
    code, _, said = load(
        f"flushing,2026-10-05 12:00,2026-10-05 08:00,{dma},20\n"
        f"flushing,05/10/2026 08:00,2026-10-05 12:00,{dma},20\n"
        f"flushing,2026-10-05 08:00,2026-10-05 12:00,{dma},much\n"
        "flushing,2026-10-05 08:00,2026-10-05 12:00,nowhere,20\n"
    )
    assert code == 1
    lines = said.splitlines()
    assert [line.split(":")[2] for line in lines] == ["2", "3", "4", "5"], said
    assert "ends before it begins" in lines[0] and "no DMA 'nowhere'" in lines[3]


def test_works_are_entered_while_the_store_of_readings_is_away(
    load: Run, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In an embedded store that another process holds, or an InfluxDB that does not answer."""
    line = FLUSHING.format(read_site(root / "examples" / "ferrara").dmas[0].id)
    (tmp_path / "data").mkdir()
    with closing(open_embedded(tmp_path / "data")):
        away = [sys.executable, "-m", "twuin", "works", "import", "works.csv", "--data-dir", "data"]
        (tmp_path / "works.csv").write_text(HEAD + line)
        ran = subprocess.run(
            [*away, "--site", str(root / "examples" / "ferrara")],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True,
        )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "") and "1 work entered" in ran.stdout
    monkeypatch.setenv("TWUIN_STORE__KIND", "influxdb")
    monkeypatch.setenv("TWUIN_STORE__URL", "http://127.0.0.1:9")
    assert "0 works entered, 1 was there" in load(line)[1]


def test_a_mistake_is_named_by_its_line_and_nothing_is_entered(load: Run, root: Path) -> None:
    dma = read_site(root / "examples" / "ferrara").dmas[0].id
    status, _, said = load(FLUSHING.format(dma) + FLUSHING.format("nowhere"))
    assert status == 1 and "works.csv" in said and "3" in said and "nowhere" in said
    assert "1 work entered, 0 were there" in load(FLUSHING.format(dma))[1]
