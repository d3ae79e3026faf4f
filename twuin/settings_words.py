"""What is wrong with a setting, in a person's words: what was read, and what would be right.

Values that may hold a password are never repeated.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

SECRET = {"database", "store.url"}
"""Settings beside those of type SecretStr that are not repeated: a URL may hold a password."""

_LONGEST = 60  # characters of a value that are repeated


def setting_names(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """(dotted name, field) of every setting."""
    for name, info in model.model_fields.items():
        if section := _section(info):
            yield from setting_names(section, f"{prefix}{name}.")
        else:
            yield prefix + name, info


def variable(name: str) -> str:
    """The name of a setting in the environment."""
    return "TWUIN_" + name.upper().replace(".", "__")


def message(error: Mapping[str, Any]) -> str:
    """What one of pydantic's errors says, without what it puts before words of ours."""
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")


def explain(error: Mapping[str, Any], model: type[BaseModel]) -> str:
    """One line about one of pydantic's errors in ``model``."""
    path = [str(part) for part in error["loc"]]
    if error["type"] == "extra_forbidden":
        return f"no setting is called {'.'.join(path)!r}{_meant(path, model)}"
    name, info = _field(path, model)
    if info is None:
        return f"settings: {message(error)}"
    if section := _section(info):
        first = next(iter(section.model_fields))
        return (
            f"setting {name} is a table of settings, not one value: write [{name}] on a line of its own, and "
            f"below it lines such as {first} = ..."
        )
    value = error["input"]
    secret = _type(info) is SecretStr or name in SECRET
    said = "" if secret else f" = {_shown(value)}"
    where = f" ({variable(name)} in the environment)" if os.environ.get(variable(name)) == value else ""
    if error["type"] == "value_error":
        right = message(error)
    else:
        right = f"give {expected(info)}"
    return f"setting {name}{said}{where}: {right}"


def explain_environment(field: str, model: type[BaseModel]) -> str:
    """What to say where a variable for ``field`` (of the top level) should be JSON and is none."""
    lists = [n for n, info in setting_names(model) if get_origin(_type(info)) is tuple]
    for name in (field, *(n for n in lists if n.startswith(f"{field}."))):
        text = os.environ.get(variable(name))
        if text is not None and not _is_json(text):
            example = '\'["a", "b"]\'' if name in lists else '\'{"name": "value"}\''
            return f"setting {name} ({variable(name)} in the environment): give JSON, as in {example}"
    return f"setting {field}: a variable {variable(field)}... of the environment cannot be read"


def expected(info: FieldInfo) -> str:
    """What a setting takes, as in ``a whole number from 1 to 65535``."""
    kind = _type(info)
    if get_origin(kind) is Literal:
        *others, last = (repr(choice) for choice in get_args(kind))
        return f"{', '.join(others)} or {last}"
    if get_origin(kind) is tuple:
        return 'a list of texts, as in ["a", "b"]'
    if kind in (int, float):
        return f"a {'whole ' if kind is int else ''}number{_range(info)}"
    words = {
        bool: "true or false",
        datetime: "a time with its zone, as in 2026-01-31T20:00:00+07:00",
        Path: "a path, in quotes",
    }
    return words.get(kind, "a text, in quotes")


def _range(info: FieldInfo) -> str:
    least = next((m.ge for m in info.metadata if isinstance(m, Ge)), None)
    above = next((m.gt for m in info.metadata if isinstance(m, Gt)), None)
    most = next((m.le for m in info.metadata if isinstance(m, Le)), None)
    if least is not None:
        return f" from {least} to {most}" if most is not None else f" of {least} or more"
    return f" above {above}" if above is not None else ""


def _field(path: list[str], model: type[BaseModel]) -> tuple[str, FieldInfo | None]:
    """The setting that ``path`` leads to, or into: an item of a list belongs to its list."""
    info = None
    for depth, part in enumerate(path):
        if part not in model.model_fields:
            return ".".join(path[:depth]), info
        info = model.model_fields[part]
        if (section := _section(info)) is None:
            return ".".join(path[: depth + 1]), info
        model = section
    return ".".join(path), info


def _meant(path: list[str], model: type[BaseModel]) -> str:
    names = [n for n, _ in setting_names(model)]
    same = [n for n in names if n.rpartition(".")[2] == path[-1]]
    near = same or difflib.get_close_matches(".".join(path), names, n=1)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def _section(info: FieldInfo) -> type[BaseModel] | None:
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _type(info: FieldInfo) -> Any:
    """The type of a setting, None as another possibility left out."""
    kind = info.annotation
    if get_origin(kind) not in (Literal, tuple):
        kind = next((k for k in get_args(kind) if k is not type(None)), kind)
    return kind


def _shown(value: Any) -> str:
    """A value as TOML has it, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if isinstance(value, date | datetime | time) else repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
