"""Answers requests: which entities, what of them, and the links between them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from twuin.views.sensorthings.catalogue import Catalogue, Item, Stream
from twuin.views.sensorthings.errors import WrongQuery
from twuin.views.sensorthings.evaluate import holds, sort_key, value
from twuin.views.sensorthings.grammar import Interval
from twuin.views.sensorthings.model import KINDS, Entity, Kind
from twuin.views.sensorthings.options import Options, parts_of, read_query
from twuin.views.sensorthings.walk import Walk, by_id, by_time, narrow
from waterworks.errors import NotFound
from waterworks.ports import ReadingStore

MAX_ENTITIES = 20_000
"""Entities in one answer, expanded ones among them."""

MAX_SERIES = 1000
"""Series that one answer reads."""

MAX_SEGMENTS = 12

_REQ = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
CONFORMANCE = (
    _REQ + "datamodel",
    _REQ + "resource-path/resource-path-to-entities",
    _REQ + "request-data",
)
"""What of the standard this service does: reading."""


class Answer(NamedTuple):
    """JSON to send; or, of ``$value``, text; both None: there is nothing (204)."""

    body: Any = None
    text: str | None = None


class _Set(NamedTuple):
    """A set of entities: of Observations the Datastreams they are of. at: its address behind the root."""

    kind: Kind
    items: list[Item]
    streams: list[Stream]
    at: str


class SensorThings:
    """Answers for the entities of ``catalogue``. now: the present on the site's clock."""

    def __init__(self, catalogue: Catalogue, store: ReadingStore, now: Callable[[], datetime]) -> None:
        self._catalogue = catalogue
        self._store = store
        self._now = now

    def answer(self, path: str, query: str, root: str) -> Answer:
        """What is at ``path`` behind the service's root, whose address is ``root`` (no slash at its end).

        Raises WrongQuery, NotSupported, NotFound.
        """
        return _Request(self._catalogue, self._store, self._now, root).answer(path, query)


_SEGMENT = re.compile(r"([A-Za-z@$][\w@.$]*)(?:\((.*)\))?", re.DOTALL)


class _Request:
    """One request; counts what it costs."""

    def __init__(
        self, catalogue: Catalogue, store: ReadingStore, now: Callable[[], datetime], root: str
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._present = now()
        self._root = root
        self._entities = 0
        self._series = 0

    def _now(self) -> datetime:
        return self._present

    def answer(self, path: str, query: str) -> Answer:
        if not path.strip("/"):
            read_query(query, None)
            return Answer(self._service())
        segments = list(parts_of(path.strip("/"), "/"))
        if len(segments) > MAX_SEGMENTS:
            raise WrongQuery(f"the path has more than {MAX_SEGMENTS} parts: begin at the entity itself")
        at: _Set | Entity | None = None
        for n, segment in enumerate(segments):
            matched = _SEGMENT.fullmatch(segment)
            if matched is None:
                raise NotFound(f"there is nothing at {segment[:60]!r}")
            name, key = matched[1], matched[2]
            last = n == len(segments) - 1
            if name in ("$ref", "$count", "$value"):
                return self._special(name, at, query, last=last)
            if isinstance(at, _Set):
                raise NotFound(
                    f"{at.kind.many} is a set: name one of its entities, as in {at.kind.many}('...')"
                )
            if at is not None and key is None and name in at.kind.properties:
                return self._property(at, name, segments[n + 1 :], query)
            at = self._follow(at, name)
            if key is not None:
                if not isinstance(at, _Set):
                    raise NotFound(f"{name} leads to one entity: it takes no id")
                at = self._one(at, key)
        if isinstance(at, _Set):
            return Answer(self._collection(at, read_query(query, at.kind)))
        assert at is not None
        options = read_query(query, at.kind)
        _only_of_one(options)
        return Answer(self._entity(at, options))

    def _service(self) -> dict[str, Any]:
        return {
            "value": [{"name": name, "url": f"{self._root}/{name}"} for name in KINDS],
            "serverSettings": {"conformance": list(CONFORMANCE)},
        }

    # Paths

    def _follow(self, at: Entity | None, name: str) -> _Set | Entity:
        if at is None:
            if name not in KINDS:
                raise NotFound(f"there is no set {name[:40]!r}: there are {', '.join(KINDS)}")
            streams = list(self._catalogue.streams.values()) if name == "Observations" else []
            items = (
                []
                if name == "Observations"
                else [self._catalogue.sets[name][id] for id in self._catalogue.ids[name]]
            )
            return _Set(KINDS[name], items, streams, name)
        if name not in at.kind.relations:
            known = ", ".join((*at.kind.properties, *at.kind.relations))
            raise NotFound(f"{at.kind.one} has no {name[:40]!r}: it has {known}")
        to, many = at.kind.relations[name]
        if not many:
            return at.related(name)[0]
        return self._related(at, name, KINDS[to])

    def _related(self, at: Entity, name: str, kind: Kind) -> _Set:
        address = f"{_address(at)}/{name}"
        if kind.many == "Observations":
            if at.kind.many == "Datastreams":
                streams = [self._catalogue.streams[at.id]]
            else:  # of what was observed
                streams = [s for s in self._catalogue.streams.values() if s.place is at]
            return _Set(kind, [], streams, address)
        items = [item for item in at.related(name) if isinstance(item, Item)]
        return _Set(kind, sorted(items, key=lambda item: item.id), [], address)

    def _one(self, of: _Set, key: str) -> Entity:
        id = key[1:-1].replace("''", "'") if len(key) > 1 and key[0] == key[-1] == "'" else key
        if of.kind.many == "Observations":
            found = by_id(id, {s.name: s for s in of.streams}, self._store)
            if found is not None:
                return found
        else:
            item = self._catalogue.sets[of.kind.many].get(id)
            if item is not None and any(item is other for other in of.items):
                return item
        raise NotFound(f"there is no {of.kind.one} {id[:60]!r} here")

    def _special(self, name: str, at: _Set | Entity | None, query: str, *, last: bool) -> Answer:
        if name != "$ref" or at is None or not last:
            raise NotFound(f"{name} cannot stand there: $ref ends a path, $value follows a property")
        if isinstance(at, _Set):
            body = self._collection(at, read_query(query, at.kind), only_links=True)
            return Answer(body)
        read_query(query, None)
        return Answer({"@iot.selfLink": self._self(at)})

    def _property(self, entity: Entity, name: str, rest: Sequence[str], query: str) -> Answer:
        read_query(query, None)
        found = _shown(entity.get(name))
        if not rest:
            return Answer() if found is None else Answer({name: found})
        if list(rest) != ["$value"]:
            raise NotFound(f"behind a property only $value can stand, not {'/'.join(rest)[:40]!r}")
        if found is None:
            raise NotFound(f"this {entity.kind.one} has no {name}")
        return Answer(text=found if isinstance(found, str) else json.dumps(found, ensure_ascii=False))

    # Answers

    def _collection(self, of: _Set, options: Options, *, only_links: bool = False) -> dict[str, Any]:
        body: dict[str, Any] = {}
        found, count, more = self._page(of, options)
        if options.count:
            body["@iot.count"] = count() if callable(count) else count
        if more is not None:
            address = f"{of.at}/$ref" if only_links else of.at
            body["@iot.nextLink"] = f"{self._root}/{address}?{_query(options, more)}"
        if only_links:
            body["value"] = [{"@iot.selfLink": self._self(entity)} for entity in found]
        else:
            body["value"] = [self._entity(entity, options) for entity in found]
        return body

    def _page(
        self, of: _Set, options: Options
    ) -> tuple[Sequence[Entity], int | Callable[[], int], tuple[str, str] | None]:
        """Entities of one page, how many there are in all, and the option that leads to the next page."""
        if of.kind.many == "Observations":
            return self._observations(of, options)
        if options.after:
            raise WrongQuery("$skiptoken belongs to Observations: follow @iot.nextLink as it is")
        items: list[Item] = of.items
        if options.filter is not None:
            items = [item for item in items if holds(options.filter, item, self._now)]
        for order in reversed(options.orderby):
            items = sorted(
                items,
                key=lambda item: sort_key(value(order.term, item, self._now)),
                reverse=order.down,
            )
        end = options.skip + options.page
        more = ("$skip", str(end)) if end < len(items) and options.page else None
        return items[options.skip : end], len(items), more

    def _observations(
        self, of: _Set, options: Options
    ) -> tuple[Sequence[Entity], Callable[[], int], tuple[str, str] | None]:
        self._series += len(of.streams) if of.at.endswith("/Observations") else 1
        if self._series > MAX_SERIES:
            raise WrongQuery(
                f"the answer would read more than {MAX_SERIES} series: lower $top, or expand less"
            )
        walk = Walk(self._store, narrow(options.filter, of.streams, self._now), self._now)
        down = by_time(options.orderby)
        if down is None:
            if options.after:
                raise WrongQuery("$skiptoken does not go with this $orderby: follow @iot.nextLink as it is")
            items, further = walk.sorted_page(options.orderby, options.page, options.skip)
            more = ("$skip", str(options.skip + options.page)) if further and options.page else None
            return items, walk.count, more
        page = walk.page(options.page, options.skip, options.after, down=down)
        return page.items, walk.count, None if page.next is None else ("$skiptoken", page.next)

    def _entity(self, entity: Entity, options: Options) -> dict[str, Any]:
        self._entities += 1
        if self._entities > MAX_ENTITIES:
            raise WrongQuery(
                f"the answer would hold more than {MAX_ENTITIES:,} entities: lower $top, or expand less"
            )
        select, link = options.select, self._self(entity)
        out: dict[str, Any] = {}
        if select is None or "@iot.id" in select:
            out["@iot.id"] = entity.id
        if select is None or "@iot.selfLink" in select:
            out["@iot.selfLink"] = link
        for name in entity.kind.properties:
            if select is None or name in select:
                found = _shown(entity.get(name))
                if found is not None:
                    out[name] = found
        for name, (to, many) in entity.kind.relations.items():
            if name in options.expand:
                self._expanded(out, entity, name, KINDS[to], options.expand[name], many=many)
            elif select is None or name in select:
                out[f"{name}@iot.navigationLink"] = f"{link}/{name}"
        return out

    def _expanded(
        self, out: dict[str, Any], entity: Entity, name: str, kind: Kind, options: Options, *, many: bool
    ) -> None:  # fmt: skip
        if not many:
            _only_of_one(options)
            out[name] = self._entity(entity.related(name)[0], options)
            return
        inner = self._collection(self._related(entity, name, kind), options)
        for part in ("@iot.count", "@iot.nextLink"):
            if part in inner:
                out[name + part] = inner[part]
        out[name] = inner["value"]

    def _self(self, entity: Entity) -> str:
        return f"{self._root}/{_address(entity)}"


def _address(entity: Entity) -> str:
    key = quote(entity.id.replace("'", "''"), safe="@:,-._~'")
    return f"{entity.kind.many}('{key}')"


def _query(options: Options, more: tuple[str, str]) -> str:
    pairs = [*options.given, more]
    return "&".join(f"{name}={quote(text, safe=_SAFE)}" for name, text in pairs)


_SAFE = "$,:;=()'/@~*-._"


def _only_of_one(options: Options) -> None:
    asked = {name for name, _ in options.given}
    wrong = sorted(asked - {"$select", "$expand"})
    if wrong or options.skip or options.after:
        raise WrongQuery(f"{', '.join(wrong) or '$skip'} is for sets: one entity takes $select and $expand")


def _shown(found: Any) -> Any:
    """A property as JSON: instants and intervals as ISO 8601 in UTC."""
    if isinstance(found, Interval):
        return f"{_iso(found.start)}/{_iso(found.end)}"
    return _iso(found) if isinstance(found, datetime) else found


def _iso(when: datetime) -> str:
    exact = "milliseconds" if when.microsecond % 1000 == 0 else "microseconds"
    return when.isoformat(timespec=exact).replace("+00:00", "Z")
