"""Observations in the order of their times, read from the store window by window.

No request reads a whole series: windows hold some thousand readings, a request looks at no more than
``BUDGET`` of them, and a page that ends there says where the next one goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twuin.views.convert import number
from twuin.views.sensorthings.catalogue import Item, Stream
from twuin.views.sensorthings.errors import WrongQuery
from twuin.views.sensorthings.evaluate import Now, constant, holds, is_constant, midnight, sort_key, value
from twuin.views.sensorthings.grammar import Call, Literal, Path, Term, conjuncts, terms, when
from twuin.views.sensorthings.model import OBSERVATIONS, Entity
from twuin.views.sensorthings.options import Order
from waterworks.ports import ReadingStore
from waterworks.reading import Quality, as_datetime, instant

BUDGET = 300_000
"""Readings that one request looks at."""

JUDGED = 60_000
"""Readings that one request looks at one by one, where a filter asks for more than times and Datastreams."""

SORTED = 60_000
"""Readings that are sorted by something else than their times."""

FIRST, LARGEST = 400, 20_000
"""Readings that a window is to hold, about: the first one, and later ones."""

STREAMS_A_WINDOW = 200
MICROSECOND = np.timedelta64(1, "us")
LAST = "\uffff"
"""After the names of all series."""

Ints = NDArray[np.int64]


class Observation:
    """One reading as an entity. us: its time since 1970 [us, UTC]; value in the Datastream's unit."""

    __slots__ = ("quality", "stream", "us", "value")

    kind = OBSERVATIONS

    def __init__(self, stream: Stream, us: int, value: float, quality: int) -> None:
        self.stream = stream
        self.us = us
        self.value = value
        self.quality = quality

    @property
    def id(self) -> str:
        return f"{self.stream.name}@{self.us}"

    def get(self, name: str) -> Any:
        """A property."""
        if name in ("phenomenonTime", "resultTime"):
            return as_datetime(np.datetime64(self.us, "us"))
        if name == "result":
            return number(self.value)
        if name == "resultQuality":
            return [q.name.lower() for q in Quality if q and q & self.quality and q.name] or ["good"]
        return None

    def related(self, name: str) -> list[Entity]:
        """Its Datastream, or what it was observed at."""
        found: Item = self.stream.item if name == "Datastream" else self.stream.place
        return [found]


class Scope(NamedTuple):
    """Observations with low <= time < high (None: unbounded) of ``streams`` for which ``rest`` holds."""

    streams: list[Stream]
    low: np.datetime64 | None
    high: np.datetime64 | None
    rest: list[Term]


class Rows(NamedTuple):
    """N readings: times [us], indices of their streams, values (SI), quality."""

    us: Ints
    stream: NDArray[np.int32]
    value: NDArray[np.float64]
    quality: NDArray[np.uint16]

    def take(self, which: Any) -> Rows:
        """Some of them."""
        return Rows(*(column[which] for column in self))

    def __len__(self) -> int:
        return len(self.us)


class Found(NamedTuple):
    """A page of Observations and the mark from which the next one goes on, None where there is no other."""

    items: list[Observation]
    next: str | None


def narrow(term: Term | None, streams: Sequence[Stream], now: Now) -> Scope:
    """What a filter leaves: by time, by Datastream, and what must be asked of each reading."""
    kept, rest = list(streams), []
    low: np.datetime64 | None = None
    high: np.datetime64 | None = None
    for part in conjuncts(term):
        bounds = _bounds(part, now)
        if bounds is not None:
            low = bounds[0] if low is None else low if bounds[0] is None else max(low, bounds[0])
            high = bounds[1] if high is None else high if bounds[1] is None else min(high, bounds[1])
        elif all(p.parts[0] in OBSERVATIONS.relations for p in terms(part) if isinstance(p, Path)):
            kept = [s for s in kept if holds(part, Observation(s, 0, 0.0, 0), now)]
        else:
            rest.append(part)
    return Scope(kept, low, high, rest)


_TURNED = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge", "eq": "eq"}


def _bounds(term: Term, now: Now) -> tuple[np.datetime64 | None, np.datetime64 | None] | None:
    """The span of times that a comparison with one leaves; None where it is no such comparison."""
    if not (isinstance(term, Call) and term.name in _TURNED):
        return None
    left, right = term.arguments
    name = term.name
    if isinstance(right, Path):
        left, right, name = right, left, _TURNED[name]
    if not (
        isinstance(left, Path) and left.parts in (("phenomenonTime",), ("resultTime",)) and is_constant(right)
    ):
        return None
    when_ = constant(right, now)
    if isinstance(when_, str) and isinstance(right, Literal):
        when_ = when(when_)
    if type(when_) is date:
        when_ = midnight(when_)
    if not isinstance(when_, datetime):
        return None
    at = instant(when_)
    return {
        "gt": (at + MICROSECOND, None),
        "ge": (at, None),
        "lt": (None, at),
        "le": (None, at + MICROSECOND),
        "eq": (at, at + MICROSECOND),
    }[name]


class Walk:
    """Pages through the Observations of a scope."""

    def __init__(self, store: ReadingStore, scope: Scope, now: Now) -> None:
        self._store = store
        self._scope = scope
        self._now = now
        self._names = [s.name for s in scope.streams]
        self._streams = sorted(scope.streams, key=lambda s: s.name)

    def page(self, wanted: int, skip: int, after: str, *, down: bool) -> Found:
        """``wanted`` Observations by time, then Datastream, from behind ``skip`` or behind ``after``."""
        if wanted == 0:
            return Found([], None)
        newest = self._newest(wanted, skip, after) if down else None
        if newest is not None:
            return newest
        mark = _mark(after) if after else None
        items: list[Observation] = []
        looked = 0
        for begin, end, rows in self._windows(wanted + skip, mark, down=down):
            if mark is not None:
                rows = rows.take(self._behind(rows, mark, down=down))
            looked += len(rows)
            if skip and not self._scope.rest:
                passed = min(skip, len(rows))
                rows, skip = rows.take(slice(passed, None)), skip - passed
            for k in range(len(rows)):
                found = self._observation(rows, k)
                if not self._holds(found):
                    continue
                if skip:
                    skip -= 1
                elif len(items) == wanted:
                    last = items[-1]
                    return Found(items, f"{last.us}~{last.stream.name}")
                else:
                    items.append(found)
            if looked >= (JUDGED if self._scope.rest else BUDGET):
                if skip:
                    raise WrongQuery(
                        f"$skip passes more than {looked:,} readings: follow @iot.nextLink, or use "
                        "$filter=phenomenonTime ge ..."
                    )
                return Found(items, f"{_us(begin)}~{LAST}" if down else f"{_us(end)}~")
        return Found(items, None)

    def sorted_page(self, orderby: Sequence[Order], wanted: int, skip: int) -> tuple[list[Observation], bool]:
        """``wanted`` Observations behind ``skip`` in any order, and whether there are more."""
        items: list[Observation] = []
        looked = 0
        for _, _, rows in self._windows(LARGEST, None, down=False):
            looked += len(rows)
            if looked > SORTED:
                raise WrongQuery(
                    f"$orderby sorts at most {SORTED:,} readings by anything but times: narrow them with "
                    "$filter=phenomenonTime ge ... and phenomenonTime lt ..."
                )
            items += [o for k in range(len(rows)) if self._holds(o := self._observation(rows, k))]
        for order in reversed(orderby):
            items.sort(key=lambda o: sort_key(value(order.term, o, self._now)), reverse=order.down)
        return items[skip : skip + wanted], len(items) > skip + wanted

    def count(self) -> int:
        """How many there are: beyond what one request looks at, reckoned from the share that it saw."""
        seen = looked = 0
        first = None
        whole = self._span()
        if whole is None:
            return 0
        limit = JUDGED if self._scope.rest else BUDGET
        for begin, end, rows in self._windows(LARGEST, None, down=False):
            first = begin if first is None else first
            looked += len(rows)
            if self._scope.rest:
                seen += sum(self._holds(self._observation(rows, k)) for k in range(len(rows)))
            else:
                seen += len(rows)
            if looked >= limit:
                return max(seen, round(seen * float((whole[1] - first) / (end - first))))
        return seen

    def _holds(self, found: Observation) -> bool:
        return all(holds(term, found, self._now) for term in self._scope.rest)

    def _observation(self, rows: Rows, k: int) -> Observation:
        stream = self._streams[rows.stream[k]]
        shown = stream.shown(rows.value[k : k + 1])
        return Observation(stream, int(rows.us[k]), float(shown[0]), int(rows.quality[k]))

    def _newest(self, wanted: int, skip: int, after: str) -> Found | None:
        """The newest of one Datastream, which the store has at hand; None where something else is asked."""
        scope = self._scope
        if wanted != 1 or skip or after or scope.rest or scope.low or scope.high or len(self._streams) != 1:
            return None
        stream = self._streams[0]
        latest = self._store.latest([stream.name]).get(stream.name)
        if latest is None:
            return Found([], None)
        shown = float(stream.shown(np.array([latest.value]))[0])
        found = Observation(stream, _us(latest.time), shown, latest.quality)
        extent = self._store.extent([stream.name])
        more = extent is not None and extent[0] < latest.time
        return Found([found], f"{found.us}~{stream.name}" if more else None)

    def _span(self) -> tuple[np.datetime64, np.datetime64] | None:
        extent = self._store.extent(self._names) if self._names else None
        if extent is None:
            return None
        low = extent[0] if self._scope.low is None else max(self._scope.low, extent[0])
        high = extent[1] + MICROSECOND
        high = high if self._scope.high is None else min(self._scope.high, high)
        return (low, high) if low < high else None

    def _windows(
        self, wanted: int, mark: tuple[int, str] | None, *, down: bool
    ) -> Iterator[tuple[np.datetime64, np.datetime64, Rows]]:
        """Windows in order, each with its bounds and its readings in order."""
        span = self._span()
        if span is None:
            return
        low, high = span
        if mark is not None:
            at = np.datetime64(mark[0], "us")
            low, high = (low, min(high, at + MICROSECOND)) if down else (max(low, at), high)
        rate = sum(1 / max(s.interval_s, 1e-3) for s in self._streams)
        rows_a_window = float(min(max(FIRST, 2 * wanted), LARGEST))
        while low < high:
            us = min(max(int(rows_a_window / rate * 1e6), 1000), 10**15)
            step = np.timedelta64(us, "us")
            begin, end = (max(low, high - step), high) if down else (low, min(high, low + step))
            rows = self._read(begin, end, down=down)
            yield begin, end, rows
            # Where there is little, the next window is wider; where there is much, narrower.
            grown = rows_a_window * (4 if len(rows) < rows_a_window / 8 else 2)
            dense = len(rows) > 4 * LARGEST
            rows_a_window = (
                max(rows_a_window / 4, 50)
                if dense
                else min(grown, 64 * LARGEST if not len(rows) else LARGEST)
            )
            low, high = (low, begin) if down else (end, high)

    def _read(self, begin: np.datetime64, end: np.datetime64, *, down: bool) -> Rows:
        parts = []
        for first in range(0, len(self._streams), STREAMS_A_WINDOW):
            names = [s.name for s in self._streams[first : first + STREAMS_A_WINDOW]]
            window = self._store.window(names, begin, end)
            row, column = np.nonzero(~np.isnan(window.values))
            parts.append(
                Rows(
                    window.times[row].astype("datetime64[us]").astype(np.int64),
                    (column + first).astype(np.int32),
                    window.values[row, column],
                    window.quality[row, column],
                )
            )
        rows = (
            Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
            if len(parts) > 1
            else parts[0]
        )
        return rows.take(np.lexsort((rows.stream, -rows.us if down else rows.us)))

    def _behind(self, rows: Rows, mark: tuple[int, str], *, down: bool) -> NDArray[np.bool_]:
        us, name = mark
        passed = sum(1 for s in self._streams if s.name <= name) - 1
        later = rows.us < us if down else rows.us > us
        return np.asarray(later | ((rows.us == us) & (rows.stream > passed)))


def by_id(id: str, streams: dict[str, Stream], store: ReadingStore) -> Observation | None:
    """The Observation of this id, if there is one."""
    name, _, text = id.rpartition("@")
    stream = streams.get(name)
    digits = text.removeprefix("-")
    if stream is None or not (digits.isascii() and digits.isdigit() and len(digits) <= 16):
        return None
    time = np.datetime64(int(text), "us")
    if not np.datetime64("1900-01-01", "us") <= time < np.datetime64("2200-01-01", "us"):
        return None
    window = store.window([name], time, time + MICROSECOND)
    if not len(window.times):
        return None
    return Observation(stream, int(text), float(stream.shown(window.values[0])[0]), int(window.quality[0, 0]))


def by_time(orderby: Sequence[Order]) -> bool | None:
    """Whether Observations are asked for by time, downwards (True) or up (False); None: in another order."""
    if not orderby:
        return False
    first = orderby[0]
    if len(orderby) == 1 and first.term in (Path(("phenomenonTime",)), Path(("resultTime",))):
        return first.down
    return None


def _us(time: np.datetime64) -> int:
    return int(time.astype("datetime64[us]").astype(np.int64))


def _mark(text: str) -> tuple[int, str]:
    us, tilde, name = text.partition("~")
    digits = us.removeprefix("-")
    if not tilde or not (digits.isascii() and digits.isdigit() and len(digits) <= 16):
        raise WrongQuery("$skiptoken is not one of ours: follow @iot.nextLink as it is")
    return int(us), name
