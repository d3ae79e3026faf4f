"""What ``twuin demo`` takes for its own in a folder."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from twuin import demo
from twuin.demo import Progress, Town, TownClock, forget, refuse_foreign
from twuin.settings import Settings
from waterworks.errors import SettingsError


def test_a_fresh_start_forgets_what_waited_for_the_store(tmp_path: Path) -> None:
    waits = tmp_path / "spool" / "main" / "000000000001.spool"
    waits.parent.mkdir(parents=True)
    waits.write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("mine")
    forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_demo_that_could_not_start_may_start_again_but_not_in_a_folder_of_something_else(
    tmp_path: Path,
) -> None:
    for name in ("broker", "spool"):
        (tmp_path / name).mkdir()
    (tmp_path / "monitor.lock").write_text("")
    refuse_foreign(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match="other things"):
        refuse_foreign(tmp_path)


def test_the_town_runs_where_a_folder_is_called_twuin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As beside a clone: there the town's process took the folder for the package."""
    (tmp_path / "twuin").mkdir()
    (tmp_path / "twuin" / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "HISTORY_DAYS", 0.02)
    began = datetime(2026, 3, 2, 13, tzinfo=UTC)
    progress = Progress(began.isoformat(), began.isoformat())
    town = Town(
        Settings(data_dir=tmp_path / "data"), progress, tmp_path / "demo.json", TownClock(began, 300), 1,
        say=lambda line: None, ready=lambda: None, zone=ZoneInfo("Asia/Jakarta"),
    )  # fmt: skip
    (tmp_path / "data").mkdir()
    assert town._child(threading.Event(), "history")
    assert (tmp_path / "data" / "readings.duckdb").exists()
