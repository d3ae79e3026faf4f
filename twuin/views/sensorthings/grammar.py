"""The language of ``$filter`` and ``$orderby`` (OData 4.0 as OGC 18-088 section 9.3.3.5 takes it over)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from twuin.views.sensorthings.errors import WrongQuery

MAX_LENGTH = 4000
MAX_DEPTH = 30
MAX_TERMS = 200
"""A longer filter, or one with deeper brackets or more terms, is refused."""


class Interval(NamedTuple):
    """From ``start`` to ``end``, both with a zone."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, number, truth, instant, interval, date, duration, geometry (as WKT in ``Wkt``) or None."""

    value: Any


class Wkt(str):
    """A geometry as well-known text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Path:
    """A property, perhaps of a related entity: ("Datastream", "unitOfMeasurement", "name")."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function (in lower case) or an operator and what it is applied to."""

    name: str
    arguments: tuple[Term, ...]


Term = Literal | Path | Call

COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})

_GRAMMAR = r"""
?start: either
?either: both | either _OR both -> or_
?both: denied | both _AND denied -> and_
?denied: compared | _NOT denied -> not_
?compared: sum_ | sum_ COMPARISON sum_ -> operation
?sum_: product | sum_ ADDITIVE product -> operation
?product: signed | product MULTIPLICATIVE signed -> operation
?signed: atom | "-" atom -> negative
?atom: "(" either ")"
     | FUNCTION "(" [either ("," either)*] ")" -> call
     | INTERVAL -> interval
     | INSTANT -> instant
     | DAY -> day
     | NUMBER -> number
     | TEXT -> text
     | GEOGRAPHY -> geography
     | DURATION -> duration
     | CONSTANT -> constant
     | PATH -> path

_OR: /or(?![\w.\/])/
_AND: /and(?![\w.\/])/
_NOT.4: /not(?![\w.\/])/
COMPARISON: /(eq|ne|gt|ge|lt|le)(?=[\s('-]|$)/
ADDITIVE: /(add|sub)(?=[\s('-]|$)/
MULTIPLICATIVE: /(mul|div|mod)(?=[\s('-]|$)/
INTERVAL.9: /@INSTANT@\/@INSTANT@/
INSTANT.8: /@INSTANT@/
DAY.7: /\d{4}-\d\d-\d\d/
NUMBER.6: /\d+(\.\d+)?([eE][+-]?\d+)?/
GEOGRAPHY.5: /geography'[^']*'/i
DURATION.5: /duration'[^']*'/i
TEXT: /'([^']|'')*'/
CONSTANT.4: /(true|false|null)(?![\w.\/(])/
FUNCTION.3: /(?!(not|and|or)\b)[A-Za-z_][\w.]*(?=\s*\()/
PATH: /[@A-Za-z_][\w.@]*(\/[\w.@:$-]+)*/
%ignore /\s+/
""".replace("@INSTANT@", r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+ -]\d\d:?\d\d)?")


def parse(text: str) -> Term:
    """The term of a filter. Raises WrongQuery."""
    if len(text) > MAX_LENGTH:
        raise WrongQuery(f"$filter is {len(text)} characters long: at most {MAX_LENGTH} are taken")
    _bounded(text)
    from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

    try:
        term: Term = _parser().parse(text)
    except VisitError as e:
        if isinstance(e.orig_exc, WrongQuery):
            raise e.orig_exc from e
        raise
    except UnexpectedInput as e:
        at = e.pos_in_stream if isinstance(e, UnexpectedCharacters) else None
        if isinstance(e, UnexpectedToken) and e.token.type != "$END":
            at = e.token.start_pos
        if at is None or at >= len(text):
            raise WrongQuery(f"$filter ends too early: {_near(text, len(text))}") from e
        raise WrongQuery(
            f"$filter is not understood at character {at + 1}, {_near(text, at)}: use for example "
            "result gt 5 and phenomenonTime ge 2026-11-21T00:00:00Z"
        ) from e
    if sum(1 for _ in terms(term)) > MAX_TERMS:
        raise WrongQuery(f"$filter has more than {MAX_TERMS} terms: ask in parts")
    return term


def terms(term: Term) -> Iterator[Term]:
    """``term`` and all that it is made of."""
    waiting = [term]
    while waiting:
        found = waiting.pop()
        yield found
        if isinstance(found, Call):
            waiting += found.arguments


def conjuncts(term: Term | None) -> list[Term]:
    """Terms of which all must be true."""
    out, waiting = [], [] if term is None else [term]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Call) and found.name == "and":
            waiting += reversed(found.arguments)
        else:
            out.append(found)
    return out


def when(text: str) -> datetime:
    """An instant as in ISO 8601; without a zone it is UTC. Raises WrongQuery."""
    try:
        # "+" means a blank in a query: "...T10:00:00+07:00" arrives as "...T10:00:00 07:00".
        found = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text))
    except ValueError as e:
        raise WrongQuery(f"{text[:60]!r} is no instant: use 2026-11-21T10:00:00Z") from e
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    if not 1900 <= found.year < 2200:
        raise WrongQuery(f"{text[:60]!r}: use a time between 1900 and 2200")
    return found.astimezone(UTC)


_ISO_DURATION = re.compile(
    r"([+-]?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE
)


def duration(text: str) -> timedelta:
    """A duration as in ISO 8601, of days and less: P1DT2H. Raises WrongQuery."""
    found = _ISO_DURATION.fullmatch(text)
    if found is None or len(text) > 30 or not any(found.groups()[1:]):
        raise WrongQuery(f"{text[:40]!r} is no duration: use P1D or PT6H30M")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups()[1:])
    try:
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError as e:
        raise WrongQuery(f"{text[:40]!r} is too long a duration") from e
    return -span if found[1] == "-" else span


def _bounded(text: str) -> None:
    depth, quoted = 0, False
    for letter in text:
        if letter == "'":
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
            if depth > MAX_DEPTH:
                raise WrongQuery(f"$filter has brackets more than {MAX_DEPTH} deep: write it flatter")


def _near(text: str, at: int) -> str:
    return f"after {text[max(0, at - 20) : at]!r}" if at else "at its beginning"


@cache
def _parser() -> Any:
    from lark import Lark, Token, Transformer  # a tenth of a second to import: only who asks pays

    class Tree(Transformer[Token, Term]):
        def or_(self, found: list[Any]) -> Term:
            return Call("or", tuple(found))

        def and_(self, found: list[Any]) -> Term:
            return Call("and", tuple(found))

        def not_(self, found: list[Any]) -> Term:
            return Call("not", tuple(found))

        def negative(self, found: list[Any]) -> Term:
            return Call("negative", tuple(found))

        def operation(self, found: list[Any]) -> Term:
            left, name, right = found
            return Call(str(name), (left, right))

        def call(self, found: list[Any]) -> Term:
            name, *arguments = found
            return Call(str(name).strip().lower(), tuple(a for a in arguments if a is not None))

        def interval(self, found: list[Any]) -> Term:
            start, end = str(found[0]).split("/")
            return Literal(Interval(when(start), when(end)))

        def instant(self, found: list[Any]) -> Term:
            return Literal(when(str(found[0])))

        def day(self, found: list[Any]) -> Term:
            try:
                return Literal(date.fromisoformat(str(found[0])))
            except ValueError as e:
                raise WrongQuery(f"{found[0]} is no day: use 2026-11-21") from e

        def number(self, found: list[Any]) -> Term:
            text = str(found[0])
            return Literal(int(text) if text.isdigit() and len(text) < 19 else float(text))

        def text(self, found: list[Any]) -> Term:
            return Literal(str(found[0])[1:-1].replace("''", "'"))

        def geography(self, found: list[Any]) -> Term:
            return Literal(Wkt(str(found[0])[len("geography'") : -1]))

        def duration(self, found: list[Any]) -> Term:
            return Literal(duration(str(found[0])[len("duration'") : -1]))

        def constant(self, found: list[Any]) -> Term:
            return Literal({"true": True, "false": False, "null": None}[str(found[0])])

        def path(self, found: list[Any]) -> Term:
            return Path(tuple(str(found[0]).split("/")))

    return Lark(_GRAMMAR, parser="lalr", transformer=Tree(), maybe_placeholders=False)
