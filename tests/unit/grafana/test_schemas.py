"""Dashboards are what the SDK's types and Grafana's published schemas say they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from twuin.grafana.bundle import Bundle, make_bundle
from twuin.grafana.installation import LANGUAGES, Installation
from twuin.grafana.query import register

SCHEMAS = Path(__file__).parents[2] / "grafana_api" / "schemas"

OWN_PANELS = {"stat", "timeseries", "table", "bargauge", "geomap", "statetimeline", "state-timeline", "row"}


@pytest.fixture(scope="module", params=LANGUAGES)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return make_bundle(Installation(), request.param)


def plain(value: Any) -> Any:
    """Without what is not set."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def test_the_sdk_reads_and_writes_each_dashboard_without_loss(bundle: Bundle) -> None:
    register_default_plugins()
    register()
    for board in bundle.dashboards:
        model = json.loads(json.dumps(board.model))
        targets = [a.pop("target") for a in model["annotations"]["list"]]  # the SDK knows Grafana's own only
        assert all(t["query"].startswith("SELECT") for t in targets)
        again = json.loads(JSONEncoder().encode(Dashboard.from_json(model)))
        for annotation in again["annotations"]["list"]:
            assert annotation.pop("builtIn", 0) == 0
        assert plain(again) == plain(model), board.name


def test_only_panels_and_data_sources_that_grafana_brings_are_used(bundle: Bundle) -> None:
    for board in bundle.dashboards:
        for panel in board.model["panels"]:
            assert panel["type"] in OWN_PANELS
            for target in panel.get("targets", []):
                assert target["datasource"] == {"type": "influxdb", "uid": "twuin-influxdb"}


def test_uids_are_grafanas_and_no_two_alike() -> None:
    bundles = [make_bundle(Installation(), language) for language in LANGUAGES]
    uids = [x.uid for b in bundles for x in (b.folders[0], *b.dashboards)]
    uids += [x.uid for x in (*bundles[0].folders[1:], *bundles[0].rules, *bundles[0].contact_points)]
    assert len(uids) == len(set(uids))
    odd = Installation(site="Kota Malang / wilayah timur, sektor sepuluh")
    other = Installation(site="Kota Malang / wilayah timur, sektor sembilan")
    a, b = (make_bundle(x, "id").dashboards[0].uid for x in (odd, other))
    assert a != b and len(a) <= 40 and a.replace("-", "").replace("_", "").isalnum()


def test_panels_do_not_overlap_and_fit_the_grid(bundle: Bundle) -> None:
    for board in bundle.dashboards:
        taken: set[tuple[int, int]] = set()
        for panel in board.model["panels"]:
            g = panel["gridPos"]
            cells = {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
            assert not cells & taken and g["x"] + g["w"] <= 24, (board.name, panel["title"])
            taken |= cells
        ids = [p["id"] for p in board.model["panels"]]
        assert len(ids) == len(set(ids))


def test_titles_are_in_both_languages_and_times_in_the_sites_zone() -> None:
    english, indonesian = (make_bundle(Installation(timezone="Asia/Makassar"), x) for x in LANGUAGES)
    for a, b in zip(english.dashboards, indonesian.dashboards, strict=True):
        assert a.name == b.name and a.uid != b.uid
        assert a.model["timezone"] == b.model["timezone"] == "Asia/Makassar"
        titles = [p.get("title") for p in a.model["panels"]], [p.get("title") for p in b.model["panels"]]
        same = {x for x, y in zip(*titles, strict=True) if x == y}
        assert same <= {"NRW", "ILI"}, same
    assert "tz('Asia/Makassar')" in json.dumps(english.dashboards[1].model)


def test_a_set_for_one_site_lets_pick_no_other() -> None:
    bundle = make_bundle(Installation(site="it's"), "en")
    query = bundle.dashboards[0].model["templating"]["list"][1]["query"]
    assert query.endswith("WHERE \"site\" = 'it\\'s'")


def test_links_lead_to_dashboards_of_the_same_language(bundle: Bundle) -> None:
    uids = {b.uid for b in bundle.dashboards}
    found = {
        part.split("?")[0].split('"')[0]
        for b in bundle.dashboards
        for part in json.dumps(b.model).split("/d/")[1:]
    }
    assert found and found <= uids


def misfits(model: Any, schema: dict[str, Any]) -> Iterator[str]:
    for error in jsonschema.Draft7Validator(schema).iter_errors(model):
        best = jsonschema.exceptions.best_match([error])
        assert best is not None
        yield f"{'/'.join(str(p) for p in best.absolute_path)}: {best.message}"


def allowed(misfit: str) -> bool:
    """Where the published JSON schema is narrower than Grafana's own kind, of which it is made: a
    threshold's value may be null (the lowest), an override's value anything, and the annotations of a data
    source have keys of its own."""
    path, _, said = misfit.partition(": ")
    return (
        (path.endswith("/value") and "thresholds/steps" in path and "None is not of type 'number'" in said)
        or (path.endswith("/value") and "overrides" in path and "is not of type 'object'" in said)
        or (path.startswith("annotations/list/") and path.endswith("/target") and "Additional" in said)
    )


def test_each_dashboard_passes_grafanas_published_schemas(bundle: Bundle) -> None:
    schemas = {p.name.split(".")[0]: json.loads(p.read_text()) for p in SCHEMAS.glob("*.json")}
    for board in bundle.dashboards:
        found = [m for m in misfits(board.model, schemas["dashboard"]) if not allowed(m)]
        assert not found, (board.name, found)
        for panel in board.model["panels"]:
            schema = schemas.get(panel["type"].replace("-", ""))
            if panel["type"] == "row":
                continue
            assert schema is not None, panel["type"]
            custom = panel.get("fieldConfig", {}).get("defaults", {}).get("custom")
            for name, value in (("Options", panel.get("options")), ("FieldConfig", custom)):
                if value is not None and name in schema["definitions"]:
                    found = list(misfits(value, {**schema, "$ref": f"#/definitions/{name}"}))
                    assert not found, (board.name, panel["title"], found)
