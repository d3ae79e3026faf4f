"""The running program makes the reports that its settings ask for."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twuin.app import build, open_embedded, start_reports
from twuin.settings import load
from waterworks.localtime import midnight
from waterworks.reading import ReadingBatch
from waterworks.site_folder import read_site

CLOCK = {"kind": "scaled", "start": "2022-11-10T07:00:00+01:00"}


@pytest.fixture
def flags(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The Ferrara example with readings from 20 October to 9 November 2022, on 10 November at 7."""
    monkeypatch.chdir(tmp_path)
    folder = root / "examples" / "ferrara"
    site = read_site(folder)
    times = midnight(date(2022, 10, 20).toordinal(), site.timezone) + np.arange(20 * 24) * np.timedelta64(
        1, "h"
    )
    with closing(open_embedded(tmp_path)) as store:
        for s in site.sensors:
            rows = np.zeros(len(times), np.int32)
            store.append(ReadingBatch.columns((s.id,), rows, times, np.ones(len(times)), received=times[-1]))
    return {"site": folder, "data_dir": tmp_path, "reports": {"day": 10, "formats": ["xlsx"]}, "clock": CLOCK}


def test_a_month_that_is_due_is_in_the_folder_soon_after_the_start(
    flags: dict[str, Any], tmp_path: Path
) -> None:
    with closing(build(load(None, flags))) as parts:
        start_reports(parts)
        wanted = tmp_path / "reports" / "ferrara-2022-10.id.xlsx"
        end = time.monotonic() + 120
        while not wanted.exists() and time.monotonic() < end:
            assert not parts.jobs.failures
            time.sleep(0.05)
        assert wanted.exists()


@pytest.mark.parametrize("change", [{"reports": {"day": 0}}, {"clock": {"kind": "data"}}])
def test_none_are_made_unasked_or_where_past_data_are_looked_at(
    flags: dict[str, Any], change: dict[str, Any]
) -> None:
    with closing(build(load(None, {**flags, **change}))) as parts:
        start_reports(parts)
        assert not parts.jobs.threads


@pytest.mark.parametrize(
    ("reports", "message"),
    [
        ({"day": 29}, "reports.day"),
        ({"at": "6:00"}, "give a local time as HH:MM"),
        ({"languages": ["fr"]}, 'reports.languages .*: give a list of one or both of "id" and "en"'),
        ({"formats": []}, 'reports.formats .*: give a list of one or both of "pdf" and "xlsx"'),
    ],
)
def test_a_wrong_setting_is_named(reports: dict[str, Any], message: str) -> None:
    from waterworks.errors import SettingsError

    with pytest.raises(SettingsError, match=message):
        load(None, {"reports": reports})
