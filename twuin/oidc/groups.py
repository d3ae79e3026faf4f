"""Which groups of the provider get which role: ``sign_in.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twuin.accounts.rights import Role
from waterworks.errors import DataFileError, Problem

GROUPS_FILE = "sign_in.toml"

_ORDER = tuple(Role)  # from the fewest rights to the most


@dataclass(frozen=True, slots=True)
class Rule:
    """People of group ``name`` get ``role``. dmas: those that they are limited to, None: the whole site."""

    name: str
    role: Role
    dmas: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody gets by their groups."""

    role: Role
    dmas: frozenset[str] | None


def granted(rules: Sequence[Rule], groups: Collection[str]) -> Grant | None:
    """What somebody gets who is in ``groups``: the highest role that one of them gives, and the DMAs of all
    that give it. None: nothing."""
    mine = [rule for rule in rules if rule.name in groups]
    if not mine:
        return None
    role = max((rule.role for rule in mine), key=_ORDER.index)
    limits = [rule.dmas for rule in mine if rule.role is role]
    whole = any(limit is None for limit in limits)
    return Grant(
        role, None if whole else frozenset().union(*(limit for limit in limits if limit is not None))
    )


def read_groups(path: Path, dmas: Collection[str]) -> tuple[Rule, ...]:
    """The rules of a file, each mistake named. dmas: those of the site. Raises DataFileError."""
    try:
        with path.open("rb") as f:
            told = tomllib.load(f)
    except OSError as e:
        raise DataFileError([Problem(path.name, None, f"cannot be read: {e.strerror}")]) from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise DataFileError([Problem(path.name, None, f"is not valid TOML: {e}")]) from e
    wrong: list[Problem] = []
    rules: list[Rule] = []
    found = told.get("group", [])
    odd = sorted(set(told) - {"group"})
    if odd or not isinstance(found, list) or not found:
        what = f"{odd[0]!r} is not known" if odd else "no group is named"
        wrong.append(
            Problem(path.name, None, f"{what}: write [[group]], and below it name, role and perhaps dmas")
        )
        found = [] if not isinstance(found, list) else found
    for number, group in enumerate(found, 1):
        where = f"[[group]] number {number}"
        rule = _rule(group, dmas)
        if isinstance(rule, str):
            wrong.append(Problem(path.name, None, f"{where}: {rule}"))
        elif any(r.name == rule.name for r in rules):
            wrong.append(Problem(path.name, None, f"{where}: group {rule.name!r} is there twice"))
        else:
            rules.append(rule)
    if wrong:
        raise DataFileError(wrong)
    return tuple(rules)


def _rule(group: Any, known: Collection[str]) -> Rule | str:
    """A rule, or what is wrong with it."""
    if not isinstance(group, dict):
        return "is no table: write [[group]]"
    if odd := sorted(set(group) - {"name", "role", "dmas"}):
        return f"{odd[0]!r} is not known: there are name, role and dmas"
    name, role, dmas = group.get("name"), group.get("role"), group.get("dmas")
    if not isinstance(name, str) or not name.strip():
        return "name is missing: give the group as the provider calls it"
    if role not in set(Role):
        return f"role {role!r} is none: use {', '.join(Role)}"
    if dmas is None:
        return Rule(name, Role(role))
    if not isinstance(dmas, list) or not dmas:
        return 'dmas: give a list such as ["D1", "D2"], or leave it out for the whole site'
    if unknown := [d for d in dmas if d not in known]:
        return f"no DMA {unknown[0]!r} at this site: there are {', '.join(sorted(known))}"
    if Role(role) is Role.ADMIN:
        return "an administrator is for the whole site: leave dmas out"
    return Rule(name, Role(role), frozenset(dmas))
