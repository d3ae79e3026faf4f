"""``twuin ingest clocks``: from a wrong clock to its correction, by the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.pipeline import Pipeline, RawMessage
from ingest.rejected import RejectedLog
from ingest.store.embedded import open_store
from twuin.app import open_ledger, open_quarantine
from twuin.cli import main
from twuin.settings import Settings, load
from waterworks.clocks import WallClock
from waterworks.site_folder import read_site

Run = Callable[..., tuple[int, str, str]]
S = np.timedelta64(1_000_000, "us")
SEVEN = 7 * 3600


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.toml").write_text('id = "kota"\nname = "Kota"\ntimezone = "Asia/Jakarta"\n')
    (folder / "dmas.csv").write_text("id,connections\nD1,100\n")
    (folder / "sensors.csv").write_text(
        "id,quantity,unit,dma,device,role\nD1-IN,flow,m3/h,D1,logger-7,inlet\nD1-P1,pressure,bar,D1,logger-8,\n"
    )
    return folder


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, site: Path
) -> Run:
    """Runs ``twuin ingest clocks``: its status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*flags: str) -> tuple[int, str, str]:
        command = ["twuin", "ingest", "clocks", "--site", str(site), "--data-dir", str(tmp_path), *flags]
        monkeypatch.setattr(sys, "argv", command)
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        captured = capfd.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def settings(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return load(flags={"site": str(site), "data_dir": str(tmp_path)})


def ingest(settings: Settings, ahead_s: int, now: np.datetime64, n: int = 20) -> None:
    """``n`` readings of logger-7, whose clock is ahead, and of logger-8, the last ones taken just now."""
    assert settings.site is not None
    site = read_site(settings.site)
    with (
        closing(open_store(settings.data_dir)) as store,
        closing(open_ledger(settings, site)) as ledger,
        closing(open_quarantine(settings)) as quarantine,
        closing(RejectedLog(settings.data_dir / "rejected.sqlite")) as rejected,
    ):
        pipeline = Pipeline(site, store, rejected, quarantine=quarantine, ahead=900 * S, ledger=ledger)
        for k in range(n):
            taken = now - (n - 1 - k) * 300 * S
            for device, sensor, off in (("logger-7", "D1-IN", ahead_s), ("logger-8", "D1-P1", 0)):
                ms = int((taken + off * S).astype("datetime64[ms]").astype(np.int64))
                payload = json.dumps({"sensor": sensor, "time": ms, "value": k}).encode()
                message = RawMessage(f"twuin/kota/{device}/readings", payload)
                pipeline.commit(pipeline.prepare([message], taken + 4 * S))


def stored(settings: Settings) -> list[Any]:
    assert settings.site is not None
    with closing(open_store(settings.data_dir)) as store:
        first, last = np.datetime64("2020-01-01", "us"), np.datetime64("2100-01-01", "us")
        return list(store.window(["D1-IN"], first, last).times)


def test_a_wrong_zone_is_offered_as_a_line_that_then_releases_what_was_held(
    run: Run, settings: Settings, site: Path
) -> None:
    now = WallClock().now()
    ingest(settings, SEVEN, now)
    status, printed, _ = run()
    assert status == 0
    assert "logger-7: 7:00:00 ahead since" in printed and "as by a wrong time zone" in printed
    assert "held of logger-7: 20 readings (time_ahead)" in printed and "logger-8" not in printed
    status, printed, _ = run("--json")
    found = json.loads(printed)
    assert [(o["device"], o["ahead_s"], o["zone"]) for o in found["offsets"]] == [("logger-7", SEVEN, True)]
    assert stored(settings) == []

    status, printed, _ = run("--release")
    assert (status, printed) == (0, "0 readings stored, 20 still held\n")
    (site / "clocks.csv").write_text("device,ahead_s,since,until,note\n" + found["offsets"][0]["line"] + "\n")
    status, printed, _ = run("--release")
    assert (status, printed) == (0, "20 readings stored, 0 still held\n")
    times = stored(settings)
    assert len(times) == 20 and abs(times[-1] - now) < S
    assert "nothing is held" in run()[1]


def test_what_is_held_can_be_thrown_away(run: Run, settings: Settings) -> None:
    ingest(settings, SEVEN, WallClock().now())
    assert run("--discard", "--device", "logger-7")[1] == "20 readings thrown away\n"
    assert "nothing is held" in run()[1]
    assert stored(settings) == []
    for act in ("--discard", "--release"):  # a name that was mistyped is not taken for work done
        assert "nothing is held of device 'logger-7'" in run(act, "--device", "logger-7")[1]


def test_corrected_readings_end_the_offer_while_others_are_still_held(
    run: Run, settings: Settings, site: Path
) -> None:
    now = WallClock().now()
    ingest(settings, SEVEN, now - 900 * S, 12)
    line = json.loads(run("--json")[1])["offsets"][0]["line"]
    (site / "clocks.csv").write_text("device,ahead_s,since,until,note\n" + line + "\n")
    ingest(settings, SEVEN, now, 2)
    status, printed, _ = run()
    assert status == 0
    assert "no clock is off by a constant" in printed and "held of logger-7: 12 readings" in printed


@pytest.mark.parametrize("flags", [["--discard"], ["--device", "logger-7"], ["--as-stamped"]])
def test_what_does_not_go_together_gets_one_line(run: Run, settings: Settings, flags: list[str]) -> None:
    status, _, error = run(*flags)
    assert status != 0 and "--release" in error and "Traceback" not in error


def test_where_nothing_was_ever_ingested_it_says_so(run: Run) -> None:
    status, _, error = run()
    assert status != 0 and "nothing is held" in error
