"""Where API and pages get reports from: a port, as files are made in a room above them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol

from pydantic import Field

from twuin.views.bill_desk import BillDesk
from twuin.views.models import Model
from twuin.views.report_models import ReportOut
from twuin.views.views import Views


class ReportFile(NamedTuple):
    """A file as it is sent or written."""

    name: str
    media: str
    body: bytes


class StoredReport(Model):
    """A report that was made by the calendar and is kept."""

    name: str = Field(description="Of the file: mytown-2026-10.id.pdf")
    period: str = Field(description="2026-10, or 2026 for a year")
    language: str
    format: str = Field(description="pdf or xlsx")
    bytes: int
    made: datetime = Field(description="When the file was written")


class ReportDesk(Protocol):
    """Makes reports and keeps those that were made by the calendar. Safe to use from several threads."""

    @property
    def bills(self) -> BillDesk:
        """Where billed volumes are put in."""
        ...

    def stored(self) -> list[StoredReport]:
        """Those that are kept, the newest period first."""
        ...

    def file(self, name: str) -> ReportFile:
        """One of them. Raises NotFound."""
        ...

    def periods(self) -> list[str]:
        """Months and years of which there are readings, the newest first; a year before its months."""
        ...

    def report(self, period: str) -> ReportOut:
        """A report made now. Raises SettingsError where ``period`` is none that can be reported on."""
        ...

    def make(self, period: str, language: str, format: str) -> ReportFile:
        """The same as a file."""
        ...

    def limited_to(self, views: Views) -> ReportDesk:
        """Reports for who sees ``views``, which are limited to some DMAs. None are kept for them: those that
        the calendar makes are of the whole site."""
        ...
