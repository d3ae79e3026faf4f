"""``valves.csv``: the valves that a crew can shut, and what each line must say."""

from __future__ import annotations

from pathlib import Path

from waterworks.network import Network
from waterworks.site import StopValve, ValveState
from waterworks.tables import Problems, Row, read_table, suggestion

VALVES_FILE = "valves.csv"
VALVES_REQUIRED = ("id", "pipe", "node")
VALVES_OPTIONAL = ("state", "name")


def read_valves(path: Path, problems: Problems, network: Network | None) -> tuple[StopValve, ...]:
    """The valves of ``path``, those with mistakes left out; () where there is no such file.

    network: in which they stand; None: there is none, or it cannot be read.
    """
    if not path.is_file():
        return ()
    rows = read_table(path, problems, required=VALVES_REQUIRED, optional=VALVES_OPTIONAL)
    lines: dict[str, int] = {}
    places: dict[tuple[str, str], int] = {}
    found = (_valve(row, lines, places, network) for row in rows or [])
    return tuple(v for v in found if v is not None)


def _valve(
    row: Row, lines: dict[str, int], places: dict[tuple[str, str], int], network: Network | None
) -> StopValve | None:
    before = len(row.problems.found)
    id, pipe, node = row.identifier("id"), row.required("pipe"), row.required("node")
    if id and id in lines:
        row.error(f"valve {id!r} is there already, on line {lines[id]}")
    lines.setdefault(id, row.line)
    if network is not None and pipe and node:
        check_place(row, network, pipe, node)
    if pipe and node and (pipe, node) in places:
        row.error(f"at node {node!r} of pipe {pipe!r} there is a valve already, on line {places[pipe, node]}")
    places.setdefault((pipe, node), row.line)
    said = row.text("state", ValveState.OPEN).lower()
    if said not in {s.value for s in ValveState}:
        row.error(f"unknown state {said!r}: write open, shut or stuck, or leave it empty for open")
        return None
    if len(row.problems.found) > before:
        return None
    return StopValve(id, pipe, node, ValveState(said), row.text("name"))


def check_place(row: Row, network: Network, pipe: str, node: str) -> None:
    """Name what is wrong with a place in ``pipe`` near its end ``node``."""
    link = network.link_index.get(pipe)
    if link is None:
        row.error(f"pipe {pipe!r} is not in the network{suggestion(pipe, network.link_ids)}")
        return
    ends = [network.node_ids[int(i)] for i in (network.start[link], network.end[link])]
    if node not in ends:
        row.error(f"node {node!r} is no end of pipe {pipe!r}: that runs from {ends[0]!r} to {ends[1]!r}")
