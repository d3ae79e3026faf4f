"""The desk: looks for news of alerts, writes messages, has them sent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from twuin.alerts.escalation import promised
from twuin.alerts.model import Alert, Kind, State
from twuin.alerts.priority import rank
from twuin.alerts.promises import Clock as Promised
from twuin.alerts.promises import Standing as Kept
from twuin.alerts.service import AlertService
from twuin.notify.compose import group
from twuin.notify.links import Links, Taken
from twuin.notify.model import (
    Address,
    Event,
    Form,
    Lane,
    Message,
    MessageState,
    Notice,
    NotifyConfig,
    Text,
    message_id,
)
from twuin.notify.plan import Planner
from twuin.notify.ports import LinkSet, Notifier, Outbox, OutboxConflict, Place, Told, Wording
from twuin.notify.sending import Sender
from twuin.notify.webhook_body import payload_of
from waterworks.errors import StoreUnavailable
from waterworks.ports import Clock
from waterworks.reading import as_datetime
from waterworks.site import Site

log = logging.getLogger(__name__)

TICK_S = 0.5
"""How often to look for news [s]."""

FRESH_S = 15.0
"""A leak's pipes are found some seconds after the leak: so long [s] its first message waits for them."""

KEEP = timedelta(days=180)
"""Delivered messages are kept so long; those that were not, until they are."""

MOST_IN_DIGEST = 200
"""Alerts that one digest is about; more come in the next."""


def wall_now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


LATE = (Kept.NEAR, Kept.BROKEN)
"""Promises that a message is about while they are so; else those that were broken."""


class RulesSource(Protocol):
    """Rules that may change while they are in use."""

    trouble: str
    """Why they could not be read again; "" where they could, or did not change."""

    def newer(self) -> tuple[NotifyConfig, Mapping[Address, Notifier]] | None:
        """The rules with their channels if they have changed since the last call and are right, else None."""
        ...


class _Live(Mapping[str, Any]):
    """What a look-up gives now, not what it gave as the program started."""

    def __init__(self, look: Callable[[], Mapping[str, Any]]) -> None:
        self._look = look

    def __getitem__(self, key: str) -> Any:
        return self._look()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._look())

    def __len__(self) -> int:
        return len(self._look())


@dataclass
class Desk:
    """Everything that tells people of one site's alerts.

    channels: of every address of ``config``; both are changed together when ``source`` has newer rules.
    clock: the site's, ``speed`` seconds to one of the wall's; wall: the machine's.
    """

    site: Site
    alerts: AlertService
    outbox: Outbox
    config: NotifyConfig
    channels: Mapping[Address, Notifier]
    wording: Wording
    links: Links
    clock: Clock
    holder: str
    wall: Callable[[], datetime] = wall_now
    speed: float = 1.0
    source: RulesSource | None = None

    def planner(self) -> Planner:
        """The rules, for this site."""
        return Planner(
            self.config,
            self.site.timezone,
            self.site.monitor.holidays,
            lambda a: rank(a, self.site).priority,
        )

    @property
    def languages(self) -> Mapping[str, str]:
        """Of each receiver, by the rules as they are when asked."""
        return _Live(lambda: {r.name: r.language for r in self.config.receivers})

    @property
    def crews(self) -> Mapping[str, str]:
        """Of each receiver, "" for those of none; likewise."""
        return _Live(lambda: {r.name: r.crew for r in self.config.receivers})

    def renew(self, sender: Sender | None = None) -> bool:
        """Take up the rules if they have changed; whether they had."""
        found = None if self.source is None else self.source.newer()
        if found is None:
            return False
        self.config, self.channels = found
        if sender is not None:
            sender.use(self.channels)
        return True

    def made_at(self) -> datetime:
        """The site's time, which messages that are made now bear."""
        return self._now()

    def counts(self) -> dict[str, int]:
        """How many messages are in each state, also in those that none is in."""
        found = self.outbox.counts(self.site.id)
        return {state.value: found.get(state, 0) for state in MessageState}

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop``. What the database cannot take now is taken up again."""
        sender = Sender(self.site.id, self.outbox, self.channels, self.holder, self.wall)
        pruned: datetime | None = None
        try:
            while not stop.is_set():
                try:
                    self.renew(sender)
                    if self.config.receivers and sender.may_send():
                        self.look()
                        self.write()
                        sender.round()
                        if pruned is None or self.wall() - pruned > timedelta(hours=6):
                            pruned = self.wall()
                            self.outbox.prune(self.site.id, pruned - KEEP)
                except OutboxConflict as e:
                    log.info("%s", e)
                except StoreUnavailable as e:
                    log.warning("telling people waits: %s", e)
                    stop.wait(5.0)
                stop.wait(TICK_S)
        finally:
            sender.finish()

    def look(self) -> int:
        """Make notices of what is new since the last look; how many. Raises OutboxConflict."""
        place = self.outbox.place(self.site.id)
        if place.cursor is None:
            self._first_look()
            return 0
        planner, made = self.planner(), 0
        while True:
            assert place.cursor is not None
            cursor, changed = self.alerts.changes(place.cursor)
            if cursor == place.cursor:
                return made
            known = self.outbox.known(self.site.id, [a.id for a in changed])
            plan = planner.plan(changed, known, lambda id: self.outbox.told(self.site.id, id), self._now())
            notices = (*plan.notices, *self._of_lines(planner, place.cursor, cursor, changed))
            self.outbox.record(self.site.id, place, cursor, plan.known, notices)
            place, made = Place(cursor), made + len(notices)

    def _of_lines(
        self, planner: Planner, since: int, until: int, changed: Sequence[Alert]
    ) -> tuple[Notice, ...]:
        """News in the lines after ``since`` up to ``until``. Each is looked at once, as the place moves."""
        lines = self.alerts.lines(since, until)
        known = {a.id: a for a in changed}
        for _, entry in lines:  # one that changed again since comes later, but its lines come now
            if entry.alert not in known:
                known[entry.alert] = self.alerts.get(entry.alert)
        return planner.plan_lines(lines, known, self._now())

    def _first_look(self) -> None:
        """Begin here: what was there before anybody was to be told is remembered, and told to nobody."""
        while True:
            cursor, found, page = self.alerts.cursor(), list[Alert](), None
            while True:
                listed = self.alerts.list(limit=1000, cursor=page)
                found += listed.items
                page = listed.next
                if page is None:
                    break
            if self.alerts.cursor() == cursor:  # else one may have come between the two answers
                break
        plan = self.planner().first_look(found)
        self.outbox.record(self.site.id, Place(None), cursor, plan.known, ())

    def write(self) -> int:
        """Make messages of the notices that are due; how many. Raises OutboxConflict."""
        notices = self.outbox.waiting(self.site.id)
        if not notices:
            return 0
        now, addresses = self._now(), self.config.addresses
        gone = [n for n in notices if n.address not in addresses]
        for notice in gone:
            self._unknown(notice, now)
        flood = {a: r.flood for a, (r, _) in addresses.items()}
        longest = max((f.within for f in flood.values()), default=timedelta(0))
        lately = self.outbox.lately(self.site.id, now - longest)
        here = [n for n in notices if n.address in addresses and not self._fresh(n, now)]
        groups = group(here, lately, flood, now)
        for members in groups:
            for first in range(0, len(members), MOST_IN_DIGEST):
                part = members[first : first + MOST_IN_DIGEST]
                self.outbox.compose(self.site.id, self._message(part, now), part)
        return len(groups) + len(gone)

    def _fresh(self, notice: Notice, now: datetime) -> bool:
        """Whether its place may still become known, and nobody has to be told at this very second."""
        if notice.what is not Event.NEW or notice.lane is Lane.EACH:
            return False
        if not timedelta(0) <= now - notice.made < timedelta(seconds=FRESH_S * self.speed):
            return False
        finding = self.alerts.get(notice.alert).finding
        return finding.kind is Kind.LEAK and not finding.suspects and finding.ended is None

    def _message(self, notices: Sequence[Notice], now: datetime) -> Message:
        address = notices[0].address
        receiver, channel = self.config.addresses[address]
        by_alert: dict[str, list[Notice]] = {}
        for notice in notices:
            by_alert.setdefault(notice.alert, []).append(notice)
        told = [self._told(self.alerts.get(id), some) for id, some in by_alert.items()]
        payload: dict[str, Any] | None = None
        text = Text("", "")
        if channel.form is Form.JSON:
            notice, alert = notices[-1], told[-1].alert
            page = self.links.alert(alert.id)
            payload = payload_of(
                alert, notice.what, notice.event, notice.priority.word, self.site, page, notice.made
            )
            text = Text(f"alert.{notice.what.value}", "")
        elif len(told) == 1:
            links = self._links(told[0], address.receiver)
            text = self.wording.one(told[0], channel.form, receiver.language, links)
        else:
            pages = {t.alert.id: self.links.alert(t.alert.id) for t in told}
            text = self.wording.digest(told, channel.form, receiver.language, pages, self.links.alerts())
        return self._envelope(notices, channel.form, text, payload, tuple(by_alert), now)

    def _envelope(
        self,
        notices: Sequence[Notice],
        form: Form,
        text: Text,
        payload: dict[str, Any] | None,
        alerts: tuple[str, ...],
        now: datetime,
    ) -> Message:
        created = self.wall()
        return Message(
            id=message_id(self.site.id, str(notices[0].address), *(n.event for n in notices)),
            address=notices[0].address,
            form=form,
            lane=notices[0].lane,
            notices=len(notices),
            alerts=alerts,
            text=text,
            payload=payload,
            made=now,
            created=created,
            next_try=created,
            give_up=created + self.config.give_up,
        )

    def _unknown(self, notice: Notice, now: datetime) -> None:
        """A notice for an address that the rules no longer name: kept as given up, where people see it."""
        made = self._envelope([notice], Form.TEXT, Text("", ""), None, (notice.alert,), now)
        error = f"{notice.address} is not in notify.toml any more"
        given_up = replace(made, state=MessageState.GIVEN_UP, error=error, settled=made.created)
        self.outbox.compose(self.site.id, given_up, [notice])

    def _told(self, alert: Alert, notices: Sequence[Notice]) -> Told:
        what = notices[-1].what
        if what is Event.WORSE and any(n.what is Event.NEW for n in notices):
            what = Event.NEW  # it grew before anybody had heard of it
        return Told(alert, what, max(n.priority for n in notices), self._promises(alert, what))

    def _promises(self, alert: Alert, what: Event) -> tuple[Promised, ...]:
        """What was promised of an alert, where a message is about that: what is late, or yet to be done."""
        if what not in (Event.LATE, Event.ASSIGNED):
            return ()
        found = promised(alert, self.alerts.history(alert.id), self.site, self._now())
        undone = [c for c in found if c.done is None and c.standing is not Kept.STOPPED]
        if what is Event.ASSIGNED:
            return tuple(undone)
        late = [c for c in undone if c.standing in LATE]
        return tuple(late or (c for c in found if c.standing is Kept.BROKEN))

    def _links(self, told: Told, receiver: str) -> LinkSet:
        alert = told.alert
        take = ""
        mine = told.what is Event.ASSIGNED and alert.state is State.ASSIGNED
        if (alert.state is State.OPEN and told.what is not Event.OVER) or mine:
            take = self.links.take(Taken(alert.id, receiver, self.wall() + self.config.link_life))
        place = next(
            ((s.lat, s.lon) for s in alert.finding.suspects if s.lat is not None and s.lon is not None), None
        )
        where = ""
        if place is not None and told.what is not Event.OVER:
            where = self.config.map_link.format(lat=f"{place[0]:.5f}", lon=f"{place[1]:.5f}")
        return LinkSet(self.links.alert(alert.id), take, where)

    def _now(self) -> datetime:
        return as_datetime(self.clock.now())
