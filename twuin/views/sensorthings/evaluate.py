"""What a term of ``$filter`` or ``$orderby`` is worth for an entity."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from twuin.views.sensorthings.errors import NotSupported, WrongQuery
from twuin.views.sensorthings.grammar import (
    COMPARISONS,
    Call,
    Interval,
    Literal,
    Path,
    Term,
    terms,
    when,
)
from twuin.views.sensorthings.model import KINDS, Entity, Kind

Now = Callable[[], datetime]

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def check(term: Term, kind: Kind) -> None:
    """Raises WrongQuery or NotSupported where ``term`` names what ``kind`` has not, or what is not known."""
    for found in terms(term):
        if isinstance(found, Path):
            _check_path(found, kind)
        elif isinstance(found, Call):
            _check_call(found)


def value(term: Term, entity: Entity, now: Now) -> Any:
    """What ``term`` is worth; with links to many, where any of them makes a comparison true it is true."""
    if isinstance(term, Literal):
        return term.value
    if isinstance(term, Path):
        found = _values(entity, term.parts)
        return found[0] if found else None
    name, arguments = term.name, term.arguments
    if name == "and":
        return all(_truth(value(a, entity, now)) for a in arguments)
    if name == "or":
        return any(_truth(value(a, entity, now)) for a in arguments)
    if name == "not":
        return not _truth(value(arguments[0], entity, now))
    if name in COMPARISONS:
        return _compare_any(name, arguments, entity, now)
    if name == "now":
        return now()
    many = [_each(a, entity, now) for a in arguments]
    if name in _TRUTHS and any(len(found) > 1 for found in many):
        return any(apply(name, chosen) for chosen in _choices(many))
    return apply(name, [found[0] if found else None for found in many])


def holds(term: Term, entity: Entity, now: Now) -> bool:
    """Whether a filter takes an entity."""
    return _truth(value(term, entity, now))


def constant(term: Term, now: Now) -> Any:
    """What a term without paths is worth."""
    return value(term, _Nothing(), now)


def is_constant(term: Term) -> bool:
    """Whether a term names no property."""
    return not any(isinstance(found, Path) for found in terms(term))


def sort_key(found: Any) -> tuple[Any, ...]:
    """A key that orders values of any type, None before all."""
    if found is None:
        return (0,)
    if isinstance(found, bool | int | float):
        return (1, float(found))
    if isinstance(found, Interval):
        return (2, found.start, found.end)
    if isinstance(found, datetime):
        return (2, found, found)
    return (3, str(found))


def compare(name: str, left: Any, right: Any) -> bool:
    """A comparison of two values; what cannot be compared is not equal, and neither above nor below."""
    if isinstance(left, Interval) or isinstance(right, Interval):
        return _compare_spans(name, left, right)
    left, right = _alike(left, right)
    if left is None or right is None or type(left) is not type(right):
        if name in ("eq", "ne"):
            return bool(_ORDERS[name](left, right))
        return False
    try:
        return bool(_ORDERS[name](left, right))
    except TypeError:  # objects in JSON have no order
        return False


def apply(name: str, given: list[Any]) -> Any:
    """A function or an arithmetic operator. None where an argument is None or not of its type."""
    if any(argument is None for argument in given):
        return None
    try:
        return _FUNCTIONS[name][1](*given)
    except (TypeError, ValueError, ArithmeticError, AttributeError):
        return None


def is_truth(term: Term) -> bool:
    """Whether a term is true or false."""
    if isinstance(term, Call):
        return term.name in COMPARISONS | {"and", "or", "not"} | _TRUTHS
    return isinstance(term, Path) or isinstance(term.value, bool)


def _truth(found: Any) -> bool:
    return found is True


def _check_path(path: Path, kind: Kind) -> None:
    """Follow ``path`` from ``kind``."""
    for n, part in enumerate(path.parts):
        if part in kind.relations:
            kind = KINDS[kind.relations[part][0]]
            if kind.many == "Observations":
                raise NotSupported(
                    f"{'/'.join(path.parts)}: a filter cannot look through a series of Observations; ask for "
                    "Observations themselves"
                )
        elif part in ("id", "@iot.id", "@iot.selfLink", *kind.properties):
            if part == "@iot.selfLink":
                raise NotSupported("a filter cannot use @iot.selfLink: use id")
            return
        else:
            known = ", ".join(("id", *kind.properties, *kind.relations))
            raise WrongQuery(f"{kind.one} has no {part[:40]!r}: it has {known}")
        if n == len(path.parts) - 1:
            raise WrongQuery(f"{'/'.join(path.parts)} is an entity: name one of its properties, such as id")


def _check_call(call: Call) -> None:
    name, given = call.name, len(call.arguments)
    if name in COMPARISONS | {"and", "or"}:
        return
    if name in ("not", "negative"):
        return
    if name == "now":
        if given:
            raise WrongQuery("now() takes nothing")
        return
    if name in UNSUPPORTED:
        raise NotSupported(
            f"the function {name}() is not supported; there are {', '.join(sorted(_CALLABLE))}"
        )
    if name not in _FUNCTIONS:
        raise WrongQuery(f"there is no function {name[:40]!r}; there are {', '.join(sorted(_CALLABLE))}")
    counts = _FUNCTIONS[name][0]
    if given not in counts:
        raise WrongQuery(f"{name}() takes {' or '.join(map(str, counts))} arguments, not {given}")
    if name.startswith(("st_", "geo.")):
        for argument in call.arguments:
            if isinstance(argument, Literal):
                if not isinstance(argument.value, str):
                    raise WrongQuery(f"{name}() takes geometries: geography'POINT (112.6 -7.9)'")
                _shape_of_text(str(argument.value))


def _values(entity: Entity, parts: tuple[str, ...]) -> list[Any]:
    """What ``parts`` lead to from ``entity``; more than one through links to many."""
    part, rest = parts[0], parts[1:]
    if part in entity.kind.relations:
        return [v for other in entity.related(part) for v in _values(other, rest)]
    if part in ("id", "@iot.id"):
        return [entity.id]
    found = entity.get(part)
    for name in rest:
        found = found.get(name) if isinstance(found, dict) else None
    return [found]


def _each(term: Term, entity: Entity, now: Now) -> list[Any]:
    if isinstance(term, Path):
        return _values(entity, term.parts)
    return [value(term, entity, now)]


MAX_CHOICES = 10_000


def _choices(many: list[list[Any]]) -> list[list[Any]]:
    chosen: list[list[Any]] = [[]]
    for found in many:
        if len(chosen) * max(len(found), 1) > MAX_CHOICES:
            raise WrongQuery("the filter compares too many related entities with each other: ask in parts")
        chosen = [[*before, v] for before in chosen for v in found]
    return chosen


def _compare_any(name: str, arguments: tuple[Term, ...], entity: Entity, now: Now) -> bool:
    left, right = (_each(a, entity, now) or [None] for a in arguments)
    if len(left) == len(right) == 1:
        return compare(name, left[0], right[0])
    return any(compare(name, *pair) for pair in _choices([left, right]))


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Two values brought to one type where that is plain: numbers and instants may come as text."""
    if isinstance(left, str) and not isinstance(right, str):
        right, left = _alike(right, left)
        return left, right
    if isinstance(right, str):
        if isinstance(left, bool):
            return left, {"true": True, "false": False}.get(right, right)
        if isinstance(left, int | float):
            try:
                return float(left), float(right)
            except ValueError:
                return left, right
        if isinstance(left, datetime):
            try:
                return left, when(right)
            except WrongQuery:
                return left, right
    if isinstance(left, datetime) and type(right) is date:
        return left, midnight(right)
    if isinstance(right, datetime) and type(left) is date:
        return midnight(left), right
    if isinstance(left, int | float) and isinstance(right, int | float):
        if isinstance(left, bool) != isinstance(right, bool):
            return left, str(right)
        return float(left), float(right)
    return left, right


def midnight(day: date) -> datetime:
    """The instant at which a day begins in UTC."""
    return datetime.combine(day, time(), UTC)


def _compare_spans(name: str, left: Any, right: Any) -> bool:
    """Intervals: before is to end before the other begins."""
    a, b = _span(left), _span(right)
    if a is None or b is None:
        return name == "ne"
    if name in ("eq", "ne"):
        return (a == b) == (name == "eq")
    if name in ("gt", "ge"):
        name, a, b = {"gt": "lt", "ge": "le"}[name], b, a
    if a[1] < b[0]:
        return True
    return (a[1] == b[0] and a != b) if name == "lt" else a[0] <= b[0] and a[1] <= b[1]


def _span(found: Any) -> tuple[datetime, datetime] | None:
    if isinstance(found, Interval):
        return found.start, found.end
    if isinstance(found, str):
        try:
            found = when(found)
        except WrongQuery:
            return None
    if type(found) is date:
        found = midnight(found)
    return (found, found) if isinstance(found, datetime) else None


class _Nothing:
    """The entity of a term that names no property."""

    kind = KINDS["Things"]
    id = ""

    def get(self, name: str) -> Any:
        return None

    def related(self, name: str) -> list[Entity]:
        return []


# Functions


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise TypeError
    return found


def _amounts(a: Any, b: Any) -> None:
    """TypeError unless both can be reckoned with."""
    if not (isinstance(a, _AMOUNTS) and isinstance(b, _AMOUNTS)):
        raise TypeError


_AMOUNTS = (int, float, datetime, date, timedelta)


def _add(a: Any, b: Any) -> Any:
    _amounts(a, b)
    return a + b


def _subtract(a: Any, b: Any) -> Any:
    _amounts(a, b)
    return a - b


def _integer(a: Any, b: Any) -> bool:
    return isinstance(a, int) and isinstance(b, int)


def _divide(a: Any, b: Any) -> Any:
    """Of whole numbers a whole number, as OData says."""
    _amounts(a, b)
    return math.trunc(a / b) if _integer(a, b) and b else a / b


def _remainder(a: Any, b: Any) -> Any:
    _amounts(a, b)
    return int(math.fmod(a, b)) if _integer(a, b) and b else math.fmod(a, b)


def _multiply(a: Any, b: Any) -> Any:
    _amounts(a, b)
    return a * b


def _round(a: Any) -> Any:
    return math.floor(abs(a) + 0.5) * (1 if a >= 0 else -1)


def _utc(found: Any) -> datetime:
    if isinstance(found, Interval):
        found = found.start
    if isinstance(found, str):
        found = when(found)
    if not isinstance(found, datetime):
        raise TypeError
    return found.astimezone(UTC)


def _offset(found: Any) -> int:
    """Minutes from UTC, in which all times are shown here."""
    _utc(found)
    return 0


def _day_part(name: str) -> Callable[[Any], Any]:
    def of(found: Any) -> Any:
        return getattr(found if type(found) is date else _utc(found), name)

    return of


def _substring(text: Any, start: Any, length: Any = None) -> str:
    first = max(0, int(start))
    return _text(text)[first : None if length is None else first + max(0, int(length))]


def _shape(found: Any) -> Any:
    from shapely.geometry import shape

    if isinstance(found, str):
        return _shape_of_text(str(found))
    if not isinstance(found, dict):
        raise TypeError
    geometry = found.get("geometry") if found.get("type") == "Feature" else found
    if geometry is None:
        raise TypeError
    return shape(geometry)


@lru_cache(maxsize=64)
def _shape_of_text(text: str) -> Any:
    import shapely

    try:
        found = shapely.from_wkt(text.split(";", 1)[1] if text.upper().startswith("SRID=") else text)
    except (shapely.errors.ShapelyError, ValueError) as e:
        raise WrongQuery(f"{text[:60]!r} is no geometry: use geography'POINT (112.6 -7.9)'") from e
    if found is None or not found.is_valid:
        raise WrongQuery(f"{text[:60]!r} is no valid geometry: its lines cross or it does not close")
    return found


def _spatial(name: str) -> Callable[[Any, Any], bool]:
    def of(a: Any, b: Any) -> bool:
        return bool(getattr(_shape(a), name)(_shape(b)))

    return of


def _relate(a: Any, b: Any, pattern: Any) -> bool:
    return bool(_shape(a).relate_pattern(_shape(b), _text(pattern)))


def _length(a: Any) -> float:
    found = _shape(a)
    return float(found.length) if found.geom_type.endswith("LineString") else 0.0


_ONE, _TWO = (1,), (2,)
_FUNCTIONS: dict[str, tuple[tuple[int, ...], Callable[..., Any]]] = {
    "add": (_TWO, _add),
    "sub": (_TWO, _subtract),
    "mul": (_TWO, _multiply),
    "div": (_TWO, _divide),
    "mod": (_TWO, _remainder),
    "negative": (_ONE, lambda a: -a),
    "substringof": (_TWO, lambda part, text: _text(part) in _text(text)),
    "contains": (_TWO, lambda text, part: _text(part) in _text(text)),
    "endswith": (_TWO, lambda text, end: _text(text).endswith(_text(end))),
    "startswith": (_TWO, lambda text, begin: _text(text).startswith(_text(begin))),
    "length": (_ONE, lambda text: len(_text(text))),
    "indexof": (_TWO, lambda text, part: _text(text).find(_text(part))),
    "substring": ((2, 3), _substring),
    "tolower": (_ONE, lambda text: _text(text).lower()),
    "toupper": (_ONE, lambda text: _text(text).upper()),
    "trim": (_ONE, lambda text: _text(text).strip()),
    "concat": (_TWO, lambda a, b: _text(a) + _text(b)),
    "year": (_ONE, _day_part("year")),
    "month": (_ONE, _day_part("month")),
    "day": (_ONE, _day_part("day")),
    "hour": (_ONE, lambda t: _utc(t).hour),
    "minute": (_ONE, lambda t: _utc(t).minute),
    "second": (_ONE, lambda t: _utc(t).second),
    "fractionalseconds": (_ONE, lambda t: _utc(t).microsecond / 1e6),
    "date": (_ONE, lambda t: _utc(t).date()),
    "time": (_ONE, lambda t: _utc(t).time().isoformat()),
    "totaloffsetminutes": (_ONE, _offset),
    "mindatetime": ((0,), lambda: datetime.combine(date(1900, 1, 1), time(), UTC)),
    "maxdatetime": (
        (0,),
        lambda: datetime.combine(date(2200, 1, 1), time(), UTC) - timedelta(microseconds=1),
    ),
    "round": (_ONE, _round),
    "floor": (_ONE, math.floor),
    "ceiling": (_ONE, math.ceil),
    "geo.distance": (_TWO, lambda a, b: float(_shape(a).distance(_shape(b)))),
    "geo.length": (_ONE, _length),
    "geo.intersects": (_TWO, _spatial("intersects")),
    "st_equals": (_TWO, _spatial("equals")),
    "st_disjoint": (_TWO, _spatial("disjoint")),
    "st_touches": (_TWO, _spatial("touches")),
    "st_within": (_TWO, _spatial("within")),
    "st_overlaps": (_TWO, _spatial("overlaps")),
    "st_crosses": (_TWO, _spatial("crosses")),
    "st_intersects": (_TWO, _spatial("intersects")),
    "st_contains": (_TWO, _spatial("contains")),
    "st_relate": ((3,), _relate),
}
_TRUTHS = frozenset({"substringof", "contains", "endswith", "startswith", "geo.intersects"}) | {
    name for name in _FUNCTIONS if name.startswith("st_")
}
UNSUPPORTED = frozenset(
    {"any", "all", "cast", "isof", "before", "after", "meets", "during", "overlaps", "starts", "finishes"}
)
_CALLABLE = ({"now", *_FUNCTIONS} - {"add", "sub", "mul", "div", "mod", "negative"}) | {"now"}
FUNCTIONS = frozenset(_CALLABLE)
"""Functions that a filter may call."""
