"""What follows from a try: done, again later, or not again. Pure but for the jitter."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from twuin.notify.model import Message, MessageState, Outcome, Result

FIRST_S, LONGEST_S = 10.0, 900.0
"""Wait before the second try, and before any [s]."""

ASKED_S = 3600.0
"""Most that a server's wish to wait longer is granted [s]."""

LONGEST = timedelta(seconds=2 * ASKED_S)
"""No next try lies further ahead, unless the clock was set back."""

REST_S = FIRST_S / 2
"""After a failure nothing else is sent to the same address for so long [s]: what waits for a server that is
down would all fail, one after the other."""

DOUBTS = 2
"""So many doubtful tries of a message whose receiver cannot tell a repeat: then it is left as uncertain, so
that nobody gets it more than twice."""

STOPPED = Outcome(Result.DOUBTFUL, "Twuin was stopped while it was being sent")
"""The outcome of a try of which nothing was noted: it may have arrived."""


@dataclass(frozen=True, slots=True)
class Next:
    """Where a message stands after a try."""

    state: MessageState
    doubts: int
    error: str = ""
    next_try: datetime | None = None


def after(
    message: Message,
    outcome: Outcome,
    now: datetime,
    *,
    repeats_are_known: bool,
    chance: random.Random | None = None,
) -> Next:
    """What follows from ``outcome`` of a try of ``message``, whose attempts include it."""
    if outcome.result is Result.DELIVERED:
        return Next(MessageState.DELIVERED, message.doubts)
    doubts = message.doubts + (outcome.result is Result.DOUBTFUL)
    if outcome.result is Result.DOUBTFUL and doubts >= DOUBTS and not repeats_are_known:
        return Next(MessageState.UNCERTAIN, doubts, outcome.detail)
    if now >= message.give_up:
        return Next(MessageState.GIVEN_UP, doubts, outcome.detail)
    later = now + timedelta(seconds=wait_s(message.attempts, outcome.again_s, chance))
    return Next(MessageState.WAITING, doubts, outcome.detail, min(later, message.give_up))


def wait_s(attempts: int, asked_s: float | None = None, chance: random.Random | None = None) -> float:
    """How long to wait after ``attempts`` tries [s]: twice as long each time, less up to a half by chance.

    By chance: what failed together is not tried together. asked_s: what the server asked for, if it did.
    """
    longest = min(FIRST_S * 2.0 ** min(max(attempts, 1) - 1, 20), LONGEST_S)
    waited = longest * (0.5 + 0.5 * (chance or random).random())
    return max(waited, min(asked_s or 0.0, ASKED_S))


def rests(until: datetime | None, now: datetime) -> bool:
    """Whether nothing is to be sent to an address yet; a rest longer than any is of before the clock was set
    back."""
    return until is not None and now < until <= now + timedelta(seconds=REST_S)
