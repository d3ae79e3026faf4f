"""Which process writes figures for dashboards, and when none does."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.town import demo_site_folder
from twuin.app import build, make_monitor, start_figures
from twuin.settings import load

AWAY = "http://127.0.0.1:9"  # nothing answers there: the jobs wait


@pytest.mark.parametrize(
    ("store", "monitor", "expected"),
    [
        ({}, True, []),
        ({"kind": "influxdb", "version": "1", "url": AWAY, "figures": False}, True, []),
        ({"kind": "influxdb", "version": "1", "url": AWAY}, False, ["figures"]),
        ({"kind": "influxdb", "version": "1", "url": AWAY}, True, ["figures", "dashboards"]),
    ],
)
def test_the_process_with_the_monitor_writes_those_of_the_site(
    tmp_path: Path, store: dict[str, Any], monitor: bool, expected: list[str]
) -> None:
    settings = load(None, {"site": demo_site_folder(), "data_dir": tmp_path, "store": store})
    with closing(build(settings)) as parts:
        if monitor:
            parts.monitor = make_monitor(parts)
        start_figures(parts, "test")
        assert [t.name for t in parts.jobs.threads] == expected
        assert not parts.jobs.failures
