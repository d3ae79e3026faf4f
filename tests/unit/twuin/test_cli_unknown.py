"""``twuin ingest unknown``: names that devices send and no sensor has."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from firmware_sim.town import demo_site_folder
from ingest.reasons import Reason
from ingest.rejected import Rejected, RejectedLog
from ingest.unknown import Heard
from twuin.cli import main

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs ``twuin ingest unknown`` on ``tmp_path``: its status and standard output."""
    monkeypatch.chdir(tmp_path)

    def run(*flags: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["twuin", "ingest", "unknown", "--data-dir", str(tmp_path), *flags])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        return status, capfd.readouterr().out

    return run


def test_unknown_names_are_listed_with_what_they_said_last_until_forgotten(
    unknown: Run, tmp_path: Path
) -> None:
    log = RejectedLog(tmp_path / "rejected.sqlite")
    at = np.datetime64("2026-11-21T03:00:00", "us")
    names = (Heard("urn:x:[b]flow", 12.5, "m3/h", at, 3), Heard("urn:x:level", math.nan, "", at))
    log.add([Rejected(datetime.now(UTC), "twuin/a/b/senml", b"[]", Reason.UNKNOWN_SENSOR, "", 4, names)])
    status, out = unknown()
    assert status == 0
    assert "urn:x:[b]flow\n    12.5 m3/h at 2026-11-21 03:00:00Z, 3 readings from twuin/a/b/senml" in out
    assert "urn:x:level\n    no number at" in out
    status, out = unknown("--json")
    assert {n["name"]: n["value"] for n in json.loads(out)} == {"urn:x:[b]flow": 12.5, "urn:x:level": None}
    lines = "name,sensor,format,source,unit\nurn:x:[b]flow,,senml,b,m3/h\nurn:x:level,,senml,b,\n"
    assert unknown("--names") == (0, lines)
    assert "2 unknown names" in unknown("--forget")[1]
    assert "no unknown name" in unknown()[1]


def test_the_site_may_be_named_as_for_the_ledger(unknown: Run, tmp_path: Path) -> None:
    RejectedLog(tmp_path / "rejected.sqlite")
    assert unknown("--site", str(demo_site_folder())) == (0, "no unknown name was heard\n")


def test_what_a_device_sent_cannot_steer_the_terminal(
    unknown: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = RejectedLog(tmp_path / "rejected.sqlite")
    at = np.datetime64("2026-11-21T03:00:00", "us")
    sly = "a\x1b[2Jb\r\nc\x07\u202ed"
    names = (Heard(sly, 1.0, "m", at, 1),)
    log.add([Rejected(datetime.now(UTC), f"pdam/{sly}", sly.encode(), Reason.UNKNOWN_SENSOR, sly, 1, names)])
    monkeypatch.setattr(sys, "argv", ["twuin", "ingest", "rejected", "--data-dir", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    rejected = capfd.readouterr().out
    for out, lines in ((rejected, 4), (unknown()[1], 2)):
        assert r"a\x1b[2Jb\r\nc\x07\u202ed" in out
        assert out.count("\n") == lines
        assert all(c == "\n" or c.isprintable() for c in out)


def test_a_reason_that_does_not_exist_is_told_from_one_that_nothing_had(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    RejectedLog(tmp_path / "rejected.sqlite").add([])
    words = ["twuin", "ingest", "rejected", "--data-dir", str(tmp_path), "--reason", "wrong-type"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "no reason is called 'wrong-type': use one of" in capfd.readouterr().err
