"""Places of leaks come some steps after the alert, and are those that one pass would have come to."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from analytics.model.work import Work
from twuin.monitor import placing
from twuin.monitor.locate import NOWHERE, Place, Span
from twuin.monitor.placing import Placing

LEAK = (0, 7)


class Locate:
    """Takes three pieces of one second of a clock of its own; the place names the span's end."""

    def __init__(self) -> None:
        self.now, self.pieces, self.fails = 0.0, 0, False

    def __call__(self, dma: str, span: Span) -> Work[Place]:
        for piece in range(3):
            self.now, self.pieces = self.now + 1.0, self.pieces + 1
            if self.fails:
                raise OSError("the store is away")
            if piece < 2:
                yield
        return Place(near=(f"{dma} {span.until}",))


@pytest.fixture
def locate(monkeypatch: pytest.MonkeyPatch) -> Locate:
    made = Locate()
    monkeypatch.setattr(placing, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def span(until: int) -> Span:
    return Span(100, until, 0.002, 0.001)


def test_a_place_is_worked_out_while_there_is_time_and_told_when_it_is_whole(locate: Locate) -> None:
    places = Placing(locate)
    assert places.place(LEAK, "D1", span(200), locate.now) == NOWHERE and locate.pieces == 0
    assert places.place(LEAK, "D1", span(200), locate.now + 0.5) == NOWHERE and locate.pieces == 1
    assert places.place(LEAK, "D1", span(200), locate.now + 2).near == ("D1 200",)
    assert places.place(LEAK, "D1", span(200), math.inf).near == ("D1 200",) and locate.pieces == 3


def test_until_a_new_place_is_known_the_last_one_is_told(locate: Locate) -> None:
    places = Placing(locate)
    places.place(LEAK, "D1", span(200), math.inf)
    told = [places.place(LEAK, "D1", span(300), locate.now + 0.5).near for _ in range(3)]
    assert told == [("D1 200",), ("D1 200",), ("D1 300",)]


def test_work_is_ended_however_fast_what_is_asked_changes(locate: Locate) -> None:
    places = Placing(locate)
    told = [places.place(LEAK, "D1", span(200 + i), locate.now + 0.5).near for i in range(7)]
    assert told == [(), (), ("D1 200",), ("D1 200",), ("D1 200",), ("D1 203",), ("D1 203",)]


def test_with_time_for_all_of_it_the_place_is_that_of_what_is_asked(locate: Locate) -> None:
    places = Placing(locate)
    places.place(LEAK, "D1", span(200), locate.now + 0.5)
    assert places.place(LEAK, "D1", span(300), math.inf).near == ("D1 300",)
    assert locate.pieces == 1 + 3


def test_changed_readings_are_looked_at_again_whether_the_work_was_ended_or_not(locate: Locate) -> None:
    places = Placing(locate)
    places.place(LEAK, "D1", span(200), math.inf)
    places.touched(200)
    places.place(LEAK, "D1", span(200), math.inf)
    assert locate.pieces == 3, "readings from the span's end on are none of its own"
    places.touched(199)
    assert places.place(LEAK, "D1", span(200), locate.now + 0.5).near == ("D1 200",)
    places.touched(199)
    places.place(LEAK, "D1", span(200), math.inf)
    assert locate.pieces == 3 + 1 + 3


def test_a_store_that_is_away_is_asked_again(locate: Locate) -> None:
    places = Placing(locate)
    locate.fails = True
    with pytest.raises(OSError):
        places.place(LEAK, "D1", span(200), math.inf)
    locate.fails = False
    assert places.place(LEAK, "D1", span(200), math.inf).near == ("D1 200",)
