"""`twuin bench ingest` measures what it says: every message stored, by real servers and processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.servers


def bench(root: Path, cwd: Path, *words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        [sys.executable, "-m", "twuin", "bench", "ingest", *words],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def measured(root: Path, cwd: Path, *words: str) -> list[dict[str, Any]]:
    done = bench(root, cwd, *words, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.usefixtures("mosquitto")
@pytest.mark.parametrize(
    "words",
    [
        ("--processes", "2"),
        ("--per-message", "100", "--columns"),
        ("--store", "influxdb", "--per-message", "10", "--rate", "500"),
        ("--peer",),
    ],
)
def test_all_that_was_published_is_stored(root: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    for found in measured(root, tmp_path, "--seconds", "1.5", *words):
        assert found["sent"] > 100
        assert (found["lost"], found["rejected"]) == (0, 0)
        assert found["duplicates"] in (0, None)
        assert 0 < found["delay_s"]["p50"] <= found["delay_s"]["p99"] < found["seconds"]
        assert found["messages_per_s"] == pytest.approx(found["sent"] / found["seconds"], rel=0.01)
        assert min(found["cpu_us_per_message"].values()) > 0
        if found["rate"]:
            assert found["messages_per_s"] < 1.1 * found["rate"]


def test_a_mistake_is_one_clear_line(root: Path, tmp_path: Path) -> None:
    done = bench(root, tmp_path, "--sensors", "10", "--devices", "3")
    assert done.returncode == 1
    assert "error: --sensors, --devices, --per-message: 10 sensors cannot be shared evenly" in done.stderr
    assert "error: --store 'x' is neither" in bench(root, tmp_path, "--store", "x").stderr
