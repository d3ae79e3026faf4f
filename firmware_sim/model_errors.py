"""Pipes in the ground are not those of the plan: roughness and diameters that differ from the file."""

from __future__ import annotations

from typing import Any

from epanet import toolkit

from firmware_sim.draws import stream, uniform
from firmware_sim.scenario_model import ModelOptions


def disturb(p: Any, options: ModelOptions, seed: int) -> None:
    """Give every pipe of project ``p`` the roughness and diameter that the seed draws for its name.

    Drawn by name, so that a pipe has the same error whatever else the scenario holds. Call before pipes
    are split, so that both parts of one that leaks have it.
    """
    pipes = [
        link
        for link in range(1, toolkit.getcount(p, toolkit.LINKCOUNT) + 1)
        if toolkit.getlinktype(p, link) in (toolkit.PIPE, toolkit.CVPIPE)
    ]
    nominal = {
        link: [toolkit.getlinkvalue(p, link, what) for what in (toolkit.ROUGHNESS, toolkit.DIAMETER)]
        for link in pipes
    }
    for k, (what, largest, label) in enumerate(
        (
            (toolkit.ROUGHNESS, options.roughness_error, "roughness"),
            (toolkit.DIAMETER, options.diameter_error, "diameter"),
        )
    ):
        if not largest:
            continue
        for link in pipes:
            own = _draw(seed, f"{label} of pipe", toolkit.getlinkid(p, link))
            kind = [f"{value:.6g}" for value in nominal[link]]
            common = _draw(seed, f"{label} of pipes like", *kind)
            share = options.error_common * common + (1 - options.error_common) * own
            toolkit.setlinkvalue(p, link, what, nominal[link][k] * (1 + largest * share))


def _draw(seed: int, *names: str) -> float:
    """A number in (-1, 1)."""
    return 2 * float(uniform(stream(seed, *names), 0)) - 1
