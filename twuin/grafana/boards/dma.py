"""A DMA: inflow against what was expected, night flow, pressure, events."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from twuin.grafana.installation import Installation
from twuin.grafana.kit import Board, Draft
from twuin.grafana.words import Words


def dma(at: Installation, say: Words) -> Board:
    """The dashboard."""
    draft = Draft(
        "dma", say("DMA", "DMA"), say("A district metered area.", "Satu distrik meter area."), at, say
    )
    draft.add(
        timeseries.Panel().title(say("Net inflow", "Aliran masuk bersih")).unit("m3/h"),
        draft.ask(
            'SELECT mean("flow_m3s") * 3600 FROM "derived" WHERE "kind" = \'inflow\' AND $timeFilter'
            ' GROUP BY time($__interval), "dma" fill(none)',
            "$tag_dma",
        ),
        width=24,
    )
    return draft.board()
