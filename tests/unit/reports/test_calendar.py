"""Reports by the calendar: when they are due, that they are made once, kept, and made up for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twuin.reports.desk import Calendar
from twuin.reports.schedule import CATCH_UP, due
from twuin.reports.shelf import Shelf
from twuin.views.report_desk import ReportFile
from twuin.views.report_models import ReportOut
from twuin.views.reports import Period
from waterworks.errors import NotFound, StoreUnavailable
from waterworks.site import Site

OLD = date(2020, 1, 1)


def months(now: str, *, begun: date = OLD, analysed: date | None = None, day: int = 3, keep: int = 36) -> str:
    at = datetime.fromisoformat(now)
    found = due(at, begun, analysed or date.fromordinal(at.toordinal() - 1), day, 6 * 60, keep)
    return " ".join(map(str, found))


def test_a_month_is_due_from_its_day_and_time_on() -> None:
    assert months("2026-11-03T05:59", keep=1) == "2026-09"
    assert months("2026-11-03T06:00", keep=1) == "2026-10"
    assert months("2026-11-28T00:00", keep=1) == "2026-10"
    assert months("2026-01-03T06:00", keep=1) == "2025-12"


def test_after_downtime_the_newest_months_are_made_up_for_the_oldest_first() -> None:
    assert months("2026-11-20T12:00") == "2026-08 2026-09 2026-10"


def test_no_month_before_the_first_reading_and_none_that_is_not_analysed_to_its_end() -> None:
    assert months("2026-11-20T12:00", begun=date(2026, 10, 31)) == "2026-10"
    assert months("2026-11-20T12:00", analysed=date(2026, 10, 30)) == "2026-08 2026-09"
    assert months("2026-11-20T12:00", begun=date(2026, 11, 1)) == ""


@given(
    st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - local, as the calendar is
    st.integers(1, 28),
    st.integers(0, 1439),
    st.integers(1, 40),
)
def test_whatever_the_time_whole_months_are_due_in_order(now: datetime, day: int, at: int, keep: int) -> None:
    found = due(now, OLD if now.year > 2020 else date(1999, 1, 1), now.date(), day, at, keep)
    assert found == sorted(found, key=lambda p: p.first)
    assert len(found) <= min(CATCH_UP, keep)
    assert all(p.last < now.date() for p in found)
    if found:  # the newest that can be: the one after it has not come to its day
        after = Period.month_of(date.fromordinal(found[-1].last.toordinal() + 1))
        since = date.fromordinal(after.last.toordinal() + 1)
        assert (now.date(), now.hour * 60 + now.minute) < (since.replace(day=day), at)


class Town:
    """Just what the calendar asks of read models and desk."""

    def __init__(self, made: Callable[..., ReportOut]) -> None:
        self.time = datetime(2026, 11, 3, 1, 0, tzinfo=UTC)  # 08.00 WIB
        self.first: date | None = date(2026, 9, 20)
        self.analysed = date(2026, 11, 2)
        self.asked: list[str] = []
        self.away = False
        self._report = made()

    def now(self) -> datetime:
        return self.time

    def losses_end(self) -> date:
        return self.analysed

    def begun(self) -> date | None:
        if self.away:
            raise StoreUnavailable("away")
        return self.first

    def report(self, period: str) -> ReportOut:
        self.asked.append(period)
        return self._report.model_copy(update={"period": period})


@pytest.fixture
def town(made: Callable[..., ReportOut]) -> Town:
    return Town(made)


@pytest.fixture
def calendar(town: Town, site: Site, tmp_path: Path) -> Callable[..., Calendar]:
    def make(**change: Any) -> Calendar:
        options: dict[str, Any] = {
            "day": 3, "at": 6 * 60, "languages": ("id",), "formats": ("xlsx",), "keep": 36, **change,
        }  # fmt: skip
        return Calendar(town, Shelf(tmp_path / "reports"), town, site, **options)  # type: ignore[arg-type]

    return make


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "reports").iterdir())


def test_what_is_due_is_made_once(calendar: Callable[..., Calendar], town: Town, tmp_path: Path) -> None:
    told: list[list[str]] = []
    own = calendar(on_kept=lambda stored: told.append([s.name for s in stored]))
    assert own.step() == ["2026-09", "2026-10"]
    assert names(tmp_path) == ["kota-2026-09.id.xlsx", "kota-2026-10.id.xlsx"]
    kept = ["kota-2026-10.id.xlsx", "kota-2026-09.id.xlsx"]
    assert told == [kept]
    assert own.step() == [] and calendar().step() == [], "not again, nor by a program begun anew"
    assert told == [kept, kept], "what is kept is told again, for who was away"
    assert town.asked == ["2026-09", "2026-10"]


def test_a_language_that_is_asked_for_later_is_added(
    calendar: Callable[..., Calendar], tmp_path: Path
) -> None:
    calendar().step()
    before = (tmp_path / "reports" / "kota-2026-10.id.xlsx").stat().st_mtime_ns
    assert calendar(languages=("id", "en")).step() == ["2026-09", "2026-10"]
    assert len(names(tmp_path)) == 4
    assert (tmp_path / "reports" / "kota-2026-10.id.xlsx").stat().st_mtime_ns == before


def test_the_day_is_one_of_local_time(calendar: Callable[..., Calendar], town: Town) -> None:
    town.time = datetime(2026, 11, 2, 22, 59, tzinfo=UTC)  # 3 November, 05.59 WIB
    assert calendar().step() == ["2026-09"]
    town.time = datetime(2026, 11, 2, 23, 0, tzinfo=UTC)
    assert calendar().step() == ["2026-10"]


def test_nothing_is_made_of_no_readings(calendar: Callable[..., Calendar], town: Town) -> None:
    town.first = None
    assert calendar().step() == []


def test_so_many_months_are_kept_and_other_files_are_left_alone(
    calendar: Callable[..., Calendar], tmp_path: Path
) -> None:
    shelf = Shelf(tmp_path / "reports")
    for name in ("kota-2019-01.id.pdf", "kota-2026-08.id.pdf", "kota-2019.id.pdf", "minutes.pdf"):
        shelf.write(ReportFile(name, "application/pdf", b"%PDF"))
    calendar(keep=3).step()
    assert names(tmp_path) == [
        "kota-2019.id.pdf", "kota-2026-08.id.pdf", "kota-2026-09.id.xlsx", "kota-2026-10.id.xlsx",
        "minutes.pdf",
    ]  # fmt: skip


def test_a_store_that_is_away_is_waited_for(
    calendar: Callable[..., Calendar], town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job neither ends nor fails, and makes the report once the store is back."""
    monkeypatch.setattr("twuin.reports.desk.LOOK_S", 0.01)
    town.away = True
    stop, asked = threading.Event(), threading.Event()
    own = calendar(on_kept=lambda stored: stop.set())
    real = town.begun

    def begun() -> date | None:
        asked.set()
        return real()

    town.begun = begun  # type: ignore[method-assign]
    thread = threading.Thread(target=own.run, args=(stop,))
    thread.start()
    assert asked.wait(30)
    town.away = False
    thread.join(30)
    assert not thread.is_alive()
    assert "kota-2026-09.id.xlsx" in names(tmp_path)


# -- the shelf -----------------------------------------------------------------------------------------


def test_the_shelf_lists_the_newest_first_and_reads_only_what_it_lists(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "reports")
    assert shelf.stored() == []
    for name in ("a-2026-09.id.pdf", "a-2026-10.en.pdf", "a-2026-10.id.pdf", "a-2026.id.xlsx"):
        shelf.write(ReportFile(name, "", name.encode()))
    (tmp_path / "secret-2026-10.id.pdf").write_bytes(b"secret")
    (tmp_path / "reports" / "link-2026-10.id.pdf").symlink_to(tmp_path / "secret-2026-10.id.pdf")
    (tmp_path / "reports" / "folder-2026-10.id.pdf").mkdir()
    assert [x.name for x in shelf.stored()] == [
        "a-2026-10.en.pdf", "a-2026-10.id.pdf", "a-2026-09.id.pdf", "a-2026.id.xlsx",
    ]  # fmt: skip
    assert shelf.read("a-2026-09.id.pdf").body == b"a-2026-09.id.pdf"
    for name in ("../secret-2026-10.id.pdf", "link-2026-10.id.pdf", "folder-2026-10.id.pdf", "x", ""):
        with pytest.raises(NotFound):
            shelf.read(name)


def test_a_report_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        shelf.write(ReportFile("a-2026-10.id.pdf", "", b"x"))
    assert shelf.stored() == []
