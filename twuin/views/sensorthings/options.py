"""Query options of a request and of what it expands, read from their text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import unquote_plus

from twuin.views.sensorthings.errors import NotSupported, WrongQuery
from twuin.views.sensorthings.evaluate import check
from twuin.views.sensorthings.grammar import MAX_DEPTH, Term, parse
from twuin.views.sensorthings.model import KINDS, Kind

DEFAULT_TOP = 100
MAX_TOP = 1000
"""Entities on a page where none, or more, are asked for."""

MAX_EXPANDED = 5
"""Links that may be expanded within each other."""

MAX_QUERY = 16_000
"""Longest query [characters]."""

MAX_NUMBER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Order:
    """What to sort by, and whether downwards."""

    term: Term
    down: bool


@dataclass(frozen=True, slots=True)
class Options:
    """What a request asks of a set of entities, or of one.

    given: the options as they came, for links to the next page. after: where the page before ended.
    """

    filter: Term | None = None
    orderby: tuple[Order, ...] = ()
    expand: dict[str, Options] = field(default_factory=dict)
    select: frozenset[str] | None = None
    top: int | None = None
    skip: int = 0
    count: bool = False
    after: str = ""
    given: tuple[tuple[str, str], ...] = ()

    @property
    def page(self) -> int:
        """How many entities a page has."""
        return DEFAULT_TOP if self.top is None else min(self.top, MAX_TOP)


def read_query(query: str, kind: Kind | None) -> Options:
    """The options of the text behind the ``?`` for entities of ``kind`` (None: none are taken)."""
    if len(query) > MAX_QUERY:
        raise WrongQuery(f"the query is {len(query)} characters long: at most {MAX_QUERY} are taken")
    pairs = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name:
            pairs.append((unquote_plus(name), unquote_plus(value)))
    if kind is None:
        if pairs:
            raise WrongQuery("this takes no query options")
        return Options()
    return _options(pairs, kind, 0)


def _options(pairs: list[tuple[str, str]], kind: Kind, depth: int) -> Options:
    seen: dict[str, str] = {}
    for raw, value in pairs:
        name = raw.strip()
        if not name.startswith("$"):
            raise WrongQuery(f"{name[:40]!r} is no query option: they begin with $, as in $filter")
        if name in seen:
            raise WrongQuery(f"{name[:40]} is there twice")
        seen[name] = value
    kept = tuple((k, v) for k, v in seen.items() if k not in ("$skip", "$skiptoken"))
    options = Options(given=kept)
    for name, value in seen.items():
        options = _with(options, name, value, kind, depth)
    return options


def _with(options: Options, name: str, value: str, kind: Kind, depth: int) -> Options:
    match name:
        case "$filter":
            term = parse(value)
            check(term, kind)
            return replace(options, filter=term)
        case "$orderby":
            return replace(options, orderby=_orderby(value, kind))
        case "$expand":
            return replace(options, expand=_expand(value, kind, depth))
        case "$select":
            return replace(options, select=_select(value, kind))
        case "$top":
            return replace(options, top=_number(name, value))
        case "$skip":
            return replace(options, skip=_number(name, value))
        case "$count":
            if value.strip().lower() not in ("true", "false"):
                raise WrongQuery(f"$count is true or false, not {value[:40]!r}")
            return replace(options, count=value.strip().lower() == "true")
        case "$skiptoken":
            return replace(options, after=value)
        case "$resultFormat" | "$search" | "$apply" | "$compute" | "$format":
            raise NotSupported(f"{name} is not supported; answers are JSON")
    raise WrongQuery(
        f"{name[:40]!r} is no query option: use $filter, $orderby, $expand, $select, $top, $skip, $count"
    )


def _number(name: str, value: str) -> int:
    text = value.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_NUMBER):
        raise WrongQuery(f"{name} is a whole number from 0 to {MAX_NUMBER}, not {value[:40]!r}")
    return int(text)


def _orderby(text: str, kind: Kind) -> tuple[Order, ...]:
    orders = []
    for part in parts_of(text, ","):
        words = part.strip()
        down = False
        for ending in (" asc", " desc"):
            if words.lower().endswith(ending):
                down, words = ending == " desc", words[: -len(ending)].strip()
        if not words:
            raise WrongQuery("$orderby names nothing: use for example phenomenonTime desc")
        term = parse(words)
        check(term, kind)
        orders.append(Order(term, down))
    if len(orders) > 10:
        raise WrongQuery("$orderby takes at most 10 properties")
    return tuple(orders)


def _select(text: str, kind: Kind) -> frozenset[str]:
    known = {"id", "@iot.id", "@iot.selfLink", *kind.properties, *kind.relations}
    found = {part.strip() for part in text.split(",")}
    for name in found - known:
        raise WrongQuery(f"$select: {kind.one} has no {name[:40]!r}; it has {', '.join(sorted(known))}")
    return frozenset("@iot.id" if name == "id" else name for name in found)


def _expand(text: str, kind: Kind, depth: int) -> dict[str, Options]:
    if depth >= MAX_EXPANDED:
        raise WrongQuery(f"$expand goes more than {MAX_EXPANDED} links deep: follow the links instead")
    out: dict[str, Options] = {}
    for part in parts_of(text, ","):
        path, inner = part.strip(), ""
        if path.endswith(")") and "(" in path:
            path, inner = path[: path.index("(")].strip(), path[path.index("(") + 1 : -1]
        first, _, rest = path.partition("/")
        if first not in kind.relations:
            raise WrongQuery(
                f"$expand: {kind.one} has no link {first[:40]!r}; {', '.join(kind.relations)} it has"
            )
        to = KINDS[kind.relations[first][0]]
        if rest:
            options = Options(expand=_expand(rest + (f"({inner})" if inner else ""), to, depth + 1))
            before = out.get(first)
            if before is not None:  # $expand=Datastreams/Sensor,Datastreams/Thing
                options = replace(before, expand={**before.expand, **options.expand})
        else:
            pairs = []
            for option in parts_of(inner, ";") if inner.strip() else ():
                name, equals, value = option.partition("=")
                if not equals:
                    raise WrongQuery(f"$expand: {option[:40]!r} is no query option: use $top=1;$orderby=...")
                pairs.append((name, value))
            options = _options(pairs, to, depth + 1)
        out[first] = options
    return out


def parts_of(text: str, separator: str) -> Iterator[str]:
    """Parts of ``text`` between separators that stand in no brackets and no quotes. Raises WrongQuery."""
    depth, quoted, start = 0, False, 0
    for at, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
        elif letter == separator and depth == 0:
            yield text[start:at]
            start = at + 1
        if not 0 <= depth <= MAX_DEPTH:
            raise WrongQuery(f"brackets do not fit at character {at + 1} of {text[:60]!r}")
    if depth or quoted:
        raise WrongQuery(f"{'a quotation' if quoted else 'a bracket'} is not closed in {text[:60]!r}")
    yield text[start:]
