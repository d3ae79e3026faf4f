"""The labelled months of the fault benchmark are valid, varied and the same from the same seed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from typer.testing import CliRunner

from firmware_sim.bound import bind
from firmware_sim.scenario import parse_scenario
from firmware_sim.town import demo_site_folder
from twuin.benchmark.fault_plan import SHARES, SLOT_DAYS, START, STEP_S, draw
from twuin.cli import app
from waterworks.site import Site
from waterworks.site_folder import read_site


@pytest.fixture(scope="module")
def site() -> Site:
    return read_site(demo_site_folder())


def test_every_run_is_a_scenario_that_fits_the_town(site: Site) -> None:
    for seed in range(4):
        bind(site, parse_scenario("\n".join(t.text for t in draw(site, seed))), START)


def test_the_same_seed_draws_the_same_and_others_draw_every_kind(site: Site) -> None:
    assert draw(site, 5) == draw(site, 5) != draw(site, 6)
    assert {t.what for seed in range(8) for t in draw(site, seed)} == set(SHARES)


def test_in_a_dma_one_thing_goes_wrong_at_a_time(site: Site) -> None:
    for dma in site.dma:
        mine = sorted((t for t in draw(site, 7) if t.dma == dma), key=lambda t: t.start)
        for a, b in pairwise(mine):
            assert a.end < b.start
            assert b.start - a.start <= 3 * SLOT_DAYS * 86400 / STEP_S


def test_seeds_that_are_none_are_told_in_a_line() -> None:
    result = CliRunner().invoke(app, ["benchmark", "faults", "--seeds", "some"])
    assert result.exit_code != 0
