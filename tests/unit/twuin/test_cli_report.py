"""``twuin report``: files for people and scripts, one clear line for mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import openpyxl
import pypdfium2
import pytest

from twuin.app import open_embedded
from waterworks.localtime import midnight
from waterworks.reading import ReadingBatch
from waterworks.site_folder import read_site

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def report(twuin: Run, tmp_path: Path, root: Path) -> Run:
    """Runs ``twuin report make`` on the Ferrara example, whose inlets flow from 10 September to 2 November
    2022: status, output, errors."""
    folder = root / "examples" / "ferrara"
    site = read_site(folder)
    begin = midnight(date(2022, 9, 10).toordinal(), site.timezone)
    times = begin + np.arange(53 * 24 + 2) * np.timedelta64(1, "h")
    (tmp_path / "data").mkdir()
    with closing(open_embedded(tmp_path / "data")) as store:
        for i, sensor in enumerate(site.sensors):
            store.append(
                ReadingBatch.columns(
                    (sensor.id,), np.zeros(len(times), np.int32), times,
                    np.full(len(times), 0.01 * (i + 1)), received=times[-1],
                )
            )  # fmt: skip

    return partial(twuin, "report", "make", "--site", folder, "--data-dir", "data")


def test_without_a_period_it_is_the_last_month_that_is_over(report: Run, tmp_path: Path) -> None:
    status, out, err = report()
    assert (status, out.strip()) == (0, "ferrara-2022-10.id.pdf"), err
    with closing(pypdfium2.PdfDocument(tmp_path / "ferrara-2022-10.id.pdf")) as pdf:
        text = pdf[0].get_textpage().get_text_bounded()
        whole = "".join(page.get_textpage().get_text_bounded() for page in pdf)
    assert "Oktober 2022" in text and "SEMENTARA" not in text
    assert "Buku besar tidak menghitung bacaan" in whole, "rather than a page of noughts"


def test_each_kind_in_each_language_with_the_figures_of_the_losses(report: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    status, out, err = report(
        "2022-09", *("--format", "xlsx"), *("--format", "json"), *("--language", "en"), *("--language", "id"),
        *("--to", "out"),
    )  # fmt: skip
    assert status == 0, err
    assert sorted(Path(line).name for line in out.split()) == [
        "ferrara-2022-09.en.xlsx", "ferrara-2022-09.id.xlsx", "ferrara-2022-09.json",
    ]  # fmt: skip
    found = json.loads((tmp_path / "out" / "ferrara-2022-09.json").read_text("utf-8"))
    assert (found["start"], found["end"], found["complete"]) == ("2022-09-01", "2022-09-30", True)
    assert found["losses"]["site"]["night_flow_m3h"]["value"] == pytest.approx(540.0)
    sheet = openpyxl.load_workbook(tmp_path / "out" / "ferrara-2022-09.en.xlsx")["Night flows"]
    flows = [row[3].value for row in sheet.iter_rows() if isinstance(row[3].value, float | int)]
    assert sorted(flows) == pytest.approx([36.0, 72.0, 108.0, 144.0, 180.0])


def test_a_month_that_is_not_over_is_told_as_far_as_it_goes(report: Run, tmp_path: Path) -> None:
    assert report("2022-11", "--format", "json")[0] == 0
    found = json.loads((tmp_path / "ferrara-2022-11.json").read_text("utf-8"))
    assert (found["end"], found["complete"]) == ("2022-11-01", False)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["11.2022"], "'11.2022' is no month or year to report on: write 2026-10 or 2026"),
        (["2023"], "nothing of 2023 can be reported on yet: its first day, 2023-01-01, was not analysed"),
        (["2022-10", "--to", "nowhere"], "--to nowhere is no folder: make it first, or name another"),
    ],
)
def test_a_mistake_is_one_clear_line(report: Run, flags: list[str], message: str) -> None:
    status, out, err = report(*flags)
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {message}") and len(err.splitlines()) == 1
