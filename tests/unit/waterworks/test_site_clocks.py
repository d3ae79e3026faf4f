"""clocks.csv, and the day on which a sensor began to measure."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from waterworks.errors import Severity
from waterworks.site import ClockCorrection, Site
from waterworks.site_folder import check_site, read_site

SENSORS = """id,quantity,unit,dma,device,role,since
IN,flow,m3/h,D1,logger-7,inlet,2026-03-01
P,pressure,bar,D1,logger-8,,
"""


def folder(path: Path, clocks: str, sensors: str = SENSORS) -> tuple[Site | None, list[str]]:
    (path / "site.toml").write_text('id = "kota"\nname = "Kota"\ntimezone = "Asia/Jakarta"\n')
    (path / "dmas.csv").write_text("id,connections\nD1,100\n")
    (path / "sensors.csv").write_text(sensors)
    (path / "clocks.csv").write_text(clocks)
    problems = [str(p) for p in check_site(path) if p.severity is Severity.ERROR]
    return None if problems else read_site(path), problems


def test_corrections_are_read_with_the_sites_zone_where_they_name_none(tmp_path: Path) -> None:
    site, problems = folder(
        tmp_path,
        "device,ahead_s,since,until,note\n"
        "logger-7,25200,2026-11-20T10:00+07:00,2026-11-24T02:15Z,local time as UTC\n"
        "logger-8,-3600,2026-11-22 00:00,,\n"
        "logger-7,60,2026-11-24 09:15,,\n",
    )
    assert site is not None and not problems
    t = np.datetime64
    assert site.clocks == (
        ClockCorrection("logger-7", 25200, t("2026-11-20T03:00", "us"), t("2026-11-24T02:15", "us")),
        ClockCorrection("logger-8", -3600, t("2026-11-21T17:00", "us")),
        ClockCorrection("logger-7", 60, t("2026-11-24T02:15", "us")),
    )
    assert site.sensor["IN"].since == date(2026, 3, 1)
    assert site.commissioned == {"IN": t("2026-02-28T17:00", "us")}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("logger-9,60,2026-11-20 10:00,", "device 'logger-9' carries no sensor of sensors.csv: did you mean"),
        ("logger-7,0,2026-11-20 10:00,", "ahead_s is 0"),
        ("logger-7,,2026-11-20 10:00,", "ahead_s"),
        ("logger-7,1e9,2026-11-20 10:00,", "ahead_s '1e9' is above"),
        ("logger-7,60,,", "since"),
        ("logger-7,60,yesterday,", "since 'yesterday' is no time: write it as 2026-11-21T10:00+07:00"),
        ("logger-7,60,2026-11-20 10:00,2026-11-20 10:00", "until is not after since"),
        ("logger-7,60,0001-01-01 00:00,", "since '0001-01-01 00:00' is beyond any calendar"),
    ],
)
def test_each_mistake_is_named_by_its_line(tmp_path: Path, line: str, said: str) -> None:
    site, problems = folder(tmp_path, f"device,ahead_s,since,until\n{line}\n")
    assert site is None
    (problem,) = problems
    assert "clocks.csv" in problem and "2" in problem and said in problem


def test_two_corrections_of_one_device_may_not_overlap(tmp_path: Path) -> None:
    _, problems = folder(
        tmp_path, "device,ahead_s,since\nlogger-7,60,2026-11-20 10:00\nlogger-7,90,2026-11-24 10:00\n"
    )
    assert len(problems) == 1 and "another correction for the same time, on line 2" in problems[0]


def test_a_day_that_is_none_is_named(tmp_path: Path) -> None:
    _, problems = folder(tmp_path, "device,ahead_s,since\n", SENSORS.replace("2026-03-01", "March"))
    assert any("since 'March' is no day: write it as 2026-11-21" in p for p in problems)
