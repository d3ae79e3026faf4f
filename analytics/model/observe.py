"""A day as the tracker sees it: what the model with the known leaks in it leaves unexplained, and how leaks
act."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analytics.model.demand import allocate
from analytics.model.layout import Hours, Hydraulics, Layout, members
from analytics.model.options import Options
from analytics.model.work import Work
from analytics.sensitivity import head_response

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PASSING = 0.1
"""Share of all water that is taken to flow in where nobody uses any (a pump's main, a tank's chamber): what
balances are off by there goes by what passes, not by the nothing that stays."""


@dataclass(slots=True)
class Observation:
    """One day. B blocks, M sensors, Z zones, N nodes; R = B M + B Z rows: pressures block by block, then
    balances.

    residual (R,): measured less modelled head with known leaks in the model [m]; inflow less metered
    consumption [m3/s]. NaN: not measured. response (B, M, N) [m per m3/s]: of sensors to water taken at each
    node, with the zone's other demands scaled to the same inflow. wrong (B M, T) [m]: what a unit of each of
    T errors of the model does. noise (B, M, M) [m2]: of demands only, at a
    deviation of 1. error (B, M) [m]: standard error of readings. inflow (B Z,): of zones [m3/s]. flows (K,):
    of the leaks that were in the model [m3/s]. zone (Z, N): membership. trouble: the model could not be
    solved for it, or it is known to be disturbed. ids: of the leaks in the model; placed (K, R): rows of a
    unit of each, where it was placed in it.
    """

    residual: Floats
    response: Floats
    noise: Floats
    error: Floats
    wrong: Floats
    inflow: Floats
    flows: Floats
    trouble: bool = False
    ids: tuple[int, ...] = ()
    placed: Floats = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(slots=True)
class Reference:
    """Fixed at the first day that could be solved: modes (E, T), the T combinations of the model's E errors
    that these sensors can tell apart, each of unit variance. E: resistance of each pipe, of each class of
    roughness, share of each junction in its zone's demand, and demand of each zone whose inflow was not
    measured then, borrowed (Z,)."""

    modes: Floats
    borrowed: Bools


def blocks_of(options: Options, hour: NDArray[np.int64]) -> list[Bools]:
    """Which of the hours of the day (H,) fall into each block of the day: (H,) a block."""
    return [(hour >= a) & (hour < b) for a, b in options.blocks]


def observe(
    layout: Layout,
    hydraulics: Hydraulics,
    options: Options,
    hours: Hours,
    weights: Floats,
    flows: Floats,
    reference: Reference | None,
) -> Work[tuple[Observation, Reference | None]]:
    """The day, in pieces, with leaks of ``flows`` (K,) [m3/s] spread over nodes by ``weights`` (K, N), each
    summing to 1."""
    n, m, z, b = len(layout.zone), len(layout.sensors), layout.zones, len(options.blocks)
    leak = flows @ weights if len(flows) else np.zeros(n)
    given = allocate(layout, hours, leak)
    member = members(layout.zone, z)
    usual = hours.nominal @ member
    ok: Bools = np.asarray(np.isfinite(given.demand).all(1) & np.isfinite(hours.fixed).all(1))
    head = np.full((len(ok), n), np.nan)
    flow = np.full((len(ok), len(layout.start)), np.nan)
    if ok.any():
        head[ok], flow[ok] = hydraulics.solve(given.demand[ok], hours.fixed[ok])
        yield
    solved = np.isfinite(head).all(1)
    residual = np.full((b, m), np.nan)
    balance = np.full((b, z), np.nan)
    inflow = np.full((b, z), np.nan)
    response = np.zeros((b, m, n))
    noise = np.zeros((b, m, m))
    error = np.full((b, m), np.nan)
    wrong: list[Floats] = []
    borrowed = given.borrowed if reference is None else reference.borrowed
    trouble = False
    for k, rows in enumerate(blocks_of(options, hours.hour)):
        balance[k] = _whole(given.unmetered[rows], usual[rows])
        inflow[k] = _mean(hours.inflow[rows])
        use = rows & solved
        if not use.any():
            trouble = True
            continue
        residual[k] = _mean(hours.head[use] - head[use][:, layout.sensors])
        count = np.isfinite(hours.head[use]).sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            error[k] = np.sqrt(_mean(hours.error[use] ** 2) / count)
        mean_flow = flow[use].mean(0)
        linear = hydraulics.linear(head[use].mean(0), mean_flow)
        plain = head_response(linear, layout.start, layout.end, layout.fixed, layout.sensors)
        share = given.share[use].mean(0)
        response[k] = plain - _spread(layout, plain, share)
        guessed = given.guessed[use].mean(0)
        per_node = response[k] * guessed
        # Junctions of a zone whose inflow is not measured are wrong together.
        common = per_node @ (member * given.borrowed)
        noise[k] = per_node @ per_node.T + common @ common.T
        errors = _errors(layout, options, plain, head[use], linear.slope, per_node)
        wrong.append(np.hstack([errors, options.borrowed_sd * common[:, borrowed]]))
        yield
    passing = ~usual.any(0)
    inflow[:, passing] = np.where(
        np.isfinite(inflow[:, passing]), PASSING * np.nansum(np.abs(inflow), 1)[:, None], np.nan
    )
    if trouble:
        effect = np.zeros((b * m, 0 if reference is None else reference.modes.shape[1]))
    else:
        together = np.concatenate(wrong)
        if reference is None:
            _, _, right = np.linalg.svd(together, full_matrices=False)
            reference = Reference(right.T, borrowed)
        effect = together @ reference.modes
    seen = Observation(
        np.concatenate([residual.ravel(), balance.ravel()]),
        response,
        noise,
        error,
        effect,
        inflow.ravel(),
        flows,
        trouble,
    )
    return seen, reference


def _errors(
    layout: Layout, options: Options, plain: Floats, head: Floats, slope: Floats, per_node: Floats
) -> Floats:
    """What one standard deviation of each error of the model does at the sensors, (M, E) [m].

    A pipe whose resistance is (1 + e) times as high loses e h more, as if e h / g went in at its start and
    out at its end, g the slope of its head loss; h is the mean over the hours of its head loss.
    """
    a, c = layout.start[layout.pipes], layout.end[layout.pipes]
    loss = (head[:, a] - head[:, c]).mean(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.where(np.isfinite(slope[layout.pipes]), loss / slope[layout.pipes], 0.0)
    pipes = (plain[:, a] - plain[:, c]) * shift
    classes = np.stack([pipes[:, layout.group == g].sum(1) for g in np.unique(layout.group)], axis=1)
    return np.hstack(
        [options.resistance_sd * pipes, options.group_sd * classes, options.demand_sd * per_node]
    )


def _spread(layout: Layout, plain: Floats, share: Floats) -> Floats:
    """Answer to taking a unit from where a zone's water goes, for each node the one of its own zone, (M,
    N)."""
    out = np.zeros_like(plain)
    for k in range(layout.zones):
        member = layout.zone == k
        if share[member].any():
            out[:, member] = (plain[:, member] @ share[member])[:, None]
    return out


def _mean(values: Floats) -> Floats:
    """Mean over rows of what is there, NaN where nothing is."""
    ok = np.isfinite(values)
    count = ok.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(count > 0, np.where(ok, values, 0.0).sum(0) / count, np.nan)
    return mean


def _whole(values: Floats, usual: Floats) -> Floats:
    """Mean (Z,) over rows of values (H, Z) where hours are missing: those that are there, by what is usual in
    them (H, Z) and in all. NaN where most are missing: a morning says nothing of a night."""
    there = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        typical = np.where(there, usual, 0.0).sum(0) / there.sum(0)
        part = np.where(there.all(0) | ~(typical > 0), 1.0, usual.mean(0) / typical)
    out: Floats = np.where(there.sum(0) * 2 > len(values), _mean(values) * part, np.nan)
    return out


def signatures(layout: Layout, options: Options, response: Floats) -> Floats:
    """Rows (R, P) of a unit leak in the middle of each pipe, from node responses (B, M, N)."""
    a, c = layout.start[layout.pipes], layout.end[layout.pipes]
    b, m = response.shape[:2]
    pressure = (0.5 * (response[:, :, a] + response[:, :, c])).reshape(b * m, len(a))
    member = np.zeros((layout.zones, len(layout.pipes)))
    for k in range(layout.zones):
        member[k] = 0.5 * ((layout.zone[a] == k).astype(float) + (layout.zone[c] == k))
    return np.vstack([pressure, np.tile(member, (b, 1))])


def leak_rows(layout: Layout, response: Floats, weight: Floats) -> Floats:
    """Rows (R,) of a unit leak spread over nodes by ``weight`` (N,)."""
    b = response.shape[0]
    member = np.array([weight[layout.zone == k].sum() for k in range(layout.zones)])
    return np.concatenate([(response @ weight).ravel(), np.tile(member, b)])
