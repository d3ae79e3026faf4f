"""What is shown to somebody who is limited to some DMAs, where it could name others."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from twuin.accounts.rights import Role
from twuin.accounts.service import By
from twuin.alerts.model import Alert, Finding, Kind, State
from twuin.views.trimmed import Trimmer
from waterworks.site import part_of

BEYOND = ("Lowokwaru", "D2-P", "T-LEVEL", "Sumbersari", "D3")
"""What somebody of D1 is not told of."""

V1 = "/api/v1"


@pytest.fixture
def shared(office: Any) -> Any:
    """The office with a leak in D1 that was felt beyond, and sensors of D1 and D2 silent together."""
    t = office.town
    own = replace(
        t.leak("D1"),
        near=("D1-P", "D2-P"),
        evidence={
            "pressure_drop_m": {"D1-P": 1.5, "D2-P": 1.1},
            "inflow": {"pressure_drop_m": {"D2-P": 0.4}, "meter": "D2-P", "unwatched": ["D1", "D2"]},
            "sensors": 2,
        },
    )
    at = own.onset
    silent = Finding(
        Kind.SILENT, "D2-P", "", at, at, at + timedelta(hours=1), confidence=1.0,
        evidence={"sensors": ["D2-P", "T-LEVEL", "D1-P", "D1-IN"], "interval_s": 300.0},
    )  # fmt: skip
    t.alerts.apply([own, t.leak("D2"), silent])
    return office


def alert_of(office: Any, kind: str) -> dict[str, Any]:
    """The only alert of a kind that somebody of D1 sees."""
    (found,) = office.browser("engineer@D1").get(f"{V1}/alerts?kind={kind}").json()["items"]
    return dict(found)


def test_an_alert_names_no_sensor_and_no_dma_beyond(shared: Any) -> None:
    client = shared.browser("engineer@D1")
    leak = alert_of(shared, "leak")
    assert leak["near"] == ["D1-P"]
    assert leak["evidence"] == {
        "pressure_drop_m": {"D1-P": 1.5},
        "inflow": {"pressure_drop_m": {}, "unwatched": ["D1"]},
        "sensors": 2,
    }
    for path in ("/alerts", f"/alerts/{leak['id']}", f"{V1}/alerts/{leak['id']}", f"{V1}/alerts", "/"):
        text = client.get(path).text
        assert not [name for name in BEYOND if name in text], path
    # Where to dig is told wherever it lies, and what is stored stays whole.
    assert {s["pipe"] for s in leak["suspects"]} == {"P1", "P2"}
    assert shared.town.alerts.get(leak["id"]).finding.near == ("D1-P", "D2-P")


def test_acting_on_an_alert_stores_nothing_of_what_was_left_out(shared: Any) -> None:
    leak = alert_of(shared, "leak")
    body = {"action": "acknowledge", "version": leak["version"]}
    answer = shared.browser("engineer@D1").post(f"{V1}/alerts/{leak['id']}/transitions", json=body)
    assert answer.status_code == 200 and answer.json()["near"] == ["D1-P"]
    kept = shared.town.alerts.get(leak["id"])
    assert kept.state is State.ACKNOWLEDGED
    assert "D2-P" in kept.finding.evidence["pressure_drop_m"] and "D2-P" in kept.finding.near


def test_sensors_that_fell_silent_together_are_seen_from_each_side(shared: Any) -> None:
    silent = alert_of(shared, "silent")
    assert (silent["subject"], silent["dma"], silent["dma_name"]) == ("D1-P", "D1", "Dinoyo")
    assert silent["evidence"]["sensors"] == ["D1-P", "D1-IN"]
    page = shared.browser("engineer@D1").get(f"/alerts/{silent['id']}")
    assert page.status_code == 200 and "D1-P and 1 more are silent" in page.text
    whole = shared.browser("engineer").get(f"{V1}/alerts/{silent['id']}").json()
    assert (whole["subject"], len(whole["evidence"]["sensors"])) == ("D2-P", 4)


def test_sensors_of_several_own_dmas_that_fell_silent_are_of_none_of_them(office: Any) -> None:
    site = office.town.site
    finding = replace(
        office.town.leak("D2"), kind=Kind.SILENT, subject="T-LEVEL", dma="",
        evidence={"sensors": ["T-LEVEL", "D2-P", "D1-P"]},
    )  # fmt: skip
    trimmer = Trimmer(site, part_of(site, {"D1", "D2"}))
    found = trimmer.alert(Alert("a1", "town", State.OPEN, finding)).finding
    assert (found.subject, found.dma, found.evidence) == ("D2-P", "", {"sensors": ["D2-P", "D1-P"]})


def test_live_changes_name_nothing_beyond(shared: Any) -> None:
    shared.stopping.set()
    text = shared.browser("viewer@D1").get(f"{V1}/events", headers={"last-event-id": "0"}).text
    told = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    assert {a["kind"] for a in told if "kind" in a} == {"leak", "silent"}
    assert not [name for name in BEYOND if name in text]


def test_the_boundary_meter_of_a_neighbour_is_told_as_ones_own(office: Any) -> None:
    site = office.town.site
    finding = replace(
        office.town.leak("D2"), kind=Kind.SENSOR, subject="D1-D2", evidence={"unwatched": ["D1", "D2"]}
    )
    trimmer = Trimmer(site, part_of(site, {"D1"}))
    found = trimmer.alert(Alert("a1", "town", State.OPEN, finding)).finding
    assert (found.subject, found.dma, found.evidence) == ("D1-D2", "D1", {"unwatched": ["D1"]})


def test_a_leak_that_was_first_taken_to_be_next_door_is_called_by_its_own_dma(office: Any) -> None:
    site = office.town.site
    moved = replace(office.town.leak("D1"), subject="D2")
    found = Trimmer(site, part_of(site, {"D1"})).alert(Alert("a1", "town", State.OPEN, moved)).finding
    assert (found.subject, found.dma) == ("D1", "D1")


# Reports


@pytest.fixture
def kept(office: Any, tmp_path: Path) -> str:
    """The name of a report of the whole site that is kept."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "town-2026-02.id.pdf").write_bytes(b"%PDF")
    return "town-2026-02.id.pdf"


def test_reports_are_of_ones_own_dmas_and_say_so(office: Any) -> None:
    t = office.town
    t.alerts.apply([t.leak("D1", onset_h=-20), t.leak("D2", onset_h=-20)])
    own, whole = office.browser("viewer@D1"), office.browser("viewer")
    figures, all_of_it = (c.get(f"{V1}/reports/2026-03").json() for c in (own, whole))
    assert (figures["dmas"], all_of_it["dmas"]) == (["D1"], None)
    assert [d["id"] for d in figures["losses"]["dmas"]] == figures["nights"] == ["D1"]
    assert figures["losses"]["site"]["connections"] == 1000
    assert {x["dma"] for x in figures["leaks"]} == {"D1"} and len(all_of_it["leaks"]) == 2
    assert {s["sensor"] for s in figures["availability_sensors"]} == {"D1-IN", "D1-D2", "D1-P"}
    assert figures["indicators"] == [] and len(all_of_it["indicators"]) == 18
    assert not [name for name in ("Lowokwaru", "D2-P", "Sumbersari") if name in json.dumps(figures)]


def test_the_file_of_a_limited_report_names_its_dmas(office: Any) -> None:
    path = f"{V1}/reports/2026-03/file?format=xlsx&language=en"
    answer = office.browser("viewer@D1").get(path)
    assert 'filename="town-D1-2026-03.en.xlsx"' in answer.headers["content-disposition"]
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    said = " ".join(str(c) for sheet in book for row in sheet.iter_rows(values_only=True) for c in row if c)
    assert "ONLY OF THESE DMAs, not of the whole network: Dinoyo." in said
    assert "of some of its DMAs only" in said and "Lowokwaru" not in said
    assert (
        'filename="town-2026-03.en.xlsx"' in office.browser("viewer").get(path).headers["content-disposition"]
    )


def test_reports_that_are_kept_are_for_who_sees_the_whole_site(office: Any, kept: str) -> None:
    own, whole = office.browser("viewer@D1"), office.browser("viewer")
    assert [r["name"] for r in whole.get(f"{V1}/reports").json()["items"]] == [kept]
    assert own.get(f"{V1}/reports").json()["items"] == []
    assert own.get(f"{V1}/reports").json()["periods"] == whole.get(f"{V1}/reports").json()["periods"] != []
    assert own.get(f"{V1}/reports/files/{kept}").status_code == 404
    assert whole.get(f"{V1}/reports/files/{kept}").status_code == 200
    page = own.get("/reports")
    assert page.status_code == 200 and kept not in page.text
    assert "Reports that are kept are of the whole network" in page.text


# The wall


def test_the_wall_shows_ones_own_dmas(shared: Any) -> None:
    client = shared.browser("viewer@D1")
    for screen in (1, 2):
        answer = client.get(f"/wall?screen={screen}")
        assert answer.status_code == 200 and "Dinoyo" in answer.text
        assert not [name for name in BEYOND if name in answer.text]
        assert _part(answer.text) == "only Dinoyo"
    assert "Lowokwaru" in shared.browser("viewer").get("/wall").text
    assert _part(shared.browser("viewer").get("/wall").text) == ""


def _part(text: str) -> str:
    """What the heading of a display says that it shows only."""
    return text.split('id="wall-part" data-live>')[1].split("<")[0]


def test_figures_of_the_wall_are_not_those_of_somebody_else(office: Any) -> None:
    def leaks(who: str) -> str:
        text = office.browser(who).get("/wall").text
        return text.split("wall-figures")[1].split("m³/h")[0]

    assert leaks("viewer") != leaks("viewer@D1")
    assert leaks("viewer") == leaks("viewer")


WALL = """\
[[screen]]
title = "Both"
[[screen.page]]
title = "All"
grid = ["alerts dmas"]
[[screen.page]]
title = "Other side"
grid = ["dmas"]
[screen.page.panel.dmas]
title = "Across the river"
dmas = ["D1", "D2"]
[[screen]]
title = "River"
[[screen.page]]
grid = ["pressure"]
[screen.page.panel.pressure]
kind = "trend"
sensor = "D2-P"
"""


def test_pages_of_the_wall_that_name_what_lies_beyond_are_left_out(office: Any, tmp_path: Path) -> None:
    (tmp_path / "wall.toml").write_text(WALL)
    whole, own = office.browser("viewer"), office.browser("viewer@D1")
    assert "Across the river" in whole.get("/wall").text
    first, second = own.get("/wall?screen=1").text, own.get("/wall?screen=2").text
    assert 'data-title="All"' in first and "Both" in first
    assert "Across the river" not in first and "Other side" not in first
    # Nothing is left of the second: it shows the usual pages.
    assert "River" not in second and "D2-P" not in second and 'data-kind="alerts"' in second
    (tmp_path / "wall.toml").write_text(WALL.replace("D1", "D9"))
    assert "D9" in whole.get("/wall").text and "D9" not in own.get("/wall").text


def test_somebody_of_two_dmas_sees_both(office: Any) -> None:
    office.people["both"], _ = office.accounts.add("both", Role.VIEWER, By("test"), dmas=["D1", "D2"])
    client = office.browser("both")
    assert "Lowokwaru" in client.get("/wall").text
    assert client.get(f"{V1}/reports/2026-03").json()["dmas"] == ["D1", "D2"]
