"""The dashboards, one module each."""

from __future__ import annotations

from twuin.grafana.boards.dma import dma
from twuin.grafana.installation import Installation
from twuin.grafana.kit import Board
from twuin.grafana.words import Words


def all_boards(at: Installation, say: Words) -> tuple[Board, ...]:
    """All dashboards of an installation in one language."""
    return tuple(make(at, say) for make in (dma,))
