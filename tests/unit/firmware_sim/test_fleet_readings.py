"""What the whole fleet delivers, computed at once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from firmware_sim.fleet import readings
from firmware_sim.scenario import parse_scenario
from waterworks.errors import TwuinError
from waterworks.reading import ReadingBatch
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity

TROUBLE = """
[[leak]]
pipe = "CD"
start = "+20h"
flow_m3h = 5

[[fault]]
kind = "offline"
device = "LOG-C"
start = "+22h"
end = "+30h"

[[fault]]
kind = "stuck"
sensor = "P-E"
start = "+18h"
end = "+40h"

[[fault]]
kind = "duplicates"
device = "USER"
start = "+0s"
share = 0.2

[[fault]]
kind = "zone"
device = "TANK"
start = "+10h"
value = -7

[[fault]]
kind = "garbage"
device = "INLET"
start = "+0s"
share = 0.1
"""


def hours(start: np.datetime64, count: float) -> np.datetime64:
    return start + np.timedelta64(round(count * 3600), "s")


def rows(batches: list[ReadingBatch]) -> list[tuple[str, int, float, int]]:
    all_ = ReadingBatch.concat(batches)
    columns = (all_.time.astype(np.int64), all_.value, all_.received.astype(np.int64))
    names = [all_.names[i] for i in all_.sensor]
    return sorted(zip(names, *(c.tolist() for c in columns), strict=True))


def of(batches: list[ReadingBatch], sensor: str) -> ReadingBatch:
    all_ = ReadingBatch.concat(batches)
    return all_.take(all_.sensor == all_.names.index(sensor))


def test_the_same_seed_gives_the_same_readings_and_another_one_others(
    site: Site, start: np.datetime64
) -> None:
    end = hours(start, 30)
    one, again = (list(readings(site, parse_scenario(TROUBLE), start, end)) for _ in range(2))
    assert rows(one) == rows(again)
    other = list(readings(site, parse_scenario("seed = 2\n" + TROUBLE), start, end))
    assert rows(one) != rows(other)


def test_a_run_that_was_stopped_and_taken_up_is_one_run(
    site: Site, start: np.datetime64, tmp_path: Path
) -> None:
    scenario = parse_scenario(TROUBLE).starting(start)
    whole = list(readings(site, scenario, start, hours(start, 50)))
    file, pieces = tmp_path / "state.json", []
    cuts = [0, 12.3, 24.0, 25.11, 45, 50]  # within an outage, within a stuck meter, at a day's turn
    for a, b in pairwise(cuts):
        pieces += list(readings(site, scenario, hours(start, a), hours(start, b), checkpoint=file))
    assert rows(pieces) == rows(whole)


def test_a_checkpoint_of_something_else_is_refused(site: Site, start: np.datetime64, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    list(readings(site, parse_scenario(""), start, hours(start, 1), checkpoint=file))
    with pytest.raises(TwuinError, match="another site, scenario or seed"):
        list(readings(site, parse_scenario("seed = 9"), start, hours(start, 1), checkpoint=file))
    file.write_text("{}")
    with pytest.raises(TwuinError, match="remove it"):
        list(readings(site, parse_scenario(""), start, hours(start, 1), checkpoint=file))


def test_readings_come_in_si_and_by_time_of_delivery(site: Site, start: np.datetime64) -> None:
    batches = list(readings(site, parse_scenario(TROUBLE), start, hours(start, 50)))
    for batch in batches:
        assert (np.diff(batch.received.astype(np.int64)) >= -1_000_000).all()
    assert 20 < of(batches, "P-C").value.mean() < 80  # metres, though the device sends bars
    assert 1 < of(batches, "L-T").value.mean() < 4
    assert of(batches, "USE-E").value.mean() * 3600 == pytest.approx(3, rel=0.2)


def test_kept_readings_arrive_when_the_device_is_back(site: Site, start: np.datetime64) -> None:
    found = of(list(readings(site, parse_scenario(TROUBLE), start, hours(start, 50))), "P-C")
    sampled = (found.time - start) / np.timedelta64(3600, "s")
    late = (found.received - start) / np.timedelta64(3600, "s")
    during = (sampled > 22.01) & (sampled < 29.99)
    assert during.sum() >= 95  # eight hours, none lost
    assert ((late[during] >= 30) & (late[during] < 30.01)).all()
    early = list(readings(site, parse_scenario(TROUBLE), start, hours(start, 26)))
    assert ((of(early, "P-C").time - start) / np.timedelta64(3600, "s")).max() < 22.01


def test_faults_show_in_what_is_delivered(site: Site, start: np.datetime64) -> None:
    batches = list(readings(site, parse_scenario(TROUBLE), start, hours(start, 48)))
    stuck = of(batches, "P-E")
    at = (stuck.time - start) / np.timedelta64(3600, "s")
    assert len(np.unique(stuck.value[(at > 18.1) & (at < 39.9)])) == 1
    user = of(batches, "USE-E")
    copies = len(user) - len(np.unique(user.time))
    assert 0.1 < copies / len(np.unique(user.time)) < 0.3
    tank = of(batches, "L-T")
    ahead = (tank.received - tank.time) / np.timedelta64(3600, "s")
    assert set(np.round(ahead).astype(int).tolist()) == {0, 7}
    inlet = of(batches, "IN")
    assert 0.05 < 1 - len(inlet) / (48 * 12) < 0.15


def test_inlet_meters_count_what_enters_their_dma_whichever_way_the_link_runs(
    site: Site, hamlet_site: Callable[..., Site], start: np.datetime64
) -> None:
    from dataclasses import replace

    sensors = (
        Sensor("OUT", Quantity.FLOW, "m3/h", "", "D", role=Role.INLET, from_dma="H", element="TB"),
        Sensor("PLAIN", Quantity.FLOW, "m3/h", "H", "D", element="TB"),
        *site.sensors,
    )
    batches = list(readings(replace(site, sensors=sensors), parse_scenario(""), start, hours(start, 4)))
    assert of(batches, "IN").value.mean() > 0  # TB runs from the tank into the DMA
    assert of(batches, "PLAIN").value.mean() > 0
    assert of(batches, "OUT").value.mean() < 0


def test_what_the_network_cannot_answer_is_left_out(site: Site, start: np.datetime64) -> None:
    names = {n for b in readings(site, parse_scenario(""), start, hours(start, 1)) for n in b.names}
    assert names == {"IN", "P-B", "P-C", "P-E", "L-T", "USE-E"}


def test_a_step_of_another_length_and_a_device_faster_than_it(site: Site, start: np.datetime64) -> None:
    text = "step_s = 900\n[devices]\ninterval_s = 60\nphase = 'spread'\nsend_delay_s = 0\n"
    found = of(list(readings(site, parse_scenario(text), start, hours(start, 6))), "P-E")
    assert len(found) == 360
    assert len(np.unique(found.time.astype(np.int64) % 60_000_000)) == 1


def test_progress_is_told(site: Site, start: np.datetime64) -> None:
    told: list[float] = []
    list(readings(site, parse_scenario(""), start, hours(start, 60), progress=told.append))
    assert told == sorted(told) and told[-1] == 1.0 and len(told) >= 3
