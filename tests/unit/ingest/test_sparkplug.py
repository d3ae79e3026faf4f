"""What is known of Sparkplug's edge nodes: from birth to death, over gaps and restarts, and within bounds."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.births import Births
from ingest.decoders.columns import Columns
from ingest.decoders.named import Named
from ingest.decoders.sparkplug import Sparkplug, parse_topic
from ingest.devices import DeviceLog
from ingest.pipeline import Pipeline, RawMessage
from ingest.rebirths import FIRST_S, LONGEST_S, MOST_AT_ONCE, Rebirths
from ingest.rejected import RejectedLog
from waterworks.errors import StoreUnavailable
from waterworks.listen import Listening
from waterworks.names import ForeignName, Format, Names
from waterworks.reading import instant
from waterworks.site import Site

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
T = 1_795_230_000_000
Write = Callable[..., bytes]
NODE = ("PDAM", "n1")


def topic(verb: str, device: str = "", node: str = "n1") -> str:
    return f"spBv1.0/PDAM/{verb}/{node}" + (f"/{device}" if device else "")


class Edge:
    """An edge node with one device behind it, at a pipeline."""

    def __init__(self, write: Write, pipeline: Pipeline) -> None:
        self.write, self.pipeline = write, pipeline
        self.seq = self.tick = 0

    def send(self, verb: str, device: str, *metrics: dict[str, Any], seq: int | None = None) -> None:
        self.tick += 1
        payload = self.write(T + self.tick, self.seq if seq is None else seq, *metrics)
        self.seq = (self.seq + 1) % 256
        pipeline = self.pipeline
        pipeline.commit(pipeline.prepare([RawMessage(topic(verb, device), payload)], instant(NOW)))

    def birth(self, alias: int = 7, bdseq: int = 1) -> None:
        self.seq = 0
        self.send("NBIRTH", "", {"name": "bdSeq", "t": T, "datatype": 4, "long": bdseq})
        self.send("DBIRTH", "rtu", {"name": "Flow", "alias": alias, "t": T, "datatype": 10, "double": 36.0})

    def flow(self, alias: int = 7) -> None:
        self.send("DDATA", "rtu", {"alias": alias, "t": T + 1000 * self.tick, "double": 72.0})


@pytest.fixture
def edge(
    sparkplug: Write, site: Site, store: Any, rejected: RejectedLog, tmp_path: Path
) -> Callable[[], Edge]:
    """An ingest process that starts, with what an earlier one left, and an edge node."""
    heard = replace(
        site,
        names=(ForeignName("Flow", "D1-IN", Format.SPARKPLUG, "PDAM/n1/rtu", "m3/h"),),
        listen=(Listening("spBv1.0/PDAM/#", Format.SPARKPLUG),),
    )

    def start() -> Edge:
        births = Births(tmp_path / "births.sqlite")
        devices = DeviceLog(tmp_path / "devices.sqlite")
        return Edge(sparkplug, Pipeline(heard, store, rejected, devices=devices, births=births))

    return start


def asks(edge: Edge) -> int:
    return len(edge.pipeline.foreign.requests())


def test_the_sequence_goes_round_after_255(edge: Callable[[], Edge]) -> None:
    node = edge()
    node.birth()
    for _ in range(300):
        node.flow()
    assert node.pipeline.stats.stored == 301 and asks(node) == 0


def test_after_a_restart_aliases_hold_while_the_sequence_goes_on(edge: Callable[[], Edge]) -> None:
    before = edge()
    before.birth()
    before.flow()
    after = edge()
    after.seq, after.tick = before.seq, before.tick
    after.flow()
    assert after.pipeline.stats.stored == 1 and not after.pipeline.stats.rejected
    assert asks(after) == 0


def test_after_a_restart_with_a_gap_no_alias_is_believed_until_the_birth_came(
    edge: Callable[[], Edge],
) -> None:
    before = edge()
    before.birth()
    before.flow()
    after = edge()
    after.seq, after.tick = before.seq + 1, before.tick  # one message was missed: it may have been a birth
    after.flow()
    after.flow()
    assert after.pipeline.stats.rejected == {"no_birth": 2} and after.pipeline.stats.stored == 0
    assert asks(after) == 1
    after.birth(alias=9)
    after.flow(alias=9)
    assert after.pipeline.stats.stored == 1  # the birth's value was stored by the one before
    assert asks(after) == 0


def test_after_a_new_connection_it_is_the_same(edge: Callable[[], Edge]) -> None:
    node = edge()
    node.birth()
    node.pipeline.foreign.missed()
    node.flow()
    assert not node.pipeline.stats.rejected and asks(node) == 0
    node.pipeline.foreign.missed()
    node.seq += 1
    node.flow()
    assert node.pipeline.stats.rejected == {"no_birth": 1} and asks(node) == 1


def test_a_birth_that_could_not_be_kept_is_kept_when_the_commit_is_tried_again(
    edge: Callable[[], Edge], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = edge()
    failures = [StoreUnavailable("disk full")]
    honest = Births.save

    def save(self: Births, *args: Any) -> None:
        if failures:
            raise failures.pop()
        honest(self, *args)

    monkeypatch.setattr(Births, "save", save)
    with pytest.raises(StoreUnavailable):
        node.birth()
    group = node.pipeline.prepare([], instant(NOW))
    node.pipeline.commit(group)
    assert edge().pipeline.foreign._sparkplug.node(NODE) is not None


def test_devices_come_and_go_with_their_births_and_deaths(edge: Callable[[], Edge], tmp_path: Path) -> None:
    node = edge()
    log = DeviceLog(tmp_path / "devices.sqlite")
    node.birth(bdseq=4)
    assert log.all()["d1"].online  # whose sensor the device feeds
    node.send("DDEATH", "rtu")
    assert not log.all()["d1"].online
    node.birth(bdseq=5)
    node.send("NDEATH", "", {"name": "bdSeq", "datatype": 4, "long": 4})  # of the session before
    assert log.all()["d1"].online
    node.send("NDEATH", "", {"name": "bdSeq", "datatype": 4, "long": 5})
    assert not log.all()["d1"].online


def test_values_again_are_the_same_readings(edge: Callable[[], Edge]) -> None:
    node = edge()
    for _ in range(2):
        node.birth()
    assert (node.pipeline.stats.stored, node.pipeline.stats.duplicates) == (1, 1)


def test_a_node_that_does_not_answer_is_asked_ever_more_seldom() -> None:
    requests = Rebirths()
    times = []
    for second in range(7200):
        requests.want(NODE)
        times += [second] * len(requests.due(float(second), T))
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert max(gaps) == LONGEST_S


def test_a_node_that_was_just_born_is_not_asked_at_once_again() -> None:
    requests = Rebirths()
    requests.want(NODE)
    assert len(requests.due(0.0, T)) == 1
    requests.born(NODE)
    requests.want(NODE)
    assert requests.due(1.0, T) == []
    assert len(requests.due(FIRST_S, T)) == 1


def test_a_thousand_nodes_are_asked_a_few_at_a_time() -> None:
    requests = Rebirths()
    for k in range(1000):
        requests.want(("PDAM", f"n{k}"))
    found = [m.topic for _ in range(60) for m in requests.due(0.0, T)]
    assert len(found) == len(set(found)) == 1000
    assert MOST_AT_ONCE * 60 > 1000


def test_nodes_without_end_take_no_memory_without_end(
    sparkplug: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.decoders.named._REMEMBERED", 1000)
    follower = Sparkplug(Named(Format.SPARKPLUG, Names()), max_metrics=1000)
    metrics = [{"name": f"m{k}", "alias": k, "t": T, "datatype": 12, "string": "x"} for k in range(100)]
    birth, empty = sparkplug(T, 0, *metrics), sparkplug(T, 0)

    def flood(start: int) -> None:
        for k in range(start, start + 300):
            for verb, payload in (("NBIRTH", birth), ("NDATA", empty)):
                of = parse_topic(topic(verb, node=f"{verb}{k}"))
                assert of is not None
                follower.take(of, payload, Columns())
            one = parse_topic(topic("DBIRTH", f"d{k}", "one"))
            assert one is not None
            follower.take(one, birth, Columns())
            follower.changed.clear()
            follower.forgotten.clear()

    flood(0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    flood(10_000)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 1_000_000
    assert follower._size == sum(n.size for n in follower._nodes.values()) <= 1000
