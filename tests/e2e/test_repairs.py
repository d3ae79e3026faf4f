"""A burst of the demo town, on real hydraulics, that is mended, half mended, or not at all."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from firmware_sim.town import demo_site_folder
from waterworks.site_folder import read_site


@pytest.mark.parametrize(
    ("share", "outcome", "gone_m3h"), [(1.0, "fell", 10.0), (0.5, "runs_on", 5.0), (0.0, "runs_on", 0.0)]
)
def test_twuin_sees_by_the_nights_whether_a_repair_took_the_leak_away(
    root: Path, share: float, outcome: str, gone_m3h: float
) -> None:
    path = root / "tests" / "bench" / "demo_repairs.py"
    spec = importlib.util.spec_from_file_location("demo_repairs", path)
    assert spec is not None and spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    said = bench.tried(read_site(demo_site_folder()), 1, 10.0, 4.0, share, with_model=False)
    assert said.startswith(f"{outcome} by night_flow"), said
    fell = re.search(r"fell (-?[\d.]+) m3/h", said)
    assert fell is not None and float(fell.group(1)) == pytest.approx(gone_m3h, abs=0.8), said
    assert said.endswith(f"{0 if outcome == 'fell' else 1} leak alerts stand"), said
