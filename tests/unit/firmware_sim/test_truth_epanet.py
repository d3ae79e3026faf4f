"""The simulated hydraulics against EPANET run plainly on the same file: a day of heads and flows."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from epanet import toolkit

from firmware_sim.battle_site import battle_site
from firmware_sim.bound import bind
from firmware_sim.scenario import parse_scenario
from firmware_sim.town import demo_site_folder
from firmware_sim.truth import Measure, Point, Truth, TruthState
from waterworks.epanet_file import opened, read_network
from waterworks.network import NodeKind
from waterworks.site import Site
from waterworks.site_folder import read_site

STILL = "[demand]\nnode_noise = 0\nnode_noise_slow = 0\ncommon_noise = 0\n"
STEP_S = 300
HEAD_M, FLOW_M3H = 1e-3, 0.02
"""Agreement that is asked for. Both iterate to 1e-5 of the flows; what differs is where each starts from."""


def epanet(path: Path, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Heads (T, N) [m] and flows (T, L) [m3/h] of EPANET's own run of a file."""
    heads, flows = [], []
    with opened(path) as p, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        toolkit.setflowunits(p, toolkit.CMH)
        toolkit.setoption(p, toolkit.ACCURACY, 1e-5)
        for what, value in (
            (toolkit.DURATION, steps * STEP_S),
            (toolkit.HYDSTEP, STEP_S),
            (toolkit.REPORTSTEP, STEP_S),
            (toolkit.REPORTSTART, 0),
        ):
            toolkit.settimeparam(p, what, value)
        nodes, links = toolkit.getcount(p, toolkit.NODECOUNT), toolkit.getcount(p, toolkit.LINKCOUNT)
        toolkit.openH(p)
        toolkit.initH(p, toolkit.INITFLOW)
        while len(heads) < steps:
            if toolkit.runH(p) % STEP_S == 0:
                heads.append([toolkit.getnodevalue(p, i + 1, toolkit.HEAD) for i in range(nodes)])
                flows.append([toolkit.getlinkvalue(p, i + 1, toolkit.FLOW) for i in range(links)])
            toolkit.nextH(p)
        toolkit.closeH(p)
    return np.array(heads), np.array(flows)


def agree(site: Site, steps: int = 288) -> None:
    """The first day of a site's file, a Monday, from its own tank levels."""
    assert site.network_file is not None
    network = read_network(site.network_file)
    nodes = [i for i, kind in enumerate(network.node_kind) if kind != NodeKind.RESERVOIR]
    points = [Point(Measure.PRESSURE, network.node_ids[i]) for i in nodes]
    points += [Point(Measure.FLOW, link) for link in network.link_ids]
    monday = np.datetime64("2026-03-02T00:00", "us")  # of the zone's own clock
    start = monday - np.timedelta64(round(zone_offset_s(site)), "s")
    bound = bind(site, parse_scenario(STILL), start)
    with Truth(bound, points, start) as any_day:
        chunk = any_day.state(any_day.time_s).chunk
    with Truth(bound, points, start, TruthState(chunk)) as truth:
        toolkit.setoption(truth.model.project, toolkit.ACCURACY, 1e-5)
        values = truth.rows(steps).values
    heads, flows = epanet(site.network_file, steps)
    pressures = heads[:, nodes] - network.elevation[nodes]
    assert np.ptp(heads, axis=0).max() > 0.5  # a day in which something happens
    assert np.abs(values[:, : len(nodes)] - pressures).max() < HEAD_M
    assert np.abs(values[:, len(nodes) :] * 3600 - flows).max() < FLOW_M3H


def zone_offset_s(site: Site) -> float:
    moment = np.datetime64("2026-03-02T00:00", "s").item()
    offset = moment.replace(tzinfo=site.timezone).utcoffset()
    assert offset is not None
    return float(offset.total_seconds())


def in_steps(text: str) -> str:
    """A file whose patterns change at each step: here they are straight in between, EPANET's in stairs."""
    assert "Pattern Timestep 1:00" in text
    return text.replace("Pattern Timestep 1:00", "Pattern Timestep 0:05")


def test_the_hamlets_day_is_epanets(site: Site) -> None:
    assert site.network_file is not None
    site.network_file.write_text(in_steps(site.network_file.read_text()))
    agree(site)


def test_the_demo_towns_day_is_epanets(tmp_path: Path) -> None:
    site = read_site(demo_site_folder())
    assert site.network_file is not None
    file = tmp_path / "network.inp"
    file.write_text(in_steps(site.network_file.read_text()))
    agree(replace(site, network_file=file))


@pytest.mark.data
def test_l_towns_day_is_epanets(data_dir: Path) -> None:
    agree(battle_site(data_dir / "ltown" / "network.inp"))
