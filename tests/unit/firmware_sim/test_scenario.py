from pathlib import Path

import numpy as np
import pytest

from firmware_sim.scenario import ScenarioError, load_scenario, parse_scenario
from firmware_sim.scenario_model import EventKind, FaultKind, Growth, Phase

GOOD = """\
name = "all"
seed = 5
start = 2026-11-21T10:00:00+07:00
step_s = 60

[demand]
weekend = 1.1
holidays = [2026-12-25, "+3d"]

[devices]
interval_s = 60
phase = "spread"

[[leak]]
pipe = "p1"
start = "+3h"
hole_mm = 20

[[leak]]
id = "slow"
dma = "D1"
start = "+1d 04:00"
growth = "quadratic"
peak = "+9d"
end = "+12d"
flow_m3h = 6
pressure_m = 40

[[fault]]
kind = "spikes"
sensor = "S1"
start = "+1h"
end = "+2h"
value = 3
share = 0.1

[[fault]]
kind = "zone"
device = "L1"
start = "-1d"
value = -7

[[event]]
kind = "pump_hours"
link = "PU"
start = "+0s"
hours = ["22:00-04:30"]
"""


def test_a_full_scenario_is_read() -> None:
    s = parse_scenario(GOOD)
    assert (s.name, s.seed, s.step_s) == ("all", 5, 60)
    assert s.start == np.datetime64("2026-11-21T03:00:00", "us")
    assert s.demand.weekend == 1.1 and len(s.demand.holidays) == 2
    assert s.devices.interval_s == 60 and s.devices.phase is Phase.SPREAD
    assert s.leaks[0].id == "leak-1" and s.leaks[0].hole_mm == 20
    assert s.leaks[1].growth is Growth.QUADRATIC and s.leaks[1].peak is not None
    assert s.faults[0].kind is FaultKind.SPIKES and s.faults[1].value == -7
    assert s.events[0].kind is EventKind.PUMP_HOURS and s.events[0].hours == ((22.0, 4.5),)


def test_an_empty_scenario_is_a_quiet_one() -> None:
    s = parse_scenario("")
    assert not (s.leaks or s.faults or s.events)
    assert s.step_s == 300


WRONG = [
    ('sed = 3', 1, "did you mean 'seed'"),
    ("seed = -1", 1, "whole number"),
    ("step_s = 7", 1, "do not divide a day"),
    ('start = "+3h"', 1, "instant with its zone"),
    ("[demand]\nnode_noise = -1", 2, "at least 0"),
    ("[demand]\n\nweekends = 1", 3, "did you mean 'weekend'"),
    ("[devices]\nphase = 'random'", 2, "aligned, spread"),
    ("[leak]\npipe = 'p'", 1, r"write \[\[leak\]\]"),
    ("[[leak]]\npipe = 'p'\nhole_mm = 3", 1, "needs start"),
    ("[[leak]]\npipe = 'p'\nstart = 'tomorrow'\nhole_mm = 3", 3, "is no time"),
    ("[[leak]]\npipe = 'p'\nstart = '+1h'", 1, "hole_mm or flow_m3h"),
    ("[[leak]]\npipe = 'p'\ndma = 'D'\nstart = '+1h'\nhole_mm = 3", 1, "either pipe, or dma"),
    ("[[leak]]\npipe = 'p'\nstart = '+1h'\nhole_mm = 3\ngrowth = 'linear'", 1, "needs peak"),
    ("[[leak]]\npipe = 'p'\nstart = '+1h'\nhole_mm = 3\nend = '+30min'", 5, "not after start"),
    ("[[leak]]\npipe = 'p'\nstart = '+1h'\nhole_mm = true", 4, "no number"),
    (2 * "[[leak]]\nid = 'x'\npipe = 'p'\nstart = '+1h'\nhole_mm = 3\n", 7, "given twice"),
    ("[[fault]]\nkind = 'melted'\nstart = '+1h'\nsensor = 's'", 2, "use one of offset, drift"),
    ("[[fault]]\nkind = 'offset'\nstart = '+1h'\nsensor = 's'", 1, "needs value"),
    ("[[fault]]\nkind = 'stuck'\nstart = '+1h'\nsensor = 's'\nvalue = 3", 5, "takes no value"),
    ("[[fault]]\nkind = 'offline'\nstart = '+1h'\nsensor = 's'", 4, "give device"),
    ("[[fault]]\nkind = 'garbage'\nstart = '+1h'\ndevice = 'd'", 1, "needs share"),
    ("[[fault]]\nkind = 'offline'\nstart = '+1h'", 1, "either sensor or device"),
    ("[[event]]\nkind = 'use'\nstart = '+1h'\nlink = 'p'\nvalue = 3", 1, "needs node"),
    ("[[event]]\nkind = 'pump_hours'\nstart = '+1h'\nlink = 'p'\nhours = ['4-7']", 5, "04:00-07:30"),
    ("[[event]]\nkind = 'closed'\nstart = '+1h'\nlink = 'p'\nvalue = 3", 1, "takes no value"),
    ("seed = 3\nname = ", 2, "is not TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "says"), WRONG)
def test_a_mistake_is_named_by_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(ScenarioError, match=says) as caught:
        parse_scenario(text, "s.toml")
    assert any(p.line == line for p in caught.value.problems), str(caught.value)
    assert all(str(p).startswith("s.toml:") for p in caught.value.problems)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario("sed = 1\nstep_s = 7\n[demand]\nweekend = -1")
    assert [p.line for p in caught.value.problems] == [1, 2, 4]


def test_the_packaged_demo_is_found_by_name() -> None:
    assert load_scenario("demo").leaks[0].id == "burst"


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"there are .*demo"):
        load_scenario("nothing")
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(tmp_path / "nothing.toml")
