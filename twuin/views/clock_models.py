"""Devices with wrong clocks as API and pages show them."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from twuin.views.models import Model


class OffsetOut(Model):
    """A clock that is off by a constant."""

    device: str
    ahead_s: int = Field(description="How far ahead its clock is [s]; below 0: behind")
    since: datetime = Field(description="For readings taken from then on, by right time")
    zone: bool = Field(description="Off by whole quarters of an hour, as by a wrong time zone")
    readings: int = Field(description="That came with this offset")
    line: str = Field(description="The line for clocks.csv that corrects it")


class HeldOut(Model):
    """Readings of one device in the quarantine, for one reason."""

    device: str
    reason: str = Field(description="time_ahead or before_commissioning")
    readings: int
    first: datetime = Field(description="The first time among them, as the device stamped it")
    last: datetime
    first_received: datetime
    last_received: datetime


class ClocksOut(Model):
    """Clocks that are wrong, and readings that are held because of it."""

    offsets: list[OffsetOut]
    held: list[HeldOut]
    evicted: int = Field(description="Held readings that had to give way to newer ones, ever")
