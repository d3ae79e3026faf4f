"""Pressure across the network."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, common
from grafana_foundation_sdk.models import common as common_models

from twuin.grafana.installation import Installation
from twuin.grafana.kit import DMA, EVER, SITE, Board, Draft, by_threshold, goes_to, steps
from twuin.grafana.parts import bars, layer, lines, map_of, number
from twuin.grafana.words import Words

LEVELS = ((None, "red"), (10.0, "orange"), (15.0, "green"), (80.0, "orange"), (100.0, "red"))
"""Colours of a pressure [m]: too little for a tap on the first floor, and so much that pipes suffer."""


def pressure(at: Installation, say: Words) -> Board:
    """By sensor and DMA, lowest and at night, and how well service pressure was kept."""
    draft = Draft(
        "pressure",
        say("Twuin: pressure", "Twuin: tekanan"),
        say("Pressure across the network.", "Tekanan di seluruh jaringan."),
        at,
        say,
    )
    draft.dma_variable(every=True)
    here = f"{SITE} AND {DMA}"
    draft.annotate(where=here)
    draft.link(say("Losses in Twuin", "Kehilangan di Twuin"), "/losses")
    for title, of in (
        (say("Mean now", "Rata-rata kini"), "mean"),
        (say("Lowest now", "Terendah kini"), "min"),
        (say("Highest now", "Tertinggi kini"), "max"),
    ):
        draft.add(
            number(title, "suffix:m", *LEVELS, decimals=1),
            draft.ask(
                f"""SELECT {of}("p") FROM (SELECT last("pressure_m") AS "p" FROM "pressure" WHERE {here}
                AND $timeFilter GROUP BY "sensor") WHERE $timeFilter"""
            ),
            width=6,
            height=4,
        )
    draft.add(
        number(
            say("Service pressure kept", "Tekanan layanan terpenuhi"),
            "percentunit",
            (None, "red"),
            (0.9, "orange"),
            (0.98, "green"),
            decimals=1,
            note=say(
                "Share of all sensors' time at or above service.min_pressure_m of site.toml, in 28 days.",
                "Bagian waktu semua sensor pada atau di atas service.min_pressure_m di site.toml, 28 hari.",
            ),
        ),
        draft.ask(
            f'SELECT last("service_1") FROM "twuin_loss" WHERE {SITE} AND "what" = \'site\' AND {EVER}'
        ),
        width=6,
        height=4,
    )
    draft.add(
        lines(say("Pressure by sensor", "Tekanan per sensor"), "suffix:m").interval("5m"),
        draft.ask(
            f"""SELECT mean("pressure_m") FROM "pressure" WHERE {here} AND $timeFilter
            GROUP BY time($__interval), "sensor" fill(none)""",
            "$tag_sensor",
        ),
        width=24,
        height=10,
    )
    draft.add(
        map_of(say("Pressure now", "Tekanan kini"), layer(say("Sensors", "Sensor"), "A", "state", 8))
        .thresholds(steps((None, "green"), (1, "yellow"), (2, "red")))
        .color_scheme(by_threshold()),
        draft.rows(
            f"""SELECT last("state") AS "state", "lat", "lon", "name" FROM "twuin_state"
            WHERE {here} AND "what" = 'sensor' AND {EVER} GROUP BY "sensor" """
        ),
        width=10,
        height=12,
    )
    draft.add(
        bargauge.Panel()
        .title(say("Lowest of each sensor", "Terendah tiap sensor"))
        .unit("suffix:m")
        .decimals(1)
        .min(0)
        .thresholds(steps(*LEVELS))
        .color_scheme(by_threshold())
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .override_by_query(
            "A",
            [
                goes_to(
                    say("This sensor", "Sensor ini"),
                    draft.to("sensor", dma="${__field.labels.dma}", sensor="${__field.labels.sensor}"),
                )
            ],
        ),
        draft.ask(
            f'SELECT min("pressure_m") FROM "pressure" WHERE {here} AND $timeFilter GROUP BY "sensor", "dma"',
            "$tag_sensor",
        ),
        width=14,
        height=12,
    )
    loss = f'FROM "twuin_loss" WHERE {here} AND "what" = \'dma\' AND $timeFilter'
    draft.add(
        bars(
            say("Zone pressure at night", "Tekanan zona malam hari"),
            "suffix:m",
            note=say(
                "Mean of 28 days, at the hour of the night flow.", "Rata-rata 28 hari, pada jam aliran malam."
            ),
        ).interval("1d"),
        draft.ask(
            f'SELECT last("night_pressure_m") {loss} GROUP BY time(1d), "dma" fill(none) {draft.zone}',
            "$tag_dma",
        ),
        width=12,
    )
    draft.add(
        lines(say("Service pressure kept", "Tekanan layanan terpenuhi"), "percentunit").interval("1d"),
        draft.ask(
            f'SELECT last("service_1") {loss} GROUP BY time(1d), "dma" fill(none) {draft.zone}', "$tag_dma"
        ),
        width=12,
    )
    return draft.board()
