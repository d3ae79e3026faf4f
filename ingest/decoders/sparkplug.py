"""Sparkplug B 3.0: what edge nodes and the devices behind them publish, from birth to death.

A birth names every metric and may give it a number, its alias; data after it then carry aliases only. So
what a node said in its births must be known, and must be the newest. Each message has a sequence number (0 to
255); where one is missing, a birth may be among what was lost, and the node is asked for its births anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ingest.decoders.columns import Columns, Fault, Rejection, micros
from ingest.decoders.json_readings import MAX_READINGS
from ingest.decoders.named import MAX_NAME, Named
from ingest.decoders.sparkplug_payload import DOUBLE, NUMBERS, number, parse_payload, text, unit_and_doubt
from ingest.reasons import Reason

ROOT = "spBv1.0"
MAX_METRICS = 200_000
"""Nodes, devices, metrics and aliases that are remembered: some 100 MB at most. A city has fewer."""

_CONTROL = ("Node Control/", "Device Control/")  # switches of the node itself, nothing that is measured
_BDSEQ = "bdSeq"
_BIRTHS, _DEATHS, _DATA = ("NBIRTH", "DBIRTH"), ("NDEATH", "DDEATH"), ("NDATA", "DDATA")


class Defined(NamedTuple):
    """A metric as a birth defines it. datatype: its number; unit: "" where the birth names none."""

    device: str
    name: str
    datatype: int
    unit: str


@dataclass
class Node:
    """An edge node as far as it is known. device "" stands for the node itself.

    bdseq: number of its session. seq: of its last message; None: the next one is the first of a session.
    metrics: by device and name. aliases: their numbers. born: devices whose births are the newest there are.
    resumed: messages may have been missed since the last one.
    """

    bdseq: int | None = None
    seq: int | None = None
    metrics: dict[tuple[str, str], Defined] = field(default_factory=dict)
    aliases: dict[int, Defined] = field(default_factory=dict)
    born: set[str] = field(default_factory=set)
    resumed: bool = False

    @property
    def size(self) -> int:
        """How much there is of it to remember."""
        return 1 + len(self.metrics) + len(self.aliases) + len(self.born)


class NodeTopic(NamedTuple):
    """``spBv1.0/{group}/{verb}/{node}`` and perhaps ``/{device}``."""

    group: str
    verb: str
    node: str
    device: str

    @property
    def key(self) -> tuple[str, str]:
        return self.group, self.node

    @property
    def source(self) -> str:
        """How names.csv names the sender."""
        return "/".join(filter(None, (self.group, self.node, self.device)))


class Heard(NamedTuple):
    """What a message said beside its readings. lives: senders, and whether each is there.

    ask: whether the node is to be asked for its births.
    """

    faults: list[Fault]
    lives: list[tuple[str, bool]]
    ask: bool = False


def parse_topic(topic: str) -> NodeTopic | None:
    """None for what carries nothing to read (commands, the state of hosts).

    Raises Rejection for no such topic.
    """
    levels = topic.split("/")
    if levels[0] == ROOT and len(levels) > 2:
        if levels[1] == "STATE":
            return None
        verb = levels[2]
        wanted = 5 if verb.startswith("D") else 4
        if max(map(len, levels)) > MAX_NAME:  # they are remembered, for each node that says a word
            raise Rejection(Reason.BAD_NAME, f"a level of the topic is longer than {MAX_NAME} characters")
        if len(levels) == wanted and all(levels):
            if verb in ("NCMD", "DCMD"):
                return None
            if verb in (*_BIRTHS, *_DEATHS, *_DATA):
                return NodeTopic(levels[1], verb, levels[3], levels[4] if wanted == 5 else "")
    raise Rejection(
        Reason.UNKNOWN_TOPIC,
        f"not a topic of the layout {ROOT}/group/NDATA/node or {ROOT}/group/DDATA/node/device",
    )


class Sparkplug:
    """Follows edge nodes from their births on. nodes: those known from before, the last heard at the end.

    changed: nodes that changed since ``changed`` was cleared; True: their births, too.
    """

    def __init__(
        self,
        named: Named,
        nodes: dict[tuple[str, str], Node] | None = None,
        *,
        max_readings: int = MAX_READINGS,
        max_metrics: int = MAX_METRICS,
    ) -> None:
        self._named = named
        self._nodes = nodes or {}
        self._max_readings = max_readings
        self._max_metrics = max_metrics
        self._size = sum(n.size for n in self._nodes.values())
        self.changed: dict[tuple[str, str], bool] = {}
        self.forgotten: list[tuple[str, str]] = []
        self.missed()

    def missed(self) -> None:
        """Say that messages may have been missed: the connection was away."""
        for node in self._nodes.values():
            node.resumed = True

    def node(self, key: tuple[str, str]) -> Node | None:
        return self._nodes.get(key)

    def take(self, topic: NodeTopic, payload: bytes, out: Columns) -> Heard:
        """Add the readings of a message to ``out``. Raises Rejection, with ``out`` as it was.

        A message that is refused as a whole changes nothing that is known of its node.
        """
        if not payload:
            raise Rejection(Reason.EMPTY, "a message without content")
        message = parse_payload(payload, self._max_readings)
        if topic.verb == "NDEATH":
            return self._node_died(topic, message)
        if message.seq > 255:
            raise Rejection(Reason.WRONG_TYPE, f"sequence number {message.seq} is not from 0 to 255")
        node = self._nodes.pop(topic.key, None)
        before = 0 if node is None else node.size
        if node is None:
            node = Node()
        self._nodes[topic.key] = node  # now the last heard
        self.changed.setdefault(topic.key, False)
        heard = self._follow(node, topic, message, out)
        self._size += node.size - before
        self._make_room()
        return heard

    def _follow(self, node: Node, topic: NodeTopic, message: Any, out: Columns) -> Heard:
        faults: list[Fault] = []
        ask = False
        if topic.verb == "NBIRTH":
            self._begin(node, message)
        else:
            ask = self._out_of_step(node, message)
        if topic.verb in _BIRTHS:
            self._define(node, topic, message, faults)
            self._read(node, topic, message, out, faults)
            return Heard(faults, [(topic.source, True)], ask)
        if topic.verb == "DDEATH":
            _forget_device(node, topic.device)
            self.changed[topic.key] = True
            return Heard(faults, [(topic.source, False)], ask)
        unborn = self._read(node, topic, message, out, faults)
        return Heard(faults, [], ask or unborn or topic.device not in node.born)

    def _begin(self, node: Node, message: Any) -> None:
        """A session begins: nothing of the last one holds any more."""
        node.metrics.clear()
        node.aliases.clear()
        node.born.clear()
        node.bdseq, node.seq, node.resumed = _bdseq(message), message.seq, False

    def _out_of_step(self, node: Node, message: Any) -> bool:
        """Whether messages before this one are missing."""
        if node.seq is None:
            wrong = True
        elif message.HasField("seq"):
            wrong = message.seq != (node.seq + 1) % 256  # 255 is followed by 0
            node.seq = message.seq
        else:
            wrong = node.resumed
        if wrong and node.resumed:
            node.born.clear()  # a birth may be among them: an alias may mean something else by now
        node.resumed = False
        return wrong

    def _define(self, node: Node, topic: NodeTopic, message: Any, faults: list[Fault]) -> None:
        if topic.verb == "DBIRTH":
            _forget_device(node, topic.device)
        self.changed[topic.key] = True
        node.born.add(topic.device)
        for place, metric in enumerate(message.metrics):
            try:
                name = text(metric.name, "a metric's name")
                if not name or len(name) > MAX_NAME:
                    raise Rejection(
                        Reason.BAD_NAME, f"a metric with a name of {len(name)} characters; 1 to {MAX_NAME}"
                    )
            except Rejection as e:
                faults.append(Fault(place, e.reason, e.detail))
                continue
            unit, _ = unit_and_doubt(metric)
            defined = Defined(topic.device, name, metric.datatype, unit)
            node.metrics[topic.device, name] = defined
            if metric.HasField("alias"):
                node.aliases[metric.alias] = defined

    def _node_died(self, topic: NodeTopic, message: Any) -> Heard:
        node = self._nodes.get(topic.key)
        if node is None:
            return Heard([], [(topic.source, False)])
        said = _bdseq(message)
        if node.bdseq is not None and said is not None and said != node.bdseq:
            return Heard([], [])  # the will of an earlier session, which the node has outlived
        lives = [(topic.source, False)]
        lives += [(f"{topic.source}/{device}", False) for device in sorted(node.born) if device]
        self._size -= len(node.born)
        node.born.clear()
        node.seq = None
        self.changed.setdefault(topic.key, False)
        return Heard([], lives)

    def _make_room(self) -> None:
        """Forget the nodes not heard for the longest time; when they are heard again, they are asked."""
        while self._size > self._max_metrics and self._nodes:
            key = next(iter(self._nodes))
            self._size -= self._nodes.pop(key).size
            self.changed.pop(key, None)
            self.forgotten.append(key)

    def _read(self, node: Node, topic: NodeTopic, message: Any, out: Columns, faults: list[Fault]) -> bool:
        """Add the values of a message; whether a metric is in none of the births that are known."""
        told = {fault.place for fault in faults}
        unborn = False
        for place, metric in enumerate(message.metrics):
            if place in told:
                continue
            try:
                self._add(node, topic, message, metric, place, out)
            except _Unborn as e:
                unborn = True
                faults.append(Fault(place, e.reason, e.detail))
            except Rejection as e:
                faults.append(Fault(place, e.reason, e.detail))
        return unborn

    def _add(self, node: Node, topic: NodeTopic, message: Any, metric: Any, place: int, out: Columns) -> None:
        defined = self._defined(node, topic, metric)
        name = defined.name
        if name == _BDSEQ or name.startswith(_CONTROL):
            return
        source = topic.source
        if metric.is_transient or self._named.unwanted(source, name):
            out.unwanted += 1
            return
        datatype = metric.datatype or defined.datatype
        if not self._named.known(source, name) and (datatype not in NUMBERS or metric.is_null):
            return  # texts, switches and what has no value: no measurements, unless the site says so
        value = number(metric, datatype)
        if metric.HasField("timestamp"):
            at = metric.timestamp
        elif message.HasField("timestamp"):
            at = message.timestamp
        else:
            raise Rejection(Reason.NO_TIME, f"metric {name[:80]!r} has no timestamp, nor has its message")
        unit, doubt = unit_and_doubt(metric)
        self._named.add(out, source, name, value, micros(at), place, unit or defined.unit, suspect=doubt)

    def _defined(self, node: Node, topic: NodeTopic, metric: Any) -> Defined:
        """What the births say of a metric. Raises _Unborn."""
        if metric.HasField("name"):
            name = text(metric.name, "a metric's name")
            if (defined := node.metrics.get((topic.device, name))) is not None:
                return defined
            datatype, kind = metric.datatype, metric.WhichOneof("value")
            if not datatype and kind in ("int_value", "long_value"):
                raise _Unborn(f"metric {name[:80]!r} has a whole number of an unknown type")
            if not datatype and kind in ("float_value", "double_value"):
                datatype = DOUBLE
            return Defined(topic.device, name, datatype, "")
        if not metric.HasField("alias"):
            raise Rejection(Reason.BAD_NAME, "a metric with neither name nor alias")
        found = node.aliases.get(metric.alias) if topic.device in node.born else None
        if found is None or found.device != topic.device:
            raise _Unborn(f"alias {metric.alias}: {topic.source!r} was not heard to say what it stands for")
        return found


def _forget_device(node: Node, device: str) -> None:
    for key in [key for key in node.metrics if key[0] == device]:
        del node.metrics[key]
    node.aliases = {a: d for a, d in node.aliases.items() if d.device != device}
    node.born.discard(device)


class _Unborn(Rejection):
    def __init__(self, detail: str) -> None:
        super().__init__(Reason.NO_BIRTH, f"{detail}; its births are asked for")


def _bdseq(message: Any) -> int | None:
    for metric in message.metrics:
        if metric.name == _BDSEQ.encode():
            value: int = metric.long_value or metric.int_value
            return value
    return None


def births(node: Node) -> Iterator[tuple[int | None, Defined]]:
    """All that a node said of its metrics, each with its alias, None where it has none."""
    aliased = set()
    for alias, defined in node.aliases.items():
        aliased.add((defined.device, defined.name))
        yield alias, defined
    for key, defined in node.metrics.items():
        if key not in aliased:
            yield None, defined
