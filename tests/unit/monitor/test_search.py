"""Where a search begins, how far it goes and whether it pays, from what the monitor knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_sim.town import demo_site_folder
from ingest.store.duck import DuckStore
from twuin.monitor import Monitor
from twuin.monitor.search import area, visit_gain
from waterworks.epanet_file import read_network
from waterworks.network import LinkKind
from waterworks.reading import ReadingBatch
from waterworks.site import MonitorOptions, Site
from waterworks.site_folder import read_site

COSTS = MonitorOptions(water_cost=5500.0, visit_cost=750_000.0)
M3H = 1 / 3600


def test_a_visit_pays_for_a_leak_that_is_large_and_placed_and_not_for_one_that_is_neither() -> None:
    large = visit_gain(COSTS, 10 * M3H, 9 * M3H, 11 * M3H, 0.99, 0.8)
    # 10 m3/h for 50 d (exp(-3/50) - exp(-365/50)) = 47.06 days: 11,294 m3, of which 0.99 * 0.8 is expected.
    assert large == pytest.approx(0.99 * 0.8 * 11_294 * 5500 - 750_000, rel=2e-3)
    small = visit_gain(COSTS, 0.5 * M3H, 0.1 * M3H, 0.9 * M3H, 0.95, 0.1)
    assert small is not None and small < 0


def test_without_a_value_of_water_nothing_is_said_and_without_a_cost_every_leak_is_worth_it() -> None:
    assert visit_gain(MonitorOptions(visit_cost=100.0), 0.01, 0.009, 0.011, 0.99, 0.5) is None
    free = visit_gain(MonitorOptions(water_cost=1.0), 1e-6, -1e-3, 1e-3, 0.5, 0.001)
    assert free is not None and free >= 0


def test_a_visit_where_no_place_is_known_is_a_survey_of_the_district() -> None:
    placed = visit_gain(COSTS, 0.002, 0.001, 0.003, 0.9, 1.0)
    assert visit_gain(COSTS, 0.002, 0.001, 0.003, 0.9, None) == placed


def test_the_area_of_an_even_ranking_is_its_district_and_of_a_sure_one_its_pipe() -> None:
    site = read_site(demo_site_folder())
    assert site.network_file is not None
    network = read_network(site.network_file)
    pipes = np.flatnonzero(network.link_kind <= LinkKind.PIPE)
    even = np.array([site.node_dma.get(network.node_ids[i]) == "D3" for i in network.start[pipes]], float)
    wide = area(network, pipes, even * network.length[pipes])
    sure = area(network, pipes, np.eye(len(pipes))[40])
    assert wide is not None and sure is not None
    assert sure.centre == network.link_ids[pipes[40]] and sure.found == pytest.approx(1.0)
    assert sure.most == pytest.approx(0.45 * network.length[pipes[40]])
    assert site.node_dma[network.node_ids[network.start[network.link_index[wide.centre]]]] == "D3"
    assert wide.half is not None and wide.most is not None
    assert 50 < wide.half < wide.most < 3000 and 0 < wide.found < 1


def test_a_leak_says_between_when_it_began_and_an_ended_one_is_worth_no_visit(
    site: Site,
    readings: Callable[..., ReadingBatch],
    recorder: Any,
    clock: Any,
    tmp_path: Path,
) -> None:
    costed = replace(site, monitor=COSTS)

    def leak(ends: float) -> Any:
        store = DuckStore(tmp_path / f"{ends}.duckdb")
        store.append(readings(leak=0.004, begins=20.4, ends=ends))
        kept = recorder()
        Monitor(costed, store, kept, clock=clock).catch_up(final=True)
        store.close()
        return kept.findings[0]

    lasting, over = leak(99.0), leak(23.0)
    for found in (lasting, over):
        assert found.onset_low <= found.onset <= found.onset_high
        assert found.onset_high - found.onset_low <= timedelta(hours=6)
    assert lasting.gain is not None and lasting.gain > 1e7  # 14 m3/h for 47 days at 5,500
    assert over.ended is not None and over.gain is None
