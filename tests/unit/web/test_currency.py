"""How current the picture is, and that nothing reassures or alarms before anything was analysed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from waterworks.reading import ReadingBatch

Browse = Callable[..., TestClient]


@pytest.fixture
def hourly(samples: Any, tmp_path: Path) -> Any:
    sample = samples.bare(tmp_path)
    yield sample
    sample.store.close()


def strip_of(page: str) -> str:
    found = re.search(r'<div id="stale".*?</div>\s*<main', page, re.S)
    assert found is not None
    return found[0]


def with_site(sample: Any, **changes: Any) -> None:
    said = sample.views.site().model_copy(update=changes)
    sample.views.site = lambda: said


@pytest.mark.parametrize(("hours", "stale"), [(1, False), (3, False), (12, True)])
def test_an_hourly_site_is_stale_only_after_several_of_its_hours(
    hours: int, stale: bool, hourly: Any, browse: Browse
) -> None:
    now = hourly.views.site().now
    with_site(hourly, watermark=now - timedelta(hours=hours))
    page = browse(hourly, "en").get("/").text
    assert ("notice-warn" in strip_of(page)) is stale
    assert ("No new readings have been analysed" in page) is stale


def test_past_data_are_not_stale_and_say_their_year_everywhere(hourly: Any, browse: Browse) -> None:
    now = datetime.fromisoformat("2023-03-31T21:00:00+00:00")
    with_site(hourly, clock="data", stale_after_s=None, now=now, watermark=now - timedelta(hours=9))
    page = browse(hourly, "id").get("/").text
    assert "notice-warn" not in strip_of(page) and "31 Mar 2023" in strip_of(page)
    assert "data lampau 2023" in page
    assert "Jum 31 Mar 2023" in page.replace("\u00a0", " ")
    # Scripts name the year too, and a clock that follows data does not run on between looks.
    assert '"year":0' in page and '"speed":0.0' in page
    assert "data-count" not in page


def test_before_anything_was_analysed_nothing_is_said_to_be_well(
    samples: Any, tmp_path: Path, browse: Browse
) -> None:
    sample = samples.empty(tmp_path)
    client = browse(sample, "en")
    for address in ("/", "/alerts", "/dmas/D1"):
        page = client.get(address).text
        assert "No sensor has sent a reading yet." in strip_of(page) and "notice-warn" not in page
        assert 'href="/ingest"' in strip_of(page) and "Getting ready" not in page
        assert "#check" not in page and "none known" not in page
        assert "Not known yet: no reading has come." in page and "still being analysed" not in page
    for language, said in (("en", "twuin backfill"), ("id", "Biarkan perangkat mengirim")):
        assert said in browse(sample, language).get("/ingest").text
    # With the first reading it is the analysis that is waited for.
    time = np.array([np.datetime64("2026-11-21T03:00:00", "us")])
    zero = np.zeros(1, int)
    sample.store.append(ReadingBatch.columns(["D1-IN"], zero, time, np.ones(1), received=time[0]))
    page = client.get("/").text
    assert "Getting ready" in strip_of(page) and "No sensor has sent" not in page
    assert "No sensor has sent" not in client.get("/ingest").text
    sample.store.close()


def test_a_backlog_that_is_worked_off_is_no_fault(fresh: Any, browse: Browse) -> None:
    with_site(fresh, watermark=fresh.views.site().now - timedelta(days=9), catching_up=True)
    page = browse(fresh, "en").get("/").text
    assert "notice-warn" not in strip_of(page)
    assert "so far up to Thu 12 Nov 10:10" in strip_of(page)
    assert set(re.findall(r'data-rate="([^"]*)"', page)) <= {"0"}  # nothing is counted on
