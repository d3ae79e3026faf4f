"""What codes and states in InfluxDB are called, and their colours."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import ValueMapping

from twuin.grafana.kit import means
from twuin.grafana.words import Words

GREEN, YELLOW, ORANGE, RED, GREY, BLUE = "green", "yellow", "orange", "red", "#8e8e8e", "blue"


def dma_states(say: Words) -> list[ValueMapping]:
    """Of ``state`` of a DMA."""
    return means(
        ("0", say("normal", "normal"), GREEN),
        ("1", say("watch", "waspada"), YELLOW),
        ("2", say("leak", "bocor"), RED),
        ("3", say("no data", "tanpa data"), GREY),
    )


def sensor_states(say: Words) -> list[ValueMapping]:
    """Of ``state`` of a sensor."""
    return means(
        ("0", say("ok", "baik"), GREEN),
        ("1", say("suspect", "meragukan"), YELLOW),
        ("2", say("silent", "diam"), RED),
        ("3", say("no data", "tanpa data"), GREY),
    )


def part_states(say: Words) -> list[ValueMapping]:
    """Of a part of Twuin."""
    return means(
        ("0", say("ok", "baik"), GREEN),
        ("1", say("degraded", "terganggu"), ORANGE),
        ("2", say("down", "mati"), RED),
    )


def qualities(say: Words) -> list[ValueMapping]:
    """Of ``quality`` of a reading, the commonest sums of flags among them."""
    doubt, range_, clock, made = (
        say("suspect", "meragukan"),
        say("out of range", "di luar rentang"),
        say("clock in doubt", "jam diragukan"),
        say("estimated", "perkiraan"),
    )
    return means(
        ("0", say("good", "baik"), GREEN),
        ("1", doubt, YELLOW),
        ("2", range_, RED),
        ("3", f"{doubt}, {range_}", RED),
        ("4", clock, ORANGE),
        ("5", f"{doubt}, {clock}", ORANGE),
        ("6", f"{range_}, {clock}", RED),
        ("8", made, BLUE),
    )


def yes_no(say: Words) -> list[ValueMapping]:
    """Of 1 and 0."""
    return means(("1", say("yes", "ya"), GREEN), ("0", say("no", "tidak"), RED))


def alert_states(say: Words) -> list[ValueMapping]:
    """Of ``state`` of an alert."""
    return means(
        ("open", say("open", "terbuka"), RED),
        ("acknowledged", say("acknowledged", "diketahui"), ORANGE),
        ("assigned", say("assigned", "ditugaskan"), ORANGE),
        ("on_site", say("crew on site", "regu di lokasi"), ORANGE),
        ("located", say("located", "ditemukan"), YELLOW),
        ("repairing", say("being repaired", "sedang diperbaiki"), YELLOW),
        ("repaired", say("repaired", "sudah diperbaiki"), BLUE),
        ("verified", say("repair verified", "perbaikan terbukti"), GREEN),
        ("closed", say("closed", "ditutup"), GREY),
    )


def kinds(say: Words) -> list[ValueMapping]:
    """Of ``kind`` of an alert."""
    return means(
        ("leak", say("leak", "kebocoran"), RED),
        ("night_flow", say("high night flow", "aliran malam tinggi"), ORANGE),
        ("low_inflow", say("low inflow", "debit masuk rendah"), BLUE),
        ("silent", say("silent sensor", "sensor diam"), GREY),
        ("sensor", say("sensor fault", "gangguan sensor"), YELLOW),
        ("supply", say("no supply", "tidak ada pasokan"), BLUE),
        ("reported", say("reported by residents", "laporan warga"), ORANGE),
    )


def priorities(say: Words) -> list[ValueMapping]:
    """Of ``priority`` of an alert."""
    return means(
        ("high", say("high", "tinggi"), RED),
        ("medium", say("medium", "sedang"), ORANGE),
        ("low", say("low", "rendah"), GREY),
    )


def actions(say: Words) -> list[ValueMapping]:
    """Of ``action`` in an alert's history."""
    return means(
        ("opened", say("opened", "dibuka"), RED),
        ("updated", say("estimate updated", "perkiraan diperbarui"), ""),
        ("acknowledged", say("acknowledged", "diketahui"), ""),
        ("assigned", say("assigned", "ditugaskan"), ""),
        ("accepted", say("accepted by the crew", "diterima regu"), ""),
        ("arrived", say("crew on site", "regu di lokasi"), ""),
        ("located", say("located", "ditemukan"), ""),
        ("not_found", say("not found", "tidak ditemukan"), ORANGE),
        ("repairing", say("repair begun", "perbaikan dimulai"), ""),
        ("repaired", say("repaired", "sudah diperbaiki"), BLUE),
        ("verified", say("repair verified", "perbaikan terbukti"), GREEN),
        ("undecided", say("repair not yet judged", "perbaikan belum dinilai"), ""),
        ("closed", say("closed", "ditutup"), GREY),
        ("reopened", say("opened again", "dibuka lagi"), RED),
        ("note", say("note", "catatan"), ""),
        ("escalated", say("promise near its end or broken", "janji layanan mendesak atau terlewat"), ORANGE),
    )


def people(say: Words) -> list[ValueMapping]:
    """Of ``by`` in an alert's history."""
    return means(("monitor", "Twuin", ""), ("person", say("staff", "petugas"), ""))
