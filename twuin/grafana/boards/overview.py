"""The utility at a glance."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, common
from grafana_foundation_sdk.models import common as common_models

from twuin.grafana import meanings
from twuin.grafana.installation import Installation
from twuin.grafana.kit import EVER, SITE, Board, Draft, by_threshold, goes_to, named, prop, steps
from twuin.grafana.parts import alerts_table, bars, layer, lines, map_of, number, states
from twuin.grafana.words import Words


def overview(at: Installation, say: Words) -> Board:
    """Map of DMAs and sensors with their state, open leaks, losses a day, NRW."""
    draft = Draft(
        "overview",
        say("Twuin: overview", "Twuin: ringkasan"),
        say("The utility at a glance.", "Keadaan wilayah layanan secara ringkas."),
        at,
        say,
    )
    draft.annotate()
    draft.link(say("Twuin", "Twuin"), "/")
    now = f'FROM "twuin_state" WHERE {SITE} AND "what" = \'site\' AND $timeFilter'
    loss = f'FROM "twuin_loss" WHERE {SITE} AND "what" = \'site\' AND {EVER}'
    draft.add(
        number(say("Open leaks", "Kebocoran terbuka"), "none", (None, "green"), (1, "red")),
        draft.ask(f'SELECT last("open_leaks") {now} GROUP BY time($__interval) fill(none)'),
        width=4,
        height=4,
    )
    draft.add(
        number(
            say("They lose", "Kehilangan darinya"),
            "m³/h",
            (None, "green"),
            (1, "orange"),
            (10, "red"),
            decimals=1,
        ),
        draft.ask(f'SELECT last("leak_flow_m3s") * 3600 {now} GROUP BY time($__interval) fill(none)'),
        width=4,
        height=4,
    )
    draft.add(
        number(
            say("Real losses", "Kehilangan fisik"),
            "m³/d",
            decimals=0,
            note=say("A day, mean of 28 days.", "Per hari, rata-rata 28 hari."),
        ),
        draft.ask(f'SELECT last("real_m3day") {loss}'),
        width=4,
        height=4,
    )
    draft.add(
        number(
            say("NRW", "ATR"),
            "percentunit",
            (None, "green"),
            (0.2, "yellow"),
            (0.3, "red"),
            decimals=1,
            note=say(
                "Non-revenue water of the last 28 days, share of system input. Needs what was billed.",
                "Air tak berekening 28 hari terakhir, bagian dari input sistem. Perlu data tagihan.",
            ),
        ),
        draft.ask(f'SELECT last("nrw_1") {loss}'),
        width=4,
        height=4,
    )
    draft.add(
        number(say("Open alerts", "Peringatan terbuka"), "none", (None, "green"), (1, "orange")),
        draft.ask(f'SELECT last("open_alerts") {now} GROUP BY time($__interval) fill(none)'),
        width=4,
        height=4,
    )
    draft.add(
        number(
            say("Sensors in order", "Sensor baik"),
            "percentunit",
            (None, "red"),
            (0.8, "orange"),
            (0.95, "green"),
            decimals=0,
        ),
        draft.ask(f'SELECT last("sensors_ok") / last("sensors") {now} GROUP BY time($__interval) fill(none)'),
        width=4,
        height=4,
    )
    _map(draft)
    _dmas(draft)
    alerts_table(
        draft,
        say("Open leaks", "Kebocoran terbuka"),
        f'{SITE} AND "kind" =~ /^(leak|night_flow|reported)$/',
        only_open=True,
    )
    draft.add(
        lines(say("Net inflow of all DMAs", "Debit masuk bersih semua DMA"), "m³/h").interval("15m"),
        *(
            draft.ask(
                f"""SELECT sum("m") FROM (SELECT mean("flow_m3s") * 3600 AS "m" FROM "derived"
                WHERE {SITE} AND "kind" = '{kind}' AND $timeFilter
                GROUP BY time($__interval), "dma" fill(none)) WHERE $timeFilter
                GROUP BY time($__interval) fill(none)""",
                alias,
            )
            for kind, alias in (
                ("inflow", say("inflow", "debit masuk")),
                ("expected", say("expected", "perkiraan")),
            )
        ),
        width=12,
    )
    draft.add(
        bars(
            say("Losses a day by DMA", "Kehilangan per hari menurut DMA"),
            "m³/d",
            stacked=True,
            note=say(
                "From night flow beyond what customers use at night, mean of 28 days.",
                "Dari aliran malam di atas pemakaian malam pelanggan, rata-rata 28 hari.",
            ),
        ).interval("1d"),
        draft.ask(
            f"""SELECT last("excess_m3day") FROM "twuin_loss" WHERE {SITE} AND "what" = 'dma' AND $timeFilter
            GROUP BY time(1d), "dma" fill(none) {draft.zone}""",
            "$tag_dma",
        ),
        width=12,
    )
    draft.add(
        states(say("State of DMAs", "Status DMA"), meanings.dma_states(say)).interval("5m"),
        draft.ask(
            f"""SELECT last("state") FROM "twuin_state" WHERE {SITE} AND "what" = 'dma' AND $timeFilter
            GROUP BY time($__interval), "dma" fill(none)""",
            "$tag_dma",
        ),
        width=24,
    )
    return draft.board()


def _map(draft: Draft) -> None:
    say = draft.say
    panel = (
        map_of(
            say("DMAs and sensors", "DMA dan sensor"),
            layer(say("DMAs", "DMA"), "A", "state", 14),
            layer(say("Sensors", "Sensor"), "B", "state", 5),
            note=say(
                "Large: DMAs, amid their sensors. Small: sensors. The background needs the internet.",
                "Besar: DMA, di tengah sensornya. Kecil: sensor. Latar peta memerlukan internet.",
            ),
        )
        .thresholds(steps((None, "green"), (1, "yellow"), (2, "red"), (3, meanings.GREY)))
        .color_scheme(by_threshold())
        .override_by_query("A", [prop("mappings", meanings.dma_states(say))])
        .override_by_query("B", [prop("mappings", meanings.sensor_states(say))])
        .override_by_name("state", named(say("State", "Status")))
        .override_by_name("name", named(say("Name", "Nama")))
        .override_by_name(
            "dma",
            [*named("DMA"), goes_to(say("This DMA", "DMA ini"), draft.to("dma", dma="${__value.text}"))],
        )
        .override_by_name(
            "sensor",
            [
                *named(say("Sensor", "Sensor")),
                goes_to(
                    say("This sensor", "Sensor ini"),
                    draft.to("sensor", dma="${__data.fields.in_dma}", sensor="${__value.text}"),
                ),
            ],
        )
    )
    where = f"{SITE} AND $timeFilter"
    draft.add(
        panel,
        draft.rows(
            f"""SELECT last("state") AS "state", "lat", "lon", "name", "open_alerts" FROM "twuin_state"
            WHERE {where} AND "what" = 'dma' GROUP BY "dma" """
        ),
        draft.rows(
            f"""SELECT last("state") AS "state", "lat", "lon", "name", "dma" AS "in_dma" FROM "twuin_state"
            WHERE {where} AND "what" = 'sensor' GROUP BY "sensor" """
        ),
        width=14,
        height=15,
    )


def _dmas(draft: Draft) -> None:
    say = draft.say
    link = draft.to("dma", dma="${__field.labels.dma}")
    panel = (
        bargauge.Panel()
        .title(say("Losses a day now", "Kehilangan per hari saat ini"))
        .description(
            say("Last night's flow beyond legitimate use.", "Aliran malam terakhir di atas pemakaian wajar.")
        )
        .unit("m³/d")
        .decimals(0)
        .min(0)
        .thresholds(steps((None, "green"), (50, "yellow"), (150, "orange"), (300, "red")))
        .color_scheme(by_threshold())
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .override_by_query("A", [goes_to(say("This DMA", "DMA ini"), link)])
    )
    draft.add(
        panel,
        draft.ask(
            f"""SELECT last("excess_m3s") * 86400 FROM "twuin_state" WHERE {SITE} AND "what" = 'dma'
            AND $timeFilter GROUP BY "dma" """,
            "$tag_dma",
        ),
        width=10,
        height=15,
    )
