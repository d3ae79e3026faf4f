"""What the standard (OGC 18-088) and its test suite (ets-sta10, class "Sensing Core") ask of a service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

ROOT = "http://localhost/api/sta/v1.1"

MANDATORY: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Things": (("name", "description"), ("Datastreams", "HistoricalLocations", "Locations")),
    "Locations": (
        ("name", "description", "encodingType", "location"),
        ("HistoricalLocations", "Things"),
    ),
    "Sensors": (("name", "description", "encodingType", "metadata"), ("Datastreams",)),
    "ObservedProperties": (("name", "definition", "description"), ("Datastreams",)),
    "Observations": (("phenomenonTime", "result", "resultTime"), ("Datastream", "FeatureOfInterest")),
    "Datastreams": (
        ("name", "description", "unitOfMeasurement", "observationType"),
        ("Thing", "Sensor", "ObservedProperty", "Observations"),
    ),
    "FeaturesOfInterest": (("name", "description", "encodingType", "feature"), ("Observations",)),
    "HistoricalLocations": (("time",), ("Thing", "Locations")),
}
"""Properties and links that each entity must have, as the test suite lists them."""

SETS_OF = {
    "Thing": "Things",
    "Sensor": "Sensors",
    "ObservedProperty": "ObservedProperties",
    "Datastream": "Datastreams",
    "FeatureOfInterest": "FeaturesOfInterest",
}


def get(sta: TestClient, address: str, status: int = 200) -> Any:
    answer = sta.get(address if address.startswith("http") else f"{ROOT}/{address}")
    assert answer.status_code == status, (address, answer.text)
    return answer.json()


def first(sta: TestClient, name: str) -> dict[str, Any]:
    found: dict[str, Any] = get(sta, f"{name}?$top=1")["value"][0]
    return found


def test_the_root_names_every_set_with_its_address_and_the_conformance_classes(sta: TestClient) -> None:
    body = get(sta, ROOT)
    assert {e["name"]: e["url"] for e in body["value"]} == {name: f"{ROOT}/{name}" for name in MANDATORY}
    assert set(body["serverSettings"]["conformance"]) >= {
        "http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel",
        "http://www.opengis.net/spec/iot_sensing/1.1/req/resource-path/resource-path-to-entities",
        "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data",
    }


@pytest.mark.parametrize("name", MANDATORY)
def test_every_entity_has_its_control_information_properties_and_links(sta: TestClient, name: str) -> None:
    properties, links = MANDATORY[name]
    found = get(sta, name)["value"]
    assert found
    for entity in found:
        assert entity["@iot.id"] is not None
        assert all(entity[p] is not None for p in properties)
        assert all(entity[f"{link}@iot.navigationLink"] for link in links)
    assert get(sta, found[0]["@iot.selfLink"]) == found[0]


@pytest.mark.parametrize("name", MANDATORY)
def test_a_property_comes_alone_and_its_value_as_it_is(sta: TestClient, name: str) -> None:
    entity = first(sta, name)
    for p in MANDATORY[name][0]:
        assert get(sta, f"{entity['@iot.selfLink']}/{p}") == {p: entity[p]}
        raw = sta.get(f"{entity['@iot.selfLink']}/{p}/$value")
        assert raw.status_code == 200
        assert raw.headers["content-type"].startswith("text/plain")
        assert raw.text.startswith("{") == (p in ("location", "feature", "unitOfMeasurement"))


@pytest.mark.parametrize("name", MANDATORY)
def test_what_does_not_exist_is_404(sta: TestClient, name: str) -> None:
    for key in ("9223372036854775807", "'nothing'", "'x@1'", "'D1-IN@99999999999999999'", ""):
        assert get(sta, f"{name}({key})", 404)["status"] == 404
    entity = first(sta, name)
    for wrong in ("nothing", "name/nothing", "$value", "name('x')"):
        get(sta, f"{entity['@iot.selfLink']}/{wrong}", 404)


def chains(name: str, depth: int) -> Iterator[tuple[str, ...]]:
    """Every way along links from a set, ``depth`` links long at most."""
    yield ()
    if depth:
        for link in MANDATORY[name][1]:
            for rest in chains(SETS_OF.get(link, link), depth - 1):
                yield (link, *rest)


@pytest.mark.parametrize("name", MANDATORY)
def test_every_path_along_links_leads_somewhere_and_has_references(sta: TestClient, name: str) -> None:
    for chain in chains(name, 2):
        at = f"{ROOT}/{name}"
        for link in ("", *chain):
            at = at if not link else f"{at}/{link}"
            body = get(sta, f"{at}?$top=1" if _many(at) else at)
            refs = get(sta, f"{at}/$ref?$top=2" if _many(at) else f"{at}/$ref")
            if _many(at):
                if not body["value"]:
                    # This town has no outlines: its DMAs are Things without Locations, which may be.
                    assert at.endswith(("Locations", "/Things")) and "dma:" in at
                    break
                assert all(list(ref) == ["@iot.selfLink"] for ref in refs["value"])
                key = body["value"][0]["@iot.selfLink"].partition("(")[2]
                at = f"{at}({key}"
                assert get(sta, at)["@iot.id"] == body["value"][0]["@iot.id"]
            else:
                assert refs == {"@iot.selfLink": body["@iot.selfLink"]}


def _many(address: str) -> bool:
    return address.rpartition("/")[2] in MANDATORY


# The requests of the standard's own examples, with names of this site in the place of its oven.


def test_example_of_expand_brings_related_entities_inline(sta: TestClient) -> None:
    body = get(sta, "Things?$expand=Datastreams")
    thing = next(t for t in body["value"] if t["@iot.id"] == "dev1@P1")
    assert "Datastreams@iot.navigationLink" not in thing
    assert thing["Locations@iot.navigationLink"] == f"{thing['@iot.selfLink']}/Locations"
    stream = thing["Datastreams"][0]
    assert set(stream["unitOfMeasurement"]) == {"name", "symbol", "definition"}
    assert stream["observationType"] == "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
    assert stream["observedArea"]["type"] == "Point"
    assert stream["phenomenonTime"] == "2026-03-08T15:05:00.000Z/2026-03-10T03:00:00.000Z"


def test_example_of_expand_over_two_links_and_of_two_links_at_once(sta: TestClient) -> None:
    body = get(sta, "Things?$expand=Datastreams/ObservedProperty")
    assert body["value"][0]["Datastreams"][0]["ObservedProperty"]["name"] == "Flow"
    path = "Datastreams('D1-IN')?$expand=Observations,ObservedProperty"
    assert len(get(sta, path)["Observations"]) == 100
    assert get(sta, path)["ObservedProperty"]["@iot.id"] == "flow"


def test_example_of_expand_with_options_of_its_own(sta: TestClient) -> None:
    path = (
        "Datastreams('D1-IN')?$expand=Observations($filter=result gt 135;$select=result,phenomenonTime;"
        "$orderby=phenomenonTime desc;$top=2;$count=true),"
        "Thing($select=name;$expand=Locations($select=location))"
    )
    body = get(sta, path)
    assert [o["result"] for o in body["Observations"]] == [135.916667, 135.833333]
    assert all(set(o) == {"result", "phenomenonTime"} for o in body["Observations"])
    assert body["Observations@iot.count"] == 11
    assert set(body["Thing"]) == {"name", "Locations"}
    assert body["Thing"]["Locations"][0] == {"location": body["observedArea"]}
    more = get(sta, body["Observations@iot.nextLink"])
    assert [o["result"] for o in more["value"]] == [135.75, 135.666667]


def test_example_of_select_gives_only_what_is_asked_for(sta: TestClient) -> None:
    body = get(sta, "Observations?$select=result,resultTime")
    assert all(set(o) == {"result", "resultTime"} for o in body["value"])
    body = get(sta, "Datastreams?$select=id,unitOfMeasurement")
    assert set(body["value"][0]) == {"@iot.id", "unitOfMeasurement"}
    body = get(sta, "Datastreams?$select=id,ObservedProperty&$expand=ObservedProperty")
    assert set(body["value"][0]) == {"@iot.id", "ObservedProperty"}


def test_example_of_orderby_by_a_property_and_by_one_of_a_related_entity(sta: TestClient) -> None:
    path = "Datastreams('D1-IN')/Observations?$orderby=result"
    up = [o["result"] for o in get(sta, path)["value"]]
    assert up == sorted(up)
    down = [o["result"] for o in get(sta, path + " desc")["value"]]
    assert down[0] == 135.916667
    assert down == sorted(down, reverse=True)
    within = "$filter=phenomenonTime ge 2026-03-10T02:30:00Z"
    body = get(
        sta, f"Observations?$expand=Datastream&$orderby=Datastream/id desc, phenomenonTime asc&{within}"
    )
    keys = [(o["Datastream"]["@iot.id"], o["phenomenonTime"]) for o in body["value"]]
    assert keys == sorted(sorted(keys, key=lambda k: k[1]), key=lambda k: k[0], reverse=True)
    assert len({k[0] for k in keys}) > 3


def test_examples_of_top_skip_and_count(sta: TestClient) -> None:
    whole = get(sta, "Things")["value"]
    assert len(whole) == 8
    body = get(sta, "Things?$top=5")
    assert body["value"] == whole[:5]
    assert body["@iot.nextLink"] == f"{ROOT}/Things?$top=5&$skip=5"
    rest = get(sta, body["@iot.nextLink"])
    assert rest["value"] == whole[5:]
    assert "@iot.nextLink" not in rest
    assert get(sta, "Things?$skip=5")["value"] == whole[5:]
    counted = get(sta, "Things?$top=0&$count=true")
    assert counted == {"@iot.count": 8, "value": []}
    assert "@iot.count" not in get(sta, "Things?$count=false")
    newest = "Observations?$top=5&$orderby=resultTime desc"
    assert all(o["resultTime"] == "2026-03-10T03:00:00.000Z" for o in get(sta, newest)["value"])


def test_options_are_applied_in_the_order_that_the_standard_gives(sta: TestClient) -> None:
    """Filter, count, order, skip, top; the number in quotes is from the test suite itself."""
    path = (
        "Datastreams('D1-IN')/Observations?$count=true&$top=1&$skip=2&$orderby=phenomenonTime asc"
        "&$filter=result gt '135'"
    )
    body = get(sta, path)
    assert body["@iot.count"] == 11
    assert [o["result"] for o in body["value"]] == [135.25]


@pytest.mark.parametrize(
    ("filter", "ids"),
    [
        ("result lt 10.00", 0),
        ("unitOfMeasurement", None),
        ("phenomenonTime gt 2026-03-10T02:30:00Z", 6),
        ("phenomenonTime gt 2026-03-10T09:30:00+07:00", 6),
        ("phenomenonTime ge 2026-03-10T02:30:00.000Z and phenomenonTime le 2026-03-10T02:40:00Z", 3),
        ("phenomenonTime eq '2026-03-10T02:30:00Z'", 1),
        ("2026-03-10T02:30:00Z lt resultTime", 6),
        ("result sub 100 ge 35 and result mul 2 lt 271", 6),
        ("(result gt 135.5 or result lt 100.1) and not (result eq 100)", 6),
        ("round(result) eq 136", 6),
        ("floor(result) eq 135 and minute(phenomenonTime) ge 30", 6),
        ("year(phenomenonTime) eq 2026 and day(resultTime) eq 10 and hour(phenomenonTime) eq 2", 12),
        ("result mod 1 eq 0 and result gt 130", 5),
        ("Datastream/ObservedProperty/name eq 'Flow' and phenomenonTime gt now() sub duration'PT10M'", 2),
        ("FeatureOfInterest/id eq 'nowhere'", 0),
        (
            "st_within(FeatureOfInterest/feature, geography'POLYGON((112 -8,113 -8,113 -7,112 -7,112 -8))') "
            "and phenomenonTime gt 2026-03-10T02:50:00Z",
            2,
        ),
    ],
)
def test_examples_of_filters_on_observations(sta: TestClient, filter: str, ids: int | None) -> None:
    answer = sta.get(
        f"{ROOT}/Datastreams('D1-IN')/Observations", params={"$filter": filter, "$count": "true"}
    )
    if ids is None:
        assert answer.status_code == 400
    else:
        body = answer.json()
        assert len(body["value"]) == body["@iot.count"] == ids


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("Things?$filter=startswith(name,'dev1')", ["dev1@P1", "dev1@P2"]),
        (
            "Things?$filter=endswith(name, 'J1') or substringof('112.5', id)",
            ["dev2@J1", "dev3@112.500000,-7.950000"],
        ),
        ("Things?$filter=properties/dma eq 'D1' and properties/connections eq 1000", ["dma:D1"]),
        ("Things?$filter=Datastreams/ObservedProperty/id eq 'level'", ["dev3@112.500000,-7.950000"]),
        ("Things?$filter=tolower(concat(name, 'X')) eq 'dev2 at j1x' and length(name) gt 3", ["dev2@J1"]),
        ("Things?$filter=indexof(name, 'J1') eq 8 and toupper(substring(name, 0, 4)) eq 'DEV2'", ["dev2@J1"]),
        (
            "Datastreams?$filter=unitOfMeasurement/symbol eq 'm' and phenomenonTime ne null",
            ["D1-P", "T-LEVEL"],
        ),
        (
            "Datastreams?$filter=phenomenonTime lt 2026-03-10T00:00:00Z and id ne null",
            ["dma:D1:night_flow", "dma:D1:night_flow_usual"],
        ),
        (
            "Locations?$filter=geo.distance(location, geography'POINT (112.5 -7.95)') lt 0.01",
            ["dev3@112.500000,-7.950000"],
        ),
        (
            "Locations?$filter=st_within(location, "
            "geography'POLYGON((112.6 -8,112.612 -8,112.612 -7,112.6 -7,112.6 -8))')",
            ["dev1@P1"],
        ),
        (
            "Locations?$filter=not geo.intersects(location, "
            "geography'Polygon((112.55 -9, 120 -9, 120 0, 112.55 0, 112.55 -9))')",
            ["dev3@112.500000,-7.950000"],
        ),
        (
            "Locations?$filter=st_equals(location, geography'POINT(112.5 -7.95)')",
            ["dev3@112.500000,-7.950000"],
        ),
        ("Sensors?$filter=name eq 'Inlet Dinoyo'", ["D1-IN"]),
    ],
)
def test_examples_of_filters_on_the_other_sets(sta: TestClient, path: str, names: list[str]) -> None:
    assert [e["@iot.id"] for e in get(sta, path)["value"]] == names


# What QGIS sends (src/core/providers/sensorthings), as it sends it.


def test_qgis_counts_by_geometry_and_reads_what_the_map_shows(sta: TestClient) -> None:
    by_type = "$filter={0}/type eq '{1}' or {0}/geometry/type eq '{1}'"
    counts = {
        shape: get(sta, "Locations?$top=0&$count=true&" + by_type.format("location", shape))["@iot.count"]
        for shape in ("Point", "LineString", "Polygon")
    }
    assert counts == {"Point": 5, "LineString": 0, "Polygon": 0}
    box = "Polygon ((112.6 -8, 112.7 -8, 112.7 -7.9, 112.6 -7.9, 112.6 -8))"
    path = (
        "Locations?$top=200&$count=false"
        "&$filter=(location/type eq 'Point' or location/geometry/type eq 'Point')"
        f" and (geo.intersects(location, geography'{box}'))"
    )
    body = get(sta, path)
    assert {e["@iot.id"] for e in body["value"]} == {"dev1@P1", "dev1@P2", "dev2@J1", "dev4@J2"}
    for entity in body["value"]:
        # QGIS takes numbers for 32 bits and text for granted.
        assert all(isinstance(entity[k], str) for k in ("@iot.id", "@iot.selfLink", "name", "description"))
        assert entity["location"]["type"] == "Point"
    foi = "FeaturesOfInterest?$top=200&$count=false&" + by_type.format("feature", "Point")
    assert len(get(sta, foi)["value"]) == 5
    expand = (
        "Locations?$top=200&$count=false&$expand="
        "Things($top=100;$expand=Datastreams($orderby=phenomenonTime%20desc))"
    )
    assert get(sta, expand)["value"][0]["Things"][0]["Datastreams"][0]["@iot.id"] == "D1-IN"


def test_qgis_pages_through_observations(sta: TestClient) -> None:
    count = get(sta, "Observations?$top=0&$count=true")["@iot.count"]
    seen: list[str] = []
    address: str | None = f"{ROOT}/Observations?$top=200&$count=false"
    while address:
        body = get(sta, address)
        seen += [o["@iot.id"] for o in body["value"]]
        address = body.get("@iot.nextLink")
    assert len(seen) == len(set(seen)) == count == 12 * 36 * 12 + 6
