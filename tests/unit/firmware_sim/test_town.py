"""The demo town is what its description says, and sound by EPANET's own account."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from epanet import toolkit

from firmware_sim.town import demo_site_folder, main, write_town
from waterworks.epanet_file import link_values, node_values, opened, read_network
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.site import Role, Site
from waterworks.site_folder import check_site, read_site
from waterworks.units import Quantity


@dataclass
class Week:
    """Seven days of the town at EPANET's own steps: (T,) s, (T, N) m, (T, L) m/s and L/s."""

    network: Network
    site: Site
    time: np.ndarray
    pressure: np.ndarray
    velocity: np.ndarray
    flow: np.ndarray
    demand: np.ndarray
    warned: list[str]


@pytest.fixture(scope="module")
def week() -> Week:
    path = demo_site_folder() / "network.inp"
    network = read_network(path)
    n, m = len(network.node_ids), len(network.link_ids)
    rows: list[tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    with opened(path) as project, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        toolkit.openH(project)
        toolkit.initH(project, 0)
        while True:
            now = toolkit.runH(project)
            rows.append(
                (
                    now,
                    node_values(project, toolkit.PRESSURE, n),
                    link_values(project, toolkit.VELOCITY, m),
                    link_values(project, toolkit.FLOW, m),
                    node_values(project, toolkit.DEMAND, n),
                )
            )
            if toolkit.nextH(project) == 0:
                break
        toolkit.closeH(project)
    columns = [np.array(c) for c in zip(*rows, strict=True)]
    return Week(network, read_site(demo_site_folder()), *columns, [str(w.message) for w in caught])


def test_the_generator_writes_the_committed_town_byte_for_byte(tmp_path: Path) -> None:
    write_town(tmp_path / "again")
    made = {p.name: p.read_bytes() for p in (tmp_path / "again").iterdir()}
    shipped = {p.name: p.read_bytes() for p in demo_site_folder().iterdir()}
    assert set(made) == {"network.inp", "site.toml", "dmas.csv", "sensors.csv", "streets.geojson"}
    for name, data in made.items():
        assert shipped[name] == data, (
            f"{name} differs: run python -m firmware_sim.town firmware_sim/demo_town"
        )


def test_the_command_says_how_to_use_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err


def test_the_town_is_a_right_site_without_a_doubt() -> None:
    assert check_site(demo_site_folder()) == []


def test_the_town_has_what_a_hillside_town_has(week: Week) -> None:
    n, site = week.network, week.site
    assert 300 <= (n.node_kind == NodeKind.JUNCTION).sum() <= 600
    assert (n.node_kind == NodeKind.RESERVOIR).sum() == 1
    assert (n.node_kind == NodeKind.TANK).sum() == 1
    assert (n.link_kind == LinkKind.PUMP).sum() == 1
    assert (n.link_kind == LinkKind.PRV).sum() == 3
    assert len(site.dmas) == 6
    pipes = n.length > 0
    assert (n.diameter[pipes] >= 0.05).all()
    assert (n.diameter[pipes] <= 0.3).all()
    junction = n.node_kind == NodeKind.JUNCTION
    assert np.ptp(n.elevation[junction]) > 60  # the ground falls across the town
    for dma in site.dmas:
        inlets = [s for s in site.sensors if s.role is Role.INLET and s.dma == dma.id]
        pressures = [s for s in site.sensors if s.quantity is Quantity.PRESSURE and s.dma == dma.id]
        assert 1 <= len(inlets) <= 2
        assert 3 <= len(pressures) <= 5
    assert sum(s.dma == "D5" for s in site.sensors if s.role is Role.INLET) == 2
    assert site.sensor["D4-IN"].from_dma == "D2"
    assert sum(s.quantity is Quantity.LEVEL for s in site.sensors) == 1


def test_epanet_runs_a_week_without_a_warning(week: Week) -> None:
    assert week.time[-1] == 7 * 86400
    assert week.warned == []


def test_pressures_stay_between_ten_and_eighty_metres_at_all_hours(week: Week) -> None:
    junction = week.network.node_kind == NodeKind.JUNCTION
    assert week.pressure[:, junction].min() >= 10
    assert week.pressure[:, junction].max() <= 80


def test_velocities_are_sane(week: Week) -> None:
    assert week.velocity.max() < 1.5  # m/s
    main_ = week.network.link_index["M01"]
    assert week.velocity[:, main_].max() > 0.3


def test_the_tank_fills_and_empties_within_its_levels(week: Week) -> None:
    level = week.pressure[:, week.network.node_index["TANK-1"]]
    assert level.min() > 0.5
    assert level.max() < 4.4
    running = week.flow[:, week.network.link_index["PUMP-1"]] > 1
    starts = int((np.diff(running.astype(int)) > 0).sum())
    assert 5 <= starts <= 30


def test_demand_peaks_before_six_and_sleeps_at_two(week: Week) -> None:
    junction = week.network.node_kind == NodeKind.JUNCTION
    total = week.demand[:, junction].sum(axis=1)
    hour = (week.time % 86400) / 3600
    mean = np.array([total[(hour >= h) & (hour < h + 1)].mean() for h in range(24)])
    assert mean.argmax() == 5
    assert mean[12:].argmax() + 12 == 17
    assert mean[1:3].max() < 0.45 * mean.mean()


def test_every_dma_gets_through_its_meters_what_it_uses(week: Week) -> None:
    n, site = week.network, week.site
    for dma in site.dmas:
        inside = [n.node_index[j] for j, d in site.node_dma.items() if d == dma.id]
        use = week.demand[:, inside].sum(axis=1)
        net = np.zeros(len(week.time))
        for s in site.sensors:
            if s.role is Role.INLET:
                flow = week.flow[:, n.link_index[s.element]]
                net += flow * ((s.dma == dma.id) - (s.from_dma == dma.id))
        np.testing.assert_allclose(net, use, atol=0.01)  # L/s


def test_a_burst_shows_in_the_pressures_of_its_dma(week: Week) -> None:
    """Sensors can tell where: an emitter of some 3 L/s lowers a pressure in its own DMA most."""
    n, site = week.network, week.site
    path = demo_site_folder() / "network.inp"
    sensors = [s for s in site.sensors if s.quantity is Quantity.PRESSURE]
    at = [n.node_index[s.element] for s in sensors]
    for dma, node in (("D2", "J260"), ("D3", "J330"), ("D5", "J545")):
        drop = []
        for leak in (0.0, 0.5):
            with opened(path) as project:
                toolkit.settimeparam(project, toolkit.DURATION, 0)
                toolkit.setnodevalue(project, n.node_index[node] + 1, toolkit.EMITTER, leak)
                toolkit.openH(project)
                toolkit.initH(project, 0)
                toolkit.runH(project)
                drop.append(node_values(project, toolkit.PRESSURE, len(n.node_ids))[at])
                toolkit.closeH(project)
        most = int(np.argmax(drop[0] - drop[1]))
        assert sensors[most].dma == dma
        assert (drop[0] - drop[1])[most] > 0.3
