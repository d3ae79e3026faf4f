"""Who is limited to DMAs finds nothing of others, whatever the path, filter or expansion."""

from __future__ import annotations

import json

import pytest

from twuin.views.sensorthings import SensorThings
from twuin.views.sensorthings.model import KINDS
from twuin.views.views import Views
from waterworks.errors import NotFound

ROOT = "http://localhost/sta"


@pytest.fixture
def own(views: Views) -> SensorThings:
    """Of somebody who is limited to D1."""
    return views.limited_to(frozenset({"D1"})).sensorthings


@pytest.mark.parametrize("name", KINDS)
def test_no_set_holds_anything_of_other_dmas(own: SensorThings, views: Views, name: str) -> None:
    query = "$top=1000&$count=true"
    told = json.dumps(own.answer(name, query, ROOT).body)
    for hidden in ("Lowokwaru", "Sumbersari", "D2-P", "T-LEVEL", "dma:D2", "dma:D3", "dev3", "dev4"):
        assert hidden not in told
    # The test would not tell if these names stood nowhere.
    if name in ("Things", "FeaturesOfInterest"):
        assert "dma:D2" in json.dumps(views.sensorthings.answer(name, query, ROOT).body)


def test_the_meter_between_two_dmas_is_seen_from_both(own: SensorThings) -> None:
    found = own.answer("Datastreams", "$filter=properties/kind eq 'measured'", ROOT).body["value"]
    assert [d["@iot.id"] for d in found] == ["D1-D2", "D1-IN", "D1-P"]


@pytest.mark.parametrize(
    "path",
    [
        "Things('dma:D2')",
        "Datastreams('T-LEVEL')",
        "Datastreams('dma:D2:inflow')/Observations",
        "Observations('T-LEVEL@1773111600000000')",
        "FeaturesOfInterest('dev4@J2')/Observations",
        "ObservedProperties('flow')/Datastreams('dma:D2:inflow')",
    ],
)
def test_what_is_of_other_dmas_does_not_exist(own: SensorThings, views: Views, path: str) -> None:
    with pytest.raises(NotFound):
        own.answer(path, "", ROOT)
    if "flow')/D" not in path:
        assert views.sensorthings.answer(path, "", ROOT).body is not None


def test_filters_and_expansions_reach_nothing_of_other_dmas(own: SensorThings) -> None:
    assert own.answer("ObservedProperties", "$filter=Datastreams/id eq 'T-LEVEL'", ROOT).body["value"] == []
    told = json.dumps(own.answer("ObservedProperties", "$expand=Datastreams/Thing/Datastreams", ROOT).body)
    assert "dma:D2" not in told
    assert "T-LEVEL" not in told
