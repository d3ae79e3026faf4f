"""Bills by page and API: looked at, held, taken once, and files that are no bills."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest

from twuin.reports.bill_desk import SiteBills
from waterworks.errors import NotFound
from waterworks.site_folder import read_site

NOW = datetime(2026, 11, 10, 3, 0, tzinfo=UTC)
GOOD = b"month,dma,billed_metered_m3\n2026-09,D1,12000\n2026-10,D1,12500\n2026-10,D2,9100\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.toml").write_text('id = "kota"\nname = "Kota"\n')
    (folder / "dmas.csv").write_text("id,name,connections\nD1,Dinoyo,900\nD2,Sukun,700\n")
    (folder / "sensors.csv").write_text(
        "id,quantity,unit,dma,device,role\nD1-IN,flow,m3/h,D1,R1,inlet\nD2-IN,flow,m3/h,D2,R2,inlet\n"
    )
    (folder / "billed.csv").write_text("month,dma,billed_metered_m3\n2026-09,D1,11000\n2026-09,D2,9000\n")
    return folder


@pytest.fixture
def desk(folder: Path, tmp_path: Path) -> Iterator[SiteBills]:
    yield SiteBills(read_site(folder), tmp_path / "bills", lambda: NOW)


def book(*rows: tuple[object, ...], cell: str = "") -> bytes:
    made = openpyxl.Workbook()
    assert made.active is not None
    for row in rows:
        made.active.append(row)
    if cell:
        made.active[cell] = 1
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def test_looking_changes_nothing_and_says_what_would(desk: SiteBills, folder: Path) -> None:
    before = (folder / "billed.csv").read_bytes()
    seen = desk.check("october.csv", GOOD)
    assert (seen.errors, seen.taken, seen.same) == ([], False, 0)
    assert [(x.month, x.dma) for x in seen.added] == [("2026-10", "D1"), ("2026-10", "D2")]
    [changed] = seen.changed
    assert changed.before is not None
    assert (changed.before.metered_m3, changed.volumes.metered_m3) == (11000, 12000)
    assert (folder / "billed.csv").read_bytes() == before and desk.uploads() == []


def test_what_was_looked_at_is_taken_once_and_remembered(desk: SiteBills, folder: Path) -> None:
    held = desk.hold("../../oct\u0000ober.csv", GOOD)
    assert "/" not in held.file
    taken = desk.take_held(held.digest, "Ani")
    assert taken.taken and "2026-10,D2,9100" in (folder / "billed.csv").read_text()
    [told] = desk.uploads()
    assert (told.who, told.added, told.changed, told.bytes) == ("Ani", 2, 1, len(GOOD))
    with pytest.raises(NotFound):
        desk.take_held(held.digest, "Ani")
    assert desk.check("october.csv", GOOD).same == 3


def test_what_was_looked_at_is_not_taken_over_bills_that_came_meanwhile(desk: SiteBills) -> None:
    held = desk.hold("october.csv", GOOD)
    desk.take("other.csv", GOOD.replace(b"9100", b"9200"), "Budi")
    with pytest.raises(NotFound):
        desk.take_held(held.digest, "Ani")
    assert [u.who for u in desk.uploads()] == ["Budi"]


@pytest.mark.parametrize("digest", ["", "../history.jsonl", "0" * 40, "x" * 40])
def test_a_digest_that_holds_nothing_takes_nothing(desk: SiteBills, digest: str) -> None:
    desk.hold("october.csv", GOOD)
    with pytest.raises(NotFound):
        desk.take_held(digest, "Ani")


def test_every_mistake_is_named_by_line_and_nothing_is_written(desk: SiteBills, folder: Path) -> None:
    before = (folder / "billed.csv").read_bytes()
    wrong = b"month,dma,billed_metered_m3\n2026-10,D1,-5\n2026-10,D9,100\n2026-13,D2,1\n"
    seen = desk.take("wrong.csv", wrong, "Ani")
    assert not seen.taken
    assert [e.line for e in seen.errors] == [2, 3, 4]
    assert {e.where for e in seen.errors} == {"wrong.csv"}
    assert (folder / "billed.csv").read_bytes() == before and desk.uploads() == []


def test_a_workbook_is_read_as_a_table_is(desk: SiteBills) -> None:
    seen = desk.check("okt.xlsx", book(("month", "dma", "billed_metered_m3"), ("2026-10", "Dinoyo", 12500.5)))
    assert seen.errors == [] and seen.added[0].volumes.metered_m3 == 12500.5
    bad = desk.check("okt.xlsx", book(("month", "dma", "billed_metered_m3"), ("2026-10", "D9", 1)))
    assert bad.errors[0].where == "okt.xlsx, sheet Sheet" and bad.errors[0].line == 2


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"0" * (40 * 2**20))
    return out.getvalue()


HEADING = ("month", "dma", "billed_metered_m3")


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("bills.pdf", lambda: b"%PDF", "neither CSV"),
        ("bills", lambda: GOOD, "neither CSV"),
        ("big.csv", lambda: b"x" * (2 * 2**20 + 1), "larger than 2 MB"),
        ("no.xlsx", lambda: b"PK\x03\x04 nothing", "cannot be read"),
        ("bomb.xlsx", bomb, "unpacks to more"),
        ("far.xlsx", lambda: book(HEADING, cell="A1048576"), "beyond row"),
        ("wide.xlsx", lambda: book(HEADING, cell="XFD1"), "beyond row"),
        ("empty.csv", lambda: b"", ""),
        ("bytes.csv", lambda: bytes(range(256)), ""),
    ],
    ids=["pdf", "none", "big", "torn", "bomb", "far", "wide", "empty", "bytes"],
)
def test_what_is_no_file_of_bills_is_refused(
    desk: SiteBills, name: str, body: Callable[[], bytes], said: str
) -> None:
    seen = desk.hold(name, body())
    assert seen.errors and said in seen.errors[0].message
    assert seen.added == [] and not seen.taken


def test_held_files_are_few(desk: SiteBills, tmp_path: Path) -> None:
    for k in range(30):
        assert desk.hold("october.csv", GOOD.replace(b"9100", b"%d" % (9000 + k))).errors == []
    assert len(list((tmp_path / "bills" / "held").iterdir())) <= 20
