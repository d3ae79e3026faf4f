"""The provisioning files: the same each time, and checked in as they are made."""

from __future__ import annotations

from pathlib import Path

from twuin.grafana.files import provisioning, write
from twuin.grafana.installation import Installation


def test_the_files_checked_in_are_those_that_are_made(root: Path) -> None:
    folder = root / "deploy" / "grafana"
    made = provisioning(Installation())
    found = {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.suffix in (".json", ".yaml")
    }
    differ = sorted(p for p in made.keys() | found.keys() if made.get(p) != found.get(p))
    assert not differ, "run `twuin grafana write`"


def test_the_same_bytes_are_made_each_time() -> None:
    assert provisioning(Installation()) == provisioning(Installation())


def test_writing_again_changes_nothing_and_removes_only_its_own(tmp_path: Path) -> None:
    files = provisioning(Installation())
    assert sorted(write(files, tmp_path)) == sorted(files)
    assert write(files, tmp_path) == []
    gone = tmp_path / "dashboards" / "en" / "old.json"
    gone.write_text("{}")
    mine = tmp_path / "dashboards" / "notes.txt"
    mine.write_text("mine")
    assert write(files, tmp_path) == ["dashboards/en/old.json"]
    assert not gone.exists() and mine.exists()
