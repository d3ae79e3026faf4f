"""Reports that were made by the calendar, as files of one folder."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from ingest.durable import sync_folder
from twuin.reports.render import MEDIA
from twuin.views.report_desk import ReportFile, StoredReport
from waterworks.errors import NotFound

_NAME = re.compile(r".+-(\d{4}(?:-\d{2})?)\.(id|en)\.(pdf|xlsx)", re.ASCII)


class Shelf:
    """The files of ``folder``, which is made with the first of them.

    Files with other names are left alone: people may put theirs beside ours.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = self.folder = folder

    def stored(self) -> list[StoredReport]:
        """All reports, the newest period first."""
        try:
            entries = list(os.scandir(self._folder))
        except FileNotFoundError:
            return []
        found = []
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            if match is None or not entry.is_file(follow_symlinks=False):
                continue
            status = entry.stat()
            found.append(
                StoredReport(
                    name=entry.name, period=match[1], language=match[2], format=match[3],
                    bytes=status.st_size, made=datetime.fromtimestamp(status.st_mtime, UTC),
                )
            )  # fmt: skip
        found.sort(key=lambda x: x.name)
        return sorted(found, key=lambda x: x.period, reverse=True)

    def read(self, name: str) -> ReportFile:
        """A report by the name of its file. Raises NotFound."""
        for stored in self.stored():  # only what is listed is sent, whatever the name says
            if stored.name == name:
                try:
                    return ReportFile(name, MEDIA[stored.format], (self._folder / name).read_bytes())
                except FileNotFoundError:
                    break
        raise NotFound(f"no report {name[:80]!r} is kept")

    def write(self, file: ReportFile) -> None:
        """Keep a file: whole and durable when this returns, or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path, part = self._folder / file.name, self._folder / f".{file.name}.part"
        with part.open("wb") as out:
            out.write(file.body)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
        sync_folder(self._folder)

    def prune(self, months: int) -> list[str]:
        """Remove monthly reports of all but the newest ``months`` months; the names of those removed."""
        monthly = [x for x in self.stored() if "-" in x.period]
        kept = set(sorted({x.period for x in monthly}, reverse=True)[:months])
        gone = [x.name for x in monthly if x.period not in kept]
        for name in gone:
            (self._folder / name).unlink(missing_ok=True)
        return gone
