"""docs/notebooks/leak.ipynb runs from top to bottom beside ``twuin demo``, as its first cell says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from twuin.client import ClientError, Twuin

pytestmark = pytest.mark.servers

PATIENCE_S = 300.0
"""How long to wait for the leak, which takes two minutes on an idle machine."""


@pytest.fixture
def demo(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[str]:
    """The address of a ``twuin demo`` in which a leak with suspects is known."""
    port, log = free_port(), tmp_path / "demo.log"
    command = [sys.executable, "-m", "twuin", "demo", "--data-dir", tmp_path / "demo", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    try:
        with Twuin(f"http://127.0.0.1:{port}", retries=0) as twuin:
            give_up = time.monotonic() + PATIENCE_S
            while not leaks(twuin):
                ended = process.poll() is not None or time.monotonic() > give_up
                assert not ended, log.read_text(errors="replace")[-3000:]
                time.sleep(1)
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def leaks(twuin: Twuin) -> list[Any]:
    try:
        return [a for a in twuin.alerts(kind="leak") if a.suspects]
    except ClientError:  # not there yet
        return []


def cells(root: Path, kind: str) -> list[dict[str, Any]]:
    book = json.loads((root / "docs" / "notebooks" / "leak.ipynb").read_text("utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    return [cell for cell in book["cells"] if cell["cell_type"] == kind]


def test_every_cell_runs_and_shows_the_leak(
    demo: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    monkeypatch.setenv("TWUIN_URL", demo)
    monkeypatch.delenv("TWUIN_TOKEN", raising=False)
    plt.close("all")
    known: dict[str, Any] = {}
    for number, cell in enumerate(cells(root, "code"), 1):
        exec(compile("".join(cell["source"]), f"leak.ipynb, code cell {number}", "exec"), known)
    said = capsys.readouterr().out
    alert, series = known["alert"], known["series"]
    assert alert.id in said and "m3 lost so far" in said and alert.suspects[0].pipe in said
    # What is drawn is the leak: more flows in than was expected since it began, and not before.
    above = series.inflow - series.expected
    assert np.nanmedian(above[known["since"]]) > np.nanmedian(above[~known["since"]]) + 0.3 * alert.flow_m3h
    figures = [plt.figure(n) for n in plt.get_fignums()]
    assert len(figures) == 3
    if folder := os.environ.get("TWUIN_KEEP_PICTURES"):
        for number, figure in enumerate(figures, 1):
            figure.savefig(Path(folder) / f"notebook-{number}.png", dpi=80)
    (drawn,) = figures[2].axes
    widths = [line.get_linewidth() for line in drawn.lines]
    assert widths.count(4) == len(alert.suspects) and len(widths) > 2 * len(alert.suspects)
    plt.close("all")


def test_it_holds_no_outputs_that_could_grow_old(root: Path) -> None:
    found = cells(root, "code")
    assert len(found) == 6
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in found)
