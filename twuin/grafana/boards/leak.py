"""A leak: the evidence around its onset, its flow, suspect pipes, what was done."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common, stat

from twuin.grafana import meanings
from twuin.grafana.boards.dma import inflow_panel
from twuin.grafana.installation import Installation
from twuin.grafana.kit import ALERT, DMA, EVER, SITE, Board, Draft, named, prop
from twuin.grafana.parts import band, layer, limited, lines, listing, map_of, number, timeline
from twuin.grafana.words import Words


def leak(at: Installation, say: Words) -> Board:
    """Of one leak at a time."""
    draft = Draft(
        "leak",
        say("Twuin: leak", "Twuin: kebocoran"),
        say(
            "One leak: evidence, flow, suspects, timeline.",
            "Satu kebocoran: bukti, debit, terduga, kronologi.",
        ),
        at,
        say,
        since="now-14d",
    )
    draft.variable(
        "leak",
        say("Leak", "Kebocoran"),
        f"""SHOW TAG VALUES FROM "twuin_alert" WITH KEY = "alert"
        WHERE {SITE} AND "kind" =~ /^(leak|night_flow|reported)$/""",
    )
    draft.variable(
        "dma",
        "DMA",
        f'SHOW TAG VALUES FROM "twuin_alert" WITH KEY = "dma" WHERE {SITE} AND {ALERT}',
        hide=True,
    )
    here, this = f"{SITE} AND {DMA}", f"{SITE} AND {ALERT}"
    draft.annotate(where=here)
    draft.link(say("This leak in Twuin", "Kebocoran ini di Twuin"), "/alerts/${leak}")
    state = f'FROM "twuin_alert" WHERE {this} AND {EVER}'

    def told(title: str, unit: str, field: str, decimals: int = 1, factor: str = "") -> None:
        draft.add(
            number(title, unit, decimals=decimals),
            draft.ask(f'SELECT last("{field}"){factor} {state}'),
            width=4,
            height=4,
        )

    draft.add(
        stat.Panel()
        .title(say("State", "Status"))
        .mappings(meanings.alert_states(say))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("/^state$/"))
        .no_value("–"),
        draft.rows(f'SELECT last("state") AS "state" {state}'),
        width=4,
        height=4,
    )
    told(say("Began", "Mulai"), "dateTimeAsLocal", "onset_ms", 0)
    told(say("Flow", "Debit"), "m³/h", "flow_m3s", 1, " * 3600")
    told(say("Water lost", "Air hilang"), "suffix:m³", "volume_m3", 0)
    told(say("Confidence", "Keyakinan"), "percentunit", "confidence_1", 0)
    told(say("Search radius (90 %)", "Radius cari (90 %)"), "suffix:m", "radius_90_m", 0)
    draft.heading(say("Evidence", "Bukti"))
    inflow_panel(draft, here)
    draft.add(
        limited(lines(say("Test for leaks", "Uji kebocoran"), "percentunit").interval("15m"), 1),
        draft.ask(
            f"""SELECT max("share_1") FROM "derived" WHERE {here} AND "kind" = 'cusum' AND $timeFilter
            GROUP BY time($__interval) fill(none)""",
            "CUSUM",
        ),
        width=12,
    )
    draft.add(
        lines(say("Pressure in the DMA", "Tekanan di DMA"), "suffix:m").interval("5m"),
        draft.ask(
            f"""SELECT mean("pressure_m") FROM "pressure" WHERE {here} AND $timeFilter
            GROUP BY time($__interval), "sensor" fill(none)""",
            "$tag_sensor",
        ),
        width=12,
    )
    draft.heading(say("Flow and place", "Debit dan lokasi"))
    low, high = say("low", "bawah"), say("high", "atas")
    draft.add(
        band(
            lines(
                say("Flow as it was estimated", "Debit menurut perkiraan"),
                "m³/h",
                say(
                    "With its 90 % interval, at each news of the leak.",
                    "Dengan rentang 90 %, pada setiap kabar kebocoran.",
                ),
            ),
            low,
            high,
        ),
        *(
            draft.ask(f'SELECT "{field}" * 3600 FROM "twuin_alert" WHERE {this} AND {EVER}', alias)
            for field, alias in (
                ("flow_m3s", say("flow", "debit")),
                ("flow_low_m3s", low),
                ("flow_high_m3s", high),
            )
        ),
        width=8,
        height=10,
    )
    suspects = f"""FROM (SELECT last("share_1") AS "share", "pipe", "lat", "lon" FROM "twuin_suspect"
        WHERE {this} AND {EVER} GROUP BY "rank") WHERE "share" > 0 GROUP BY "rank" """
    draft.add(
        listing(say("Suspect pipes", "Pipa terduga"))
        .override_by_name("Time", [prop("custom.hidden", True)])
        .override_by_name("rank", named(say("Rank", "Peringkat")))
        .override_by_name("pipe", named(say("Pipe", "Pipa")))
        .override_by_name(
            "share",
            [
                *named(say("Share", "Bagian"), "percentunit", decimals=1),
                prop("custom.cellOptions", {"type": "gauge", "mode": "basic"}),
                prop("min", 0),
                prop("max", 1),
            ],
        ),
        draft.rows(f'SELECT "pipe", "share" {suspects}'),
        width=8,
        height=10,
    )
    draft.add(
        map_of(
            say("Suspects and sensors", "Terduga dan sensor"),
            layer(say("Sensors", "Sensor"), "B", "state", 5, fixed="blue"),
            layer(say("Suspect pipes", "Pipa terduga"), "A", "share", 9, fixed="red"),
        ),
        draft.rows(f'SELECT "share", "pipe", "lat", "lon" {suspects}'),
        draft.rows(
            f"""SELECT last("state") AS "state", "lat", "lon", "name" FROM "twuin_state"
            WHERE {here} AND "what" = 'sensor' AND {EVER} GROUP BY "sensor" """
        ),
        width=8,
        height=10,
    )
    timeline(draft, say("Timeline", "Kronologi"), this, since=EVER)
    return draft.board()
