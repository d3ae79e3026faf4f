"""Maps that are taken along are what the standards say, as another reader sees them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyogrio
import pyogrio.raw
import pytest
import shapely
from fastapi.testclient import TestClient

from twuin.views.export.geopackage import write_geopackage
from twuin.views.export.layers import FIELDS, SHAPE, Layer, layer_geojson
from twuin.views.views import Views
from waterworks.errors import WrongInput

ROOT = "http://localhost/api/v1"


@pytest.fixture
def town(small_town: Any) -> Views:
    """With a leak and outlines, one of them in two parts with a hole: its two pipes alone would give none."""
    t = small_town
    t.alerts.apply([t.leak("D1")])
    views = Views(t.site, t.store, t.alerts, clock=t.clock, network=t.network)
    ring = [[112.6, -8.0], [112.7, -8.0], [112.7, -7.9], [112.6, -7.9], [112.6, -8.0]]
    hole = [[112.64, -7.96], [112.66, -7.96], [112.66, -7.94], [112.64, -7.96]]
    away = [[112.8, -8.0], [112.9, -8.0], [112.9, -7.9], [112.8, -8.0]]
    drawn = {
        "D1": {"type": "Polygon", "coordinates": [ring]},
        "D2": {"type": "MultiPolygon", "coordinates": [[ring, hole], [away]]},
    }
    views.network_geojson()["features"] += [
        {"type": "Feature", "geometry": shape, "properties": {"id": id, "kind": "dma", "dma": id, "name": id}}
        for id, shape in drawn.items()
    ]
    return views


@pytest.fixture
def file(town: Views, tmp_path: Path) -> Path:
    path = tmp_path / "town.gpkg"
    write_geopackage(town, path)
    return path


def test_gdal_reads_every_layer_with_its_geometry_fields_and_values(town: Views, file: Path) -> None:
    assert dict(pyogrio.list_layers(file).tolist()) == {layer.value: SHAPE[layer] for layer in Layer}
    for layer in Layer:
        expected = layer_geojson(town, layer)["features"]
        meta, _, geometry, columns = pyogrio.raw.read(file, layer=layer.value)
        assert meta["crs"] == "EPSG:4326"
        assert list(meta["fields"]) == list(FIELDS[layer])
        assert len(geometry) == len(expected) > 0
        for k, feature in enumerate(expected):
            if feature["geometry"] is None:
                assert geometry[k] is None
            else:
                assert shapely.from_wkb(geometry[k]).equals(
                    shapely.from_geojson(json.dumps(feature["geometry"]))
                )
            found = dict(zip(meta["fields"], [column[k] for column in columns], strict=True))
            for name, value in feature["properties"].items():
                if value is None:
                    assert found[name] is None or found[name] != found[name]
                else:
                    assert found[name] == value


def test_the_file_is_a_geopackage_as_the_standard_has_it(file: Path) -> None:
    """OGC 12-128: application id, reference system, contents with extents, geometry columns, R-trees."""
    db = sqlite3.connect(file)
    assert db.execute("PRAGMA application_id").fetchone()[0] == 0x47504B47
    assert db.execute("PRAGMA user_version").fetchone()[0] >= 10200
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    srs = db.execute(
        "SELECT organization, organization_coordsys_id FROM gpkg_spatial_ref_sys WHERE srs_id = 4326"
    )
    assert tuple(map(str, srs.fetchone())) in {("EPSG", "4326"), ("epsg", "4326")}
    layers = dict(db.execute("SELECT table_name, data_type FROM gpkg_contents"))
    assert layers == {layer.value: "features" for layer in Layer}
    for table, column, srs_id in db.execute(
        "SELECT table_name, column_name, srs_id FROM gpkg_geometry_columns"
    ):
        assert srs_id == 4326
        indexed = db.execute(
            "SELECT count(*) FROM gpkg_extensions"
            " WHERE extension_name = 'gpkg_rtree_index' AND table_name = ?",
            [table],
        )
        assert indexed.fetchone()[0] == 1
        placed = db.execute(f'SELECT count(*) FROM "{table}" WHERE "{column}" IS NOT NULL').fetchone()[0]
        tree = f'"rtree_{table}_{column}"'
        assert db.execute(f"SELECT count(*) FROM {tree}").fetchone()[0] == placed > 0
        west, east, south, north = db.execute(
            f"SELECT min(minx), max(maxx), min(miny), max(maxy) FROM {tree}"
        ).fetchone()
        extent = db.execute(
            "SELECT min_x, max_x, min_y, max_y FROM gpkg_contents WHERE table_name = ?", [table]
        ).fetchone()
        assert extent == pytest.approx((west, east, south, north), abs=1e-4)
    db.close()


def test_a_reader_finds_by_place(town: Views, file: Path) -> None:
    _, _, _, columns = pyogrio.raw.read(file, layer="sensors", columns=["id"], bbox=(112.4, -8, 112.55, -7.9))
    assert columns[0].tolist() == ["T-LEVEL"]


def test_an_alert_stands_where_its_leak_is_suspected(town: Views) -> None:
    (leak,) = layer_geojson(town, Layer.ALERTS)["features"]
    assert leak["geometry"] == {"type": "Point", "coordinates": [112.62, -7.95]}
    assert leak["properties"]["pipe"] == "P2"
    assert leak["properties"]["place_is"] == "suspected"
    assert leak["properties"]["flow_m3h"] == pytest.approx(12)


def test_what_is_no_new_gpkg_file_is_refused(town: Views, file: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="is there already"):
        write_geopackage(town, file)
    with pytest.raises(WrongInput, match=r"ends in \.gpkg"):
        write_geopackage(town, tmp_path / "town.zip")
    with pytest.raises(WrongInput, match="cannot be written"):
        write_geopackage(town, tmp_path / "nowhere" / "town.gpkg")


def test_a_network_without_coordinate_system_is_put_on_no_map(small_town: Any, tmp_path: Path) -> None:
    t = small_town
    views = Views(replace(t.site, crs=""), t.store, t.alerts, clock=t.clock, network=t.network)
    with pytest.raises(WrongInput, match="crs = "):
        write_geopackage(views, tmp_path / "town.gpkg")
    assert not (tmp_path / "town.gpkg").exists()


def test_the_api_hands_out_the_same_files(api: TestClient, tmp_path: Path) -> None:
    answer = api.get("/export/geopackage")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/geopackage+sqlite3"
    assert answer.headers["content-disposition"] == 'attachment; filename="town.gpkg"'
    (tmp_path / "got.gpkg").write_bytes(answer.content)
    assert len(pyogrio.list_layers(tmp_path / "got.gpkg")) == len(Layer)
    for layer in Layer:
        answer = api.get(f"/export/layers/{layer}")
        assert answer.headers["content-type"] == "application/geo+json"
        body = answer.json()
        assert body["type"] == "FeatureCollection"
        for feature in body["features"]:
            assert set(feature) == {"type", "id", "geometry", "properties"}
            assert list(feature["properties"]) == list(FIELDS[layer])
    assert api.get("/export/layers/roads").status_code == 422
