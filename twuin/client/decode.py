"""Records from JSON, by their annotations."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from twuin.client.errors import NotUnderstood

T = TypeVar("T")
Reader = Callable[[Any], Any]


def record(kind: type[T], told: Any) -> T:
    """``kind`` from an object of JSON. Members that ``kind`` does not have are left out: a newer Twuin may
    tell more. NotUnderstood where one that it has is missing or of another type."""
    try:
        found: T = _reader(kind)(told)  # type: ignore[arg-type]  # a class can be hashed
    except (TypeError, ValueError, KeyError) as e:
        raise NotUnderstood(
            f"the answer is no {kind.__name__} ({type(e).__name__}: {e}): is Twuin of the client's version?"
        ) from None
    return found


def records(kind: type[T], told: Any) -> list[T]:
    """The same for a list."""
    if not isinstance(told, list):
        raise NotUnderstood(f"the answer is no list of {kind.__name__}: is Twuin of the client's version?")
    return [record(kind, one) for one in told]


@cache
def _reader(hint: Any) -> Reader:
    """What makes a value of type ``hint`` from JSON."""
    origin, inner = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _of_class(hint)
    if origin in (Union, types.UnionType):
        some = [_reader(one) for one in inner if one is not types.NoneType]
        if len(some) != 1:
            raise TypeError(f"no reader for {hint}")
        return lambda told: None if told is None else some[0](told)
    if origin is tuple:
        if len(inner) == 2 and inner[1] is Ellipsis:
            each = _reader(inner[0])
            return lambda told: tuple(each(x) for x in _checked(told, list))
        parts = [_reader(one) for one in inner]
        return lambda told: tuple(read(x) for read, x in zip(parts, _checked(told, list), strict=True))
    if origin is dict:
        value = _reader(inner[1])
        return lambda told: {str(k): value(v) for k, v in _checked(told, dict).items()}
    if origin is Literal:  # a newer Twuin may know more words
        return lambda told: _checked(told, str)
    if hint is Any:
        return lambda told: told
    if hint is datetime:
        return lambda told: instant(_checked(told, str))
    if hint is date:
        return lambda told: date.fromisoformat(_checked(told, str))
    if hint is float:
        return lambda told: float(_checked(told, int | float))
    return lambda told: _checked(told, hint)


def _of_class(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    fields = {f.name: _reader(hints[f.name]) for f in dataclasses.fields(kind)}

    def read(told: Any) -> Any:
        given = _checked(told, dict)
        return kind(**{name: take(given[name]) for name, take in fields.items()})

    return read


def _checked(told: Any, kind: Any) -> Any:
    """``told``, TypeError where it is of another type; a truth value is no number."""
    if not isinstance(told, kind) or (isinstance(told, bool) and kind is not bool):
        raise TypeError(f"{str(told)[:40]!r} is not what was to come")
    return told


def instant(text: str) -> datetime:
    """A time of Twuin's, in UTC. ValueError for others."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no zone")
    return found.astimezone(UTC)
