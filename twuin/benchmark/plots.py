"""Pictures of benchmarks, drawn by Matplotlib into PNG files (extra ``plots``); no display is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from waterworks.errors import BenchmarkError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Told apart by the colour-blind as well (Okabe & Ito 2008, Color Universal Design)."""

DPI = 150


def require() -> None:
    """Raise BenchmarkError, in one line, where Matplotlib is missing: asked before hours of computing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise BenchmarkError(
            "--plots needs Matplotlib, which is not installed: "
            "pip install '.[plots]' in a copy of Twuin's source"
        ) from None


def figure(
    rows: int = 1, columns: int = 1, *, width: float = 8.0, height: float = 4.5, **kwargs: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of ``width`` x ``height`` inches and its axes, row by row; ``kwargs`` of ``subplots``."""
    require()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(fig)
    axes = fig.subplots(rows, columns, squeeze=False, **kwargs)
    out: list[Axes] = list(axes.ravel())
    for ax in out:
        ax.grid(True, color="#dddddd", linewidth=0.6)
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    return fig, out


def save(fig: Figure, folder: Path, name: str) -> Path:
    """Write ``name``.png into ``folder``. Raises BenchmarkError where that cannot be written."""
    path = folder / f"{name}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fig.savefig(path, dpi=DPI)
    except OSError as error:
        raise BenchmarkError(
            f"cannot write {path}: {error.strerror or error}; name another folder with --plots"
        ) from None
    return path
