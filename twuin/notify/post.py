"""Sends the reports that the calendar made, through the outbox: each once to each address, whatever fails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from twuin.notify.desk import Desk
from twuin.notify.model import Address, Channel, Message, Receiver, ReportRule

LATE = timedelta(days=7)
"""A report that was made longer ago is not sent any more: who is named in notify.toml today gets no old
ones."""


class MadeReport(NamedTuple):
    """A file of a report that is kept. period: 2026-10; format: pdf or xlsx; made: wall time."""

    name: str
    period: str
    language: str
    format: str
    made: datetime


class ReportPost:
    """Posts reports for one site's desk; looking twice at the same report posts it once.

    Also over restarts and in several processes: the id of a message follows from site, period and address,
    and the outbox keeps one of each."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._done: set[tuple[str, Address]] = set()

    def look(self, kept: Sequence[MadeReport]) -> int:
        """Post what was made lately and is not posted yet; how many messages were made."""
        now = self._desk.wall()
        posted = 0
        fresh = [f for f in kept if now - f.made < LATE]
        for period in sorted({f.period for f in fresh}):
            files = [f for f in fresh if f.period == period]
            for rule in self._desk.config.reports:
                for address, (receiver, channel) in self._named(rule).items():
                    if (period, address) not in self._done:
                        message = self._message(rule, address, receiver, channel, period, files, now)
                        posted += self._desk.outbox.post(self._desk.site.id, message)
                        self._done.add((period, address))
        return posted

    def _named(self, rule: ReportRule) -> dict[Address, tuple[Receiver, Channel]]:
        return {
            a: (r, c)
            for a, (r, c) in self._desk.config.addresses.items()
            if not c.webhook and (a.receiver in rule.to or str(a) in rule.to)
        }

    def _message(
        self,
        rule: ReportRule,
        address: Address,
        receiver: Receiver,
        channel: Channel,
        period: str,
        files: Sequence[MadeReport],
        now: datetime,
    ) -> Message:
        desk = self._desk
        wanted = [f for f in files if f.format in rule.formats]
        own = [f for f in wanted if f.language == receiver.language] or wanted
        attach = rule.attach and desk.channels[address].attaches
        names = [f.name for f in own] if attach else []
        text = desk.wording.report(period, channel.form, receiver.language, names, desk.links.reports())
        return Message.alone(
            desk.site.id, f"report\n{period}", address, channel.form, text,
            {"report": period, "files": names},
            made=desk.made_at(), created=now, give_up=desk.config.give_up,
        )  # fmt: skip
