"""All devices of a site: what they deliver, computed at once (``readings``) or lived (``run_fleet``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_sim.broker_address import BrokerAddress as BrokerAddress
from firmware_sim.live import FleetReport as FleetReport
from firmware_sim.live import run_fleet as run_fleet
from firmware_sim.scenario_model import Scenario
from firmware_sim.simulation import Checkpoint, Owned, Simulation, spans, waiting_json
from waterworks.reading import TIME_DTYPE, ReadingBatch
from waterworks.site import Site

DAY_US = 86_400_000_000
REPEAT_US = 1_000_000
"""The second copy of a duplicated message comes so much later."""


def readings(
    site: Site,
    scenario: Scenario,
    start: np.datetime64,
    end: np.datetime64,
    *,
    progress: Callable[[float], None] | None = None,
    checkpoint: Path | None = None,
) -> Iterator[ReadingBatch]:
    """What the devices deliver from ``start`` to ``end`` [UTC], in batches of a day, by time of delivery.

    ``received`` is when a message would have left its device. Readings that a device still keeps at ``end``
    because it is offline are in no batch. Times of the scenario are relative to its own start, or where it
    has none to ``start``. progress is told the share done [0..1]. checkpoint: a file that is taken up where
    it exists, and written at the end, so that ``run_fleet`` can go on from there.
    """
    kept = Checkpoint.read(checkpoint) if checkpoint else None
    with Simulation(site, scenario, start, kept) as simulation:
        first, last = simulation.now, int(end.astype("datetime64[us]").astype(np.int64))
        waiting = simulation.waiting
        for _, until in spans(first, last, DAY_US):
            waiting += simulation.advance(until).samples
            batch, waiting = delivered(waiting, until)
            yield batch
            if progress:
                progress((until - first) / (last - first))
        if checkpoint:
            state = simulation.checkpoint(last)
            state.waiting = waiting_json(waiting)
            state.write(checkpoint)


def delivered(samples: list[Owned], until: int, *, si: bool = True) -> tuple[ReadingBatch, list[Owned]]:
    """Readings of messages that left before ``until`` [us], in order of leaving; and what is left over.

    si: values in SI, else as the devices send them, in the sensors' units.
    """
    names: dict[str, int] = {}
    columns: list[tuple[NDArray[Any], ...]] = []
    rest: list[Owned] = []
    for device, sampler, found in samples:
        gone = found.sent < until
        if not gone.all():
            rest.append((device, sampler, found.take(~gone)))
        left = found.take(gone & ~found.garbage)
        for column, meter in enumerate(sampler.meters):
            own = names.setdefault(meter.sensor.id, len(names))
            value = left.values[:, column] * meter.factor + meter.zero if si else left.values[:, column]
            columns.append((np.full(len(value), own, np.int32), left.stamp, value, left.sent))
            again = left.duplicate
            if again.any():
                copies = (np.full(int(again.sum()), own, np.int32), left.stamp[again], value[again])
                columns.append((*copies, left.sent[again] + REPEAT_US))
    if not columns:
        return ReadingBatch.empty(), rest
    sensor, stamp, value, sent = (np.concatenate(c) for c in zip(*columns, strict=True))
    order = np.argsort(sent, kind="stable")
    batch = ReadingBatch.columns(
        tuple(names),
        sensor[order],
        stamp[order].view(TIME_DTYPE),
        value[order],
        received=sent[order].view(TIME_DTYPE),
    )
    return batch, rest
