"""The ledger as API and pages show it."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from twuin.views.models import Model


class LedgerCounts(Model):
    """What became of readings that were to come on one local day, or on several together."""

    expected: int = Field(description="Due by the interval in sensors.csv, up to now less late_after_s")
    received: int = Field(description="Different readings that are stored")
    late: int = Field(description="Of these, came more than late_after_s after their time")
    duplicate: int = Field(description="Came again")
    rejected: int = Field(description="Were not stored")
    missing: int = Field(description="Were due and did not come")


class LedgerLine(LedgerCounts):
    """One sensor on one local day."""

    day: date
    sensor: str
    device: str


class UntoldOut(Model):
    """Readings of a device that were rejected on one local day and name no sensor of the site; device "":
    of what is no device of the site."""

    day: date
    device: str
    rejected: int


class MessagesOut(Model):
    """Messages that a device numbered since one boot (null: it tells none, or earlier ones added up)."""

    device: str
    boot: int | None
    received: int
    duplicate: int
    missing: int = Field(description="Numbers below the highest that did not come (yet)")
    lost: int = Field(description="Numbers that will not come any more: the device let them go")
    highest: int
    gaps: list[tuple[int, int]] = Field(description="First and last missing number of each gap; at most 20")
    heard: datetime = Field(description="When the last one came")


class LedgerOut(Model):
    """What was to come and what came, by sensor and local day."""

    first_day: date
    last_day: date
    timezone: str = Field(description="By which a day is a day")
    late_after_s: float
    total: LedgerCounts
    items: list[LedgerLine]
    untold: list[UntoldOut]
    messages: list[MessagesOut]
