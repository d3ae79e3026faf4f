"""Bills over the page and the API: a preview of what is wrong by line, then into billed.csv, and a
history."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ingest.durable import sync_folder
from twuin.reports.bills import SHEET, BillChanges, read_changes, write_bills
from twuin.views.bill_desk import (
    MAX_BYTES,
    BillLine,
    BillProblem,
    BillsChecked,
    BillUpload,
    BillVolumes,
)
from waterworks.errors import DataFileError, NotFound, Problem, SiteError
from waterworks.losses import Bill
from waterworks.site import Site
from waterworks.site_losses import BILLED_FILE
from waterworks.tables import Problems

ENDINGS = (".csv", ".xlsx")
HELD_S = 86_400
"""A file that was looked at and not taken is forgotten after so long [s]."""
MOST_HELD = 20
MOST_LISTED = 50
UNPACKED = 30 * 2**20
"""Bytes that a workbook may unpack to."""
MOST_ROWS, MOST_COLUMNS = 50_000, 200
"""A sheet that names a cell further out is refused: reading it would take all memory for its empty ones."""

_CELL = re.compile(rb'<(?:\w+:)?(?:c|row)\b[^>]*?\sr="([A-Z]*)(\d+)"')
_DIGEST = re.compile(r"[0-9a-f]{40}")


class SiteBills:
    """See ``twuin.views.bill_desk.BillDesk``. folder: where files that are held and the history are kept;
    now: the site's time."""

    def __init__(self, site: Site, folder: Path, now: Callable[[], datetime]) -> None:
        self._site, self._folder, self._now = site, folder, now
        self._lock = threading.Lock()

    def check(self, name: str, body: bytes, sheet: str = "") -> BillsChecked:
        with self._lock:
            return self._look(name, body, sheet)[0]

    def take(self, name: str, body: bytes, who: str, sheet: str = "") -> BillsChecked:
        with self._lock:
            looked, changes = self._look(name, body, sheet)
            return looked if changes is None else self._write(looked, changes, len(body), who)

    def hold(self, name: str, body: bytes, sheet: str = "") -> BillsChecked:
        with self._lock:
            looked, changes = self._look(name, body, sheet)
            if changes is not None:
                self._forget()
                folder = self._folder / "held"
                folder.mkdir(parents=True, exist_ok=True)
                head = json.dumps({"file": looked.file, "sheet": sheet}).encode() + b"\n"
                (folder / looked.digest).write_bytes(head + body)
            return looked

    def take_held(self, digest: str, who: str) -> BillsChecked:
        with self._lock:
            self._forget()
            path = self._folder / "held" / digest
            gone = NotFound("these bills wait no more, or others were put in meanwhile: send the file again")
            if not _DIGEST.fullmatch(digest) or not path.is_file():
                raise gone
            head, _, body = path.read_bytes().partition(b"\n")
            said = json.loads(head)
            looked, changes = self._look(said["file"], body, said["sheet"])
            if changes is None or looked.digest != digest:
                raise gone
            path.unlink()
            return self._write(looked, changes, len(body), who)

    def uploads(self) -> list[BillUpload]:
        try:
            lines = (self._folder / "history.jsonl").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines[-MOST_LISTED:]:
            try:
                found.append(BillUpload.model_validate_json(line))
            except ValueError:  # cut off as the machine stopped
                continue
        return found[::-1]

    def _look(self, name: str, body: bytes, sheet: str) -> tuple[BillsChecked, BillChanges | None]:
        shown = " ".join(Path(name.replace("\\", "/")).name.split())[:100] or "bills"
        ending = Path(shown).suffix.lower()
        wrong = _unfit(shown, ending, body)
        changes: BillChanges | None = None
        if not wrong:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"bills{ending}"
                path.write_bytes(body)
                try:
                    changes = read_changes(path, self._site, self._now().date(), sheet or None)
                except (DataFileError, SiteError) as e:
                    wrong = [*e.problems]
        at = f"bills{ending}"
        return BillsChecked(
            file=shown,
            digest=self._digest(body),
            errors=[_problem(p, at, shown) for p in sorted(wrong, key=lambda p: p.line or 0)],
            doubts=[] if changes is None else [_problem(p, at, shown) for p in changes.doubts],
            added=[] if changes is None else [_line(b, None) for b in changes.added],
            changed=[] if changes is None else [_line(b, a) for a, b in changes.changed],
            same=0 if changes is None else changes.same,
            taken=False,
        ), changes

    def _write(self, looked: BillsChecked, changes: BillChanges, size: int, who: str) -> BillsChecked:
        if changes.added or changes.changed:
            write_bills(self._site, changes.bills)
        self._folder.mkdir(parents=True, exist_ok=True)
        told = BillUpload(
            at=self._now(), who=who, file=looked.file, bytes=size,
            added=len(changes.added), changed=len(changes.changed),
        )  # fmt: skip
        with (self._folder / "history.jsonl").open("a", encoding="utf-8") as out:
            out.write(told.model_dump_json() + "\n")
            out.flush()
            os.fsync(out.fileno())
        sync_folder(self._folder)
        return looked.model_copy(update={"taken": True})

    def _digest(self, body: bytes) -> str:
        """Of the file, and of billed.csv as it is: what was looked at is what is taken."""
        try:
            present = (self._site.folder / BILLED_FILE).read_bytes()
        except FileNotFoundError:
            present = b""
        parts = (hashlib.blake2b(part, digest_size=20).digest() for part in (body, present))
        return hashlib.blake2b(b"".join(parts), digest_size=20).hexdigest()

    def _forget(self) -> None:
        """Held files that are old, and the oldest of too many."""
        try:
            held = sorted((self._folder / "held").iterdir(), key=lambda p: p.stat().st_mtime)
        except FileNotFoundError:
            return
        for k, path in enumerate(held):
            if time.time() - path.stat().st_mtime > HELD_S or k < len(held) - MOST_HELD + 1:
                path.unlink(missing_ok=True)


def _unfit(name: str, ending: str, body: bytes) -> list[Problem]:
    """Why a file is not even opened; [] where it is."""
    problems = Problems(name)
    if ending not in ENDINGS:
        problems.error(None, "is neither CSV (.csv) nor Excel (.xlsx)", "wrong_kind")
    elif len(body) > MAX_BYTES:
        most = MAX_BYTES // 2**20
        problems.error(None, f"is larger than {most} MB", "too_large", most=most)
    elif ending == ".xlsx":
        try:
            _open(body, problems)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as e:
            why = type(e).__name__
            problems.error(None, f"cannot be read as a workbook: {why}", "not_a_workbook", why=why)
    return problems.found


def _open(body: bytes, problems: Problems) -> None:
    """Tell of a workbook that would take all memory."""
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        if sum(i.file_size for i in packed.infolist()) > UNPACKED:
            most = UNPACKED // 2**20
            problems.error(None, f"unpacks to more than {most} MB", "unpacks", most=most)
            return
        for info in packed.infolist():
            if "worksheets/" in info.filename and info.filename.endswith(".xml"):
                for column, row in _CELL.findall(packed.read(info)):
                    if int(row[:9]) > MOST_ROWS or _column(column) > MOST_COLUMNS:
                        told = f"has a cell beyond row {MOST_ROWS:,} or column {MOST_COLUMNS}: delete it"
                        problems.error(None, told, "far_cell", rows=MOST_ROWS, columns=MOST_COLUMNS)
                        return


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters[:6]:
        number = number * 26 + letter - 64
    return number


def _problem(p: Problem, at: str, shown: str) -> BillProblem:
    file, _, sheet = p.file.partition(SHEET) if p.file.startswith(at) else (p.file, "", "")
    return BillProblem(
        where=p.file.replace(at, shown, 1),
        line=p.line,
        message=p.message,
        file=file.replace(at, shown, 1),
        sheet=sheet,
        code=p.code,
        values=dict(p.values),
    )


def _line(bill: Bill, before: Bill | None) -> BillLine:
    return BillLine(
        month=f"{bill.month:%Y-%m}",
        dma=bill.dma,
        volumes=_volumes(bill),
        before=None if before is None else _volumes(before),
    )


def _volumes(bill: Bill) -> BillVolumes:
    return BillVolumes(
        metered_m3=bill.metered, unmetered_m3=bill.unmetered, unbilled_metered_m3=bill.unbilled_metered
    )
