"""The public's pages, and what staff see of what comes in."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twuin.access import OpenAccess, install_access
from twuin.api import api_router, install_errors, install_guards
from twuin.residents.model import Standing
from twuin.residents.photo import MOST_BYTES
from twuin.web import mount_pages
from twuin.web.locales import LANGUAGES
from twuin.web.street_map import SIZE, read_streets
from waterworks.errors import DatabaseUnavailable

STREETS = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "properties": {}, "geometry": {"type": "LineString", "coordinates": line}}
        for line in ([[112.60, -7.96], [112.64, -7.96]], [[112.62, -7.98], [112.62, -7.94]])
    ]
    + [
        {
            "type": "Feature",
            "properties": {"name": "Pasar <b>"},
            "geometry": {"type": "Point", "coordinates": [112.62, -7.96]},
        }
    ],
}


@pytest.fixture
def client(fresh: Any, samples: Any, browse: Any) -> TestClient:
    (fresh.site.folder / "streets.geojson").write_text(json.dumps(STREETS))
    fresh.app = samples.application(fresh)
    return browse(fresh, "en")


def filled(client: TestClient, **more: Any) -> dict[str, Any]:
    page = client.get("/lapor").text
    moment = re.search(r'name="moment" value="([^"]+)"', page)
    assert moment is not None
    given = {"category": "leak", "where": "Jl. Melati 3", "phone": "0812 3456 7890", "moment": moment[1]}
    return {**given, **more}


def sent(client: TestClient, **more: Any) -> str:
    """The code of a report."""
    answer = client.post("/lapor", data=filled(client, **more))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).split("?")[0].removeprefix("/lapor/")


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_report_is_sent_and_followed_in_both_languages(client: TestClient, code: str) -> None:
    client.headers["accept-language"] = code
    number = sent(client)
    page = client.get(f"/lapor/{number}?new=1")
    assert number in page.text and {"id": "Terima kasih", "en": "Thank you"}[code] in page.text
    assert page.headers["x-robots-tag"] == "noindex, nofollow" and page.headers["cache-control"] == "no-store"
    for hidden in ("Melati", "0812", "DMA", "P-"):
        assert hidden not in page.text
    assert client.get("/lapor/cek", params={"code": f" {number.upper()} "}).status_code == 303


def test_what_is_wrong_is_said_and_what_was_written_is_kept(client: TestClient) -> None:
    answer = client.post("/lapor", data=filled(client, phone="none", words="<script>alert(1)</script>"))
    assert answer.status_code == 422 and "Give your phone number" in answer.text
    assert "Jl. Melati 3" in answer.text and "<script>alert" not in answer.text
    old = client.post("/lapor", data=filled(client, moment="66.aa.bb"))
    assert old.status_code == 422 and 'value="66.aa.bb"' not in old.text  # a new one is in its place


def test_a_tap_on_the_map_needs_no_script(client: TestClient) -> None:
    tapped = client.post("/lapor", data=filled(client, **{"map.x": "164", "map.y": "164"}))
    assert (
        tapped.status_code == 200 and "peta.svg?lon=112.62" in tapped.text and "Jl. Melati 3" in tapped.text
    )
    picture = client.get("/lapor/peta.svg?lon=112.62&lat=-7.96")
    assert picture.headers["content-type"].startswith("image/svg+xml") and "Pasar &lt;b&gt;" in picture.text
    for wrong in ("lon=x&lat=1", "lon=1e9&lat=2", "lon=%00&lat="):
        assert client.get(f"/lapor/peta.svg?{wrong}").status_code == 200


def test_the_map_tells_places_as_it_draws_them(client: TestClient, fresh: Any) -> None:
    streets = read_streets(fresh.site.folder)
    assert streets is not None
    for lon, lat in ((112.60, -7.96), (112.63, -7.945)):
        x, y = streets.pixel(lon, lat)
        assert 0 < x < SIZE and 0 < y < SIZE
        back = streets.at(x, y)
        assert back == (pytest.approx(lon, abs=1e-4), pytest.approx(lat, abs=1e-4))


OFF_EARTH = '{"features": [{"geometry": {"type": "LineString", "coordinates": [[900, 1], [1, 1]]}}]}'


@pytest.mark.parametrize("text", ["", "[]", OFF_EARTH, "\xff"])
def test_a_map_that_cannot_be_used_is_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "streets.geojson").write_text(text, "latin-1")
    assert read_streets(tmp_path) is None


def test_hostile_forms_are_no_defects(client: TestClient) -> None:
    good = filled(client)
    bodies: list[dict[str, Any]] = [
        {"content": b"x" * 100, "headers": {"content-type": "multipart/form-data; boundary=q"}},
        {"content": b"--q\r\n\r\n", "headers": {"content-type": "multipart/form-data; boundary=q"}},
        {"content": b"a=1", "headers": {"content-type": "multipart/form-data"}},
        {"content": b"\xff\xfe", "headers": {"content-type": "application/x-www-form-urlencoded"}},
        {"data": {**good, **{f"f{i}": "x" for i in range(200)}}},
        {"data": good, "files": [("photo", ("a.jpg", b"\xff\xd8\xff\0", "image/jpeg"))]},
        {"data": good, "files": [("photo", (f"{i}.jpg", b"x", "image/jpeg")) for i in range(5)]},
        {"data": {**good, "photo": "no file"}},
        {"data": {**good, "lon": "nan", "lat": "1", "where": ""}},
        {"data": {**good, "lon": "1e400", "lat": "1", "where": "\0\0\0"}},
        {"data": {**good, "map.x": "9" * 50, "map.y": "1", "where": "\ud800".encode("utf-8", "replace")}},
        {"data": good, "files": [("photo", ("a.jpg", b"x" * (MOST_BYTES + 9), "image/jpeg"))]},
        {"data": good, "headers": {"origin": "https://evil.example"}},
        {"json": {"category": "leak"}},
    ]
    for body in bodies:
        status = client.post("/lapor", **body).status_code
        assert status < 500, body
    large = client.post("/lapor", content=b"x" * (25 * 2**20), headers={"content-type": "text/plain"})
    assert large.status_code == 413
    for code in ("x", "..%2f..", "%00", "a" * 3000, "aaaa-bbbb-cccc"):
        assert client.get(f"/lapor/{code}").status_code == 404
        assert client.post(f"/lapor/{code}", data={"phone": "0812 3456 7890"}).status_code < 500


@pytest.mark.parametrize("code", LANGUAGES)
def test_errors_lead_residents_back_to_their_own_page(
    client: TestClient, fresh: Any, browse: Any, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    client = browse(fresh, code, raise_server_exceptions=False)
    html = {"accept": "text/html,*/*;q=0.8", "content-type": "application/x-www-form-urlencoded"}
    number = sent(client)
    large = client.post("/lapor", content=b"x" * (25 * 2**20), headers=html)
    foreign = client.post("/lapor", data=filled(client), headers={"origin": "null"})

    def away(*args: object) -> None:
        raise DatabaseUnavailable("database residents.sqlite: disk I/O error")

    monkeypatch.setattr(fresh.residents.public, "track", away)
    down = client.get(f"/lapor/{number}")
    monkeypatch.setattr(fresh.residents.public, "submit", away)
    lost = client.post("/lapor", data=filled(client))
    assert [a.status_code for a in (large, foreign, down, lost)] == [413, 403, 503, 503]
    for answer in (large, down, lost):
        assert 'class="button primary" href="/lapor"' in answer.text and 'href="/"' not in answer.text
        assert f'lang="{code}"' in answer.text and "sqlite" not in answer.text
        assert "Twuin" not in re.sub(r"<[^>]*>", "", answer.text)  # residents know their utility's name
    assert 'href="/lapor"' not in client.get("/lapor-none").text


def test_far_too_many_are_told_so_and_keep_what_they_wrote(client: TestClient) -> None:
    phones = iter(range(100_000, 200_000))
    for _ in range(30):
        sent(client, phone=f"0812 {next(phones)}")
    answer = client.post("/lapor", data=filled(client, phone="0812 999 999"))
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
    assert "Jl. Melati 3" in answer.text
    assert "from your network" in answer.text and 'href="tel:' in answer.text.partition("</main>")[0]


def test_far_too_many_with_one_phone_number_are_told_that_it_is_the_number(client: TestClient) -> None:
    for _ in range(10):
        sent(client)
    answer = client.post("/lapor", data=filled(client))
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) == 86400
    assert "with this phone number" in answer.text and "tomorrow" in answer.text
    assert "network" not in answer.text and "an hour" not in answer.text


def test_a_code_is_shown_as_it_was_given_however_it_is_typed(client: TestClient) -> None:
    code = sent(client)
    typed = {"code": f" {code.upper().replace('-', ' ')}"}
    page = client.get("/lapor/cek", params=typed, follow_redirects=True)
    assert page.status_code == 200 and f'<strong class="code">{code}</strong>' in page.text


def test_a_report_is_withdrawn_on_its_page(client: TestClient, fresh: Any) -> None:
    code = sent(client)
    wrong = client.post(f"/lapor/{code}", data={"phone": "0812 0000 0000"})
    assert wrong.status_code == 422 and "not the number" in wrong.text
    assert client.post(f"/lapor/{code}", data={"phone": "0812-3456-7890"}).status_code == 303
    page = client.get(f"/lapor/{code}").text
    assert "You have withdrawn" in page and "First answered" not in page
    [report] = fresh.residents.desk.page().items
    assert "First answered" not in client.get(f"/public-reports/{report.id}").text
    assert "answered" not in client.get("/public-reports").text
    assert fresh.residents.desk.page().items[0].state is Standing.CLOSED


def test_the_charter_counts_what_came_and_gives_no_share_of_few(client: TestClient) -> None:
    sent(client)
    page = client.get("/lapor/janji").text
    assert "We answer within 24 hours." in page and "3 days" in page
    assert (
        "November 2026" in page and "Reports received" in page and "%" not in page.split("How it was kept")[1]
    )
    assert client.get("/lapor/janji?month=2026-10").status_code == 200
    for odd in ("2031-01", "0001-01", "x", "2026-99", "9999-12"):
        assert "November 2026" in client.get(f"/lapor/janji?month={odd}").text


def test_the_choice_of_language_is_kept(client: TestClient) -> None:
    assert 'lang="id"' in client.get("/lapor?lang=id").text
    assert '<html lang="id"' in client.get("/lapor").text
    assert client.get("/lapor?lang=<x>").status_code == 200


def test_where_somebody_is_may_be_asked_on_these_pages_only(client: TestClient) -> None:
    assert "geolocation=(self)" in client.get("/lapor").headers["permissions-policy"]
    assert "geolocation=()" in client.get("/alerts").headers["permissions-policy"]


def test_while_it_is_closed_nothing_of_the_public_is_there(fresh: Any) -> None:
    closed = replace(fresh.residents, open=False)
    app = FastAPI(openapi_url=None)
    install_errors(app)
    install_access(app, OpenAccess())
    install_guards(app, allowed_hosts=("testserver",))
    app.include_router(api_router(fresh.views, fresh.alerts, residents=closed))
    mount_pages(app, fresh.views, fresh.alerts, residents=closed)
    client = TestClient(app, follow_redirects=False)
    pages = ("/lapor", "/lapor/janji", "/lapor/cek", "/lapor/aaaa-bbbb-cccc", "/lapor/peta.svg")
    api = ("public-reports/form", "charter", "public-reports/track/x")
    for path in (*pages, *(f"/api/v1/{p}" for p in api)):
        assert client.get(path).status_code == 404, path
    assert client.post("/lapor", data={}).status_code in (404, 405)
    assert client.post("/api/v1/public-reports", json={}).status_code in (404, 405)
    assert client.get("/public-reports").status_code == 200  # staff still see what came


def test_staff_work_on_a_report(client: TestClient, fresh: Any) -> None:
    code = sent(client, category="no_water", words="Since yesterday <b>")
    (report,) = fresh.residents.desk.page().items
    assert report.id in client.get("/public-reports").text
    assert "/public-reports?state=waiting" in client.get("/alerts").text
    assert report.id in client.get("/public-reports?state=waiting").text
    found = client.get("/public-reports", params={"code": code})
    assert found.status_code == 303 and found.headers["location"].endswith(report.id)
    page = client.get(f"/public-reports/{report.id}").text
    assert "3456" not in page and "Since yesterday" not in page
    shown = client.post(f"/public-reports/{report.id}/person").text
    assert "+6281234567890" in shown and "Since yesterday &lt;b&gt;" in shown
    # Switched to another language, a browser asks for that address: it gets the page it stood on.
    again = client.get(f"/public-reports/{report.id}/person")
    assert (again.status_code, again.headers["location"]) == (303, f"/public-reports/{report.id}")

    def act(**fields: Any) -> Any:
        version = fresh.residents.desk.get(report.id).version
        return client.post(f"/public-reports/{report.id}", data={"version": str(version), **fields})

    if fresh.residents.desk.get(report.id).state is Standing.HELD:  # sent faster than a person can
        assert act(action="accept").status_code == 303
    assert act(action="place", dma="D1", category="no_water").status_code == 303
    assert act(action="answer", message="").status_code == 422
    assert act(action="answer", message="A tanker comes at four.").status_code == 303
    assert "A tanker comes at four." in client.get(f"/lapor/{code}").text
    stale = client.post(f"/public-reports/{report.id}", data={"version": "1", "action": "alert"})
    assert stale.status_code == 409 and "changed while" in stale.text
    assert act(action="alert").status_code == 303
    alert = fresh.residents.desk.get(report.id).alert
    seen = client.get(f"/alerts/{alert}")
    assert seen.status_code == 200 and "reported by residents" in seen.text
    assert act(action="close", outcome="solved").status_code == 303
    page = client.get(f"/public-reports/{report.id}", headers={"accept-language": "id"}).text
    assert "· petugas" in page and "staff" not in page.split('class="history"')[1]
    assert "has been dealt with" in client.get(f"/lapor/{code}").text
    assert client.get(f"/public-reports/{report.id}/photo").status_code == 404
    assert client.get("/public-reports/none").status_code == 404


def test_erased_and_nothing_more_is_told(client: TestClient, fresh: Any) -> None:
    sent(client)
    (report,) = fresh.residents.desk.page().items
    fresh.residents.public.forget(report, "erased")
    assert "Erased, as promised" in client.post(f"/public-reports/{report.id}/person").text
