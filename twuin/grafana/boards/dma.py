"""A DMA: inflow against what was expected, night flow and its parts, pressure, events."""

from __future__ import annotations

from twuin.grafana import meanings
from twuin.grafana.installation import Installation
from twuin.grafana.kit import DMA, EVER, SITE, Board, Draft
from twuin.grafana.parts import alerts_table, band, bars, colour, limited, lines, number, timeline
from twuin.grafana.words import Words


def dma(at: Installation, say: Words) -> Board:
    """Of one DMA at a time."""
    draft = Draft(
        "dma",
        say("Twuin: DMA", "Twuin: DMA"),
        say("A district metered area.", "Satu distrik meter area."),
        at,
        say,
    )
    draft.dma_variable()
    here = f"{SITE} AND {DMA}"
    draft.annotate(where=here)
    draft.link(say("This DMA in Twuin", "DMA ini di Twuin"), "/dmas/${dma}")
    now = f'FROM "twuin_state" WHERE {here} AND "what" = \'dma\' AND $timeFilter'
    draft.add(
        number(say("State", "Status"), "none", (None, "green"), (1, "yellow"), (2, "red")).mappings(
            meanings.dma_states(say)
        ),
        draft.ask(f'SELECT last("state") {now}'),
        width=4,
        height=4,
    )
    draft.add(
        number(say("Open alerts", "Peringatan terbuka"), "none", (None, "green"), (1, "orange")),
        draft.ask(f'SELECT last("open_alerts") {now}'),
        width=4,
        height=4,
    )
    draft.add(
        number(
            say("Losses a day", "Kehilangan per hari"),
            "m³/d",
            decimals=0,
            note=say(
                "Last night's flow beyond legitimate use.", "Aliran malam terakhir di atas pemakaian wajar."
            ),
        ),
        draft.ask(f'SELECT last("excess_m3s") * 86400 {now}'),
        width=4,
        height=4,
    )
    loss = f'FROM "twuin_loss" WHERE {here} AND "what" = \'dma\''
    draft.add(
        number(say("NRW", "ATR"), "percentunit", (None, "green"), (0.2, "yellow"), (0.3, "red"), decimals=1),
        draft.ask(f'SELECT last("nrw_1") {loss} AND {EVER}'),
        width=4,
        height=4,
    )
    draft.add(
        number(say("ILI", "ILI"), "none", decimals=1),
        draft.ask(f'SELECT last("ili_1") {loss} AND {EVER}'),
        width=4,
        height=4,
    )
    draft.add(
        number(
            say("Known leaks", "Kebocoran diketahui"),
            "m³/h",
            (None, "green"),
            (0.5, "orange"),
            (5, "red"),
            decimals=1,
        ),
        draft.ask(
            f"""SELECT last("flow_m3s") * 3600 FROM "derived" WHERE {here} AND "kind" = 'leak'
            AND $timeFilter"""
        ),
        width=4,
        height=4,
    )
    inflow_panel(draft, here)
    derived = f'FROM "derived" WHERE {here}'
    draft.add(
        limited(
            lines(
                say("Test for leaks", "Uji kebocoran"),
                "percentunit",
                say(
                    "CUSUM as a share of its threshold: at 100 % an alert is raised.",
                    "CUSUM terhadap ambangnya: pada 100 % peringatan muncul.",
                ),
            ).interval("15m"),
            1,
        ),
        draft.ask(
            f"""SELECT max("share_1") {derived} AND "kind" = 'cusum' AND $timeFilter
            GROUP BY time($__interval) fill(none)""",
            "CUSUM",
        ),
        width=12,
    )
    draft.add(
        lines(say("Flow of known leaks", "Debit kebocoran yang diketahui"), "m³/h")
        .interval("15m")
        .fill_opacity(20),
        draft.ask(
            f"""SELECT mean("flow_m3s") * 3600 {derived} AND "kind" = 'leak' AND $timeFilter
            GROUP BY time($__interval) fill(none)""",
            say("known leaks", "kebocoran"),
        ),
        width=12,
    )
    draft.add(
        bars(
            say("Night flow", "Aliran malam"),
            "m³/h",
            note=say(
                "The lowest rolling hour of each night, and the 20th percentile of the last seven.",
                "Jam bergulir terendah setiap malam, dan persentil ke-20 dari tujuh malam terakhir.",
            ),
        ).interval("1d"),
        *(
            draft.ask(
                f'SELECT mean("flow_m3s") * 3600 {derived} AND "kind" = \'{kind}\' AND $timeFilter '
                f"GROUP BY time(1d) fill(none) {draft.zone}",
                alias,
            )
            for kind, alias in (
                ("night_flow", say("night flow", "aliran malam")),
                ("night_flow_usual", say("usual", "biasanya")),
            )
        ),
        width=12,
    )
    draft.add(
        bars(
            say("Parts of the night flow", "Bagian aliran malam"),
            "m³/h",
            stacked=True,
            note=say("Means of 28 days, written once a day.", "Rata-rata 28 hari, ditulis sekali sehari."),
        ).interval("1d"),
        *(
            draft.ask(
                f'SELECT last("{field}") {loss} AND $timeFilter GROUP BY time(1d) fill(none) {draft.zone}',
                alias,
            )
            for field, alias in (
                ("legitimate_m3h", say("legitimate use", "pemakaian wajar")),
                ("background_m3h", say("background leakage", "kebocoran latar")),
                ("burst_m3h", say("bursts", "pipa pecah")),
            )
        ),
        width=12,
    )
    draft.add(
        lines(say("Pressure", "Tekanan"), "suffix:m", say("m of head", "meter kolom air")).interval("5m"),
        draft.ask(
            f"""SELECT mean("pressure_m") FROM "pressure" WHERE {here} AND $timeFilter
            GROUP BY time($__interval), "sensor" fill(none)""",
            "$tag_sensor",
        ),
        width=24,
    )
    alerts_table(draft, say("Alerts", "Peringatan"), here, only_open=False)
    timeline(draft, say("Events", "Kejadian"), here)
    return draft.board()


def inflow_panel(draft: Draft, here: str) -> None:
    """Inflow against what was expected, with the band in which it is 90 % of the time.

    here: condition on the DMA.
    """
    say = draft.say
    low, high = say("low", "bawah"), say("high", "atas")
    inflow, expected = say("inflow", "debit masuk"), say("expected", "perkiraan")
    panel = lines(
        say("Inflow against expected", "Debit masuk dibanding perkiraan"),
        "m³/h",
        say("Shaded: where it is 90 % of the time.", "Arsiran: rentang 90 % waktu."),
    )
    panel = colour(colour(band(panel, low, high), inflow, "blue", 2), expected, "green").interval("15m")

    def edge(sign: str) -> str:
        return f"""SELECT (mean("e") {sign} mean("b")) * 3600 FROM
            (SELECT "flow_m3s" AS "e" FROM "derived" WHERE {here} AND "kind" = 'expected' AND $timeFilter),
            (SELECT "flow_m3s" AS "b" FROM "derived" WHERE {here} AND "kind" = 'band' AND $timeFilter)
            WHERE $timeFilter GROUP BY time($__interval) fill(none)"""

    draft.add(
        panel,
        *(
            draft.ask(
                f"""SELECT mean("flow_m3s") * 3600 FROM "derived" WHERE {here} AND "kind" = '{kind}'
                AND $timeFilter GROUP BY time($__interval) fill(none)""",
                alias,
            )
            for kind, alias in (("inflow", inflow), ("expected", expected))
        ),
        draft.ask(edge("-"), low),
        draft.ask(edge("+"), high),
        width=24,
        height=10,
    )
