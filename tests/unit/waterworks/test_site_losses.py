"""What a site says of its losses: read in SI, every mistake named by file and line."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from waterworks.errors import Severity
from waterworks.losses import Bill, LossOptions
from waterworks.site_folder import check_site, read_site

# ``folder`` is the fixture of conftest.py: a right site to be spoilt. Its site.toml has 11 lines.

TABLES = """
[balance]
inlet_accuracy_pct = 1.5
unauthorised_pct = 2
economy = "developing"

[service]
min_pressure_m = 10
prv_outlets = ["P1"]

[economics]
repair_cost = 2500000
survey_cost_per_km = 400000
location_h = 24
"""


def errors(folder: Any) -> list[tuple[str, int | None, str]]:
    return [(p.file, p.line, p.message) for p in check_site(folder.path) if p.severity is Severity.ERROR]


def say(folder: Any, text: str) -> None:
    site = folder.path / "site.toml"
    folder.write("site.toml", site.read_text() + text)


def test_a_site_that_says_nothing_of_losses_knows_nothing_of_them(folder: Any) -> None:
    site = read_site(folder.path)
    assert site.losses == LossOptions()
    assert site.losses.unauthorised is None and site.losses.min_pressure_m is None
    assert site.billing == ()
    assert (site.dmas[0].service_m, site.dmas[0].icf, site.dmas[0].n1) == (0.0, 1.0, None)


def test_what_a_site_says_becomes_shares_and_si(folder: Any) -> None:
    say(folder, TABLES)
    folder.write(
        "dmas.csv",
        "id,connections,mains_km,service_pipe_km,icf,n1,large_night_use_m3h,billed_m3_month,zone\n"
        "D1,100,1.5,0.4,1.5,1.2,3.6,1400,Wilayah  Utara\nD2,50,,,,,,,\n",
    )
    folder.write(
        "billed.csv",
        "month,dma,billed_metered_m3,unbilled_metered_m3\n2026-09,D1,1500,20\n2026-10,,2100,\n",
    )
    assert check_site(folder.path) == []
    site = read_site(folder.path)
    found = site.losses
    assert (found.inlet_accuracy, found.unauthorised) == (pytest.approx(0.015), pytest.approx(0.02))
    assert (found.economy, found.min_pressure_m, found.prv_outlets) == ("developing", 10, ("P1",))
    assert (found.repair_cost, found.survey_cost_per_m, found.location_h) == (2.5e6, 400.0, 24)
    one, two = site.dmas
    assert (one.service_m, one.icf, one.n1, one.billed_m3_month) == (400, 1.5, 1.2, 1400)
    assert (one.zone, two.zone, list(site.zones)) == ("Wilayah Utara", "", ["Wilayah Utara"])
    assert one.large_night_m3s == pytest.approx(1e-3)
    assert (two.service_m, two.icf, two.n1, two.billed_m3_month) == (0, 1, None, None)
    assert site.billing == (
        Bill("D1", date(2026, 9, 1), 1500, 0, 20),
        Bill("", date(2026, 10, 1), 2100),
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("inlet_accuracy_pct = 1.5", "inlet_accuracy_pct = 0", 14, "inlet_accuracy_pct 0 is not above 0"),
        ("inlet_accuracy_pct = 1.5", "inlet_accuracy = 1.5", 14, "did you mean 'inlet_accuracy_pct'?"),
        ("unauthorised_pct = 2", "unauthorised_pct = 101", 15, "unauthorised_pct 101 is above 100"),
        ("unauthorised_pct = 2", 'unauthorised_pct = "2 %"', 15, "unauthorised_pct '2 %' is not a number"),
        ("unauthorised_pct = 2", "unauthorised_pct = -1", 15, "is below 0"),
        ("unauthorised_pct = 2", "min_pressure_m = 10", 15, "it belongs into [service]"),
        ('"developing"', '"poor"', 16, 'write "developing" or "developed"'),
        ("min_pressure_m = 10", "min_pressure_m = true", 19, "is not a number"),
        ('["P1"]', '"P1"', 20, "is not a list of sensors"),
        ('["P1"]', '["P9"]', 20, "sensor 'P9' is not in sensors.csv"),
        ('["P1"]', '["F1"]', 20, "sensor 'F1' measures flow, not pressure"),
        ("[economics]", "[[economics]]", 22, "economics is not a table: write [economics]"),
        ("repair_cost = 2500000", "repair_cost = nan", 23, "repair_cost nan is not a number"),
    ],
)
def test_a_mistake_in_a_table_is_named(folder: Any, old: str, new: str, line: int, message: str) -> None:
    assert old in TABLES
    say(folder, TABLES.replace(old, new))
    ((file, where, said),) = errors(folder)
    assert (file, where) == ("site.toml", line)
    assert message in said


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("icf", "0", "icf '0' is not above 0"),
        ("n1", "4", "n1 '4' is above 3"),
        ("n1", "0.1", "n1 '0.1' is below 0.3"),
        ("service_pipe_km", "-1", "is below 0"),
        ("large_night_use_m3h", "much", "is not a number"),
        ("billed_m3_month", "-5", "is below 0"),
    ],
)
def test_a_mistake_in_a_dma_is_named(folder: Any, column: str, value: str, message: str) -> None:
    folder.write("dmas.csv", f"id,connections,{column}\nD1,100,\nD2,50,{value}\n")
    ((file, where, said),) = errors(folder)
    assert (file, where) == ("dmas.csv", 3)
    assert message in said


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("month,billed_m3\n2026-10,5\n", 1, "unknown column 'billed_m3': did you mean 'billed_metered_m3'?"),
        ("month,billed_metered_m3\n10/2026,5\n", 2, "month '10/2026' is not a month: write it as 2026-10"),
        ("month,billed_metered_m3\n2026-13,5\n", 2, "is not a month"),
        ("month,billed_metered_m3\n,5\n", 2, "month is empty"),
        ("month,billed_metered_m3\n2026-10,\n", 2, "billed_metered_m3 is empty"),
        ("month,billed_metered_m3\n2026-10,-5\n", 2, "is below 0"),
        ("month,billed_metered_m3\n2026-10,5\n2026-10,6\n", 3, "the whole site is there already, on line 2"),
        ("month,dma,billed_metered_m3\n2026-10,D3,5\n", 2, "dma 'D3' is not in dmas.csv"),
        ("month,dma,billed_metered_m3\n2026-10,D1,5\n2026-10,,6\n", 3, "write it one way"),
    ],
)
def test_a_mistake_in_the_bills_is_named(folder: Any, text: str, line: int, message: str) -> None:
    folder.write("billed.csv", text)
    found = errors(folder)
    assert [(f, n) for f, n, m in found if message in m] == [("billed.csv", line)], found


def test_bills_may_have_a_decimal_comma(folder: Any) -> None:
    folder.write("billed.csv", "month;dma;billed_metered_m3\n2026-10;D1;1500,5\n")
    assert read_site(folder.path).billing[0].metered == 1500.5
