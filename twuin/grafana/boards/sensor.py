"""A sensor: what it says, how far it is trusted, what is missing."""

from __future__ import annotations

from twuin.grafana import meanings
from twuin.grafana.installation import Installation
from twuin.grafana.kit import SENSOR, SITE, Board, Draft, prop
from twuin.grafana.parts import bars, lines, number, states
from twuin.grafana.words import Words

QUANTITIES = (
    ("flow", "flow_m3s", " * 3600", "m³/h"),
    ("pressure", "pressure_m", "", "suffix:m"),
    ("level", "level_m", "", "suffix:m"),
    ("volume", "volume_m3", "", "suffix:m³"),
    ("temperature", "temperature_degc", "", "celsius"),
    ("voltage", "voltage_v", "", "volt"),
    ("signal", "signal_dbm", "", "dBm"),
    ("ratio", "ratio_1", "", "percentunit"),
)
"""Measurement, field, factor to what people read, and its unit."""

ANY = "/^(" + "|".join(q[0] for q in QUANTITIES) + ")$/"


def sensor(at: Installation, say: Words) -> Board:
    """Of one sensor at a time, whatever it measures."""
    draft = Draft(
        "sensor",
        say("Twuin: sensor", "Twuin: sensor"),
        say("One sensor: readings, quality, battery, gaps.", "Satu sensor: bacaan, mutu, baterai, celah."),
        at,
        say,
    )
    draft.dma_variable(every=True)
    draft.sensor_variable()
    here = f"{SITE} AND {SENSOR}"
    draft.annotate(where=here)
    draft.link(say("This sensor in Twuin", "Sensor ini di Twuin"), "/sensors/${sensor}")
    now = f'FROM "twuin_state" WHERE {here} AND $timeFilter'
    draft.add(
        number(say("State", "Status"), "none", (None, "green"), (1, "yellow"), (2, "red")).mappings(
            meanings.sensor_states(say)
        ),
        draft.ask(f'SELECT last("state") {now}'),
        width=6,
        height=4,
    )
    draft.add(
        number(
            say("Newest reading before", "Bacaan terakhir sebelum"),
            "s",
            (None, "green"),
            (1800, "orange"),
            (7200, "red"),
            decimals=0,
        ),
        draft.ask(f'SELECT last("age_s") {now}'),
        width=6,
        height=4,
    )
    draft.add(
        number(
            say("Battery", "Baterai"), "volt", (None, "red"), (3.3, "orange"), (3.45, "green"), decimals=2
        ).description(
            say(
                "As the device says; thresholds are for a 3.6 V lithium cell.",
                "Menurut perangkat; ambang untuk sel litium 3,6 V.",
            )
        ),
        draft.ask(f'SELECT last("battery_v") {now}'),
        width=6,
        height=4,
    )
    draft.add(
        number(say("Signal", "Sinyal"), "dBm", (None, "red"), (-105, "orange"), (-95, "green"), decimals=0),
        draft.ask(f'SELECT last("signal_dbm") {now}'),
        width=6,
        height=4,
    )
    raw = lines(
        say("Readings", "Bacaan"),
        "none",
        say("Mean, lowest and highest of each step.", "Rata-rata, terendah dan tertinggi tiap langkah."),
    ).interval("1m")
    questions = []
    for letter, (measurement, field, factor, unit) in zip("ABCDEFGH", QUANTITIES, strict=True):
        raw.override_by_query(letter, [prop("unit", unit)])
        questions.append(
            draft.ask(
                f"""SELECT mean("{field}"){factor} AS "{say("mean", "rata-rata")}",
                min("{field}"){factor} AS "{say("lowest", "terendah")}",
                max("{field}"){factor} AS "{say("highest", "tertinggi")}" FROM "{measurement}" WHERE {here}
                AND $timeFilter GROUP BY time($__interval) fill(none)""",
                "$col",
            )
        )
    draft.add(raw, *questions, width=24, height=10)
    residual = lines(
        say("Residual", "Residu"),
        "none",
        say(
            "Its DMA's inflow less what was expected; of a pressure sensor also its pressure less the mean "
            "of its DMA's: a drift or jump there, and not in the inflow, is the sensor's own.",
            "Debit masuk DMA-nya dikurangi perkiraan; untuk sensor tekanan juga tekanannya dikurangi "
            "rata-rata DMA-nya: hanyutan atau lompatan di situ, bukan di debit masuk, dari sensor sendiri.",
        ),
    ).interval("15m")
    residual.override_by_query("A", [prop("unit", "m³/h")]).override_by_query("B", [prop("unit", "suffix:m")])
    draft.variable(
        "its_dma",
        say("Its DMA", "DMA-nya"),
        f'SHOW TAG VALUES FROM "twuin_state" WITH KEY = "dma" WHERE {here}',
        hide=True,
    )
    its = f'{SITE} AND "dma" =~ /^${{its_dma:regex}}$/'
    draft.add(
        residual,
        draft.ask(
            f"""SELECT (mean("m") - mean("e")) * 3600 FROM
            (SELECT mean("flow_m3s") AS "m" FROM "derived" WHERE {its} AND "kind" = 'inflow' AND $timeFilter
            GROUP BY time($__interval) fill(none)),
            (SELECT mean("flow_m3s") AS "e" FROM "derived" WHERE {its} AND "kind" = 'expected' AND $timeFilter
            GROUP BY time($__interval) fill(none))
            WHERE $timeFilter GROUP BY time($__interval) fill(none)""",
            say("inflow less expected", "debit masuk dikurangi perkiraan"),
        ),
        draft.ask(
            f"""SELECT mean("m") - mean("e") FROM
            (SELECT mean("pressure_m") AS "m" FROM "pressure" WHERE {here} AND $timeFilter
            GROUP BY time($__interval) fill(none)),
            (SELECT mean("pressure_m") AS "e" FROM "pressure" WHERE {its} AND $timeFilter
            GROUP BY time($__interval) fill(none))
            WHERE $timeFilter GROUP BY time($__interval) fill(none)""",
            say("pressure less the DMA's mean", "tekanan dikurangi rata-rata DMA"),
        ),
        width=24,
    )
    draft.add(
        states(
            say("Quality", "Mutu"),
            meanings.qualities(say),
            say("The worst flags of each step.", "Tanda terburuk tiap langkah."),
        ).interval("15m"),
        draft.ask(
            f"""SELECT max("quality") FROM {ANY} WHERE {here} AND $timeFilter
            GROUP BY time($__interval) fill(none)""",
            say("quality", "mutu"),
        ),
        width=12,
    )
    draft.add(
        bars(
            say("Readings an hour", "Bacaan per jam"),
            "none",
            note=say("An hour without a bar is a gap.", "Jam tanpa batang adalah celah."),
        ).interval("1h"),
        draft.ask(
            f'SELECT count("quality") FROM {ANY} WHERE {here} AND $timeFilter GROUP BY time(1h) fill(0)',
            say("readings", "bacaan"),
        ),
        width=12,
    )
    draft.add(
        bars(
            say("Came and missing, by day", "Datang dan hilang, per hari"),
            "none",
            stacked=True,
            note=say("The ledger of the ingest.", "Buku besar penerimaan."),
        ).interval("1d"),
        *(
            draft.ask(
                f"""SELECT last("{field}") FROM "twuin_ledger" WHERE {here} AND $timeFilter
                GROUP BY time(1d) fill(none) {draft.zone}""",
                alias,
            )
            for field, alias in (
                ("received", say("came", "datang")),
                ("missing", say("missing", "hilang")),
                ("rejected", say("rejected", "ditolak")),
            )
        ),
        width=12,
    )
    draft.add(
        lines(say("Battery", "Baterai"), "volt").interval("5m"),
        draft.ask(
            f'SELECT mean("battery_v") {now} GROUP BY time($__interval) fill(none)', say("battery", "baterai")
        ),
        width=12,
    )
    return draft.board()
