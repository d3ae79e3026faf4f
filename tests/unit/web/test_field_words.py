"""What the crew's phone says of a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twuin.alerts.model import Kind
from twuin.web.field_words import job_words
from twuin.web.locales import LANGUAGES


@pytest.mark.parametrize("code", LANGUAGES)
def test_only_of_a_leak_that_runs_is_said_what_is_lost_a_day(shown: Callable[[str], Any], code: str) -> None:
    views = shown("town").views
    leaks = views.alerts(kind=Kind.LEAK).items
    said = {a.id: job_words(a, views.site())[code] for a in leaks}
    runs, over = ({a.id for a in leaks if (a.ended is None) is still} for still in (True, False))
    assert runs and over
    assert all(said[id]["day"] for id in runs)
    assert not any("day" in said[id] for id in over)
