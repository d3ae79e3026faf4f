"""Messages that do not get through show in Twuin's health and in its figures."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from twuin.api.operations import _Figures
from twuin.notify.model import MessageState
from twuin.telling import notify_health


def settled(o: Any, state: MessageState, error: str) -> None:
    [message] = o.messages()
    o.desk.outbox.begin(o.site.id, message.id, o.clock.time)
    o.desk.outbox.settle(o.site.id, message.id, 1, state, error=error, at=o.clock.time)


@pytest.mark.parametrize(
    ("state", "error", "status", "said"),
    [
        (MessageState.DELIVERED, "", "ok", "1 message delivered, nothing waits"),
        (MessageState.WAITING, "answered 500", "degraded", "1 message is tried again (to budi/chat: "),
        (MessageState.GIVEN_UP, "refused", "degraded", "1 message of the last day did not arrive for sure"),
        (
            MessageState.UNCERTAIN,
            "no answer",
            "degraded",
            "1 message of the last day did not arrive for sure",
        ),
    ],
)
def test_health_says_what_does_not_get_through(
    office: Callable[..., Any],
    kit: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    state: MessageState,
    error: str,
    status: str,
    said: str,
) -> None:
    o = office()
    monkeypatch.setattr("twuin.telling.wall_now", o.clock.wall)
    o.find(kit.leak())
    o.tick()
    settled(o, state, error)
    health = notify_health(o.desk)
    assert health["status"] == status
    assert health["detail"].startswith(said)


def test_what_was_given_up_long_ago_no_longer_degrades(
    office: Callable[..., Any], kit: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    o = office()
    monkeypatch.setattr("twuin.telling.wall_now", o.clock.wall)
    o.find(kit.leak())
    o.tick()
    settled(o, MessageState.GIVEN_UP, "refused")
    o.clock.ahead(hours=25)
    assert notify_health(o.desk)["status"] == "ok"


def test_figures_count_messages_by_state(office: Callable[..., Any], kit: SimpleNamespace) -> None:
    o = office()
    o.find(kit.leak())
    o.tick()
    views: Any = SimpleNamespace()
    [family] = list(_Figures(views, o.alerts, o.desk.counts)._told())
    counted = {s.labels["state"]: s.value for s in family.samples}
    assert counted == {"waiting": 1, "sending": 0, "delivered": 0, "uncertain": 0, "given_up": 0}
    assert list(_Figures(views, o.alerts, None)._told()) == []
