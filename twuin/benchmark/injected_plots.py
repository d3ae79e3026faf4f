"""Pictures of the case ``injected``."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twuin.benchmark.plots import COLOURS, figure, save

if TYPE_CHECKING:
    from twuin.benchmark.injected import Injected

HOUR = 24.0


def draw_all(result: Injected, folder: Path) -> list[Path]:
    """All pictures of a result, as PNG files in ``folder``."""
    return [_curves(result, folder), _sizes(result, folder), _course(result, folder)]


def _curves(result: Injected, folder: Path) -> Path:
    """Found in time, and hours lost, against false alarms."""
    fig, (left, right) = figure(1, 2, width=10.5, height=4.6)
    which = (result.trials.size == 0.1) & ~result.trials.growing
    for (name, curve), colour in zip(result.curves.items(), COLOURS, strict=False):
        points = sorted(curve, key=lambda p: p.threshold)
        x = [max(p.false_alarms, 0.05) for p in points]
        own = name == "Twuin"
        style: dict[str, Any] = {
            "color": colour,
            "linewidth": 2.4 if own else 1.4,
            "marker": "o" if own else ".",
            "markersize": 5,
        }
        left.plot(x, [100 * p.found(which, 36.0) for p in points], label=name, **style)
        right.plot(x, [p.lost / HOUR for p in points], **style)
    for ax in (left, right):
        ax.axvline(1.0, color="#777777", linestyle=":", linewidth=1)
        ax.set_xscale("log")
        ax.set_xticks([0.1, 0.2, 0.5, 1, 2, 5], ["0.1", "0.2", "0.5", "1", "2", "5"])
        ax.minorticks_off()
        ax.set_xlim(0.1, 8)
        ax.set_xlabel("false alarms a DMA and year")
    left.set_ylim(0, 100)
    left.set_ylabel("bursts of 10 % found within 36 h [%]")
    left.legend(frameon=False, fontsize=8)
    right.set_ylim(bottom=0)
    right.set_ylabel("mean days that leaks of all sizes ran unseen")
    return save(fig, folder, "injected-false-alarms")


def _sizes(result: Injected, folder: Path) -> Path:
    """Share found over time since the start, by size, at one false alarm."""
    fig, axes = figure(2, 3, width=11, height=6.2, sharex=True, sharey=True)
    hours = np.arange(1, 24 * 30 + 1)
    for ax, (size, growing) in zip(
        axes, [(0.05, False), (0.1, False), (0.2, False), (0.05, True), (0.1, True), (0.2, True)], strict=True
    ):
        which = (result.trials.size == size) & (result.trials.growing == growing)
        for p, colour in zip(result.points, COLOURS, strict=False):
            delay = np.sort(p.delay[which])
            share = 100 * np.searchsorted(delay, hours, "right") / len(delay)
            ax.step(hours / HOUR, share, where="post", color=colour, label=p.method,
                    linewidth=2.2 if p.method == "Twuin" else 1.2)  # fmt: skip
        ax.set_title(f"{size:.0%} of mean inflow, {'growing' if growing else 'at once'}", fontsize=9)
        ax.set_xscale("log")
        ax.set_xticks([0.125, 0.5, 1.5, 7, 30], ["3 h", "12 h", "36 h", "7 d", "30 d"])
        ax.minorticks_off()
        ax.set_xlim(0.1, 30)
        ax.set_ylim(0, 100)
    for ax in (axes[0], axes[3]):
        ax.set_ylabel("found [%]")
    axes[0].legend(frameon=False, fontsize=7, loc="upper left")
    fig.supxlabel("time since the leak began; each method at one false alarm a DMA and year", fontsize=9)
    return save(fig, folder, "injected-found")


def _moment(first: np.datetime64, hours: float) -> Any:
    """An instant for Matplotlib, which takes them where its types say numbers."""
    return first + np.timedelta64(int(hours * 3600), "s")


def _course(result: Injected, folder: Path) -> Path:
    """What Twuin saw of each DMA in the scored period without any leak put in: residual and alarms."""
    inflow, run = result.inflow, result.shown
    s = len(inflow.dmas)
    fig, axes = figure(s, 1, width=11, height=1.7 * s, sharex=True)
    first = np.datetime64(date.fromordinal(inflow.first_day))
    per = len(inflow.flow) // len(run.residual)
    hours = (inflow.local.day - inflow.first_day)[per - 1 :: per] * 24.0 + inflow.local.hour[per - 1 :: per]
    hours = hours[: len(run.residual)]
    at = first + (hours * 3600).astype("timedelta64[s]")
    inside = (hours >= result.scored.first * 24) & (hours < result.scored.last * 24)
    for k, ax in enumerate(axes):
        ax.plot(at[inside], 100 * run.residual[inside, k] / inflow.mean[k], color="#999999", linewidth=0.4)
        daily = 100 * run.residual[:, k] / inflow.mean[k]
        n = 24 * 3600 // (inflow.step_s * per)
        smooth = np.convolve(np.nan_to_num(daily), np.ones(n) / n, mode="same")
        ax.plot(at[inside], smooth[inside], color=COLOURS[0], linewidth=1.0)
        for when in run.hours[run.area == k]:
            if result.scored.first * 24 <= when < result.scored.last * 24:
                ax.axvline(_moment(first, when), color=COLOURS[1], linewidth=1.3)
        spread = np.nanquantile(np.abs(daily[inside]), 0.995)
        ax.set_ylim(-spread, spread)
        ax.set_ylabel(f"{inflow.dmas[k]} [%]", fontsize=9)
    axes[0].set_title(
        "Inflow less what was expected and known leaks, % of mean inflow (grey: hours, blue: mean of a day); "
        "orange: alarms without any leak put in",
        fontsize=8,
    )
    return save(fig, folder, "injected-residual")
