from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_sim.town import demo_site_folder
from waterworks.epanet_file import read_network
from waterworks.geo import network_geojson, pipe_midpoints, sensor_positions, to_lonlat, wrong_crs
from waterworks.outlines import outlines
from waterworks.site_folder import read_site


def town() -> tuple[Any, Any]:
    site = read_site(demo_site_folder())
    assert site.network_file is not None
    return site, read_network(site.network_file)


def kinds(collection: dict[str, Any], shape: str) -> list[dict[str, Any]]:
    return [f for f in collection["features"] if shape in f["geometry"]["type"]]


def inside(point: Any, polygons: list[Any]) -> bool:
    """Even-odd rule over all rings, by crossing edges one at a time."""
    x, y = point
    crossings = 0
    for rings in polygons:
        for ring in rings:
            for (x1, y1), (x2, y2) in pairwise(ring):
                if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
                    crossings += 1
    return crossings % 2 == 1


def test_utm_coordinates_become_longitude_and_latitude() -> None:
    # The central meridian of zone 49 is 111 E; false easting 500 km, false northing 10,000 km on the equator.
    out = to_lonlat([[500_000, 10_000_000], [679_665.604, 9_119_770.225], [np.nan, 1]], "EPSG:32749")
    np.testing.assert_allclose(out[0], [111, 0], atol=1e-9)
    np.testing.assert_allclose(out[1], [112.63, -7.96], atol=1e-6)
    assert np.isnan(out[2]).all()


def test_longitude_comes_first_whatever_the_coordinate_system_says() -> None:
    np.testing.assert_allclose(to_lonlat([[112.6, -7.9]], "EPSG:4326"), [[112.6, -7.9]])


def test_without_coordinate_system_the_shape_stays_around_zero() -> None:
    xy = np.array([[1000.0, 500.0], [3000.0, 500.0], [3000.0, 1500.0], [np.nan, np.nan]])
    out = to_lonlat(xy, "")
    np.testing.assert_allclose(out[:3].min(axis=0) + out[:3].max(axis=0), 0, atol=1e-12)
    side = np.hypot(*(out[1] - out[0]))
    assert side == pytest.approx(2 * np.hypot(*(out[2] - out[1])))
    assert np.abs(out[:3]).max() < 0.05
    assert np.isnan(out[3]).all()


def test_a_single_place_without_coordinate_system_is_drawn_at_zero() -> None:
    assert to_lonlat([[7.0, 9.0]], "").tolist() == [[0, 0]]


def test_unknown_coordinate_systems_are_told() -> None:
    assert wrong_crs("EPSG:32749") is None
    assert "no coordinate system" in (wrong_crs("EPSG:1") or "")
    assert "no coordinate system" in (wrong_crs("nonsense") or "")


def test_the_map_of_the_demo_town_is_whole_and_lies_near_malang() -> None:
    site, network = town()
    collection = network_geojson(site, network)
    assert json.loads(json.dumps(collection)) == collection
    assert collection["georeferenced"] is True
    lines = kinds(collection, "LineString")
    assert len(lines) == len(network.link_ids)
    by_id = {f["properties"]["id"]: f for f in lines}
    pipe = by_id["P1001"]["properties"]
    i = network.link_index["P1001"]
    assert pipe == {
        "id": "P1001", "kind": "pipe", "dma": "D1", "closed": False,
        "diameter_mm": pytest.approx(network.diameter[i] * 1000),
        "length_m": pytest.approx(network.length[i]),
    }  # fmt: skip
    assert by_id["BV-1"]["properties"]["closed"] is True
    assert by_id["M03"]["properties"]["dma"] == ""  # the gravity main
    assert by_id["PRV-1"]["properties"]["kind"] == "valve"
    points = {f["properties"]["id"]: f["properties"]["kind"] for f in kinds(collection, "Point")}
    assert points == {"SPRING": "reservoir", "TANK-1": "tank", "PUMP-1": "pump",
                      "PRV-1": "valve", "PRV-2": "valve", "PRV-3": "valve"}  # fmt: skip
    for f in lines:
        for lon, lat in f["geometry"]["coordinates"]:
            assert abs(lon - 112.635) < 0.02
            assert abs(lat + 7.966) < 0.02


def test_each_dma_is_outlined_around_its_own_junctions_only() -> None:
    site, network = town()
    areas = {f["properties"]["id"]: f["geometry"] for f in kinds(network_geojson(site, network), "Polygon")}
    assert set(areas) == {d.id for d in site.dmas}
    lonlat = to_lonlat(network.xy, site.crs)
    for node, dma in site.node_dma.items():
        at = lonlat[network.node_index[node]]
        holding = []
        for name, g in areas.items():
            polygons = [g["coordinates"]] if g["type"] == "Polygon" else g["coordinates"]
            if inside(at, polygons):
                holding.append(name)
        assert holding == [dma] or node.endswith("-CH"), (node, dma, holding)


def test_bends_of_a_pipe_are_drawn_and_its_middle_lies_on_the_way() -> None:
    site, network = town()
    bent = next(iter(network.vertices))
    name = network.link_ids[bent]
    line = next(
        f["geometry"]["coordinates"]
        for f in kinds(network_geojson(site, network), "LineString")
        if f["properties"]["id"] == name
    )
    assert len(line) == 2 + len(network.vertices[bent])
    middle = np.array(pipe_midpoints(site, network)[name])
    legs = np.diff(np.array(line), axis=0)
    lengths = np.hypot(*legs.T)
    half = lengths.sum() / 2
    along = 0.0
    for a, leg, length in zip(np.array(line), legs, lengths, strict=False):
        if along + length >= half:
            np.testing.assert_allclose(middle, a + leg * (half - along) / length, atol=2e-7)
            break
        along += length


def test_sensors_stand_at_their_own_place_else_at_their_elements(folder: Any) -> None:
    site = read_site(folder.path)
    network = read_network(folder.path / "network.inp")
    at = sensor_positions(site, network)
    assert at["P1"] == (112.63, -7.96)  # as sensors.csv says, whatever its node
    tank = to_lonlat([[679850, 9119750]], "EPSG:32749")[0]
    np.testing.assert_allclose(at["L1"], tank)
    meter = to_lonlat([[679575, 9119825]], "EPSG:32749")[0]  # the middle of pipe "in"
    np.testing.assert_allclose(at["F1"], meter, atol=1e-7)
    assert sensor_positions(site, None) == {"P1": (112.63, -7.96)}


def test_a_network_without_coordinates_has_an_empty_map(folder: Any) -> None:
    text = (folder.path / "network.inp").read_text()
    folder.write("network.inp", text[: text.index("[COORDINATES]")] + text[text.index("[OPTIONS]") :])
    collection = network_geojson(read_site(folder.path), read_network(folder.path / "network.inp"))
    assert collection["features"] == []


@pytest.mark.data
def test_a_network_without_frame_is_drawn_and_said_to_be_without(ltown: Path) -> None:
    collection = network_geojson(read_site(ltown), read_network(ltown / "network.inp"))
    assert collection["georeferenced"] is False
    assert len(kinds(collection, "LineString")) == 909
    assert len(kinds(collection, "Polygon")) == 2


def test_an_area_around_another_leaves_a_hole_for_it() -> None:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    disc = np.random.default_rng(1).uniform(-0.3, 0.3, (4000, 2))
    drawn = outlines({"ring": ring, "disc": disc})
    assert [len(p) for p in drawn["ring"]] == [2]
    assert [len(p) for p in drawn["disc"]] == [1]
    assert inside((1, 0), drawn["ring"])
    assert not inside((0, 0), drawn["ring"])
    assert inside((0, 0), drawn["disc"])
    for ring_ in (*drawn["ring"][0], *drawn["disc"][0]):
        assert ring_[0] == ring_[-1]


def test_blocks_between_streets_belong_to_the_area_around_them() -> None:
    t = np.linspace(0, 1, 200)
    square = np.concatenate([np.column_stack([t, 0 * t]), np.column_stack([t, 0 * t + 1]),
                             np.column_stack([0 * t, t]), np.column_stack([0 * t + 1, t])])  # fmt: skip
    drawn = outlines({"a": square})
    assert [len(p) for p in drawn["a"]] == [1]
    assert inside((0.5, 0.5), drawn["a"])


def test_places_apart_are_drawn_apart() -> None:
    rng = np.random.default_rng(2)
    drawn = outlines({"a": np.concatenate([rng.uniform(0, 1, (900, 2)), rng.uniform(4, 5, (900, 2))])})
    assert len(drawn["a"]) == 2
    assert outlines({}) == {}
    assert outlines({"a": np.full((3, 2), np.nan)}) == {}
