"""Holes in pipes: a pipe that leaks is split where it does, and the new junction is an emitter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from epanet import toolkit


class Hole(NamedTuple):
    """Where a pipe may leak: ``position`` along it from its start node, 0 and 1 being its end nodes."""

    pipe: str
    position: float


def drill(p: Any, holes: Sequence[Hole]) -> list[int]:
    """Put a junction where each hole of project ``p`` is; their node indices, from 0, in the order given.

    The part of a pipe at its start node keeps the pipe's name.
    """
    found: list[int] = [-1] * len(holes)
    by_pipe: dict[str, list[int]] = {}
    for index, hole in enumerate(holes):
        by_pipe.setdefault(hole.pipe, []).append(index)
    for pipe, indices in by_pipe.items():
        # From the far end on, so that what remains of the pipe always begins at its start node.
        whole = toolkit.getlinkvalue(p, toolkit.getlinkindex(p, pipe), toolkit.LENGTH)
        left = 1.0
        for index in sorted(indices, key=lambda i: -holes[i].position):
            at = min(max(holes[index].position, 0.0), left)
            found[index] = _split(p, pipe, at * whole, (left - at) * whole, index)
            left = at
    return [node - 1 for node in found]


def _split(p: Any, pipe: str, keep_m: float, cut_m: float, index: int) -> int:
    """Cut ``cut_m`` [m] off the end of a pipe; index of the node at the cut.

    A cut at an end of the pipe is a junction there already, unless that is a tank or reservoir.
    """
    link = toolkit.getlinkindex(p, pipe)
    start, end = toolkit.getlinknodes(p, link)
    shortest = 0.01 * (keep_m + cut_m)
    for node, away in ((start, keep_m), (end, cut_m)):
        if away <= shortest and toolkit.getnodetype(p, node) == toolkit.JUNCTION:
            return int(node)
    keep_m, cut_m = max(keep_m, shortest), max(cut_m, shortest)
    share = keep_m / (keep_m + cut_m)
    first, last = toolkit.getnodeid(p, start), toolkit.getnodeid(p, end)
    height = [toolkit.getnodevalue(p, n, toolkit.ELEVATION) for n in (start, end)]
    if toolkit.getnodetype(p, start) != toolkit.JUNCTION:
        height[0] = height[1]  # of a tank or reservoir the file gives no height of the ground
    if toolkit.getnodetype(p, end) != toolkit.JUNCTION:
        height[1] = height[0]
    node_id = free_name(f"leak{index + 1}", lambda name: toolkit.getnodeindex(p, name))
    toolkit.addnode(p, node_id, toolkit.JUNCTION)
    toolkit.setnodevalue(
        p,
        toolkit.getnodeindex(p, node_id),
        toolkit.ELEVATION,
        float(height[0] * (1 - share) + height[1] * share),
    )
    link = toolkit.getlinkindex(p, pipe)
    kind = toolkit.getlinktype(p, link)
    kept = (toolkit.DIAMETER, toolkit.ROUGHNESS, toolkit.INITSTATUS)
    values = {
        what: toolkit.getlinkvalue(p, link, what)
        for what in kept
        if kind != toolkit.CVPIPE or what != toolkit.INITSTATUS
    }
    minor = toolkit.getlinkvalue(p, link, toolkit.MINORLOSS)
    toolkit.setlinknodes(p, link, toolkit.getnodeindex(p, first), toolkit.getnodeindex(p, node_id))
    toolkit.setlinkvalue(p, link, toolkit.LENGTH, keep_m)
    toolkit.setlinkvalue(p, link, toolkit.MINORLOSS, minor * share)
    part_id = free_name(f"{pipe}-{index + 1}"[:31], lambda name: toolkit.getlinkindex(p, name))
    part = toolkit.addlink(p, part_id, kind, node_id, last)
    for what, value in values.items():
        toolkit.setlinkvalue(p, part, what, value)
    toolkit.setlinkvalue(p, part, toolkit.LENGTH, cut_m)
    toolkit.setlinkvalue(p, part, toolkit.MINORLOSS, minor * (1 - share))
    return int(toolkit.getnodeindex(p, node_id))


def free_name(wish: str, find: Any) -> str:
    """A name that the project does not have yet."""
    name = wish
    for extra in range(1, 1000):
        try:
            find(name)
        except Exception:
            return name
        name = f"{wish[:27]}_{extra}"
    raise AssertionError(f"no free name like {wish}")
