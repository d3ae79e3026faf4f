"""Pipes that differ from the plan: by no more than was said, drawn by seed and name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pytest
from epanet import toolkit

from firmware_sim.bound import bind
from firmware_sim.demands import Demands
from firmware_sim.epanet_model import EpanetModel
from firmware_sim.holes import Hole
from firmware_sim.scenario import ScenarioError, parse_scenario
from firmware_sim.scenario_model import DemandOptions, ModelOptions
from firmware_sim.truth import Measure, Point, Truth
from waterworks.site import Site

PIPES = ("RA", "TB", "BC", "CD", "EF")
STILL = "[demand]\nnode_noise = 0\nnode_noise_slow = 0\ncommon_noise = 0\n"


def laid(
    site: Site, errors: ModelOptions, seed: int = 3, holes: tuple[Hole, ...] = ()
) -> dict[str, np.ndarray]:
    """Roughness and diameter of every pipe, as shares of the file's."""
    assert site.network_file is not None
    found = {}
    with EpanetModel(site.network_file, holes, 300) as sound:
        nominal = {name: properties(sound, name) for name in sound.links}
    with EpanetModel(site.network_file, holes, 300, errors, seed) as model:
        for name in nominal:
            if name.split("-")[0] in PIPES:
                found[name] = properties(model, name) / nominal[name]
    return found


def properties(model: EpanetModel, link: str) -> np.ndarray:
    index = model.links[link] + 1
    wanted = (toolkit.ROUGHNESS, toolkit.DIAMETER)
    return np.array([toolkit.getlinkvalue(model.project, index, what) for what in wanted])


def pressures(site: Site, start: np.datetime64, text: str) -> np.ndarray:
    points = [Point(Measure.PRESSURE, node) for node in "BCDF"]
    with Truth(bind(site, parse_scenario(STILL + text), start), points, start) as truth:
        return truth.rows(24).values


def test_no_pipe_is_further_off_than_was_said(site: Site) -> None:
    for seed in range(20):
        shares = np.stack(list(laid(site, ModelOptions(0.10, 0.03), seed).values())) - 1
        assert (np.abs(shares) <= [0.10, 0.03]).all()
        assert len(np.unique(shares)) == shares.size


def test_errors_depend_on_seed_and_pipe_alone(site: Site) -> None:
    errors = ModelOptions(0.10, 0.03)
    once, again, other = laid(site, errors), laid(site, errors), laid(site, errors, seed=4)
    holed = laid(site, errors, holes=(Hole("CD", 0.4),))
    for pipe in PIPES:
        assert (once[pipe] == again[pipe]).all() and (once[pipe] != other[pipe]).all()
        assert holed[pipe] == pytest.approx(once[pipe])
    (part,) = set(holed) - set(PIPES)
    assert holed[part] == pytest.approx(once["CD"])


def test_pipes_alike_can_have_their_error_in_common(site: Site) -> None:
    common = laid(site, ModelOptions(0.10, 0.03, error_common=1.0))
    assert common["BC"] == pytest.approx(common["CD"])  # both of 150 mm and C 110
    assert common["BC"] != pytest.approx(common["EF"])


def test_pressures_are_the_files_without_errors_and_others_with(site: Site, start: np.datetime64) -> None:
    nominal = pressures(site, start, "")
    assert (pressures(site, start, "[model]\nroughness_error = 0\n") == nominal).all()
    off = pressures(site, start, "[model]\nroughness_error = 0.1\n") - nominal
    assert np.abs(off).max() > 0.01
    # Head loss goes with C^-1.852: 10 % more or less roughness moves it by a fifth at most.
    head = nominal + np.array([30.0, 28.0, 25.0, 22.0])
    lost = head.max() + 5 - head
    assert (np.abs(off) <= 0.25 * lost + 0.01).all()


def test_the_split_of_demand_is_wrong_from_node_to_node_and_right_on_average(
    site: Site, start: np.datetime64
) -> None:
    at = int(start.astype("datetime64[s]").astype(np.int64)) + 3600 * np.arange(24, dtype=np.int64)
    assert site.network_file is not None

    with EpanetModel(site.network_file, (), 300) as model:
        groups = [""] * len(model.drawing)

        def expected(seed: int, error: float) -> np.ndarray:
            options = DemandOptions(node_error=error)
            return Demands(model, options, seed, site.timezone, frozenset(), groups).nominal(at)

        nominal = expected(1, 0.0)
        shares = np.stack([expected(seed, 0.3) / nominal for seed in range(300)])
    assert np.ptp(shares, axis=1).max() < 1e-9  # the same at all hours
    assert shares[:, 0].mean(axis=0) == pytest.approx(np.ones(5), abs=0.08)
    assert np.log(shares[:, 0]).std() == pytest.approx(0.3, abs=0.03)


def test_drift_and_level_move_slowly(site: Site, start: np.datetime64) -> None:
    day = int(start.astype("datetime64[s]").astype(np.int64)) + 300 * np.arange(288, dtype=np.int64)
    options = DemandOptions(node_noise=0, node_noise_slow=0, common_noise=0, node_drift=0.2, level_noise=0.05)
    assert site.network_file is not None
    with EpanetModel(site.network_file, (), 300) as model:
        demands = Demands(model, options, 1, site.timezone, frozenset(), [""] * len(model.drawing))
        log = np.array(
            [
                np.log(demands.actual(day + 86400 * k, k) / demands.nominal(day + 86400 * k)).mean(axis=0)
                for k in range(360)
            ]
        )
    total = log.mean(axis=1)
    assert log.std() == pytest.approx(np.hypot(0.2, 0.05), rel=0.3)
    assert np.abs(np.diff(log, axis=0)).max() < 0.15
    assert np.abs(np.diff(total)).max() < 0.1


@pytest.mark.parametrize("days", [1, 7])
def test_seasons_and_holidays_hold_for_patterns_of_a_day_and_of_a_week(
    hamlet: str, hamlet_site: Callable[..., Site], days: int
) -> None:
    flat = ("FLAT " + " ".join(["1"] * 24) + "\n") * days
    inp = hamlet.replace("[CURVES]", flat + "[CURVES]").replace("F 22 2", "F 22 2 FLAT")
    site = hamlet_site(inp=inp)
    options = DemandOptions(season=0.2, season_peak=10, holiday=0.5)
    noon = np.array(["2026-01-10T05", "2026-07-11T05", "2026-01-12T05"], "datetime64[s]").astype(np.int64)
    assert site.network_file is not None
    with EpanetModel(site.network_file, (), 300) as model:
        holidays = frozenset({date(2026, 1, 12)})
        demands = Demands(model, options, 1, site.timezone, holidays, [""] * len(model.drawing))
        winter, summer, holiday = demands.nominal(noon)[:, -1] / 2  # Saturdays, and a Monday off
    weekend = options.weekend if days == 1 else 1.0  # a week's pattern has its own weekends
    assert winter == pytest.approx(1.2 * weekend, rel=0.01)
    assert summer == pytest.approx(0.8 * weekend, rel=0.01)
    assert holiday == pytest.approx(0.6, rel=0.01)


def test_a_mistake_in_the_model_table_is_named_by_its_line() -> None:
    with pytest.raises(ScenarioError, match=r"scenario.toml:2: roughness_error: 2 must be at least 0"):
        parse_scenario("[model]\nroughness_error = 2\n")
    with pytest.raises(ScenarioError, match="did you mean 'diameter_error'"):
        parse_scenario("[model]\ndiameter_eror = 0.1\n")
