"""Where API and pages put billed volumes: a port, as files are read in a room above them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from pydantic import Field

from twuin.views.base import Model

MAX_BYTES = 2 * 2**20
"""Of a file of bills: years of a hundred DMAs are 300 kB."""


class BillVolumes(Model):
    """Volumes of a month and DMA [m3]."""

    metered_m3: float
    unmetered_m3: float
    unbilled_metered_m3: float


class BillLine(Model):
    """What becomes of a month and DMA."""

    month: str = Field(description="2026-10")
    dma: str = Field(description="Empty for the whole site")
    volumes: BillVolumes
    before: BillVolumes | None = Field(description="What billed.csv had; null: nothing")


class BillProblem(Model):
    """What is wrong, or may be, with a file. What is excluded is for who says it in another language."""

    where: str = Field(description="File, and sheet of a workbook")
    line: int | None
    message: str
    file: str = Field(exclude=True)
    sheet: str = Field(exclude=True)
    code: str = Field(exclude=True)
    values: dict[str, Any] = Field(exclude=True)


class BillsChecked(Model):
    """A file of bills, looked at. With errors nothing can be taken; doubts are for people to judge."""

    file: str
    digest: str = Field(description="Of the file and of the bills that it was held against: for taking it")
    errors: list[BillProblem]
    doubts: list[BillProblem]
    added: list[BillLine]
    changed: list[BillLine]
    same: int = Field(description="Lines that billed.csv has already")
    taken: bool = Field(description="Whether they are in billed.csv now")


class BillUpload(Model):
    """Bills that were put in over the page or the API."""

    at: datetime
    who: str
    file: str
    bytes: int
    added: int
    changed: int


class BillDesk(Protocol):
    """Checks files of bills and puts them into the site's billed.csv. Safe to use from several threads."""

    def check(self, name: str, body: bytes, sheet: str = "") -> BillsChecked:
        """Look at a file; nothing is written. What is wrong with it stands in the answer."""
        ...

    def take(self, name: str, body: bytes, who: str, sheet: str = "") -> BillsChecked:
        """Put it in, whole; with errors nothing is."""
        ...

    def hold(self, name: str, body: bytes, sheet: str = "") -> BillsChecked:
        """Look at a file and keep it for a day, so that it can be taken by its digest."""
        ...

    def take_held(self, digest: str, who: str) -> BillsChecked:
        """Put in a file that is held. Raises NotFound where it is not, or the bills have changed since."""
        ...

    def uploads(self) -> list[BillUpload]:
        """Those that were taken, the newest first."""
        ...
