"""Whether residents may report is the installation's to say, and to begin with they may not."""

from __future__ import annotations

import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from firmware_sim.town import demo_site_folder
from twuin.access import OpenAccess
from twuin.app import build, web_app
from twuin.settings import ClockSettings, ResidentSettings, Settings


@pytest.mark.parametrize(("said", "there"), [({}, False), ({"open": True, "call": "0341-123456"}, True)])
def test_residents_may_report_only_where_the_settings_say_so(
    tmp_path: Path, said: dict[str, object], there: bool
) -> None:
    settings = Settings(
        site=demo_site_folder(),
        data_dir=tmp_path / "data",
        residents=ResidentSettings(**said),
    )
    with closing(build(settings)) as parts:
        client = TestClient(web_app(parts, OpenAccess()), base_url="http://localhost")
        for path in ("/lapor", "/lapor/janji", "/api/v1/charter"):
            assert client.get(path).status_code == (200 if there else 404), path
        assert ("0341-123456" in client.get("/lapor").text) == there
        assert client.get("/public-reports").status_code == 200
        key = tmp_path / "data" / "residents.key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_past_data_take_no_reports(tmp_path: Path) -> None:
    settings = Settings(
        site=demo_site_folder(),
        data_dir=tmp_path / "data",
        residents=ResidentSettings(open=True),
        clock=ClockSettings(kind="data"),
    )
    with closing(build(settings)) as parts:
        client = TestClient(web_app(parts, OpenAccess()), base_url="http://localhost")
        assert client.get("/lapor").status_code == 404


def test_complaints_are_counted_where_residents_may_report(tmp_path: Path) -> None:
    from twuin.app import make_views

    for open_, known in ((True, True), (False, False)):
        settings = Settings(
            site=demo_site_folder(),
            data_dir=tmp_path / str(open_),
            residents=ResidentSettings(open=open_),
        )
        with closing(build(settings)) as parts:
            span = (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
            assert (make_views(parts).complaints(*span) is not None) is known
