"""From alerts to notices: what is news of an alert, and who is to be told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from twuin.alerts.escalation import ESCALATED
from twuin.alerts.model import UNREPAIRED, Alert, Entry
from twuin.notify.hours import holds, next_time, quiet_until
from twuin.notify.model import (
    Address,
    Channel,
    Event,
    Known,
    Lane,
    Notice,
    NotifyConfig,
    Priority,
    Receiver,
    Rule,
    Standing,
)


def standing(alert: Alert) -> Standing:
    """Whether an alert still wants people, or is over: repaired or closed, or its event has ended.

    A repair that did not help opens it again, which is news.
    """
    lasts = alert.state in UNREPAIRED and alert.finding.ended is None
    return Standing.LASTS if lasts else Standing.OVER


def event_of(before: Known | None, now: Standing, priority: Priority) -> Event | None:
    """What is news since ``before``; None: nothing is. An alert first seen when it is over is none."""
    if now is Standing.OVER:
        return Event.OVER if before is not None and before.standing is Standing.LASTS else None
    if before is None:
        return Event.NEW
    if before.standing is Standing.OVER:
        return Event.AGAIN if before.events else Event.NEW
    return Event.WORSE if priority > before.priority else None


_NEWS_OF = {ESCALATED: Event.LATE, "assigned": Event.ASSIGNED}
"""Lines of a history that are news by themselves."""


@dataclass(frozen=True)
class Plan:
    """What is to be remembered, and what is to be told."""

    known: tuple[Known, ...]
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class Planner:
    """The rules of one site. priority: of an alert. holidays: local days that are no working days."""

    config: NotifyConfig
    zone: ZoneInfo
    holidays: Collection[date]
    priority: Callable[[Alert], Priority]

    def first_look(self, alerts: Iterable[Alert]) -> Plan:
        """What to remember of alerts that were there before anybody was to be told: no news of the past."""
        return Plan(tuple(Known(a.id, standing(a), self.priority(a), 1) for a in alerts), ())

    def plan(
        self,
        alerts: Iterable[Alert],
        known: Mapping[str, Known],
        told: Callable[[str], Collection[Address]],
        now: datetime,
    ) -> Plan:
        """News of ``alerts`` for those whom the rules name.

        told: who was told of an alert before; its end is told to them alone. now: site time.
        """
        remember, notices = [], []
        for alert in alerts:
            before, stands, priority = known.get(alert.id), standing(alert), self.priority(alert)
            what = event_of(before, stands, priority)
            count = (before.events if before else 0) + (what is not None)
            # While it lasts, the highest priority it has had: an estimate that wavers is no news each time.
            high = priority
            if before is not None and what is None and stands is before.standing:
                high = max(priority, before.priority)
            after = Known(alert.id, stands, high, count)
            if after != before:
                remember.append(after)
            if what is None:
                continue
            addressed = self._over(told(alert.id)) if what is Event.OVER else self._matching(alert, what, now)
            for address, rule in addressed.items():
                notices.append(self._notice(f"{alert.id}.{count}", address, alert, what, high, rule, now))
        return Plan(tuple(remember), tuple(notices))

    def plan_lines(
        self, lines: Iterable[tuple[int, Entry]], alerts: Mapping[str, Alert], now: datetime
    ) -> tuple[Notice, ...]:
        """News that stand in new lines of histories: what is late, and to whom an alert was assigned.

        lines: each with its number, which names the event: the same line is the same news whoever looks at
        it. alerts: those that they are of, as they stand now; of one that is over nothing is told, nor of an
        assignment that is another's by now.
        """
        notices = []
        for number, entry in lines:
            what = _NEWS_OF.get(entry.action)
            alert = alerts.get(entry.alert)
            if what is None or alert is None or standing(alert) is Standing.OVER:
                continue
            if what is Event.ASSIGNED and entry.details.get("assignee") != alert.work.assignee:
                continue
            for address, rule in self._matching(alert, what, now).items():
                event = f"{alert.id}.l{number}"
                priority = self.priority(alert)
                notices.append(self._notice(event, address, alert, what, priority, rule, now))
        return tuple(notices)

    def _matching(self, alert: Alert, what: Event, now: datetime) -> dict[Address, Rule]:
        """Who is told, and by which rule: of several that name an address the one that tells soonest."""
        found: dict[Address, Rule] = {}
        for rule in self.config.rules:
            if not self._fits(rule, alert, what, now):
                continue
            for address in self._addresses(rule):
                if what is Event.ASSIGNED and not self._concerns(address, alert):
                    continue
                if address not in found or _haste(rule) > _haste(found[address]):
                    found[address] = rule
        return found

    def _concerns(self, address: Address, alert: Alert) -> bool:
        """Whether an assignment is this receiver's; systems are told of every one."""
        receiver, channel = self.config.addresses[address]
        return channel.webhook or receiver.answers_to(alert.work.assignee)

    def _over(self, told: Collection[Address]) -> dict[Address, Rule]:
        """Those who were told of it and want to know its end, by the rule that says so."""
        found: dict[Address, Rule] = {}
        for rule in self.config.rules:
            if Event.OVER not in rule.events:
                continue
            for address in self._addresses(rule):
                if address in told and (
                    address not in found or (found[address].digest is not None and rule.digest is None)
                ):
                    found[address] = rule
        return found

    def _fits(self, rule: Rule, alert: Alert, what: Event, now: datetime) -> bool:
        finding = alert.finding
        return (
            what in rule.events
            and self.priority(alert) >= rule.at_least
            and (not rule.kinds or finding.kind in rule.kinds)
            and (not rule.dmas or finding.dma in rule.dmas)
            and holds(rule, now, self.zone, self.holidays)
        )

    def _addresses(self, rule: Rule) -> list[Address]:
        return [
            Address(receiver.name, channel.name)
            for receiver in self.config.receivers
            for channel in receiver.channels
            if receiver.name in rule.to
            or f"{receiver.name}/{channel.name}" in rule.to
            or (receiver.crew and receiver.crew in rule.crews)
        ]

    def _notice(
        self,
        event: str,
        address: Address,
        alert: Alert,
        what: Event,
        priority: Priority,
        rule: Rule,
        now: datetime,
    ) -> Notice:
        receiver, channel = self.config.addresses[address]
        lane, due = self._when(receiver, channel, rule, what, priority, now)
        return Notice(event, address, alert.id, what, priority, lane, now, due)

    def _when(
        self,
        receiver: Receiver,
        channel: Channel,
        rule: Rule,
        what: Event,
        priority: Priority,
        now: datetime,
    ) -> tuple[Lane, datetime]:
        if channel.webhook:
            return Lane.EACH, now
        if rule.digest is not None:
            return Lane.DAILY, next_time(rule.digest, now, self.zone)
        if priority is Priority.HIGH and what is not Event.OVER:
            wakes = what is not Event.LATE or rule.through_quiet
            return Lane.HIGH, now if wakes else quiet_until(receiver.quiet, now, self.zone)
        return Lane.NORMAL, quiet_until(receiver.quiet, now, self.zone)


def _haste(rule: Rule) -> tuple[bool, bool]:
    return rule.digest is None, rule.through_quiet
