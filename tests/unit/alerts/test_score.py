"""What Twuin had said of a leak is kept as the crew is sent and as it is found, with how good it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from twuin.alerts.measure import PipeMeasure
from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Alert, Finding, Kind, Suspect
from twuin.alerts.score import (
    SAID,
    SCORED,
    Hit,
    Measured,
    Said,
    score_from,
    score_json,
    score_of,
)
from twuin.alerts.service import AlertService
from twuin.alerts.work import Place
from waterworks.network import Network
from waterworks.site import Site

Make = Callable[..., Finding]


def ruler(place: Place, said: Sequence[Said]) -> Measured:
    """One pipe is as far from another as their numbers are apart, in hundreds of metres."""
    number = int(place.pipe[1:])

    def hit(s: Said) -> Hit:
        named = [p for p, _ in s.suspects]
        metres = [100.0 * abs(int(p[1:]) - number) for p in named]
        rank = named.index(place.pipe) + 1 if place.pipe in named else None
        return Hit(rank, None, metres[0] if metres else None)

    return Measured(place.pipe, place.along_m is not None, tuple(map(hit, said)))


@pytest.fixture
def scored(clock: Any) -> AlertService:
    return AlertService("town", MemoryAlertStore(), clock, measure=ruler)


def said(finding: Make, *pipes: str, as_of: float = 5, **more: Any) -> Finding:
    suspects = tuple(Suspect(p, 1.0 / (i + 2)) for i, p in enumerate(pipes))
    return finding(0, 2, as_of, flow=0.003, suspects=suspects, **more)


def actions(service: AlertService, alert: Alert) -> list[str]:
    return [e.action for e in service.history(alert.id)]


def act(service: AlertService, alert: Alert, action: str, **more: Any) -> Alert:
    return service.act(alert.id, action, version=service.get(alert.id).version, actor="Regu", **more)


@pytest.fixture
def leak(scored: AlertService, finding: Make) -> Alert:
    return scored.apply([said(finding, "P1", "P2")])[0]


def test_what_was_said_as_the_crew_was_sent_stays_though_more_is_known_later(
    scored: AlertService, leak: Alert, finding: Make
) -> None:
    act(scored, leak, "assign", assignee="north")
    scored.apply([said(finding, "P4", "P2", as_of=9)])
    act(scored, leak, "locate", place=Place("P4", 12.0))
    score = score_of(scored.history(leak.id))
    assert score is not None
    assert (score.pipe, score.exact) == ("P4", True)
    assert score.sent_said is not None and score.sent_hit is not None
    assert score.sent_said.suspects == (("P1", 0.5), ("P2", pytest.approx(1 / 3, abs=1e-6)))
    assert (score.sent_hit.rank, score.sent_hit.best_m) == (None, 300.0)
    assert (score.hit.rank, score.hit.best_m) == (1, 0.0)
    assert score.said.as_of > score.sent_said.as_of

    assert actions(scored, leak).count(SAID) == 1


def test_a_place_that_is_corrected_moves_the_score_and_keeps_the_one_before(
    scored: AlertService, leak: Alert
) -> None:
    act(scored, leak, "locate", place=Place("P3"))
    act(scored, leak, "locate", place=Place("P2"))
    kept = [e.details["pipe"] for e in scored.history(leak.id) if e.action == SCORED]
    assert kept == ["P3", "P2"]
    score = score_of(scored.history(leak.id))
    assert score is not None and score.pipe == "P2"
    act(scored, leak, "not_found")
    assert score_of(scored.history(leak.id)) is None


def test_the_same_place_told_again_adds_nothing(scored: AlertService, leak: Alert) -> None:
    act(scored, leak, "locate", place=Place("P3"))
    act(scored, leak, "repaired", place=Place("P3"))
    assert actions(scored, leak).count(SCORED) == 1


def test_a_repair_that_tells_the_place_gives_the_score_too(scored: AlertService, leak: Alert) -> None:
    act(scored, leak, "repaired", place=Place("P2"))
    score = score_of(scored.history(leak.id))
    assert score is not None and score.hit.rank == 2 and score.sent is None


def test_who_goes_without_being_sent_is_sent_as_he_arrives(scored: AlertService, leak: Alert) -> None:
    act(scored, leak, "arrive")
    assert actions(scored, leak).count(SAID) == 1
    act(scored, leak, "assign", assignee="south")
    assert actions(scored, leak).count(SAID) == 2  # another crew: by what is said now


def test_a_search_after_reopening_is_measured_by_what_was_said_since(
    scored: AlertService, leak: Alert
) -> None:
    act(scored, leak, "assign", assignee="north")
    act(scored, leak, "repaired", place=Place("P1"))
    act(scored, leak, "reopen")
    act(scored, leak, "locate", place=Place("P2"))
    score = score_of(scored.history(leak.id))
    assert score is not None and score.pipe == "P2" and score.sent is None


def test_a_step_sent_twice_with_its_key_is_scored_once(scored: AlertService, leak: Alert) -> None:
    for _ in range(2):
        scored.act(leak.id, "locate", version=None, key="k1", place=Place("P2"), actor="Regu")
    assert actions(scored, leak) == ["opened", "located", SCORED]


def test_the_time_of_the_find_is_that_of_the_crew(
    scored: AlertService, leak: Alert, at: Callable[[float], datetime]
) -> None:
    scored.act(leak.id, "locate", version=None, key="k1", place=Place("P2"), happened=at(30), actor="Regu")
    score = score_of(scored.history(leak.id))
    assert score is not None and (score.detected, score.found) == (at(2), at(30))


def test_a_sensor_has_no_score(scored: AlertService, finding: Make) -> None:
    (alert,) = scored.apply([finding(0, 2, 5, kind=Kind.SILENT, subject="S1", dma="D1")])
    act(scored, alert, "assign", assignee="north")
    assert SAID not in actions(scored, alert)


def test_a_score_is_the_same_after_it_was_kept_as_json(scored: AlertService, leak: Alert) -> None:
    act(scored, leak, "assign", assignee="north")
    act(scored, leak, "locate", place=Place("P2"))
    score = score_of(scored.history(leak.id))
    assert score is not None
    assert score_from(score_json(score)) == score


# Distances in a real network


@pytest.fixture
def streets(samples: Any, tmp_path: Any) -> tuple[Site, Network]:
    network, _, _ = samples._network()
    site = samples.Site("kota", "Kota", samples.ZoneInfo("Asia/Jakarta"), (), (), tmp_path, crs="EPSG:4326")
    return site, network


def told(*pipes: str, centre: str = "", half: float | None = None, most: float | None = None) -> Said:
    when = datetime.fromisoformat("2026-11-20T00:00:00Z")
    return Said(when, tuple((p, 0.5) for p in pipes), centre, half, most, 0.003)


def test_the_true_pipe_is_as_far_as_its_point_is_from_its_middle(streets: tuple[Site, Network]) -> None:
    measured = PipeMeasure(*streets)(Place("P20", 130.0), [told("P20", "P1")])
    assert measured is not None and (measured.pipe, measured.exact) == ("P20", True)
    (hit,) = measured.hits
    assert (hit.rank, hit.probability, hit.best_m, hit.nearest_m) == (1, 0.5, 35.0, 35.0)  # of 190 m
    assert hit.best_air_m is not None and hit.best_air_m > 0


def test_beginning_and_radii_are_held_against_the_way_along_the_pipes(
    streets: tuple[Site, Network],
) -> None:
    measure = PipeMeasure(*streets)
    for half, inside in ((40.0, True), (30.0, False)):
        measured = measure(Place("P20", 130.0), [told("P1", centre="P20", half=half, most=500.0)])
        assert measured is not None
        hit = measured.hits[0]
        assert (hit.rank, hit.centre_m, hit.inside_50, hit.inside_90) == (None, 35.0, inside, True)
        assert hit.probability == 0.0
        assert hit.best_m is not None and hit.best_air_m is not None
        assert hit.best_m > 500 and hit.best_air_m > 500


def test_a_position_is_put_on_the_pipe_beside_it(streets: tuple[Site, Network]) -> None:
    site, network = streets
    link = network.link_index["P20"]
    a, b = network.xy[network.start[link]], network.xy[network.end[link]]
    lon, lat = (0.25 * a + 0.75 * b).tolist()
    measured = PipeMeasure(site, network)(Place(lon=lon + 0.00005, lat=lat), [told("P20")])
    assert measured is not None and (measured.pipe, measured.exact) == ("P20", True)
    assert measured.hits[0].best_m == pytest.approx(47.5, abs=5)


def test_a_find_beyond_all_known_pipes_counts_and_is_near_none(streets: tuple[Site, Network]) -> None:
    said = told("P20", centre="P20", half=100.0, most=200.0)
    measured = PipeMeasure(*streets)(Place(lon=112.70, lat=-7.90), [said])
    assert measured is not None and measured.pipe == ""
    hit = measured.hits[0]
    assert (hit.rank, hit.best_m, hit.inside_90) == (None, None, None)
    assert hit.best_air_m is not None and hit.best_air_m > 5000


def test_without_coordinates_only_the_pipe_tells(streets: tuple[Site, Network]) -> None:
    site, network = streets
    plan = PipeMeasure(replace(site, crs=""), network)
    measured = plan(Place("P20"), [told("P20")])
    assert measured is not None and not measured.exact
    assert (measured.hits[0].best_m, measured.hits[0].best_air_m) == (0.0, None)
    assert plan(Place(lon=112.61, lat=-7.95), [told("P20")]) is None


def test_pipes_that_a_network_no_longer_has_are_no_suspects(streets: tuple[Site, Network]) -> None:
    measured = PipeMeasure(*streets)(Place("P20"), [told("GONE", "P20", centre="GONE", half=50.0)])
    assert measured is not None
    hit = measured.hits[0]
    assert (hit.rank, hit.best_m, hit.nearest_m, hit.inside_50) == (2, None, 0.0, None)
    assert np.isfinite(hit.nearest_m or 0.0)
