"""The page of reports and what it sends, in both languages."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import openpyxl
import pypdfium2
import pytest
from fastapi.testclient import TestClient

from twuin.reports.shelf import Shelf
from twuin.views.report_desk import ReportFile
from twuin.web.locales import LANGUAGES

Browse = Callable[..., TestClient]
Shown = Callable[[str], Any]


@pytest.mark.parametrize(("language", "month"), [("id", "Oktober 2026"), ("en", "October 2026")])
def test_the_page_offers_months_with_the_last_that_is_over_chosen(
    shown: Shown, browse: Browse, language: str, month: str
) -> None:
    text = browse(shown("town"), language).get("/reports").text
    assert re.search(rf'<option value="2026-10" selected>{month}</option>', text)
    assert 'value="2026-11"' in text and 'value="2026"' in text
    assert 'value="2026-09"' not in text, "before the first reading"


@pytest.mark.parametrize("language", LANGUAGES)
def test_choosing_leads_to_the_file(shown: Shown, browse: Browse, language: str) -> None:
    client = browse(shown("town"), language)
    sent = client.get(f"/reports/make?period=2026-10&format=pdf&language={language}")
    assert sent.status_code == 303
    answer = client.get(sent.headers["location"])
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/pdf"
    name = f"kota-2026-10.{language}.pdf"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    with pypdfium2.PdfDocument(answer.content) as pdf:
        assert "Perumda Tirta Kota" in pdf[0].get_textpage().get_text_bounded()


@pytest.mark.parametrize("query", ["", "?period=soon", "?period=//evil.example", "?period=2026-10%0a"])
def test_a_period_that_is_none_leads_back(shown: Shown, browse: Browse, query: str) -> None:
    assert browse(shown("town")).get(f"/reports/make{query}").headers["location"] == "/reports"


def test_reports_that_are_kept_are_listed_and_sent_as_they_are(fresh: Any, browse: Browse) -> None:
    shelf = Shelf(fresh.site.folder / "reports")
    shelf.write(ReportFile("kota-2026-09.id.pdf", "application/pdf", b"%PDF-kept"))
    client = browse(fresh, "en")
    text = client.get("/reports").text
    assert "September 2026" in text
    [href] = re.findall(r'href="(/api/v1/reports/files/[^"]+)"', text)
    answer = client.get(href)
    assert (answer.content, answer.headers["content-type"]) == (b"%PDF-kept", "application/pdf")


def test_a_site_without_readings_offers_nothing_and_says_so(shown: Shown, browse: Browse) -> None:
    text = browse(shown("empty"), "en").get("/reports").text
    assert "There are no readings to report on yet." in text
    assert "<select" not in text


# -- the API -------------------------------------------------------------------------------------------


def test_the_api_lists_and_makes(shown: Shown, browse: Browse) -> None:
    client = browse(shown("town"))
    listed = client.get("/api/v1/reports").json()
    assert listed["periods"][:3] == ["2026", "2026-11", "2026-10"]
    found = client.get("/api/v1/reports/2026-11").json()
    assert (found["end"], found["complete"]) == ("2026-11-20", False)
    losses = client.get("/api/v1/losses?start=2026-11-01&end=2026-11-20").json()
    assert found["losses"]["site"] == losses["site"], "a report makes up no figures"
    answer = client.get("/api/v1/reports/2026-11/file?format=xlsx&language=en")
    sheets = openpyxl.load_workbook(io.BytesIO(answer.content)).sheetnames
    assert sheets[0] == "Summary" and "Leaks" in sheets


def test_leaks_of_the_sample_are_in_its_report(shown: Shown, browse: Browse) -> None:
    found = browse(shown("town")).get("/api/v1/reports/2026-11").json()
    assert [(x["dma"], x["kind"], x["outcome"]) for x in found["leaks"]] == [
        ("D3", "leak", "ended"), ("D3", "night_flow", "running"), ("D2", "leak", "running"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("2026-13", 422, "write 2026-10 or 2026"),
        ("2027-01", 422, "nothing of 2027-01 can be reported on yet"),
        ("2026-13/file", 422, "write 2026-10 or 2026"),
        ("2026-10/file?format=doc", 422, "format"),
        ("2026-10/file?language=fr", 422, "language"),
        ("files/kota-2026-10.id.pdf", 404, "no report"),
        ("files/..%2f..%2fsecret-2026-10.id.pdf", 404, ""),
    ],
)
def test_what_cannot_be_sent_is_a_problem_document(
    shown: Shown, browse: Browse, path: str, status: int, said: str
) -> None:
    answer = browse(shown("town")).get(f"/api/v1/reports/{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert said in answer.text
