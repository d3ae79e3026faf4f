"""What telling people is about: receivers, rules, notices and the messages that carry them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any

from twuin.alerts.model import Kind
from twuin.alerts.priority import Priority as Priority
from twuin.alerts.steps import same_name

PRIORITIES = {p.word: p for p in Priority}


class Event(StrEnum):
    """What happened to an alert that people may want to know."""

    NEW = "new"
    WORSE = "worse"  # its priority rose
    AGAIN = "again"  # it was over and is not
    OVER = "over"  # it ended, or was closed
    LATE = "late"  # a service promise is near its end, or broken
    ASSIGNED = "assigned"  # it was assigned to the receiver's crew


EVENTS = tuple(Event)


class Form(StrEnum):
    """How a message is written for a channel."""

    TEXT = "text"
    HTML = "html"  # with a text beside it
    SMS = "sms"  # one short message of the mobile network
    JSON = "json"  # a signed webhook


@dataclass(frozen=True, slots=True)
class Window:
    """Local hours from ``start`` up to ``end``; over midnight where end is not after start."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Flood:
    """More than ``more_than`` messages within ``within`` become one."""

    more_than: int = 5
    within: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to one receiver. url: with ``${NAME}`` for a secret. secret: the name of a webhook's own."""

    name: str
    url: str
    form: Form
    secret: str = ""

    @property
    def webhook(self) -> bool:
        return self.form is Form.JSON


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told, in which language and by which channels. quiet: hours in which only the urgent comes."""

    name: str
    channels: tuple[Channel, ...]
    language: str = "id"
    crew: str = ""
    quiet: Window | None = None
    flood: Flood = Flood()

    def answers_to(self, assignee: str) -> bool:
        """Whether an alert assigned to this person or crew is the receiver's, in whatever letters."""
        return bool(assignee.strip()) and any(same_name(assignee, n) for n in (self.crew, self.name))


@dataclass(frozen=True, slots=True)
class Rule:
    """Which events go to whom. Empty: no condition. digest: collected until that local time of day.

    weekdays: Monday is 0; None: any. working: only working days (True), only other days (False).
    through_quiet: what is late and urgent comes in the receiver's quiet hours too.
    """

    to: tuple[str, ...]
    crews: tuple[str, ...] = ()
    at_least: Priority = Priority.LOW
    kinds: frozenset[Kind] = frozenset()
    dmas: frozenset[str] = frozenset()
    events: frozenset[Event] = frozenset(EVENTS)
    hours: Window | None = None
    weekdays: frozenset[int] | None = None
    working: bool | None = None
    digest: time | None = None
    through_quiet: bool = False


@dataclass(frozen=True, slots=True)
class ReportRule:
    """Who gets the reports that are made by the calendar. formats: pdf, xlsx. attach: as files where the
    channel takes them (e-mail); else as a link."""

    to: tuple[str, ...]
    formats: frozenset[str] = frozenset({"pdf", "xlsx"})
    attach: bool = True


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret stands: in a file or in a variable of the environment."""

    file: str = ""
    env: str = ""


MAP_LINK = "https://maps.google.com/?q={lat},{lon}"
"""A map at a place, on any phone."""


@dataclass(frozen=True)
class NotifyConfig:
    """A validated notify.toml."""

    receivers: tuple[Receiver, ...] = ()
    rules: tuple[Rule, ...] = ()
    secrets: dict[str, Secret] = field(default_factory=dict)
    map_link: str = MAP_LINK
    give_up: timedelta = timedelta(hours=24)
    link_life: timedelta = timedelta(hours=72)
    reports: tuple[ReportRule, ...] = ()

    @property
    def addresses(self) -> dict[Address, tuple[Receiver, Channel]]:
        """Every channel of every receiver."""
        return {Address(r.name, c.name): (r, c) for r in self.receivers for c in r.channels}


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One channel of one receiver."""

    receiver: str
    channel: str

    def __str__(self) -> str:
        return f"{self.receiver}/{self.channel}"


class Standing(StrEnum):
    """How an alert stood when it was last looked at for news."""

    LASTS = "lasts"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Known:
    """What the notifier remembers of an alert. events: how many it has had."""

    alert: str
    standing: Standing
    priority: Priority
    events: int = 0


class Lane(StrEnum):
    """What a notice shares a flood limit or a digest with."""

    HIGH = "high"
    NORMAL = "normal"
    DAILY = "daily"  # for the digest at a set time
    EACH = "each"  # always a message of its own: webhooks


@dataclass(frozen=True, slots=True)
class Notice:
    """One event for one address: the thing that is told exactly once.

    event: names it, unique at its site. made, due: site time; due: not before this. message: the id of the
    message that carries it, "" while it waits.
    """

    event: str
    address: Address
    alert: str
    what: Event
    priority: Priority
    lane: Lane
    made: datetime
    due: datetime
    message: str = ""


class MessageState(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"  # for its turn or its next try
    SENDING = "sending"
    DELIVERED = "delivered"  # the channel's server has taken it
    UNCERTAIN = "uncertain"  # may have arrived, twice already: not sent again by itself
    GIVEN_UP = "given_up"


UNDELIVERED = (MessageState.WAITING, MessageState.SENDING, MessageState.UNCERTAIN, MessageState.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class Text:
    """A message in words. html: for channels that show it, "" elsewhere."""

    title: str
    body: str
    html: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent to one address: one notice, or several as a digest.

    id: also tells the receiver that a repeat is one. made: site time, by which floods are told. created,
    next_try, tried, give_up, settled: wall time. doubts: tries of which nobody knows whether they arrived.
    alerts: what it is about.
    """

    id: str
    address: Address
    form: Form
    lane: Lane
    notices: int
    alerts: tuple[str, ...]
    text: Text
    payload: dict[str, Any] | None
    made: datetime
    created: datetime
    next_try: datetime
    give_up: datetime
    state: MessageState = MessageState.WAITING
    attempts: int = 0
    doubts: int = 0
    error: str = ""
    tried: datetime | None = None
    settled: datetime | None = None

    @classmethod
    def alone(
        cls,
        site: str,
        about: str,
        address: Address,
        form: Form,
        text: Text,
        payload: dict[str, Any] | None,
        *,
        made: datetime,
        created: datetime,
        give_up: timedelta,
    ) -> Message:
        """One that carries no notice: a report, a test. Site, address and what it is about name it, so that
        what is made twice is one."""
        return cls(
            message_id(site, str(address), about), address, form, Lane.EACH, 0, (), text, payload,
            made=made, created=created, next_try=created, give_up=created + give_up,
        )  # fmt: skip


def message_id(*said: str) -> str:
    """Names a message by what it carries and to whom: the same however often it is made."""
    return "msg_" + hashlib.blake2b("\n".join(said).encode(), digest_size=12).hexdigest()


class Result(StrEnum):
    """What became of one try."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # surely did not arrive
    DOUBTFUL = "doubtful"  # may have arrived: no answer in time, connection lost after sending


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one try; detail: why, in a line without secrets. again_s: asked to wait so long [s]."""

    result: Result
    detail: str = ""
    again_s: float | None = None
