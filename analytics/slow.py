"""What is small or grows: the best linear measure of an excess over days, against the weeks before.

A leak adds the same to every hour of every day. What people use does not: it comes more by day than by night,
in heat or on holidays, and then in most areas. So each day is read in a few numbers (the night's lowest hour,
the mean of each three hours), how their changes vary together, and with those of the neighbours, is learnt
from weeks past, and the excess is estimated by generalised least squares (Aitken 1935, Proc. R. Soc.
Edinburgh 55):

    q = g' C^-1 y / g' C^-1 g

y: mean readings of the last days less those of the weeks before, of the area and then of its neighbours; g: 1
for the area's own, 0 for its neighbours'; C: covariance of such changes. An excess that is already in C does
not change the weights, as C + q^2 g g' gives the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.cusum import change_point
from analytics.noise import MAD_TO_SIGMA, nanmedian
from analytics.record import Record

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LENGTHS = (1, 3, 7, 14)
"""Lengths of excess that are looked for [d]."""

BEFORE = 21
"""They are compared with so many days before them: whole weeks, and as far back as a season lets one
compare."""

NIGHT_H = (0, 5)
"""Local hours in which the night's lowest hour is looked for (Farley & Trow 2003, Losses in Water
Distribution Networks, ch. 5) [h]."""

BINS = 8
"""A day's means of three hours are few enough numbers to learn how they vary together."""

CHANGE_D = 3
"""How changes vary together is learnt from those of so many days [d]: single days vary in ways that do not
last, and of longer ones there are too few in some weeks."""

CUT = 4.0
"""Changes count as at most so many of their deviations when covariance is learnt."""

SPIKE = 10.0
"""A reading so many of its deviations away from the others of its day says nothing of leaks; what is nearer
is for the covariance to judge."""

PEER_CUT = 3.0
"""Neighbours' changes count as at most so many: one neighbour's burst or cut of supply is not weather."""

FEWEST = 7
"""Nothing is learnt from fewer days."""

POOL_DAYS = 14.0
"""Correlations count as their days against this many of what is known beforehand: that readings of one area
are all alike, and areas have nothing in common."""

NUGGET = 0.05
"""Share of a reading's variance that is taken to be its own: what few days make look certain is not."""

LEAST = 0.1
"""No reading is believed to vary less than this share of what an area's readings do."""

RAMP_DAYS = 5
"""What grows must have done so over so many days to be told from what came at once."""

KIND_DAYS = 2.0
"""How days of a kind differ from others counts as their number against this."""


class Layout(NamedTuple):
    """How a day of so many slots is read. bins: means of a day; dawn: last slot of the quarter of the day in
    which the night ends, when the test is made; done: bins of a day that are over then."""

    bins: int
    dawn: int
    done: int


def layout(slots: int) -> Layout:
    """For any number of slots of a day."""
    bins = int(np.gcd(BINS, slots))
    dawn = max(0, slots // 4 - 1)
    return Layout(bins, dawn, bins * (dawn + 1) // slots)


def read_days(flow: Floats) -> Floats:
    """Readings of days (D, 1 + B, S) [m3/s]: the night's lowest hour, then means of bins.

    flow (D, J, S) [m3/s] by slot, NaN where unknown. NaN where less than three quarters of the night, or two
    thirds of a bin, are known.
    """
    days, slots, areas = flow.shape
    night = flow[:, slots * NIGHT_H[0] // 24 : slots * NIGHT_H[1] // 24]
    folded = flow.reshape(days, layout(slots).bins, -1, areas)
    known = np.isfinite(folded)
    n = known.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, folded, 0.0).sum(axis=2) / n
    mean = np.where(3 * n >= 2 * folded.shape[2], mean, np.nan)
    return np.concatenate([lowest(night, max(1, slots // 24))[:, None], mean], axis=1)


def lowest(flow: Floats, width: int) -> Floats:
    """Lowest mean over ``width`` steps in a row of each night (D, J, S) -> (D, S); NaN where less than three
    quarters of it were measured."""
    if flow.shape[1] < width:
        return np.full((len(flow), flow.shape[2]), np.nan)
    rolling = np.lib.stride_tricks.sliding_window_view(flow, width, axis=1).mean(axis=-1)
    enough = 4 * np.isfinite(flow).sum(axis=1) >= 3 * flow.shape[1]
    least = np.where(np.isfinite(rolling), rolling, np.inf).min(axis=1)
    return np.where(enough & np.isfinite(least), least, np.nan)


def without_kinds(values: Floats, weekday: Ints) -> Floats:
    """Readings of days (D, K, S) less what sets their kind of day apart: Monday to Friday, Saturday, Sunday
    or holiday (weekday (D,) of 0 .. 4, 5, 6). It is the median of such days less that of all."""
    out = values.copy()
    if not len(values):
        return out
    kind = np.maximum(weekday - 4, 0)
    usual = nanmedian(values)
    for k in range(3):
        same = kind == k
        n = int(same.sum())
        if n >= 2:
            out[same] -= np.nan_to_num(nanmedian(values[same]) - usual) * (n / (n + KIND_DAYS))
    return out


def without_spikes(values: Floats) -> Floats:
    """Readings of days (D, K, S) of which none is more than ``SPIKE`` of its deviations away from what the
    others of the day show: an hour of fire fighting is no leak of a day."""
    usual = nanmedian(values)
    of_day = nanmedian(values - usual, axis=1)[:, None]
    own = values - usual - of_day
    most = np.nan_to_num(SPIKE * MAD_TO_SIGMA * nanmedian(np.abs(own)))
    return np.asarray(usual + of_day + np.clip(own, -most, most))


def by_dawn(values: Floats, done: int) -> Floats:
    """Readings of calendar days (D, 1 + B, S) as those of the days that end at each one's dawn, (D - 1, ...):
    bins that are not over by then are those of the day before."""
    split = 1 + done
    return np.concatenate([values[1:, :split], values[:-1, split:]], axis=1)


def changes(values: Floats, length: int) -> Floats:
    """Mean of the last ``length`` days less that of the ``BEFORE`` before them, (D, K, S) for each day.

    NaN where less than half of either is known.
    """
    known = np.isfinite(values)
    total, count = _running(np.where(known, values, 0.0)), _running(known.astype(np.float64))
    end = np.arange(1, len(values) + 1)
    last = np.maximum(end - length, 0)
    first = np.maximum(last - BEFORE, 0)
    now, before = count[end] - count[last], count[last] - count[first]
    with np.errstate(invalid="ignore", divide="ignore"):
        change = (total[end] - total[last]) / now - (total[last] - total[first]) / before
    return np.where((2 * now >= length) & (2 * before >= BEFORE), change, np.nan)


def of_peers(change: Floats, peers: Ints) -> Floats:
    """Changes of night and mean day of each area's neighbours, (..., K, S) -> (..., 2 P, S).

    peers (S, P): columns, -1 where there are none: NaN.
    """
    night, day = change[..., 0, :], change[..., 1:, :].mean(axis=-2)
    both = np.stack([night, day], axis=-2)[..., np.maximum(peers, 0).T]  # ..., 2, P, S
    both = np.where(peers.T >= 0, both, np.nan)
    return both.reshape(*both.shape[:-3], -1, both.shape[-1])


class Weights(NamedTuple):
    """own (K, S): of an area's readings, their sum is 1; peer (Q, S): of its neighbours'; most (Q, S) [m3/s]:
    what those count for at most. NaN in ``own`` where too little is known."""

    own: Floats
    peer: Floats
    most: Floats


def learn(own: Floats, peer: Floats) -> Weights:
    """Weights from past changes, own (N, K, S) and of neighbours (N, Q, S) [m3/s], NaN where unknown."""
    k = own.shape[1]
    y = np.concatenate([own, peer], axis=1).transpose(2, 0, 1)  # S, N, K + Q
    known = np.isfinite(y)
    n = known.sum(axis=1).astype(np.float64)  # S, K + Q
    size = np.nan_to_num(1.4826 * nanmedian(np.abs(y).transpose(1, 2, 0)).T)
    of_own = np.where(n[:, :k] >= FEWEST, size[:, :k], np.nan)
    many = np.isfinite(of_own)
    pooled = np.sqrt((np.where(many, of_own, 0.0) ** 2).sum(axis=1) / np.maximum(many.sum(axis=1), 1))
    sd = np.maximum(size, np.maximum(LEAST * pooled, 1e-12)[:, None])
    z = np.where(known, np.clip(np.nan_to_num(y) / sd[:, None, :], -CUT, CUT), 0.0)
    cross = np.matmul(z.transpose(0, 2, 1), z)
    power = np.sqrt(np.maximum(np.einsum("skk->sk", cross), 1e-6))
    correlation = cross / (power[:, :, None] * power[:, None, :])
    prior = np.broadcast_to(np.eye(y.shape[2]), correlation.shape).copy()
    alike = (correlation[:, :k, :k].sum(axis=(1, 2)) - k) / max(1, k * (k - 1))
    prior[:, :k, :k] += np.maximum(alike, 0.0)[:, None, None] * (1.0 - np.eye(k))
    days = n.mean(axis=1)[:, None, None]
    share = days / (days + POOL_DAYS)
    correlation = share * correlation + (1.0 - share) * prior
    correlation = (correlation + NUGGET * np.eye(y.shape[2])) / (1.0 + NUGGET)
    sd = sd * power / np.sqrt(np.maximum(n, 1.0))
    sd = np.maximum(sd, 1e-12)
    use = np.concatenate([many, n[:, k:] >= FEWEST], axis=1)
    g = np.zeros(y.shape[::2])
    g[:, :k] = 1.0
    # A reading that is not known is as one of its own with no end of noise: it gets no weight.
    apart = use[:, :, None] & use[:, None, :] | np.eye(y.shape[2], dtype=bool)
    inverse_sd = np.where(use, 1.0 / sd, 0.0)
    w = inverse_sd * np.linalg.solve(np.where(apart, correlation, 0.0), (inverse_sd * g)[..., None])[..., 0]
    total = w[:, :k].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        w = np.where(many.any(axis=1) & (total > 0), w.T / total, np.nan)
    return Weights(w[:k], np.nan_to_num(w[k:]), PEER_CUT * sd[:, k:].T)


def estimate(own: Floats, peer: Floats, weights: Weights) -> Floats:
    """Excess (S,) [m3/s] from the last changes, own (K, S) and of neighbours (Q, S).

    Neighbours' unknown changes count as none; NaN where more than half of the own weight is unknown.
    """
    known = np.isfinite(own)
    have = np.where(known, weights.own, 0.0).sum(axis=0)
    of_own = np.where(known, own, 0.0) * weights.own
    of_peers = np.clip(np.nan_to_num(peer), -weights.most, weights.most) * weights.peer
    with np.errstate(invalid="ignore", divide="ignore"):
        q = of_own.sum(axis=0) / have + of_peers.sum(axis=0)
    missing = np.where(known, 0.0, np.abs(weights.own)).sum(axis=0)
    return np.where((have > 0.5) & (missing < 0.5), q, np.nan)


class Dawn(NamedTuple):
    """What days show at a dawn. excess (L, S): over each of ``LENGTHS`` beyond what is known [m3/s]; all
    (L, S): with what is known; values (N, K, S): readings of the last days, without what is known [m3/s];
    weights: by which they are judged; peers (S, P): neighbours of each area, -1 for none."""

    excess: Floats
    all: Floats
    values: Floats
    weights: Weights
    peers: Ints


def at_dawn(record: Record, peers: Ints | None, past: int) -> Dawn:
    """What the days that end now show, by the ``past`` days before.

    peers (S, P): neighbours of each area, None where nothing is known of them. What is read of yesterday and
    today is noted in ``record.readings``.
    """
    day, now = layout(record.slots), record.days
    peers = np.full((record.areas, 1), -1) if peers is None else peers
    first, fresh = max(0, now - past - BEFORE - max(LENGTHS)), max(0, now - 2)
    record.readings[fresh:now] = read_days(record.past("inflow", fresh, now))
    known = _known_days(record, first, now)
    values = record.readings[first:now] - known
    values = without_spikes(without_kinds(values, record.weekday[first:now]))
    raw = by_dawn(values + known, day.done)
    values = by_dawn(values, day.done)
    change = changes(values, CHANGE_D)[-past - 1 : -1]
    weights = learn(change, of_peers(change, peers))

    def excess(of: Floats) -> Floats:
        last = [changes(of[-n - BEFORE :], n)[-1] for n in LENGTHS]
        return np.array([estimate(c, of_peers(c, peers), weights) for c in last])

    return Dawn(excess(values), excess(raw), values[-max(LENGTHS) - BEFORE :], weights, peers)


class Change(NamedTuple):
    """How days show a change: it began so many days ago, and is so large on average since [m3/s]; growing: it
    came by and by."""

    days: int
    size: float
    growing: bool


def change_of(dawn: Dawn, area: int, side: int) -> Change | None:
    """The most likely change of one area up (side 1) or down (-1) within the longest of ``LENGTHS``, by its
    days; None where too few are known."""
    course = course_of(dawn, area)
    before = course[: -max(LENGTHS)]
    if np.isfinite(before).sum() < FEWEST:
        return None
    level = float(np.nanmedian(before))
    scale = MAD_TO_SIGMA * float(np.nanmedian(np.abs(before - level)))
    z = np.clip((course[len(before) :] - level) / max(scale, 1e-12), -CUT, CUT)
    if not np.isfinite(z).any():
        return None
    change = change_point(z, 0, side, RAMP_DAYS)
    start = len(before) + change.start
    now, then = course[start:], course[max(0, start - BEFORE) : start]
    if not (np.isfinite(now).any() and np.isfinite(then).any()):
        return None
    return Change(len(now), float(np.nanmean(now) - np.nanmean(then)), change.growing)


def course_of(dawn: Dawn, area: int) -> Floats:
    """What the weights make of the days of one area (N,) [m3/s], less what is usual of these days."""
    mine = dawn.peers[area]
    values = dawn.values[:, :, np.append(np.maximum(mine, 0), area)]
    values = values - nanmedian(values)
    near = of_peers(values[..., :-1], np.where(mine >= 0, np.arange(len(mine)), -1)[None])
    one = Weights(*(w[:, area : area + 1] for w in dawn.weights))
    return estimate(values[..., -1].T, near[..., 0].T, one)


def _known_days(record: Record, first: int, last: int) -> Floats:
    """Flow of known events in the readings of days [first, last), (D, 1 + B, S) [m3/s]."""
    where = record.row_of[first:last, :: max(1, record.slots // 24)]
    known = record.block["known"][where // record.per_block]
    return read_days(np.where(where[..., None] >= 0, known, 0.0))


def _running(values: Floats) -> Floats:
    out = np.zeros((len(values) + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=out[1:])
    return out
