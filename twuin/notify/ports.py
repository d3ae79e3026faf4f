"""What telling people needs from the outside: an outbox, channels, words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, runtime_checkable

from twuin.alerts.model import Alert
from twuin.alerts.promises import Clock
from twuin.notify.model import (
    Address,
    Event,
    Form,
    Known,
    Lane,
    Message,
    MessageState,
    Notice,
    Outcome,
    Priority,
    Text,
)
from waterworks.errors import TwuinError


class OutboxConflict(TwuinError):
    """Another process was faster. Nothing was stored: look again."""


class Place(NamedTuple):
    """Up to which announced change of the alerts notices were made; None: nobody has looked yet."""

    cursor: int | None


@runtime_checkable
class Outbox(Protocol):
    """Notices and messages, durable and shared by processes. StoreUnavailable: asking later may help."""

    def place(self, site: str) -> Place:
        """How far the changes of the alerts were looked at."""
        ...

    def known(self, site: str, alerts: Collection[str]) -> dict[str, Known]:
        """What is remembered of these alerts."""
        ...

    def told(self, site: str, alert: str) -> set[Address]:
        """Whoever has had a notice of this alert."""
        ...

    def record(
        self, site: str, before: Place, cursor: int, known: Sequence[Known], notices: Sequence[Notice]
    ) -> None:
        """Move the place and keep what follows, all or nothing; a notice that is there stays as it is.

        Raises OutboxConflict when the place is no longer ``before``.
        """
        ...

    def waiting(self, site: str) -> list[Notice]:
        """Notices that no message carries yet."""
        ...

    def lately(self, site: str, since: datetime) -> dict[tuple[Address, Lane], list[datetime]]:
        """When messages were made, at or after ``since`` (site time)."""
        ...

    def compose(self, site: str, message: Message, notices: Sequence[Notice]) -> None:
        """Keep a message and that it carries these notices, all or nothing.

        Raises OutboxConflict when one of them has a message already.
        """
        ...

    def post(self, site: str, message: Message) -> bool:
        """Keep a message that carries no notice; False where there is one of its id already."""
        ...

    def lease(self, site: str, holder: str, now: datetime, span: timedelta) -> bool:
        """Whether ``holder`` may send now, and nobody else before ``now + span`` (wall time)."""
        ...

    def release(self, site: str, holder: str) -> None:
        """Let others send."""
        ...

    def messages(
        self,
        site: str,
        states: Collection[MessageState] = (),
        limit: int | None = None,
        *,
        newest: bool = False,
    ) -> list[Message]:
        """Messages in these states (none: all), oldest first, or newest first."""
        ...

    def due(self, site: str, now: datetime, span: timedelta) -> list[Message]:
        """Of each address the oldest waiting message that may be tried at ``now``.

        span: a next try further ahead was set before the clock was set back, and is due too.
        """
        ...

    def begin(self, site: str, id: str, now: datetime) -> Message | None:
        """Mark a waiting message as being sent and count the try; None where it is not waiting any more."""
        ...

    def settle(
        self,
        site: str,
        id: str,
        attempt: int,
        state: MessageState,
        *,
        error: str = "",
        doubts: int | None = None,
        next_try: datetime | None = None,
        at: datetime | None = None,
    ) -> bool:
        """What became of this try of a message; False where it is not the one under way any more."""
        ...

    def retry(self, site: str, ids: Collection[str], now: datetime, give_up: datetime) -> int:
        """Send these again though they were given up, are uncertain or wait for a later try; how many."""
        ...

    def counts(self, site: str) -> dict[MessageState, int]:
        """How many messages are in each state."""
        ...

    def prune(self, site: str, before: datetime) -> int:
        """Forget messages delivered before that time (wall), and their notices; how many messages."""
        ...

    def close(self) -> None:
        """Release it. Closing twice is allowed."""
        ...


class Attachment(NamedTuple):
    """A file that goes with a message. media: its type, as "application/pdf"."""

    name: str
    media: str
    body: bytes


Files = Callable[[str], Attachment | None]
"""A file by its name, None where it is not there any more."""


class Notifier(Protocol):
    """One channel to one receiver."""

    repeats_are_known: bool
    """Whether the receiver's side can tell a repeat by the message's id."""

    attaches: bool
    """Whether files can go with a message."""

    def send(self, message: Message) -> Outcome:
        """Try once. Does not raise; takes some tens of seconds at most, where the other side lets it."""
        ...


class Told(NamedTuple):
    """An alert in a message: what happened to it, how urgent it is, and as it is now.

    clocks: what was promised of it, where that is what the message is about.
    """

    alert: Alert
    what: Event
    priority: Priority
    clocks: tuple[Clock, ...] = ()


class LinkSet(NamedTuple):
    """Links of a message about one alert; "" where there is none."""

    page: str
    take: str
    map: str


class Wording(Protocol):
    """Messages in people's words."""

    def one(self, told: Told, form: Form, language: str, links: LinkSet) -> Text:
        """A message about one alert."""
        ...

    def digest(
        self, told: Sequence[Told], form: Form, language: str, links: Mapping[str, str], page: str
    ) -> Text:
        """A message about several. links: the page of each alert; page: of all of them."""
        ...

    def report(self, period: str, form: Form, language: str, attached: Sequence[str], page: str) -> Text:
        """A message that a report was made. period: 2026-10. attached: names of files that go with it. page:
        where reports are, "" where no address is known."""
        ...

    def test(self, receiver: str, form: Form, language: str) -> Text:
        """A message that says only that messages come through."""
        ...
