"""How the demo town is laid out: terrain, streets, pipes, valves and meters, drawn by rule from a seed.

A spring feeds a gravity main that runs down a slope; two pressure reducing valves on the main make three
pressure zones, a third feeds one DMA out of another; a pump lifts water to a tank for a hill beside it.

    spring --- main --+-- D1          --PRV-1--+-- D2 --PRV-3-- D4     --PRV-2--+-- D5 (two inlets)
                      +-- pump, tank -- D6     +-- D3

Only ``random.Random.random``, whose stream Python guarantees, and rounded arithmetic are used, so that
the same town comes out on every machine.
"""

from __future__ import annotations

import heapq
import math
import random

from firmware_sim.town_parts import (
    SPRING_AT,
    TANK_AT,
    TRUNK,
    ZONES,
    Inlet,
    Junction,
    Pipe,
    Town,
    Valve,
    Zone,
)

SEED = 20261121


def draw(seed: int = SEED) -> Town:
    """The whole town. seed: another one lays other streets in the same zones."""
    chance = random.Random(seed)
    town = Town()
    for zone in ZONES:
        _streets(town, zone, chance)
    _main(town)
    _connect(town)
    _size(town)
    return town


def _streets(town: Town, zone: Zone, chance: random.Random) -> None:
    """A warped, tilted grid with blocks taken out of it, in one piece."""
    names: dict[tuple[int, int], str] = {}
    width, depth = zone.across[1] - zone.across[0], zone.down[1] - zone.down[0]
    middle = (sum(zone.across) / 2, sum(zone.down) / 2)
    for r in range(zone.rows):
        for c in range(zone.columns):
            u = (c + 0.34 * (chance.random() - 0.5)) / (zone.columns - 1) - 0.5
            v = (r + 0.34 * (chance.random() - 0.5)) / (zone.rows - 1) - 0.5
            u += 0.05 * math.sin(3.1 * v + zone.tilt * 40)
            v += 0.05 * math.sin(2.7 * u + zone.tilt * 60)
            du, dv = u * width, v * depth
            across = middle[0] + du * math.cos(zone.tilt) - dv * math.sin(zone.tilt)
            down = middle[1] + du * math.sin(zone.tilt) + dv * math.cos(zone.tilt)
            low, high = zone.connections
            number = f"J{zone.id[1:]}{len(names) + 1:02d}"
            names[r, c] = town.add(
                Junction(
                    number,
                    round(across, 1),
                    round(down, 1),
                    zone.id,
                    low + int(chance.random() * (high - low + 1)),
                    chance.random() < (0.3 if zone.id == "D4" else 0.08),
                )
            ).id
    edges = [((r, c), (r, c + 1)) for r in range(zone.rows) for c in range(zone.columns - 1)]
    edges += [((r, c), (r + 1, c)) for r in range(zone.rows - 1) for c in range(zone.columns)]
    weight = {e: chance.random() for e in edges}
    # A spanning tree of the cheapest edges keeps it in one piece; of the others many stay.
    group = {k: k for k in names}

    def root(k: tuple[int, int]) -> tuple[int, int]:
        while group[k] != k:
            k = group[k]
        return k

    kept = []
    for e in sorted(edges, key=lambda e: weight[e]):
        a, b = root(e[0]), root(e[1])
        if a != b:
            group[a] = b
            kept.append(e)
        elif weight[e] < 0.62:
            kept.append(e)
    for k, (a, b) in enumerate(sorted(kept), 1):
        pipe = town.lay(
            f"P{zone.id[1:]}{k:03d}",
            names[a],
            names[b],
            0,
            zone.roughness,
            1.0 + 0.04 * chance.random(),
        )
        if pipe.length > 90 and chance.random() < 0.35:
            pipe.bends = _bend(town, pipe, (chance.random() - 0.5) * 24.0)


def _bend(town: Town, pipe: Pipe, aside: float) -> list[tuple[float, float]]:
    a, b = town.junctions[pipe.start], town.junctions[pipe.end]
    du, dv = b.across - a.across, b.down - a.down
    run = math.hypot(du, dv)
    return [
        (
            round((a.across + b.across) / 2 - dv / run * aside, 1),
            round((a.down + b.down) / 2 + du / run * aside, 1),
        )
    ]


def _main(town: Town) -> None:
    """The gravity main T01..., with PRV-1 and PRV-2 in it."""
    for k, (across, down) in enumerate(TRUNK):
        town.add(Junction(f"T{k:02d}", across, down))
    town.sources["SPRING"] = Junction("SPRING", *SPRING_AT)
    town.lay("M00", "SPRING", "T00", 300, 130, 1.01)
    valve_at = {7: ("PRV-1", "D2"), 10: ("PRV-2", "D5")}  # piece of the main, and whose head it keeps
    for k in range(1, len(TRUNK)):
        start, end = f"T{k - 1:02d}", f"T{k:02d}"
        if k in valve_at:
            valve, dma = valve_at[k]
            head = next(z.hgl for z in ZONES if z.id == dma)
            town.valves.append(Valve(valve, start, end, 250, round(head - town.junctions[end].elevation, 1)))
            continue
        diameter = 300 if k < 7 else 250 if k < 10 else 200
        town.lay(f"M{k:02d}", start, end, diameter, 130, 1.01)


def _connect(town: Town) -> None:
    """Inlets with their meters, the pumped tank, and the shut valves between neighbours."""

    def inlet(sensor: str, dma: str, source: str, from_dma: str = "", diameter: int = 200) -> None:
        at = town.junctions[source]
        zone = next(z for z in ZONES if z.id == dma)
        target = town.nearest(dma, at.across, at.down)
        du, dv = target.across - at.across, target.down - at.down
        run = math.hypot(du, dv)
        share = min(12.0, run / 3) / run
        chamber = town.add(
            Junction(
                sensor.replace("-IN", "-CH"),
                round(at.across + du * share, 1),
                round(at.down + dv * share, 1),
                dma,
            )
        )
        meter = town.lay(sensor.replace("-IN", "-M"), source, chamber.id, diameter, zone.roughness)
        if from_dma:
            after = town.add(
                Junction(f"{dma}-PR", chamber.across + 2.0, chamber.down + 4.0, dma),
            )
            setting = round(zone.hgl - after.elevation, 1)
            town.valves.append(Valve("PRV-3", chamber.id, after.id, 150, setting))
            chamber = after
        town.inlets.append(Inlet(sensor, dma, from_dma, meter.id, chamber.id))
        town.lay(sensor.replace("-IN", "-F"), chamber.id, target.id, diameter, zone.roughness)

    inlet("D1-IN", "D1", "T04")
    inlet("D2-IN", "D2", "T07")
    inlet("D3-IN", "D3", "T08")
    low = town.nearest("D2", -600.0, 1640.0)
    inlet("D4-IN", "D4", low.id, from_dma="D2")
    inlet("D5-IN1", "D5", "T11")
    inlet("D5-IN2", "D5", "T12", diameter=150)

    # The pumped hill: main - pump - rising main - tank - meter - D6.
    at = town.junctions["T04"]
    town.add(Junction("PS-1", 60.0, at.down - 8.0))
    town.add(Junction("PS-2", 72.0, at.down - 8.0))
    town.lay("MPS1", "T04", "PS-1", 200, 130)
    rising = town.add(Junction("PS-3", 640.0, 120.0))
    town.lay("MPS2", "PS-2", rising.id, 150, 135, 1.03)
    foot = town.add(Junction("TK-1", TANK_AT[0] - 20.0, TANK_AT[1] + 15.0))
    town.lay("MPS3", rising.id, foot.id, 150, 135, 1.03)
    town.sources["TANK-1"] = Junction("TANK-1", *TANK_AT)
    town.lay("MPS4", foot.id, "TANK-1", 200, 135)
    inlet("D6-IN", "D6", foot.id)
    _shut(town, "BV-1", "D2", "D3", 1500.0)
    _shut(town, "BV-2", "D4", "D5", 2200.0)


def _shut(town: Town, name: str, left: str, right: str, down: float) -> None:
    """A boundary valve, shut: a link between two DMAs that is there but carries nothing."""
    a = town.nearest(left, -110.0, down)
    b = town.nearest(right, 110.0, down)
    zone = next(z for z in ZONES if z.id == left)
    pipe = town.lay(name, a.id, b.id, 100, zone.roughness, 1.02)
    pipe.closed = True


def _size(town: Town) -> None:
    """Diameters [mm] of the street pipes by the connections that each serves along the shortest ways."""
    served = _served(town)
    for pipe in town.pipes:
        if pipe.diameter:
            continue
        degree = [sum(p.start == n or p.end == n for p in town.pipes) for n in (pipe.start, pipe.end)]
        least = 50 if min(degree) == 1 else 63
        count = served.get(pipe.id, 0)
        for limit, diameter in ((45, 50), (110, 75), (260, 100), (700, 150), (10_000, 200)):
            if count <= limit:
                pipe.diameter = max(diameter, least)
                break


def _served(town: Town) -> dict[str, int]:
    """Connections downstream of each pipe along the shortest ways from the inlets."""
    meters = {i.pipe for i in town.inlets}
    near: dict[str, list[tuple[str, Pipe]]] = {n: [] for n in town.junctions}
    for p in town.pipes:
        ends = [town.junctions.get(n) for n in (p.start, p.end)]
        if not p.closed and p.id not in meters and all(j is not None and j.zone for j in ends):
            near[p.start].append((p.end, p))
            near[p.end].append((p.start, p))
    heads = [p.end for p in town.pipes if p.id in meters] + [v.end for v in town.valves if v.id == "PRV-3"]
    before: dict[str, tuple[str, Pipe] | None] = {}
    queue: list[tuple[float, str, int]] = [(0.0, n, -1) for n in heads]
    heapq.heapify(queue)
    ways: list[tuple[str, Pipe]] = []
    order: list[str] = []
    while queue:
        at, node, way = heapq.heappop(queue)
        if node in before:
            continue
        before[node] = ways[way] if way >= 0 else None
        order.append(node)
        for other, pipe in near.get(node, ()):
            if other not in before:
                ways.append((node, pipe))
                heapq.heappush(queue, (round(at + pipe.length, 1), other, len(ways) - 1))
    load = {n: j.connections for n, j in town.junctions.items()}
    # D4 hangs on D2: what it needs passes the junction where its meter stands.
    for _, dma, from_dma, meter, _ in town.inlets:
        if from_dma:
            source = next(p.start for p in town.pipes if p.id == meter)
            load[source] += sum(j.connections for j in town.junctions.values() if j.zone == dma)
    out: dict[str, int] = {}
    for node in reversed(order):
        origin = before[node]
        if origin is not None:
            parent, pipe = origin
            out[pipe.id] = out.get(pipe.id, 0) + load[node]
            load[parent] += load[node]
    return out
