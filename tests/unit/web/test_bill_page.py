"""The page on which bills are put in: looked at, then yes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request

from twuin.access import OpenAccess
from twuin.accounts.model import OPEN, Asker
from twuin.accounts.rights import Right

Browse = Callable[..., TestClient]


class Engineer(OpenAccess):
    """Somebody who may put in bills, which nobody may in a demo."""

    def asker(self, request: Request) -> Asker:
        return replace(OPEN, rights=OPEN.rights | {Right.BILLS})


@pytest.fixture
def office(fresh: Any, samples: ModuleType) -> Any:
    """The sample town with an engineer at the keyboard."""
    fresh.app = samples.application(fresh, Engineer())
    return fresh


GOOD = b"month,dma,billed_metered_m3\n2026-10,D1,22000\n2026-10,DMA Sukun,18000.5\n"


@pytest.mark.parametrize("code", ["id", "en"])
def test_a_file_is_looked_at_then_put_in_and_remembered(office: Any, browse: Browse, code: str) -> None:
    client = browse(office, code)
    assert client.get("/bills").status_code == 200
    page = client.post("/bills", files={"file": ("oktober.csv", GOOD, "text/csv")})
    assert page.status_code == 200 and ("22.000" if code == "id" else "22,000") in page.text
    billed = office.site.folder / "billed.csv"
    assert not billed.exists()
    digest = re.search(r'name="digest" value="(\w+)"', page.text)
    assert digest is not None
    taken = client.post("/bills/take", data={"digest": digest[1]})
    assert taken.status_code == 303 and "2026-10,D2,18000.5" in billed.read_text()
    assert "oktober.csv" in client.get("/bills?done=1").text
    assert client.post("/bills/take", data={"digest": digest[1]}).status_code == 409
    assert [u["file"] for u in client.get("/api/v1/bills/uploads").json()] == ["oktober.csv"]


def test_mistakes_stand_by_their_line_and_offer_nothing_to_put_in(office: Any, browse: Browse) -> None:
    client = browse(office, "en")
    bad = GOOD.replace(b"22000", b"<b>x</b>")
    page = client.post("/bills", files={"file": ("<i>.csv", bad, "text/csv")})
    assert page.status_code == 422 and 'name="digest"' not in page.text
    assert "<b>" not in page.text and "<i>" not in page.text and "is no number" in unescape(page.text)
    assert client.post("/bills", files={"file": ("", b"", "text/csv")}).status_code == 422
    assert client.post("/bills", data={"sheet": "x"}).status_code == 422


def test_the_api_looks_takes_and_refuses(office: Any, browse: Browse) -> None:
    client = browse(office, "en")
    look = client.post("/api/v1/bills?file=okt.csv&check=true", content=GOOD).json()
    assert (len(look["added"]), look["taken"]) == (2, False)
    assert client.post("/api/v1/bills?file=okt.csv", content=GOOD).json()["taken"] is True
    wrong = client.post("/api/v1/bills?file=okt.pdf", content=GOOD).json()
    assert wrong["taken"] is False and wrong["errors"]
    assert client.post("/api/v1/bills", content=GOOD).status_code == 422
    assert client.post("/api/v1/bills?file=a.csv", content=b"x" * (4 * 2**20)).status_code == 413


def test_the_page_says_in_words_that_a_file_is_too_large(office: Any, browse: Browse) -> None:
    answer = browse(office).post("/bills", files={"file": ("big.csv", b"x" * (20 * 10**6))})
    assert answer.status_code == 422 and "lebih besar dari 2 MB" in answer.text


def test_in_a_demo_nobody_puts_bills_in(fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    assert client.get("/bills").status_code == 403
    assert client.post("/api/v1/bills?file=a.csv", content=GOOD).status_code == 403
    assert "/bills" not in client.get("/").text
