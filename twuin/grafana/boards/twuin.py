"""Twuin itself."""

from __future__ import annotations

from twuin.grafana import meanings
from twuin.grafana.installation import Installation
from twuin.grafana.kit import EVER, SITE, Board, Draft, named, prop
from twuin.grafana.parts import lines, listing, number, states
from twuin.grafana.words import Words


def twuin(at: Installation, say: Words) -> Board:
    """Its parts, its processes, and how far its analysis is."""
    draft = Draft(
        "twuin",
        say("Twuin: the program", "Twuin: program"),
        say("Whether Twuin itself is well.", "Apakah Twuin sendiri berjalan baik."),
        at,
        say,
        since="now-1d",
    )
    draft.link("Twuin", "/about")
    process = f'FROM "twuin_process" WHERE {SITE} AND $timeFilter'
    part = f'FROM "twuin_part" WHERE {SITE}'
    draft.add(
        number(
            say("Worst part", "Bagian terburuk"), "none", (None, "green"), (1, "orange"), (2, "red")
        ).mappings(meanings.part_states(say)),
        draft.ask(
            f"""SELECT max("s") FROM (SELECT last("state") AS "s" {part} AND $timeFilter
            GROUP BY "process", "part") WHERE $timeFilter"""
        ),
        width=6,
        height=4,
    )
    draft.add(
        number(
            say("Analysis behind", "Analisis tertinggal"),
            "s",
            (None, "green"),
            (1800, "orange"),
            (7200, "red"),
            decimals=0,
            note=say("Readings up to then are analysed.", "Bacaan sampai saat itu sudah dianalisis."),
        ),
        draft.ask(f'SELECT last("lag_s") {process}'),
        width=6,
        height=4,
    )
    draft.add(
        number(say("Memory", "Memori"), "bytes", decimals=0),
        draft.ask(f'SELECT last("memory_bytes") {process} GROUP BY "process"', "$tag_process"),
        width=6,
        height=4,
    )
    draft.add(
        number(say("Runs for", "Berjalan selama"), "s", decimals=0),
        draft.ask(f'SELECT last("uptime_s") {process} GROUP BY "process"', "$tag_process"),
        width=6,
        height=4,
    )
    draft.add(
        states(say("Parts", "Bagian"), meanings.part_states(say)).interval("1m"),
        draft.ask(
            f"""SELECT max("state") {part} AND $timeFilter GROUP BY time($__interval), "part", "process"
            fill(none)""",
            "$tag_part, $tag_process",
        ),
        width=12,
        height=10,
    )
    draft.add(
        listing(say("What parts say", "Keterangan bagian"))
        .override_by_name("Time", named(say("Time", "Waktu"), "dateTimeAsLocal"))
        .override_by_name("part", named(say("Part", "Bagian")))
        .override_by_name(
            "state",
            [
                *named(say("State", "Status")),
                prop("mappings", meanings.part_states(say)),
                prop("custom.cellOptions", {"type": "color-text"}),
            ],
        )
        .override_by_name("detail", named(say("Detail", "Rincian"))),
        draft.rows(f'SELECT last("state") AS "state", "detail" {part} AND {EVER} GROUP BY "part"'),
        width=12,
        height=10,
    )
    every = 'GROUP BY time($__interval), "process" fill(none)'
    for title, unit, query in (
        (say("Analysis behind", "Analisis tertinggal"), "s", f'SELECT last("lag_s") {process} {every}'),
        (say("Memory", "Memori"), "bytes", f'SELECT max("memory_bytes") {process} {every}'),
        (
            say("Processor cores in use", "Inti prosesor terpakai"),
            "none",
            f'SELECT non_negative_derivative(last("cpu_s"), 1s) {process} {every}',
        ),
    ):
        draft.add(lines(title, unit).interval("1m"), draft.ask(query, "$tag_process"), width=8)
    return draft.board()
