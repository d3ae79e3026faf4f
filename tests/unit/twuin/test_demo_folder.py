"""What ``twuin demo`` takes for its own in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from twuin.demo import forget, refuse_foreign
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
