"""The page on other settings of reducing valves, in both languages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from html import unescape
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

from firmware_sim.town import demo_site_folder
from twuin.web.locales import LANGUAGES
from waterworks.epanet_file import read_network
from waterworks.site_folder import read_site

Browse = Callable[..., TestClient]


@pytest.fixture(scope="module")
def hills(samples: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The demo town, which has reducing valves, with five weeks of inflow."""
    folder = tmp_path_factory.mktemp("hills")
    # A copy: what pages keep for a sample lies in its site folder.
    site = read_site(shutil.copytree(demo_site_folder(), folder / "site"))
    assert site.network_file is not None
    sample = samples._assemble(folder, site, read_network(site.network_file), [], samples.NOW, speed=1.0)
    for dma in site.dmas:
        samples._fill_dma(sample, dma.id, 40.0)
    yield sample
    sample.store.close()


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_night_s_setting_is_drawn_and_worth_something(hills: Any, browse: Browse, code: str) -> None:
    client = browse(hills, code)
    page = client.get("/what-if?valve=PRV-1&set=28&night=20,5&from=22&to=5")
    told = client.get("/api/v1/valves/PRV-1/what-if?set_m=28&night_m=20.5").json()
    assert page.status_code == 200 and page.text.count('class="hours"') == 2 * len(told["zones"]) > 0
    assert told["set_m"][:6] == [20.5] * 5 + [28.0]
    zone = next(z for z in told["zones"] if z["dma"] == "D3")
    assert zone["saved_m3day"]["value"] > 0 and zone["why"] == ""
    assert "style=" not in page.text
    assert ("Titik kritis" if code == "id" else "Critical point") in page.text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("set=99", "cannot give 99.0"),
        ("set=-3", "from 0 to 400 m"),
        ("set=x", "is no number"),
        ("set=", "Enter a set pressure"),
        ("set=20&n1=7", "0.36 to 2.95"),
        ("valve=none", "does not know “none”"),
        ("set=33.2&valve=PRV-1", "Pressure changes nowhere"),
    ],
    ids=["beyond", "negative", "word", "empty", "n1", "valve", "same"],
)
def test_what_is_asked_wrongly_is_told(hills: Any, browse: Browse, query: str, said: str) -> None:
    page = browse(hills, "en").get(f"/what-if?{query}")
    assert page.status_code == 200
    assert said in unescape(page.text).replace("\u00a0", " ")


def test_a_site_without_such_valves_is_told(shown: Callable[[str], Any], browse: Browse) -> None:
    for name in ("town", "bare"):
        assert "no pressure reducing valve" in browse(shown(name), "en").get("/what-if").text
    assert browse(shown("town"), "en").get("/api/v1/valves").json() == []
    assert browse(shown("town"), "en").get("/api/v1/valves/V1/what-if?set_m=20").status_code == 404
