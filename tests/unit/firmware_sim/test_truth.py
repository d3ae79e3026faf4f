"""EPANET through the simulator, against laws that hold whatever EPANET does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from firmware_sim.bound import bind
from firmware_sim.scenario import parse_scenario
from firmware_sim.truth import Measure, Point, Rows, Truth, TruthState
from waterworks.errors import NetworkError
from waterworks.site import Site

NODES, LINKS = "ABCDEF", ("RA", "TB", "BC", "CD", "EF", "PU", "V")
POINTS = [
    *(Point(Measure.PRESSURE, n) for n in "ABCDEFT"),
    *(Point(Measure.DEMAND, n) for n in NODES),
    *(Point(Measure.FLOW, link) for link in LINKS),
]
COLUMN = {(p.measure, p.place): i for i, p in enumerate(POINTS)}


def run(
    site: Site, start: np.datetime64, text: str = "", hours: float = 24, state: TruthState | None = None
) -> Rows:
    bound = bind(site, parse_scenario(text), start)
    with Truth(bound, POINTS, start, state) as truth:
        return truth.rows(round(hours * 3600 / truth.step_s))


def pressure(rows: Rows, node: str) -> np.ndarray:
    return rows.values[:, COLUMN[Measure.PRESSURE, node]]


def demand(rows: Rows, node: str) -> np.ndarray:
    return rows.values[:, COLUMN[Measure.DEMAND, node]] * 3600


def flow(rows: Rows, link: str) -> np.ndarray:
    return rows.values[:, COLUMN[Measure.FLOW, link]] * 3600


def at(start: np.datetime64, hours: float) -> np.datetime64:
    return start + np.timedelta64(round(hours * 3.6e9), "us")


BURST = '[[leak]]\npipe = "CD"\nstart = "+6h"\nend = "+12h"\nflow_m3h = 8\npressure_m = 50\n'


def test_what_flows_in_is_drawn_or_leaks(site: Site, start: np.datetime64) -> None:
    rows = run(site, start, BURST)
    drawn = sum(demand(rows, n) for n in "BCDEF")
    assert np.allclose(flow(rows, "TB"), drawn + rows.leaks[:, 0] * 3600, atol=0.02)


def test_a_hole_obeys_its_law_of_pressure_while_it_is_open(site: Site, start: np.datetime64) -> None:
    rows = run(site, start, BURST + "position = 0\n")  # at junction C, whose pressure is observed
    leak = rows.leaks[:, 0] * 3600
    hours = (rows.time_s - rows.time_s[0]) / 3600
    open_ = (hours >= 6) & (hours < 12)
    assert np.allclose(leak[open_], 8 * np.sqrt(pressure(rows, "C")[open_] / 50), rtol=1e-4)
    assert (leak[~open_] == 0).all()


def test_a_repaired_hole_lets_nothing_out_of_the_network(site: Site, start: np.datetime64) -> None:
    leaking, sound = run(site, start, BURST), run(site, start)
    after = (leaking.time_s - leaking.time_s[0]) / 3600 >= 12
    assert np.allclose(flow(leaking, "TB")[after], flow(sound, "TB")[after], atol=0.02)


def test_a_pipe_that_is_split_for_a_leak_carries_water_as_before(site: Site, start: np.datetime64) -> None:
    never = '[[leak]]\npipe = "{}"\nposition = {}\nstart = "+99d"\nflow_m3h = 8\n'
    many = "".join(never.format("CD", p) for p in (0.7, 0.2, 0.2, 0.999)) + never.format("RA", 0)
    split, whole = run(site, start, many, 6), run(site, start, "", 6)
    assert np.abs(split.values - whole.values).max() < 0.01  # m; both are solved to 1e-4 of the flow


def test_a_leak_farther_down_a_pipe_costs_more_pressure_at_its_end(site: Site, start: np.datetime64) -> None:
    at_end = [pressure(run(site, start, BURST + f"position = {p}\n", 8), "D")[-1] for p in (0.05, 0.5, 0.95)]
    assert at_end[0] > at_end[1] > at_end[2]


def test_a_leak_of_wanted_flow_has_it_at_the_usual_pressure(site: Site, start: np.datetime64) -> None:
    rows = run(site, start, '[[leak]]\npipe = "CD"\nstart = "+0s"\nflow_m3h = 3\n')
    assert float(rows.leaks.mean()) * 3600 == pytest.approx(3, rel=0.05)


def test_a_resumed_run_goes_on_bit_by_bit(site: Site, start: np.datetime64) -> None:
    text = BURST + '[[event]]\nkind = "closed"\nlink = "PU"\nstart = "+20h"\nend = "+30h"\n'
    bound = bind(site, parse_scenario(text), start)
    with Truth(bound, POINTS, start) as truth:
        whole = truth.rows(4 * 288)
    with Truth(bound, POINTS, start) as truth:
        truth.rows(400)
        state = TruthState.from_json(truth.state(truth.time_s).to_json())
    with Truth(bound, POINTS, start + np.timedelta64(500 * 300, "s"), state) as truth:
        rest = truth.rows(4 * 288 - 500)
    assert np.array_equal(rest.time_s, whole.time_s[500:])
    assert np.array_equal(rest.values, whole.values[500:])
    assert np.array_equal(rest.leaks, whole.leaks[500:])


def test_pumps_fill_the_tank_by_the_files_controls(site: Site, start: np.datetime64) -> None:
    level = pressure(run(site, start, "", 96), "T")
    assert level.min() > 1.2 and level.max() < 3.8
    assert np.count_nonzero(np.diff(np.sign(np.diff(level)))) >= 4


def test_an_outage_holds_a_pump_against_its_controls_until_it_ends(site: Site, start: np.datetime64) -> None:
    text = '[[event]]\nkind = "closed"\nlink = "PU"\nstart = "+2h"\nend = "+10h"\n'
    rows = run(site, start, text, 30)
    hours = (rows.time_s - rows.time_s[0]) / 3600
    assert np.abs(flow(rows, "PU")[(hours >= 2) & (hours < 10)]).max() < 1e-3
    assert flow(rows, "PU")[hours >= 10].max() > 10


def test_what_a_shut_pipe_cuts_off_runs_dry_and_the_rest_goes_on(site: Site, start: np.datetime64) -> None:
    text = '[[event]]\nkind = "closed"\nlink = "CD"\nstart = "+2h"\nend = "+10h"\n'
    rows, usual = run(site, start, text, 16), run(site, start, "", 16)
    hours = (rows.time_s - rows.time_s[0]) / 3600
    cut = (hours >= 2) & (hours < 10)
    for node in ("D", "E"):
        assert np.allclose(pressure(rows, node)[cut], 0, atol=1e-3)
        assert np.allclose(pressure(rows, node)[~cut], pressure(usual, node)[~cut], atol=1.5)
    assert np.abs(flow(rows, "V")[cut]).max() < 1e-3
    # What is not cut off is served as before, from a tank that stands a little higher.
    assert np.allclose(pressure(rows, "B"), pressure(usual, "B"), atol=1.5)
    drawn = flow(rows, "TB")
    assert (drawn[cut] < 0.8 * flow(usual, "TB")[cut]).all() and (drawn[cut] > 0).all()


def test_a_pump_runs_in_its_hours_only(site: Site, start: np.datetime64) -> None:
    text = '[[event]]\nkind = "pump_hours"\nlink = "PU"\nstart = "+0s"\nhours = ["22:00-02:00"]\n'
    rows = run(site, start, text, 48)
    local = ((rows.time_s + 7 * 3600) % 86400) / 3600
    on = flow(rows, "PU") > 1
    assert not on[(local >= 2) & (local < 22)].any()
    assert on[(local >= 22) | (local < 2)].any()


def test_a_valve_is_set_for_a_while(site: Site, start: np.datetime64) -> None:
    text = '[[event]]\nkind = "valve_setting"\nlink = "V"\nstart = "+2h"\nend = "+26h"\nvalue = 22\n'
    rows = run(site, start, text, 30)
    hours = (rows.time_s - rows.time_s[0]) / 3600
    held = (hours >= 2) & (hours < 26)
    assert np.allclose(pressure(rows, "E")[held], 22, atol=0.01)
    assert np.allclose(pressure(rows, "E")[~held], 30, atol=0.01)


def test_use_out_of_the_ordinary_is_drawn_where_nobody_else_draws(site: Site, start: np.datetime64) -> None:
    text = '[[event]]\nkind = "use"\nnode = "A"\nstart = "+2h"\nend = "+3h"\nvalue = 12\n'
    taken = demand(run(site, start, text, 5), "A")
    assert np.allclose(taken[24:36], 12) and np.allclose(np.delete(taken, np.s_[24:36]), 0, atol=1e-9)


def test_mean_demand_is_the_models_and_chance_follows_the_seed(site: Site, start: np.datetime64) -> None:
    days = 28 * 24
    rows = run(site, start, "[demand]\nweekend = 1\nholiday = 1\nweekend_shift_h = 0", days)
    assert demand(rows, "C").mean() == pytest.approx(6 * np.mean(HOMES), rel=0.03)
    other = run(site, start, "seed = 2", 24)
    assert not np.allclose(demand(other, "C"), demand(rows, "C")[:288])
    quiet = run(site, start, "[demand]\nnode_noise = 0\nnode_noise_slow = 0\ncommon_noise = 0", 24)
    assert np.allclose(demand(quiet, "C")[::12], 6 * np.array(HOMES), rtol=1e-6)


HOMES = [0.4, 0.3, 0.3, 0.5, 1.2, 1.8, 1.9, 1.4, 1.1, 1.0, 0.9, 1.0]
HOMES += [1.0, 0.9, 0.9, 1.1, 1.4, 1.6, 1.4, 1.1, 0.9, 0.8, 0.7, 0.4]


def test_units_of_the_file_do_not_matter(
    hamlet_site: Callable[..., Site], start: np.datetime64, tmp_path: Path
) -> None:
    metric = run(hamlet_site(), start, BURST)
    # The same network, as EPANET itself writes it in gallons a minute, feet and psi.
    from epanet import toolkit

    project = toolkit.createproject()
    toolkit.open(project, str(tmp_path / "network.inp"), str(tmp_path / "r"), "")
    toolkit.setflowunits(project, toolkit.GPM)
    toolkit.setoption(project, toolkit.PRESS_UNITS, toolkit.PSI)
    toolkit.saveinpfile(project, str(tmp_path / "us.inp"))
    toolkit.deleteproject(project)
    text = (tmp_path / "us.inp").read_text()
    assert "GPM" in text
    gallons = run(hamlet_site(text), start, BURST)
    scale = np.abs(metric.values).max(axis=0)
    assert (np.abs(gallons.values - metric.values).max(axis=0) < 0.01 * scale + 2e-4).all()


def test_nothing_is_left_behind_or_printed(
    site: Site, start: np.datetime64, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(scratch)
    run(site, start)
    assert not list(scratch.iterdir())
    assert capfd.readouterr() == ("", "")


def test_a_network_that_cannot_be_solved_is_named(
    hamlet_site: Callable[..., Site], start: np.datetime64
) -> None:
    site = hamlet_site("[JUNCTIONS]\nA 0 1\n[RESERVOIRS]\nR 10\n[PIPES]\nP R A 0 100 100\n[END]\n")
    with pytest.raises(NetworkError, match=r"network\.inp"):
        bind(site, parse_scenario(""), start)
