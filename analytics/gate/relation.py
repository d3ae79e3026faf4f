"""What each sensor should read by what its neighbours read.

Within an area all sensors hang on the same water. With flows as q|q|^0.852 (head loss of a pipe,
Hazen-Williams) heads are nearly linear in each other and in flows, so their joint mean and covariance, learnt
from the past, give each sensor's value from the others: the conditional mean of a normal distribution. Heads
may besides move all together, for a valve or a pump was set.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.gate.layout import INLET, LEVEL, PRESSURE, Layout
from analytics.gate.options import Options
from analytics.noise import lag_one, nanmedian, robust_scale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

POWER = 1.852
"""Exponent of Hazen-Williams' head loss."""

HEAD_FLOOR = 0.01
"""Heads are not believed to be known better than this [m]: the resolution of common loggers."""

FLOW_FLOOR = 0.005
"""Likewise q|q|^0.852 as a share of its usual size: a quarter of a per cent of the flow."""

FARTHEST = 30.0
"""No single step counts for more deviations than this."""

ROWS = 128
"""Steps that are summed at once: so many stay in the processor's cache."""

LEAST_MEMBERS = 3
"""Of two sensors that disagree nobody knows which one errs."""


class Group(NamedTuple):
    """The relation in one area. members (M,): sensors; mean (M,), cov (M, M): of their transformed values;
    variance (M,): of each given all others; inverse (M, M): of cov; strain: mean of ``strain`` over what was
    learnt from [-]."""

    members: Ints
    mean: Floats
    cov: Floats
    variance: Floats
    inverse: Floats
    strain: float = 1.0

    @classmethod
    def of(cls, members: Ints, mean: Floats, cov: Floats) -> Group:
        """That of members (M,) with mean (M,) and covariance (M, M)."""
        inverse: Floats = np.asarray(np.linalg.inv(cov), np.float64)
        return cls(members, mean, cov, 1 / np.diag(inverse), inverse)

    def only(self, members: Bools) -> Group:
        """That of some of its members (M,)."""
        if members.all():
            return self
        cov = self.cov[np.ix_(members, members)]
        return Group.of(self.members[members], self.mean[members], cov)._replace(strain=self.strain)

    def with_absent(self, before: Group) -> Group:
        """This one with the members that only an earlier one knew.

        How they hang on the others is as it was: x_a | x_p ~ N(m_a + B (x_p - m_p), R) with B = C_ap C_pp^-1
        of the earlier one; what the others do is as it is now.
        """
        shared = np.isin(before.members, self.members)
        here = np.isin(self.members, before.members)
        present = before.cov[np.ix_(shared, shared)]
        b = np.linalg.solve(present, before.cov[np.ix_(shared, ~shared)]).T
        rest = before.cov[np.ix_(~shared, ~shared)] - b @ before.cov[np.ix_(shared, ~shared)]
        slope = np.zeros((len(b), len(self.members)))
        slope[:, here] = b
        members = np.append(self.members, before.members[~shared])
        mean = np.append(self.mean, before.mean[~shared] + b @ (self.mean[here] - before.mean[shared]))
        across = slope @ self.cov
        cov = np.block([[self.cov, across.T], [across, across @ slope.T + rest]])
        order = np.argsort(members)
        found = Group.of(members[order], mean[order], cov[np.ix_(order, order)])
        return found._replace(strain=self.strain)


class Relation(NamedTuple):
    """What has been learnt. groups: by area, None where too little is known. usual (S,): median size of
    flows [m3/s] when it was first learnt, 1 for others. scale (24, S): deviation of the difference from the
    neighbours' answer by hour of the day [SI], NaN where there is none. persistence (S,): factor by which
    sums of it are wider than if its steps were independent [-]. response (S,): change of a pressure with its
    area's inflow, at the usual inflow [m per m3/s], 0 where unknown. days: measured days it was learnt from.
    """

    groups: tuple[Group | None, ...]
    usual: Floats
    scale: Floats
    persistence: Floats
    response: Floats
    days: float


class Compared(NamedTuple):
    """answer (T, S): what the others say [SI]; widened (T, S): by how much more uncertain that is than with
    all neighbours there [-]. NaN where they do not suffice."""

    answer: Floats
    widened: Floats


class Powers(NamedTuple):
    """members (K,): sensors; power (K,): how much speaks against each [-]."""

    members: Ints
    power: Floats


def transformed(values: Floats, what: Ints, usual: Floats) -> Floats:
    """Flows (.., S) as q|q|^0.852 by their usual size, heads as they are."""
    out = values.astype(np.float64, copy=True)
    flow = what == INLET
    q = values[..., flow] / usual[flow]
    out[..., flow] = np.sign(q) * np.abs(q) ** POWER
    return out


def untransformed(values: Floats, flow: bool, usual: float | Floats) -> Floats:
    """The inverse of ``transformed`` for one sensor, values of any shape: its own unit [m3/s or m]. usual: of
    each, where they are of several meters."""
    if not flow:
        return values
    return np.asarray(np.sign(values) * np.abs(values) ** (1 / POWER) * usual)


def learn(
    values: Floats, hour: Ints, layout: Layout, options: Options, before: Relation | None = None
) -> Relation:
    """The relation in readings (N, S) [SI] of hours (N,) of the day [0, 24); NaN does not count.

    before: what was learnt earlier; of a sensor that has been missing, or faulty, for most of the time since,
    it stays how it hangs on the others, so that it can be told to be well again.

    Steps at which a member of an area is missing teach nothing about it; so do those that stray by more than
    five deviations from a first look.
    """
    n, sensors = values.shape
    what = layout.what
    flow = what == INLET
    usual = np.ones(sensors)
    size = nanmedian(np.abs(values[:, flow])) if n else np.ones(int(flow.sum()))
    usual[flow] = np.where(size > 0, size, 1.0)
    if before is not None:  # a unit to reckon in, which areas share
        usual = before.usual
    x = transformed(values, what, usual)
    related = (what == INLET) | (what == PRESSURE) | (what == LEVEL)
    per_day = max(1, n)
    groups: list[Group | None] = []
    scale = np.full((24, sensors), np.nan)
    persistence = np.ones(sensors)
    response = np.zeros(sensors)
    days = 0.0
    for area in range(len(layout.member)):
        members = np.flatnonzero(layout.member[area] & related)
        known = np.isfinite(x[:, members]).mean(axis=0) if n else np.zeros(len(members))
        members = members[known >= 0.5]
        old = before.groups[area] if before is not None else None
        group, rows = _fit(x, members, flow, options.common_m)
        if before is not None and old is not None:
            absent = (layout.area == area) & ~np.isin(np.arange(sensors), members)
            if group is None or np.isin(old.members, members).sum() < LEAST_MEMBERS:
                group, absent = old, layout.area == area
            scale[:, absent] = before.scale[:, absent]
            persistence[absent], response[absent] = before.persistence[absent], before.response[absent]
        if group is None or group is old:
            groups.append(group)
            continue
        complete = group if old is None or np.isin(old.members, members).all() else group.with_absent(old)
        groups.append(complete)
        days = max(days, len(rows) / per_day)
        deviation, _ = _departures(x[rows][:, members], group, np.arange(len(members)))
        own = np.flatnonzero(layout.area[members] == area)
        mine = members[own]
        error = np.empty((len(rows), len(mine)))
        for k, s in zip(own.tolist(), mine.tolist(), strict=True):
            answer = untransformed(x[rows, s] - deviation[:, k], bool(flow[s]), float(usual[s]))
            error[:, np.searchsorted(own, k)] = values[rows, s] - answer
        floor = np.where(flow[mine], FLOW_FLOOR * usual[mine], HEAD_FLOOR)
        scale[:, mine] = _by_hour(error, hour[rows], floor)
        phi = lag_one(error / scale[np.ix_(hour[rows], mine)])
        persistence[mine] = np.sqrt((1 + phi) / (1 - phi))
        meters = np.flatnonzero(layout.sign[:, area])
        inflow = values[np.ix_(rows, meters)] @ layout.sign[meters, area]
        for s in mine[~flow[mine]].tolist():
            response[s] = _response(values[rows, s], inflow, layout, area)
    return Relation(tuple(groups), usual, scale, persistence, response, days)


def _fit(x: Floats, members: Ints, flow: Bools, common_m: float) -> tuple[Group | None, Ints]:
    rows = np.flatnonzero(np.isfinite(x[:, members]).all(axis=1)) if len(members) else np.empty(0, np.int64)
    if len(members) < LEAST_MEMBERS or len(rows) < 96:
        return None, rows
    heads = ~flow[members]
    floor = np.where(heads, HEAD_FLOOR, FLOW_FLOOR) ** 2
    group = None
    for again in (True, False):
        used = x[rows][:, members]
        mean = used.mean(axis=0)
        cov = np.cov(used, rowvar=False) + np.diag(floor)
        cov = cov + common_m**2 * np.outer(heads, heads)
        group = Group.of(members, mean, cov)
        if again:
            deviation, _ = _departures(used, group, np.arange(len(members)))
            spread = robust_scale(deviation)
            kept = (np.abs(deviation) <= 5 * np.maximum(spread, np.sqrt(floor))).all(axis=1)
            if kept.sum() >= 0.5 * len(rows):
                rows = rows[kept]
        else:
            group = group._replace(strain=float(np.mean(strain(used, group))))
    return group, rows


def strain(x: Floats, group: Group) -> Floats:
    """How little transformed values (T, M) fit together, (T,) [-]: square of Mahalanobis' distance by the
    number of members that are known; NaN where fewer than ``LEAST_MEMBERS`` are."""
    known = np.isfinite(x)
    if known.all():
        z = x - group.mean
        return np.asarray(((z @ group.inverse) * z).sum(axis=1) / x.shape[1])
    out: Floats = np.full(len(x), np.nan)
    code = known @ (1 << np.arange(x.shape[1], dtype=np.int64))
    for one in np.unique(code):
        rows = np.flatnonzero(code == one)
        inside = np.flatnonzero(known[rows[0]])
        if len(inside) < LEAST_MEMBERS:
            continue
        z = x[np.ix_(rows, inside)] - group.mean[inside]
        inverse = np.linalg.inv(group.cov[np.ix_(inside, inside)])
        out[rows] = ((z @ inverse) * z).sum(axis=1) / len(inside)
    return out


def powers(
    values: Floats, trusted: Bools, relation: Relation, layout: Layout, area: int, *, scatter: bool
) -> Powers | None:
    """By how much each member of an area departs from the others in readings (T, S), None where unknown.

    For a shift of one of several jointly normal values the log likelihood ratio is half of its power, and it
    is largest for the one that shifted; likewise, with ``scatter``, for one that scatters.
    """
    group = relation.groups[area] if area >= 0 else None
    if group is None:
        return None
    x = transformed(values, layout.what, relation.usual)[:, group.members]
    known = trusted[:, group.members] & np.isfinite(x)
    use = 2 * known.sum(axis=0) >= max(1, known.any(axis=1).sum())
    rows = known[:, use].all(axis=1)
    if use.sum() < LEAST_MEMBERS or not rows.any():
        return None
    deviation, variance = _departures(x[rows], group, np.flatnonzero(use))
    if scatter:
        power = (np.clip(deviation / np.sqrt(variance), -FARTHEST, FARTHEST) ** 2).sum(axis=0)
    else:
        power = deviation.sum(axis=0) ** 2 / (len(deviation) * variance)
    return Powers(group.members[use], power)


def _by_hour(error: Floats, hour: Ints, floor: Floats) -> Floats:
    """Deviation of each hour of the day (24, K), that of the hour and its two neighbours, the widest."""
    out = np.full((24, error.shape[1]), np.nan)
    for h in range(24):
        own = error[hour == h]
        if len(own) >= 8:
            out[h] = robust_scale(own, tail=True)
    out = np.where(np.isfinite(out), out, robust_scale(error, tail=True))
    around = np.stack([np.roll(out, 1, axis=0), out, np.roll(out, -1, axis=0)]).max(axis=0)
    return np.asarray(np.maximum(around, floor))


def _response(pressure: Floats, inflow: Floats, layout: Layout, area: int) -> float:
    """Slope of a pressure over its area's inflow [m per m3/s], as a size."""
    ok = np.isfinite(pressure) & np.isfinite(inflow)
    if ok.sum() < 96 or not layout.sign[:, area].any():
        return 0.0
    q, p = inflow[ok] - inflow[ok].mean(), pressure[ok] - pressure[ok].mean()
    power = float((q * q).sum())
    return abs(float((q * p).sum()) / power) if power > 0 else 0.0


def _departures(x: Floats, group: Group, inside: Ints) -> tuple[Floats, Floats]:
    """Difference of each member in ``inside`` (K,) from what the others of these say (T, K), and its variance
    (K,), in one product: for steps that are always looked at together."""
    whole = len(inside) == len(group.members)
    inverse = group.inverse if whole else np.linalg.inv(group.cov[np.ix_(inside, inside)])
    own = np.diag(inverse)
    return np.asarray((x[:, inside] - group.mean[inside]) @ inverse / own), 1 / own


def _given_others(x: Floats, group: Group, use: Bools) -> tuple[Floats, Floats]:
    """Difference of each member from what the others in ``use`` (M,) say (T, M), and its variance (M,).

    Sums run member by member, so that each step's result is the same whatever steps are computed beside it.
    """
    z = x - group.mean
    out = np.full(x.shape, np.nan)
    variance = np.full(len(use), np.nan)
    inside = np.flatnonzero(use)
    if len(inside) < LEAST_MEMBERS - 1:
        return out, variance
    inverse = np.linalg.inv(group.cov[np.ix_(inside, inside)])
    weight = np.zeros((len(inside), len(use)))
    if len(inside) >= LEAST_MEMBERS:
        own = np.diag(inverse)
        weight[:, inside], variance[inside] = inverse / own, 1 / own
    for k in np.flatnonzero(~use).tolist():
        w = -(group.cov[k, inside] @ inverse)
        weight[:, k], variance[k] = w, group.cov[k, k] + float(w @ group.cov[inside, k])
    total = np.where(use, 0.0, z)
    for first in range(0, len(z), ROWS):
        rows = slice(first, first + ROWS)
        for w, column in zip(weight, inside.tolist(), strict=True):
            total[rows] += w * z[rows, column, None]
    known = np.isfinite(variance)
    out[:, known] = total[:, known]
    return out, variance


def compare(values: Floats, trusted: Bools, relation: Relation, layout: Layout) -> Compared:
    """What the trusted neighbours say of each sensor, step by step. values, trusted (T, S)."""
    answer = np.full(values.shape, np.nan)
    widened = np.full(values.shape, np.nan)
    x = transformed(values, layout.what, relation.usual)
    usable = trusted & np.isfinite(x)
    for area, group in enumerate(relation.groups):
        if group is None:
            continue
        own = np.flatnonzero(layout.area[group.members] == area)
        mine = group.members[own]
        pattern = usable[:, group.members]
        code = pattern @ (1 << np.arange(len(group.members), dtype=np.int64))
        for one in np.unique(code):
            rows = np.flatnonzero(code == one)
            use = pattern[rows[0]]
            seen = x[np.ix_(rows, group.members)]
            seen[~np.isfinite(seen)] = 0.0
            deviation, variance = _given_others(seen, group, use)
            said = (seen - deviation)[:, own]
            flow = layout.what[mine] == INLET
            said[:, flow] = untransformed(said[:, flow], True, relation.usual[mine[flow]])
            answer[np.ix_(rows, mine)] = said
            widened[np.ix_(rows, mine)] = np.sqrt(np.fmax(1.0, variance[own] / group.variance[own]))
    return Compared(answer, widened)
