"""The examples of docs/client.md do what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from twuin.client import Twuin


def test_the_examples_run_as_they_stand(
    server: Any,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (root / "docs" / "client.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 5
    known: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block.replace("http://localhost:8080", server.url), "docs/client.md", "exec"), known)
    said = capsys.readouterr().out
    assert "D1 leak 135.9" in said and "m3/h 2026-03-08T15:05" in said and "of the day above" in said
    assert "Dinoyo" in said and "P2 80%" in said and "acknowledged" in said and "404: " in said
    assert {p.name for p in tmp_path.iterdir()} >= {"town.gpkg", "inlet.parquet"}


def test_every_method_is_in_the_table(root: Path) -> None:
    text = (root / "docs" / "client.md").read_text()
    rows = "".join(line for line in text.splitlines() if line.startswith("| `"))
    named = set(re.findall(r"`(\w+)\(", rows))
    assert named == {n for n, v in vars(Twuin).items() if callable(v) and not n.startswith("_")} - {"close"}
