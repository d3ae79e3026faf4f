"""``twuin ingest ledger``: what was to come of each sensor on a day, and what came."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.ledger.book import DEVICE, SENSOR, Entry, Ledger, Marks
from twuin.cli import main

Run = Callable[..., tuple[int, str, str]]
START = 1_795_107_600_000_000  # 2026-11-20T00:00+07:00 [us]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs ``twuin ingest ledger`` on a small site: its status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.toml").write_text('id = "kota"\nname = "Kota"\ntimezone = "Asia/Jakarta"\n')
    (site / "dmas.csv").write_text("id,connections\nD1,100\n")
    (site / "sensors.csv").write_text(
        "id,quantity,unit,dma,device,role\nD1-IN,flow,m3/h,D1,logger-7,inlet\nD1-P1,pressure,bar,D1,logger-8,\n"
    )

    def run(*flags: str) -> tuple[int, str, str]:
        command = ["twuin", "ingest", "ledger", "--site", str(site), "--data-dir", str(tmp_path), *flags]
        monkeypatch.setattr(sys, "argv", command)
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        captured = capfd.readouterr()
        return status, captured.out, captured.err

    return run


def fill(folder: Path) -> None:
    """A day of D1-IN without three readings, and one broken message of its device."""
    ledger = Ledger(folder / "ledger.sqlite", ZoneInfo("Asia/Jakarta"))
    k = np.array([k for k in range(288) if k not in (100, 101, 200)])
    names, kinds = ["D1-IN", "logger-7"], [SENSOR, DEVICE]
    sensor = np.append(np.zeros(len(k), np.int32), np.int32(1))
    time = np.append(START + k * 300_000_000, START + 5_000_000)
    kind = np.append(np.zeros(len(k), np.uint8), np.uint8(1))
    marks = Marks(["logger-7"], np.array([[0, 3, n, 1, START] for n in (1, 2, 5)]))
    ledger.add(Entry(START - 1, names, kinds, sensor, time, kind, marks))
    ledger.settle()
    ledger.close()


def test_a_day_is_printed_as_a_table(run: Run, tmp_path: Path) -> None:
    fill(tmp_path)
    status, printed, _ = run("--day", "2026-11-20", "--device", "logger-7")
    assert status == 0
    rows = [line.split() for line in printed.splitlines()]
    assert " ".join(rows[0]) == "day sensor device expected received late duplicate rejected missing"
    assert rows[1] == ["2026-11-20", "D1-IN", "logger-7", "288", "285", "0", "0", "0", "3"]
    assert rows[2] == ["all", "288", "285", "0", "0", "0", "3"]
    assert "2026-11-20: 1 rejected of device logger-7" in printed
    assert "messages of device logger-7, boot 3: 3 of 5 numbers received, 2 missing (3-4)" in printed


def test_scripts_get_json(run: Run, tmp_path: Path) -> None:
    fill(tmp_path)
    status, printed, _ = run("--day", "2026-11-21", "--days", "2", "--json")
    found: Any = json.loads(printed)
    assert status == 0
    assert (found["first_day"], found["last_day"]) == ("2026-11-20", "2026-11-21")
    assert [(i["day"], i["sensor"]) for i in found["items"]] == [
        (day, sensor) for day in ("2026-11-20", "2026-11-21") for sensor in ("D1-IN", "D1-P1")
    ]
    assert found["messages"][0]["gaps"] == [[3, 4]]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--day", "yesterday"], "--day 'yesterday' is not a day, as in 2026-11-21"),
        (["--sensor", "X"], "no sensor 'X' at site kota"),
        (["--device", "X"], "no device 'X' at site kota"),
    ],
)
def test_a_wrong_question_gets_one_line(run: Run, tmp_path: Path, flags: list[str], said: str) -> None:
    fill(tmp_path)
    status, _, error = run(*flags)
    assert status != 0 and said in error and "Traceback" not in error


def test_where_nothing_was_ever_ingested_it_says_so(run: Run) -> None:
    status, _, error = run()
    assert status != 0 and "no ledger" in error
