"""What a crew takes along of a job: where to listen, what is near, and how much of the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from twuin.alerts.model import Kind
from twuin.views.surroundings import MOST_FEATURES
from twuin.views.views import Views
from waterworks.site import Fitting, FittingKind, StopValve, ValveState

VALVES = (StopValve("V-1", "P1", "J1", ValveState.STUCK, "Jl. Melati"), StopValve("V-2", "P2", "J2"))
FITTINGS = (Fitting("H-1", FittingKind.HYDRANT, "P2", "J1", "SD Melati"),)


@pytest.fixture
def equipped(small_town: Any) -> Callable[..., Views]:
    """The small town's views with valves and fittings, and a leak."""
    t = small_town
    t.alerts.apply([t.leak()])

    def make(**more: Any) -> Views:
        site = replace(t.site, **{"valves": VALVES, "fittings": FITTINGS, **more})
        return Views(site, t.store, t.alerts, clock=t.clock, network=t.network)

    return make


def job_of(views: Views) -> Any:
    return views.field.job(views.alerts(kind=Kind.LEAK).items[0].id, [])


def test_one_listens_at_fittings_on_the_pipe_before_those_at_its_ends(equipped: Callable[..., Views]) -> None:
    first, second = job_of(equipped()).listen
    assert (first.pipe, second.pipe) == ("P2", "P1")
    assert [(p.id, p.kind, p.state) for p in first.points] == [
        ("H-1", "hydrant", ""),
        ("V-2", "valve", "open"),
        ("V-1", "valve", "stuck"),  # on the pipe beside it, at its end
    ]
    assert [p.id for p in second.points] == ["V-1", "H-1"]
    assert all(p.lon is not None for p in first.points)


def test_what_has_a_name_tells_where_one_is(equipped: Callable[..., Views]) -> None:
    marks = job_of(equipped()).landmarks
    assert {m.name for m in marks} >= {"SD Melati", "Jl. Melati"}
    assert [m.distance_m for m in marks] == sorted(m.distance_m for m in marks)
    assert len(marks) == 3


def test_valves_and_fittings_are_on_the_map(equipped: Callable[..., Views]) -> None:
    drawn = {f["properties"]["id"]: f["properties"]["kind"] for f in job_of(equipped()).map["features"]}
    assert drawn | {"V-1": "stop_valve", "H-1": "hydrant", "P2": "pipe"} == drawn


def test_without_a_place_on_earth_nothing_is_said_to_be_near(equipped: Callable[..., Views]) -> None:
    job = job_of(equipped(crs=""))
    assert job.georeferenced is False and job.landmarks == []


def test_a_map_is_cut_out_around_the_suspects_and_no_larger_than_phones_bear(
    samples: ModuleType, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = samples.town(tmp_path)
    leak = next(a for a in town.views.alerts(kind=Kind.LEAK).items if a.dma == "D2")
    job = town.views.field.job(leak.id, [])
    drawn = {f["properties"]["id"] for f in job.map["features"]}
    assert {s.pipe for s in leak.suspects} | {v.pipe for v in job.isolation.shut} <= drawn
    assert len(job.map["features"]) < len(town.views.network_geojson()["features"]) + len(town.site.valves)
    assert len(job.map["features"]) <= MOST_FEATURES
    monkeypatch.setattr("twuin.views.surroundings.MOST_FEATURES", 20)
    few = {f["properties"]["id"] for f in town.views.field.job(leak.id, []).map["features"]}
    assert len(few) <= 20 and leak.search_from in few  # those nearest to where the search begins
    town.store.close()


def test_of_a_leak_without_suspects_the_whole_area_is_shown(samples: ModuleType, tmp_path: Any) -> None:
    town = samples.town(tmp_path)
    high = next(a for a in town.views.alerts(kind=Kind.NIGHT_FLOW).items)
    job = town.views.field.job(high.id, [])
    assert job.listen == [] and job.lon is None and job.isolation is None
    own = [f for f in town.views.network_geojson()["features"] if f["properties"]["dma"] == high.dma]
    pipes = {f["properties"]["id"] for f in own if f["geometry"]["type"] == "LineString"}
    assert pipes <= {f["properties"]["id"] for f in job.map["features"]}
    town.store.close()
