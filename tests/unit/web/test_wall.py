"""What a display of the control room's wall is sent."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from twuin.alerts.model import Kind, Reason, State
from twuin.views.models import AlertOut
from twuin.web.wall_file import WallFile
from twuin.web.wall_panels import lost_m3, worth
from waterworks.errors import StoreUnavailable

ONE = """\
[[screen]]
title = "Satu"
[[screen.page]]
grid = ["alerts dmas"]
[screen.page.panel.dmas]
dmas = ["D1", "D3"]
"""


def areas(html: str) -> list[str]:
    return re.findall(r'<li class="wall-tile state-(\w+)"', html)


@pytest.mark.parametrize("kind", ["town", "bare", "empty"])
@pytest.mark.parametrize("screen", [1, 2])
def test_every_site_has_a_usual_wall(kind: str, screen: int, shown: Any, browse: Any) -> None:
    answer = browse(shown(kind)).get(f"/wall?screen={screen}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<[^>]+ (style|on\w+)=", answer.text)
    assert not re.search(r"<script(?! type=\"(application/json|module)\"| defer)", answer.text)
    assert ("wall-map-box" in answer.text) == (kind == "town" and screen == 1)


@pytest.mark.parametrize(
    ("address", "language"), [("", "id"), ("?lang=en", "en"), ("?lang=id", "id"), ("?lang=fr", "id")]
)
def test_the_address_may_ask_for_a_language(address: str, language: str, shown: Any, browse: Any) -> None:
    answer = browse(shown("town"), "").get(f"/wall{address}")
    assert answer.headers["content-language"] == language
    assert ("Kebocoran di DMA Sukun" in answer.text) == (language == "id")


@pytest.mark.parametrize("screen", ["3", "0", "-1", "x", "", "99999999999", "²", "<b>"])
def test_a_screen_that_is_not_there_says_which_are(screen: str, shown: Any, browse: Any) -> None:
    answer = browse(shown("town"), "en").get("/wall", params={"screen": screen})
    assert answer.status_code == 404
    assert "put a number from 1 to 2 into the address" in answer.text
    assert "<b>”" not in answer.text


def test_a_display_shows_what_the_file_says_and_follows_its_changes(fresh: Any, browse: Any) -> None:
    client, file = browse(fresh), fresh.site.folder / "wall.toml"

    def layout() -> str:
        found = re.search(r'data-layout="([^"]+)"', client.get("/wall").text)
        assert found is not None
        return found[1]

    usual = layout()
    file.write_text(ONE)
    html = client.get("/wall").text
    assert "Satu" in html and areas(html) == ["normal", "watch"]
    one = layout()
    assert one not in (usual, "")
    os.utime(file, (1, 1))  # touched, not changed: displays need not load anew
    assert layout() == one
    file.write_text(ONE.replace('"D3"', '"D9"'))
    html = client.get("/wall").text
    assert "Satu" in html and areas(html) == ["normal", "watch"]
    assert "wall.toml:6: dma “D9” tidak ada di dmas.csv." in html
    html = browse(fresh, "en").get("/wall").text
    assert "wall.toml:6: dma “D9” is not in dmas.csv." in html
    file.unlink()
    assert layout() == usual


def test_a_first_file_with_mistakes_leaves_the_usual_wall(tmp_path: Path) -> None:
    (tmp_path / "wall.toml").write_text("[[screen]]\n")
    read = WallFile(tmp_path, {"D1"}, set()).read(has_map=True)
    assert len(read.wall.screens) == 2
    assert [str(p) for p in read.problems] == [
        "wall.toml:1: screen 1 has no page: begin one with [[screen.page]]"
    ]


def test_a_store_that_is_away_leaves_a_display_that_asks_again(fresh: Any, browse: Any) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the store is away")

    for method in ("dmas", "site"):
        setattr(fresh.views, method, away)
        answer = browse(fresh, "en").get("/wall")
        assert answer.status_code == 503
        assert 'id="wall"' in answer.text and "/js/wall.js" in answer.text
        assert "This display asks again by itself." in answer.text
        # The clock goes on in the site's own zone.
        assert '"timezone":"Asia/Jakarta"' in answer.text and "WIB" in answer.text
        assert fresh.site.name in answer.text


def test_what_losses_cannot_say_keeps_no_panel_away(fresh: Any, browse: Any) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the store is away")

    fresh.views.losses = away
    answer = browse(fresh, "en").get("/wall")
    assert answer.status_code == 200 and "not known yet" in answer.text


def test_every_panel_says_the_time_of_its_data(shown: Any, browse: Any) -> None:
    html = browse(shown("town"), "en").get("/wall?screen=2").text
    times = re.findall(r'data-as-of="([^"]*)" data-old-after="([^"]*)"', html)
    assert times == [("2026-11-21T03:00:00+00:00", "3645.0")] * 2
    assert html.count("as of 10:00") == 2


def test_a_map_follows_the_alert_that_was_found_last(fresh: Any, browse: Any) -> None:
    (fresh.site.folder / "wall.toml").write_text(
        '[[screen]]\n[[screen.page]]\ngrid = ["map"]\npanel.map.follow = "alert"\n'
    )

    def focus() -> dict[str, str]:
        found = re.search(r'data-focus="([^"]*)"', browse(fresh).get("/wall").text)
        assert found is not None
        data: dict[str, str] = json.loads(found[1].replace("&#34;", '"'))
        return data

    before = focus()["alert"]
    id = fresh.new_leak()
    assert before != id
    assert focus() == {"dma": "", "alert": id}


def test_alerts_worth_most_come_first(samples: ModuleType, shown: Callable[[str], Any]) -> None:
    leak = next(a for a in shown("town").views.alerts().items if a.kind is Kind.LEAK and a.ended is None)

    def made(**changes: Any) -> AlertOut:
        usual = {"gain": None, "flow_m3h": 5.0, "priority": "medium"}
        found: AlertOut = leak.model_copy(update={**usual, **changes})
        return found

    order = [
        made(kind=Kind.SUPPLY, priority="high"),
        made(gain=900.0),
        made(gain=20.0),
        made(flow_m3h=30.0),
        made(),
        made(kind=Kind.NIGHT_FLOW, flow_m3h=50.0),
        made(kind=Kind.SILENT),
        made(priority="low", flow_m3h=70.0),
        made(watched=True, flow_m3h=60.0, priority="high"),
        made(state=State.REPAIRED, flow_m3h=80.0),
        made(ended=samples.NOW, flow_m3h=90.0),
    ]
    order_they_came = [*order[4:], *order[:4]]
    assert sorted(order_they_came, key=worth) == order


def test_water_lost_today_is_that_of_running_and_ended_leaks_from_midnight_on(
    samples: ModuleType, shown: Callable[[str], Any]
) -> None:
    now, hour = samples.NOW, timedelta(hours=1)
    leak = next(a for a in shown("town").views.alerts().items if a.kind is Kind.LEAK and a.ended is None)
    one: AlertOut = leak.model_copy(update={"onset": now - 30 * hour, "flow_m3h": 10.0})
    since = now - 10 * hour

    def lost(**changes: Any) -> float:
        return lost_m3([one.model_copy(update=changes)], since, now)

    assert lost() == pytest.approx(100)
    assert lost(onset=now - 4 * hour) == pytest.approx(40)
    assert lost(ended=now - 6 * hour, state=State.CLOSED) == pytest.approx(40)
    assert lost(ended=now - 11 * hour) == 0
    assert lost(reason=Reason.FALSE_ALARM, state=State.CLOSED) == 0
    assert lost(reason=Reason.DUPLICATE, ended=now) == 0
    assert lost(state=State.CLOSED) == 0  # closed by a person: since when it does not run is not known
    assert lost(flow_m3h=-3.0) == 0


def test_a_trend_without_a_name_follows_the_alert_worth_most(fresh: Any, browse: Any) -> None:
    def source() -> str:
        found = re.search(r"/dmas/(\w+)/series", browse(fresh).get("/wall").text)
        assert found is not None
        return found[1]

    assert source() == "D2"
    fresh.findings[0] = replace(fresh.findings[0], ended=samples_now(fresh))
    fresh.new_leak()
    assert source() == "D1"


def samples_now(sample: Any) -> Any:
    return sample.views.now()
