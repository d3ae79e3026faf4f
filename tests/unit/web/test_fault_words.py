"""Sensor faults and dry DMAs in words and on pages, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from twuin.alerts.model import Finding, Kind
from twuin.web.formats import Formats
from twuin.web.locales import LANGUAGES, language
from twuin.web.words import Words

FAULTS = {
    "stuck": (0.004, "m3/s", "14,4"),
    "offset": (-0.004, "m3/s", "14,4"),
    "drift": (2.5, "m", "2,5"),
    "spike": (8.0, "m", "8"),
    "noise": (1.5, "m", "1,5"),
    "clock": (25200.0, "s", "7"),
    "reversed": (-0.004, "m3/s", ""),
    "impossible": (184.0, "m", "184"),
}


def words(code: str) -> Words:
    messages = language(code).messages
    return Words(Formats(code, messages.gettext, messages.ngettext, ZoneInfo("Asia/Jakarta"), "IDR", 2026))


@pytest.mark.parametrize("code", LANGUAGES)
def test_each_fault_is_told_with_its_sensor_and_size(shown: Callable[[str], Any], code: str) -> None:
    alert = shown("town").views.alerts().items[0]
    w = words(code)
    told = set()
    for fault, (size, unit, figure) in FAULTS.items():
        evidence = {"fault": fault, "size": size, "unit": unit, "unwatched": ["D2", "D4"]}
        one = alert.model_copy(
            update={"kind": Kind.SENSOR, "subject": "D2-IN", "ended": None, "evidence": evidence}
        )
        sentence = w.sentence(one)
        told.add((w.title(one), sentence))
        assert "D2-IN" in sentence and "D2-IN" in w.title(one) and "D2, D4" in sentence
        assert figure in sentence.replace(".", ",")
        assert "%(" not in sentence
    assert len(told) == len(FAULTS)


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_leak_that_was_the_meters_is_told_as_that(shown: Callable[[str], Any], code: str) -> None:
    alert = shown("town").views.alerts().items[0]
    one = alert.model_copy(update={"kind": Kind.LEAK, "evidence": {"meter": "D2-IN"}, "ended": alert.as_of})
    other = one.model_copy(update={"kind": Kind.LOW_INFLOW})
    w = words(code)
    assert "D2-IN" in w.sentence(one) and "D2-IN" in w.sentence(other)
    assert w.sentence(one) != w.sentence(other)


@pytest.mark.parametrize("code", LANGUAGES)
def test_pages_show_faults_and_dry_dmas(samples: Any, fresh: Any, browse: Any, code: str) -> None:
    fault = Finding(
        Kind.SENSOR, "D2-IN", "D2", samples.NOW, samples.NOW, samples.NOW,
        evidence={"fault": "stuck", "size": 0.004, "unit": "m3/s", "unwatched": ["D2"]},
    )  # fmt: skip
    dry = Finding(
        Kind.SUPPLY, "D3", "D3", samples.NOW, samples.NOW, samples.NOW, evidence={"hours_without": 9.0}
    )
    fresh.alerts.apply([*fresh.findings, fault, dry])
    client = browse(fresh, code)
    for kind in (Kind.SENSOR, Kind.SUPPLY):
        (alert,) = fresh.views.alerts(kind=kind).items
        page = client.get(f"/alerts/{alert.id}")
        assert page.status_code == 200
        title = words(code).title(alert)
        assert title in page.text and title in client.get("/").text
        assert title in client.get(f"/alerts?kind={kind.value}").text
