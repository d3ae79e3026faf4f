"""Which valves to shut: a main with two junctions, and every pipe of a town."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics.isolate import Segments
from twuin.views.isolation import Isolations
from waterworks.epanet_file import read_network
from waterworks.errors import NotFound
from waterworks.network import LinkKind, NodeKind
from waterworks.site import Site, StopValve, ValveState
from waterworks.site_folder import read_site


@pytest.fixture
def site(small_town: Any) -> Site:
    """D1 with 1000 connections at J1, D2 with 500 at J2: a reservoir, P1, J1, P2, J2."""
    site: Site = replace(small_town.site, node_dma={"J1": "D1", "J2": "D2"})
    return site


def test_without_a_list_the_pipes_beside_are_shut(site: Site, small_town: Any) -> None:
    found = Isolations(site, small_town.network).of("P2")
    assert (found.possible, found.assumed) == (True, True)
    assert [(v.id, v.pipe) for v in found.shut] == [("P1", "P1")]
    assert [(d.dma, d.connections) for d in found.dmas] == [("D1", 1000), ("D2", 500)]
    assert (found.connections, found.pipes) == (1500, ["P2"])


def test_valves_of_the_list_come_with_their_names_and_places(site: Site, small_town: Any) -> None:
    listed = replace(site, valves=(StopValve("V-7", "P2", "J1", name="Jl. Melati"),))
    found = Isolations(listed, small_town.network).of("P2")
    assert not found.assumed
    assert [(v.id, v.pipe, v.node, v.name) for v in found.shut] == [("V-7", "P2", "J1", "Jl. Melati")]
    assert found.shut[0].lon == pytest.approx(112.6152, abs=1e-3)
    assert (found.connections, found.pipes) == (500, ["P2"])
    assert found.length_m == pytest.approx(float(small_town.network.length[1]), abs=0.1)


def test_a_stuck_valve_is_passed_over_for_the_next_one(site: Site, small_town: Any) -> None:
    valves = (StopValve("V-7", "P2", "J1", ValveState.STUCK), StopValve("V-1", "P1", "R"))
    found = Isolations(replace(site, valves=valves), small_town.network).of("P2")
    assert [v.id for v in found.shut] == ["V-1"]
    assert found.connections == 1500


def test_where_no_valve_helps_it_says_so(site: Site, small_town: Any) -> None:
    found = Isolations(replace(site, valves=(StopValve("V-7", "P2", "J2"),)), small_town.network).of("P1")
    assert (found.possible, found.shut, found.connections) == (False, [], 0)


def test_a_pipe_is_cut_out_once_for_all_who_look(
    site: Site, small_town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut: list[int] = []

    def segments(*given: Any) -> Segments:
        cut.append(1)
        return Segments(*given)

    monkeypatch.setattr("twuin.views.isolation.Segments", segments)
    whole = Isolations(site, small_town.network)
    own = whole.limited_to(frozenset({"D2"}))
    assert own.of("P2") == whole.of("P2") == whole.of("P2") and len(cut) == 1
    with pytest.raises(NotFound):  # kept for others, and still not for everybody
        whole.limited_to(frozenset({"D1"})).of("P2")


def test_what_cannot_be_answered_is_not_found(site: Site, small_town: Any) -> None:
    with pytest.raises(NotFound, match="no pipe 'P9'"):
        Isolations(site, small_town.network).of("P9")
    with pytest.raises(NotFound, match="has no network model"):
        Isolations(site, None).of("P1")


@pytest.mark.data
def test_every_pipe_of_ltown_can_be_isolated_and_costs_as_many_customers_as_it_says(ltown: Path) -> None:
    site = read_site(ltown)
    assert site.network_file is not None
    network = read_network(site.network_file)
    isolations = Isolations(site, network)
    everyone = sum(d.connections for d in site.dmas)
    pipes = np.flatnonzero(network.link_kind <= LinkKind.PIPE)[::20]
    for link in pipes.tolist():
        found = isolations.of(network.link_ids[link])
        assert found.possible and found.pipes.count(network.link_ids[link]) == 1
        assert 0 <= found.connections <= everyone
        # Flow along what is left open: nothing from a source may come to either end of the pipe.
        shut = {v.pipe for v in found.shut}
        wet = set(np.flatnonzero(network.node_kind != NodeKind.JUNCTION).tolist())
        grown = True
        while grown:
            grown = False
            for i in range(len(network.link_ids)):
                ends = {int(network.start[i]), int(network.end[i])}
                passes = network.open[i] and network.link_ids[i] not in shut and i != link
                if passes and ends & wet and not ends <= wet:
                    wet |= ends
                    grown = True
        assert not wet & {int(network.start[link]), int(network.end[link])}
