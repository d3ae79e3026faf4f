"""The dashboards, one module each."""

from __future__ import annotations

from twuin.grafana.boards.balance import balance
from twuin.grafana.boards.dma import dma
from twuin.grafana.boards.ingest import ingest
from twuin.grafana.boards.leak import leak
from twuin.grafana.boards.overview import overview
from twuin.grafana.boards.pressure import pressure
from twuin.grafana.boards.sensor import sensor
from twuin.grafana.boards.twuin import twuin
from twuin.grafana.installation import Installation
from twuin.grafana.kit import Board
from twuin.grafana.words import Words


def all_boards(at: Installation, say: Words) -> tuple[Board, ...]:
    """All dashboards of an installation in one language."""
    made = (overview, dma, sensor, leak, pressure, balance, ingest, twuin)
    return tuple(make(at, say) for make in made)
