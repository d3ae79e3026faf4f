"""Pictures of ``twuin benchmark battle``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twuin.benchmark.battle_score import Report, Score
from twuin.benchmark.plots import COLOURS, figure, save
from waterworks.network import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

M3H = 1 / 3600
BLUE, RED, GREEN, YELLOW = COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[4]
BANDS = (*COLOURS[:6], COLOURS[7])
"""Of the leaks, one above the other. Black is for the truth."""

THICK = 0.035
"""Share of the picture's height that a leak must have for its name to fit in, over ``LONG`` of its days."""

LONG = 0.045


class Priced(NamedTuple):
    """What comes of a price of a false alarm [visits]; delay [d]: median."""

    price: float
    found: int
    false: int
    delay: float


def plot_time(
    folder: Path,
    year: int,
    when: Sequence[datetime],
    residual: Sequence[float],
    flows: Mapping[str, Sequence[float]],
    reports: Sequence[Report],
    score: Score | None,
    steps_a_day: int,
) -> Path:
    """By the days ``when`` (D,): residual (D,) [mm], flow of each tracked leak (D,) [m3/s], and reports."""
    fig, (top, bottom) = figure(2, 1, width=11, height=7.5, sharex=True)
    days: Any = np.array(when, "datetime64[s]")  # Matplotlib's types know nothing of dates
    top.plot(days, residual, color=BLUE, linewidth=0.8, label="root mean square over all pressures")
    kinds = {id(r.report): r.leak for r in score.rows} if score is not None else {}
    shown: set[str] = set()
    for r in reports:
        label, colour = _kind(kinds, r)
        at: Any = np.datetime64(r.when)
        top.axvline(at, color=colour, linewidth=1, alpha=0.8, label="" if label in shown else label)
        shown.add(label)
    top.set_ylim(bottom=0)
    top.set_ylabel("unexplained pressure [mm]")
    top.set_title("What the model leaves unexplained, and reports")
    top.legend(loc="upper left", bbox_to_anchor=(0.12, 1.0), fontsize=8, framealpha=1.0)
    stack = np.array([flows[k] for k in flows]).reshape(len(flows), len(days)) / M3H
    above = np.cumsum(stack, axis=0)
    height = float(above.max(initial=1.0))
    for i, name in enumerate(flows):
        colour = BANDS[i % len(BANDS)]
        bottom.fill_between(days, above[i] - stack[i], above[i], color=colour, alpha=0.6, linewidth=0)
        _name(bottom, days, above[i] - stack[i] / 2, stack[i] > THICK * height, name.strip())
    if score is not None:
        truth = np.sum([leak.flow for leak in score.leaks], axis=0)
        daily = truth[: len(truth) // steps_a_day * steps_a_day].reshape(-1, steps_a_day).mean(1) / M3H
        begin: Any = np.datetime64(f"{year}-01-01") + np.arange(len(daily))
        bottom.plot(begin, daily, color="black", linewidth=1.2, label="all true leaks of the scored year")
        bottom.legend(loc="upper left", fontsize=8)
    bottom.set_ylim(bottom=0)
    bottom.set_ylabel("flow of tracked leaks [m3/h]")
    bottom.set_title("Tracked leaks, one above the other, by the pipe that is most probable")
    return save(fig, folder, "battle_time")


def _name(ax: Axes, days: Any, middle: Floats, fits: NDArray[np.bool_], name: str) -> None:
    """Write a leak's name in the middle of the longest time in which there is room for it."""
    runs, at = [], 0
    for room, days_of in groupby(fits.tolist()):
        n = len(list(days_of))
        if room:
            runs.append((n, at))
        at += n
    n, first = max(runs, default=(0, 0))
    if n >= LONG * len(fits):
        k = first + n // 2
        ax.text(days[k], float(middle[k]), name, fontsize=7, ha="center", va="center")


def _kind(kinds: Mapping[int, str | None], report: Report) -> tuple[str, str]:
    """What a report turned out to be, and its colour."""
    if id(report) not in kinds:
        return "report", BLUE
    leak = kinds[id(report)]
    if leak is None:
        return "false alarm", RED
    return ("repeat of a leak found before", YELLOW) if leak == "repeat" else ("report of a leak", GREEN)


def plot_map(folder: Path, network: Network, reports: Sequence[Report], score: Score | None) -> Path:
    """True leaks and reported pipes on the network."""
    from matplotlib.collections import LineCollection

    xy = np.asarray(network.xy, np.float64)
    start, end = np.asarray(network.start), np.asarray(network.end)
    span = np.ptp(xy, axis=0)
    fig, (ax,) = figure(1, 1, width=10, height=float(np.clip(10 * span[1] / max(span[0], 1e-9), 4, 11)) + 0.9)
    ends: Any = np.stack([xy[start], xy[end]], axis=1)
    ax.add_collection(LineCollection(ends, colors="#bbbbbb", linewidths=0.8, zorder=1))

    def middle(pipe: str) -> Floats:
        i = network.link_index[pipe]
        return np.asarray((xy[start[i]] + xy[end[i]]) / 2)

    shown: set[str] = set()

    def mark(pipe: str, label: str, **style: Any) -> None:
        x, y = middle(pipe)
        ax.plot(x, y, linestyle="none", label="" if label in shown else label, **style)
        shown.add(label)

    if score is not None:
        for leak in score.leaks:
            missed = leak.pipe in score.missed
            mark(
                leak.pipe,
                "true leak, missed" if missed else "true leak, found",
                marker="o",
                markerfacecolor="#ffd9c2" if missed else "none",
                markeredgecolor=RED if missed else "black",
                markersize=10,
                zorder=3,
            )
    kinds = {id(r.report): r.leak for r in score.rows} if score is not None else {}
    for r in reports:
        label, colour = _kind(kinds, r)
        size = 13 if colour == RED else 8  # to be seen beneath another report of the same pipe
        mark(r.pipe, label, marker="x", color=colour, markersize=size, markeredgewidth=2, zorder=4)
        leak_pipe = kinds.get(id(r))
        if leak_pipe is not None and leak_pipe in network.link_index:
            line = np.array([middle(r.pipe), middle(leak_pipe)])
            ax.plot(line[:, 0], line[:, 1], color=colour, linewidth=1.2, zorder=2)
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.grid(False)
    ax.set_axis_off()
    ax.set_title("True leaks and reported pipes" if score is not None else "Reported pipes")
    if shown:
        fig.legend(loc="outside lower center", ncols=len(shown), fontsize=9, frameon=False)
    return save(fig, folder, "battle_map")


def plot_curve(folder: Path, curve: Sequence[Priced]) -> Path:
    """Delay against false alarms, a point for each outcome, by the prices that lead to it."""
    from matplotlib.ticker import MaxNLocator

    fig, (ax,) = figure(1, 1)
    same: dict[tuple[int, int, float], list[float]] = {}
    for c in curve:
        same.setdefault((c.false, c.found, c.delay), []).append(c.price)
    most = max(c.found for c in curve)
    for (false, found, delay), prices in same.items():
        if not np.isfinite(delay):
            continue
        ax.plot(false, delay, "o", color=BLUE, markersize=4 + 10 * found / max(most, 1))
        ax.annotate(
            f"{found} found at {', '.join(f'{p:g}' for p in prices)}",
            (false, delay),
            fontsize=8,
            xytext=(9, -3),
            textcoords="offset points",
        )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.margins(x=0.25, y=0.15)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("false alarms in the year")
    ax.set_ylabel("median delay of leaks found [d]")
    ax.set_title("Delay against false alarms, by the price of a false alarm [visits]")
    return save(fig, folder, "battle_curve")
