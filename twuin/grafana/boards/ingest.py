"""Whether what sensors say arrives."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common

from twuin.grafana import meanings
from twuin.grafana.installation import Installation
from twuin.grafana.kit import SITE, Board, Draft, goes_to, named, prop
from twuin.grafana.parts import bars, lines, listing, number, states
from twuin.grafana.words import Words


def ingest(at: Installation, say: Words) -> Board:
    """Messages, readings, rejected ones, what waits, what is missing."""
    draft = Draft(
        "ingest",
        say("Twuin: ingest", "Twuin: penerimaan data"),
        say("Whether what sensors say arrives.", "Apakah data sensor sampai."),
        at,
        say,
        since="now-2d",
    )
    draft.annotate()
    draft.link(say("Ingest in Twuin", "Penerimaan di Twuin"), "/ingest")
    here = f'FROM "twuin_ingest" WHERE {SITE} AND $timeFilter'
    draft.add(
        number(
            say("Connected to the broker", "Terhubung ke broker"), "none", (None, "red"), (1, "green")
        ).mappings(meanings.yes_no(say)),
        draft.ask(f'SELECT last("connected") {here}'),
        width=6,
        height=4,
    )
    draft.add(
        number(
            say("Wait in the spool", "Menunggu di spool"),
            "short",
            (None, "green"),
            (1, "orange"),
            (100000, "red"),
        ),
        draft.ask(f'SELECT last("spool_readings") {here}'),
        width=6,
        height=4,
    )
    draft.add(
        number(say("Messages in hand", "Pesan belum tersimpan"), "short"),
        draft.ask(f'SELECT last("unacknowledged") {here}'),
        width=6,
        height=4,
    )
    draft.add(
        number(
            say("Refused since the start", "Ditolak sejak mulai"), "short", (None, "green"), (1, "orange")
        ),
        draft.ask(f'SELECT last("rejected") {here}'),
        width=6,
        height=4,
    )
    draft.add(
        lines(say("A minute", "Per menit"), "short", say("By process.", "Menurut proses.")).interval("1m"),
        *(
            draft.ask(
                f"""SELECT non_negative_derivative(last("{field}"), 1m) {here}
                GROUP BY time($__interval), "process" fill(none)""",
                f"{title}, $tag_process",
            )
            for field, title in (
                ("messages", say("messages", "pesan")),
                ("stored", say("readings stored", "bacaan tersimpan")),
                ("rejected", say("refused", "ditolak")),
            )
        ),
        width=12,
    )
    draft.add(
        lines(say("Rejected messages, ever", "Pesan ditolak, seluruhnya"), "short").interval("1m"),
        draft.ask(
            f"""SELECT last("count") FROM "twuin_rejected" WHERE {SITE} AND $timeFilter
            GROUP BY time($__interval), "reason" fill(none)""",
            "$tag_reason",
        ),
        width=12,
    )
    ledger = f'FROM "twuin_ledger" WHERE {SITE} AND $timeFilter'
    draft.add(
        bars(
            say("Readings by day", "Bacaan per hari"), "short", note=say("Of all sensors.", "Semua sensor.")
        ).interval("1d"),
        *(
            draft.ask(f'SELECT sum("{field}") {ledger} GROUP BY time(1d) fill(none) {draft.zone}', title)
            for field, title in (
                ("expected", say("were due", "seharusnya")),
                ("received", say("came", "datang")),
                ("late", say("of these late", "di antaranya terlambat")),
                ("missing", say("missing", "hilang")),
            )
        ),
        width=12,
        height=10,
    )
    draft.add(
        listing(say("Most missing", "Paling banyak hilang"))
        .override_by_name("Time", [prop("custom.hidden", True)])
        .override_by_name(
            "sensor",
            [
                *named(say("Sensor", "Sensor")),
                goes_to(say("This sensor", "Sensor ini"), draft.to("sensor", sensor="${__value.text}")),
            ],
        )
        .override_by_name("missing", named(say("Missing", "Hilang")))
        .override_by_name("expected", named(say("Were due", "Seharusnya")))
        .override_by_name("late", named(say("Late", "Terlambat")))
        .sort_by([common.TableSortByFieldState().display_name(say("Missing", "Hilang")).desc(True)]),
        draft.rows(
            f"""SELECT sum("missing") AS "missing", sum("expected") AS "expected", sum("late") AS "late"
            {ledger} GROUP BY "sensor" """
        ),
        width=12,
        height=10,
    )
    draft.add(
        states(say("State of sensors", "Status sensor"), meanings.sensor_states(say)).interval("5m"),
        draft.ask(
            f"""SELECT last("state") FROM "twuin_state" WHERE {SITE} AND "what" = 'sensor' AND $timeFilter
            GROUP BY time($__interval), "sensor" fill(none)""",
            "$tag_sensor",
        ),
        width=24,
        height=14,
    )
    return draft.board()
