"""The water balance and what follows from it."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, common
from grafana_foundation_sdk.models import common as common_models

from twuin.grafana.installation import Installation
from twuin.grafana.kit import EVER, SITE, Board, Draft, goes_to, named, prop
from twuin.grafana.parts import band, bars, lines, listing, number
from twuin.grafana.words import Words


def balance(at: Installation, say: Words) -> Board:
    """Of the 28 local days up to a day."""
    draft = Draft(
        "balance",
        say("Twuin: water balance", "Twuin: neraca air"),
        say(
            "The IWA water balance of the last 28 days, worked out once a day. Needs what was billed.",
            "Neraca air IWA 28 hari terakhir, dihitung sekali sehari. Data tagihan harus ada.",
        ),
        at,
        say,
        since="now-30d",
    )
    draft.annotate()
    draft.link(say("Losses in Twuin", "Kehilangan di Twuin"), "/losses")
    site = f'FROM "twuin_loss" WHERE {SITE} AND "what" = \'site\''
    stated = (
        (say("System input", "Input sistem"), "suffix:m³", "system_input_m3", 0),
        (say("Billed", "Tertagih"), "suffix:m³", "billed_m3", 0),
        (say("NRW", "ATR"), "percentunit", "nrw_1", 1),
        (say("Real losses a day", "Kehilangan fisik per hari"), "m³/d", "real_m3day", 0),
        (say("ILI", "ILI"), "none", "ili_1", 1),
        (say("Cost of real losses a day", "Biaya kehilangan fisik per hari"), "locale", "cost_day", 0),
    )
    for title, unit, field, decimals in stated:
        draft.add(
            number(title, unit, decimals=decimals),
            draft.ask(f'SELECT last("{field}") {site} AND {EVER}'),
            width=4,
            height=4,
        )
    parts = (
        ("system_input", say("System input", "Input sistem")),
        ("authorised", say("Authorised consumption", "Konsumsi resmi")),
        ("billed_metered", say("Billed metered", "Tertagih bermeter")),
        ("unbilled", say("Unbilled authorised", "Resmi tak berekening")),
        ("losses", say("Water losses", "Kehilangan air")),
        ("apparent", say("Apparent losses", "Kehilangan komersial")),
        ("real", say("Real losses", "Kehilangan fisik")),
        ("nrw", say("Non-revenue water", "Air tak berekening")),
    )
    draft.add(
        bargauge.Panel()
        .title(say("Water balance of 28 days", "Neraca air 28 hari"))
        .unit("suffix:m³")
        .decimals(0)
        .min(0)
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)),
        *(draft.ask(f'SELECT last("{field}_m3") {site} AND {EVER}', title) for field, title in parts),
        width=10,
        height=12,
    )
    columns = {
        "nrw": (say("NRW", "ATR"), "percentunit", 1),
        "real": (say("Real losses", "Kehilangan fisik"), "m³/d", 0),
        "excess": (say("From night flow", "Dari aliran malam"), "m³/d", 0),
        "ili": ("ILI", "none", 1),
        "night": (say("Night flow", "Aliran malam"), "m³/h", 1),
        "measured": (say("Measured", "Terukur"), "percentunit", 0),
    }
    table = (
        listing(say("By DMA", "Menurut DMA"))
        .override_by_name("Time", [prop("custom.hidden", True)])
        .override_by_name(
            "dma",
            [*named("DMA"), goes_to(say("This DMA", "DMA ini"), draft.to("dma", dma="${__value.text}"))],
        )
    )
    for name, (title, unit, decimals) in columns.items():
        table.override_by_name(name, named(title, unit, decimals=decimals))
    draft.add(
        table,
        draft.rows(
            f"""SELECT last("measured_1") AS "measured", "nrw_1" AS "nrw", "real_m3day" AS "real",
            "excess_m3day" AS "excess", "ili_1" AS "ili", "night_flow_m3h" AS "night" FROM "twuin_loss"
            WHERE {SITE} AND "what" = 'dma' AND {EVER} GROUP BY "dma" """
        ),
        width=14,
        height=12,
    )
    daily = f"AND $timeFilter GROUP BY time(1d) fill(none) {draft.zone}"
    for title, unit, field in (
        (say("NRW with its 95 % limits", "ATR dengan batas 95 %"), "percentunit", "nrw_1"),
        (
            say("Real losses with their 95 % limits", "Kehilangan fisik dengan batas 95 %"),
            "m³/d",
            "real_m3day",
        ),
    ):
        low, high = say("low", "bawah"), say("high", "atas")
        draft.add(
            band(lines(title, unit), low, high).interval("1d"),
            draft.ask(f'SELECT last("{field}") {site} {daily}', say("value", "nilai")),
            draft.ask(f'SELECT last("{field}_low") {site} {daily}', low),
            draft.ask(f'SELECT last("{field}_high") {site} {daily}', high),
            width=12,
        )
    draft.add(
        bars(say("System input by day", "Input sistem per hari"), "suffix:m³", stacked=True).interval("1d"),
        draft.ask(
            f"""SELECT integral("m", 1s) FROM (SELECT mean("flow_m3s") AS "m" FROM "derived"
            WHERE {SITE} AND "kind" = 'inflow' AND $timeFilter GROUP BY time(5m), "dma" fill(none))
            WHERE $timeFilter GROUP BY time(1d), "dma" {draft.zone}""",
            "$tag_dma",
        ),
        width=24,
    )
    return draft.board()
