"""Priorities, promises and valves in words, in both languages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from twuin.alerts.priority import Priority
from twuin.alerts.promises import Stage, Standing
from twuin.views.isolation import IsolationOut, ToShut
from twuin.views.models import ClockOut
from twuin.web.formats import Formats
from twuin.web.locales import LANGUAGES, language
from twuin.web.service_words import ServiceWords

NOON = datetime(2026, 11, 23, 5, tzinfo=UTC)  # in Jakarta


def words(code: str) -> ServiceWords:
    found = language(code).messages
    return ServiceWords(Formats(code, found.gettext, found.ngettext, ZoneInfo("Asia/Jakarta"), "IDR", 2026))


def clock(standing: Standing, due_h: float, done_h: float | None = None) -> ClockOut:
    done = None if done_h is None else NOON + timedelta(hours=done_h)
    due = NOON + timedelta(hours=due_h)
    return ClockOut(stage=Stage.REPAIR, begun=NOON, due=due, done=done, standing=standing)


def isolation(possible: bool = True, assumed: bool = False, valves: int = 2, dry: int = 34) -> IsolationOut:
    shut = [ToShut(id=f"V{k}", pipe="p1", node="j1", lon=None, lat=None) for k in range(valves)]
    return IsolationOut(
        pipe="p9", possible=possible, assumed=assumed, shut=shut, connections=dry, dmas=[], pipes=["p9"],
        length_m=10.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (clock(Standing.RUNNING, 3), ("3 hours left", "promised by Mon 23 Nov 15:00")),
        (clock(Standing.NEAR, 0.5), ("30 minutes left", "promised by Mon 23 Nov 12:30")),
        (clock(Standing.BROKEN, -5), ("overdue by 5 hours", "promised by Mon 23 Nov 07:00")),
        (
            clock(Standing.KEPT, 3, 1),
            ("in time", "done Mon 23 Nov 13:00, promised by Mon 23 Nov 15:00"),
        ),
        (
            clock(Standing.BROKEN, 1, 3),
            ("2 hours late", "done Mon 23 Nov 15:00, promised by Mon 23 Nov 13:00"),
        ),
        (clock(Standing.STOPPED, 3), ("no longer needed", "promised by Mon 23 Nov 15:00")),
    ],
)
def test_a_promise_is_told_with_its_times(of: ClockOut, said: tuple[str, str]) -> None:
    assert words("en").clock(of, NOON) == said
    translated = words("id").clock(of, NOON)
    assert all(translated) and not set(translated) & set(said)


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (isolation(), "To work on pipe p9, shut 2 valves:"),
        (isolation(valves=1), "To work on pipe p9, shut 1 valve:"),
        (isolation(assumed=True), "To work on pipe p9, stop the flow in 2 pipes:"),
        (isolation(valves=0), "No water comes to pipe p9 as it stands: no valve need be shut."),
        (
            isolation(possible=False, valves=0),
            "Pipe p9 cannot be shut off: no valve stands between it and a source.",
        ),
    ],
)
def test_what_to_shut_is_told(of: IsolationOut, said: str) -> None:
    assert words("en").shut(of) == said
    assert words("id").shut(of) not in ("", said)


def test_who_has_no_water_is_told() -> None:
    assert words("en").dry(isolation(dry=0)) == "Nobody is without water then."
    assert words("en").dry(isolation(dry=1)) == "About 1 connection is without water then."
    assert words("id").dry(isolation(dry=1234)) == "Sekitar 1.234 sambungan akan tanpa air."


@pytest.mark.parametrize("code", LANGUAGES)
def test_priorities_and_promises_have_names_of_their_own(code: str) -> None:
    w = words(code)
    assert len({w.priority(p.word) for p in Priority}) == len(Priority)
    assert len({w.stage(s) for s in Stage}) == len(Stage)
