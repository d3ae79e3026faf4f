from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from waterworks.errors import Severity, SiteError
from waterworks.names import Format
from waterworks.site import Role
from waterworks.site_folder import check_site, read_site
from waterworks.site_losses import BILLED_OPTIONAL, BILLED_REQUIRED, TABLES
from waterworks.site_names import NAMES_OPTIONAL, NAMES_REQUIRED
from waterworks.site_priorities import KEYS as PRIORITY_KEYS
from waterworks.site_promises import KEYS as PROMISES_KEYS
from waterworks.site_tables import DMA_OPTIONAL, DMA_REQUIRED, SENSOR_OPTIONAL, SENSOR_REQUIRED
from waterworks.site_toml import KEYS, LISTEN_KEYS, MONITOR_KEYS
from waterworks.units import UNITS, Quantity

# ``folder`` is the fixture of conftest.py: a right site to be spoilt.


def errors(folder: Any) -> list[tuple[str, int | None, str]]:
    return [(p.file, p.line, p.message) for p in check_site(folder.path) if p.severity is Severity.ERROR]


def warnings(folder: Any) -> list[tuple[str, int | None, str]]:
    return [(p.file, p.line, p.message) for p in check_site(folder.path) if p.severity is Severity.WARNING]


def only_error(folder: Any) -> tuple[str, int | None, str]:
    found = errors(folder)
    assert len(found) == 1, found
    return found[0]


def test_a_right_folder_becomes_a_site_in_si(folder: Any) -> None:
    assert check_site(folder.path) == []
    site = read_site(folder.path)
    assert (site.id, site.name, site.timezone.key, site.crs) == ("kota", "Kota", "Asia/Jakarta", "EPSG:32749")
    assert site.network_file == folder.path / "network.inp"
    assert site.monitor.holidays == frozenset({date(2026, 8, 17)})
    assert site.monitor.water_cost == 5500
    one, two = site.dmas
    assert (one.connections, one.mains_m, one.pressure_m) == (100, 1500, 30)
    assert one.night_use_m3s_per_connection == pytest.approx(2e-3 / 3600)
    assert (two.mains_m, two.pressure_m) == (None, None)
    assert two.night_use_m3s_per_connection == pytest.approx(1.7e-3 / 3600)
    meter, _, pressure, level = site.sensors
    assert (meter.role, meter.dma, meter.from_dma, meter.unit) == (Role.INLET, "", "D1", "L/s")
    assert (meter.low, meter.high) == (pytest.approx(-0.05), pytest.approx(0.05))
    assert (pressure.quantity, pressure.interval_s, pressure.lon) == (Quantity.PRESSURE, 60, 112.63)
    assert pressure.high == pytest.approx(101.97, abs=0.01)  # 10 bar in metres of water
    assert (level.role, level.element) == (Role.STORAGE, "t")


def test_junctions_get_the_dma_whose_meters_face_them(folder: Any) -> None:
    # "in" is drawn from b (in D1) to a (the source's side); the tank t is no junction.
    assert read_site(folder.path).node_dma == {"b": "D1", "c": "D1", "d": "D2"}


def test_nodes_csv_decides_where_meters_do_not(folder: Any) -> None:
    folder.write("nodes.csv", "node,dma\nb,D1\nc,D2\nd,D2\nt,D2\na,\n")
    assert read_site(folder.path).node_dma == {"b": "D1", "c": "D2", "d": "D2"}


def test_all_mistakes_are_told_at_once_by_file_and_line(folder: Any) -> None:
    folder.change("site.toml", "Asia/Jakarta", "Asia/Jakata")
    folder.change("site.toml", "water_cost", "water_costs")
    folder.change("dmas.csv", "D2,Dua,50", "D2,Dua,-50")
    folder.change("sensors.csv", "F2,flow,L/s,D2,LOG-2,inlet,D1", "F2,flow,bar,D3,LOG 2,inlet,D9")
    folder.change(
        "sensors.csv", "P1,pressure,bar,D1,LOG-3,monitor,,c,60", "F1,presure,bar,D1,LOG-3,monitor,,c,x"
    )
    found = errors(folder)
    assert [(f, n) for f, n, _ in found] == [
        ("site.toml", 3), ("site.toml", 10), ("dmas.csv", 3),
        *[("sensors.csv", 3)] * 4, *[("sensors.csv", 4)] * 3,
    ]  # fmt: skip
    text = "\n".join(m for _, _, m in found)
    for said in (
        "unknown timezone 'Asia/Jakata': did you mean 'Asia/Jakarta'?",
        "unknown key 'water_costs' in [monitor]: did you mean 'water_cost'?",
        "connections '-50' is below 0",
        "device 'LOG 2' may hold only letters",
        "unknown unit 'bar' of flow",
        "dma 'D3' is not in dmas.csv",
        "from_dma 'D9' is not in dmas.csv",
        "sensor 'F1' is there already, on line 2",
        "unknown quantity 'presure': did you mean 'pressure'?",
        "interval_s 'x' is not a number",
    ):
        assert said in text
    with pytest.raises(SiteError) as e:
        read_site(folder.path)
    assert len(e.value.problems) == len(found)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('id = "kota"', 'id = "kota', 1, "is not TOML"),
        ("[monitor]", "[monitor", 7, "is not TOML"),
        ('id = "kota"', 'id = "kota/barat"', 1, "id 'kota/barat' may hold only"),
        ('id = "kota"', "id = 7", 1, "id is not a text"),
        ('id = "kota"', 'id = ""', 1, "id is empty"),
        ('id = "kota"\n', "", None, "id is missing"),
        ("crs =", "csr =", 4, "unknown key 'csr': did you mean 'crs'?"),
        ("EPSG:32749", "EPSG:999999", 4, "is no coordinate system"),
        ("EPSG:32749", "Malang", 4, "is no coordinate system"),
        ('id = "kota"', 'id = "kota"\nsince = "2026-03-01"', 2, "since is no day"),
        ('id = "kota"', 'id = "kota"\nsince = 2026-03-01T10:00:00', 2, "since is no day"),
        (
            '"IDR"',
            '"IDR"\n[promises]\nday = ["mon"]',
            13,
            "in [promises]: did you mean 'days'?",
        ),
        ('"IDR"', '"IDR"\n[promises]\ndays = "mon"', 13, "days is not a list of weekdays"),
        ('"IDR"', '"IDR"\n[promises]\ndays = ["senin"]', 13, "unknown weekday 'senin'"),
        ('"IDR"', '"IDR"\n[promises]\nhours = ["8", "16:00"]', 13, "not a pair of local times"),
        ('"IDR"', '"IDR"\n[promises]\nhours = ["16:00", "08:00"]', 13, "08:00 is not after 16:00"),
        ('"IDR"', '"IDR"\n[promises]\nhigh = 24', 13, "high is not a promise"),
        ('"IDR"', '"IDR"\n[promises]\nhigh = { repair = 24 }', 13, "unknown key 'repair' of high"),
        ('"IDR"', '"IDR"\n[promises]\nhigh = { repair_h = "x" }', 13, "repair_h 'x' of high is not a number"),
        ('"IDR"', '"IDR"\n[promises]\nhigh = { repair_h = 0 }', 13, "repair_h 0 of high is not above 0"),
        ('"IDR"', '"IDR"\n[promises]\nlow = { clock = "ever" }', 13, "clock 'ever' of low is unknown"),
        ('"IDR"', '"IDR"\n[promises]\nlow = { locate_h = 9, repair_h = 8 }', 13, "a later step sooner"),
        ('"IDR"', '"IDR"\n[priority]\nhigh_m3_day = "x"', 13, "high_m3_day 'x' is not a number"),
        ('"IDR"', '"IDR"\n[priority]\nhigh_m3_day = 9', 13, "high_m3_day 9 is below medium_m3_day 48"),
        ('"IDR"', '"IDR"\n[[critical]]\nname = "RSUD"', 12, "needs both"),
        ('"IDR"', '"IDR"\n[[critical]]\nname = "RSUD"\ndma = "D1"\nat = 3', 12, "unknown key 'at'"),
        ('"IDR"', '"IDR"\n[[critical]]\nname = "RSUD"\ndma = "D1"\nnode = 3', 12, "node 3 is no text"),
        ('"IDR"', '"IDR"\n[[critical]]\nname = "RSUD"\ndma = "D9"', None, "dma 'D9' is not in dmas.csv"),
        ('"IDR"', '"IDR"\npromises = 3', 12, "'promises' in [monitor]: it belongs above the first"),
        ('"network.inp"', '"../network.inp"', 5, "is not a file name"),
        ('"network.inp"', '"town.inp"', None, "network 'town.inp' is not in the folder"),
        ("night = [0, 5]", "night = [5, 0]", 8, "no stretch of at least one hour"),
        ("night = [0, 5]", 'night = "0-5"', 8, "not a pair of local hours"),
        ("[2026-08-17]", '["2026-08-17"]', 9, "is not a date"),
        ("[2026-08-17]", "[2026-08-17T10:00:00]", 9, "is not a date"),
        ("5500", "nan", 10, "water_cost"),
        ("5500", "-1", 10, "water_cost"),
        ("5500", '5500\nvisit_cost = "much"', 11, "visit_cost 'much' is not a number"),
        ('"IDR"', '"rupiah"', 11, "three capitals"),
    ],
)
def test_a_mistake_in_site_toml_is_named(
    folder: Any, old: str, new: str, line: int | None, message: str
) -> None:
    folder.change("site.toml", old, new)
    file, where, said = only_error(folder)
    assert (file, where) == ("site.toml", line)
    assert message in said


def test_sensors_began_when_the_site_did_but_those_of_which_the_table_says_otherwise(folder: Any) -> None:
    folder.change("site.toml", 'id = "kota"', 'id = "kota"\nsince = 2026-03-01')
    table = folder.path / "sensors.csv"
    head, first, *rest = table.read_text().splitlines()
    lines = [head + ",since", first + ",2026-10-01", *(row + "," for row in rest)]
    folder.write("sensors.csv", "\n".join(lines) + "\n")
    found = [s.since for s in read_site(folder.path).sensors]
    assert found == [date(2026, 10, 1), *[date(2026, 3, 1)] * len(rest)]


def test_a_monitor_key_above_its_table_is_told_where_it_belongs(folder: Any) -> None:
    folder.change("site.toml", 'id = "kota"', 'currency = "USD"\nid = "kota"')
    assert only_error(folder) == ("site.toml", 1, "unknown key 'currency': it belongs into [monitor]")


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "message"),
    [
        ("dmas.csv", "connections", "conections", 1, "'conections': did you mean 'connections'?"),
        ("dmas.csv", "id,name", "name,id", None, ""),
        ("dmas.csv", "D2,Dua,50", "D1,Dua,50", 3, "DMA 'D1' is there already, on line 2"),
        ("dmas.csv", "D2,Dua,50", "D2,Dua,", 3, "connections is empty"),
        ("dmas.csv", "D2,Dua,50", "D2,Dua,1.5", 3, "not a whole number"),
        ("dmas.csv", "1.5", "nan", 2, "not a finite number"),
        ("dmas.csv", "1.5", "-1", 2, "mains_km '-1' is below 0"),
        ("dmas.csv", "1.5", '"1,5"', 2, "write a decimal point"),
        ("dmas.csv", "D2,Dua,50,,,", "D2,Dua,50,,,,,9", 3, "has 8 cells where the heading has 6"),
        ("dmas.csv", "Dua,50,,,\n", "Dua,50,,,\nD3,Tiga,9,,,\n", 4, "DMA D3 has no inlet"),
        ("sensors.csv", "F1,flow", "F:1,flow", 2, "may hold only letters"),
        ("sensors.csv", "F1,flow", "F+1,flow", 2, "may hold only letters"),
        ("sensors.csv", "F1,flow", "F/1,flow", 2, "may hold only letters"),
        ("sensors.csv", "F1,flow", ",flow", 2, "id is empty"),
        ("sensors.csv", "LOG-3", "", 4, "device is empty"),
        ("sensors.csv", "LOG-3", "#3", 4, "may hold only letters"),
        ("sensors.csv", ",in,300", ",inn,300", 2, "element 'inn' is not in the network: did you mean 'in'?"),
        ("sensors.csv", ",in,300", ",b,300", 2, "flow meter F1 stands at node b"),
        ("sensors.csv", ",c,60", ",street,60", 4, "pressure P1 stands on link street"),
        ("sensors.csv", ",t,300", ",d,300", 5, "level L1 stands at d, which is no tank"),
        ("sensors.csv", ",t,300", ",r,300", 5, "reservoir"),
        ("sensors.csv", ",t,300", ",,300", 5, "needs its tank as element, or its tank_area_m2"),
        ("sensors.csv", "0,10,112", "10,0,112", 4, "low 10 is not below high 0"),
        ("sensors.csv", "112.63,-7.96", "-7.96,112.63", 4, "swapped?"),
        ("sensors.csv", "112.63,-7.96", "679500,9119900", 4, "beyond 180 degrees"),
        ("sensors.csv", "112.63,-7.96", "112.63,", 4, "lat is missing"),
        ("sensors.csv", "c,60", "c,0", 4, "interval_s '0' is not above 0"),
        ("sensors.csv", "monitor,,c", "monitr,,c", 4, "unknown role 'monitr': did you mean 'monitor'?"),
        ("sensors.csv", "monitor,,c", "monitor,D2,c", 4, "from_dma belongs to inlet meters"),
        ("sensors.csv", "D2,LOG-4", ",LOG-4", 5, "dma is empty"),
        ("sensors.csv", "bar,D1,LOG-3,monitor", "bar,D1,LOG-3,storage", 4, "measures level"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_table_is_named_by_its_line(
    folder: Any, file: str, old: str, new: str, line: int | None, message: str
) -> None:
    folder.change(file, old, new)
    found = [(f, n, m) for f, n, m in errors(folder) if f == file]
    if not message:  # the order of columns is free
        assert found == [] or "is missing" not in found[0][2]
        return
    assert any(n == line and message in m for _, n, m in found), found


def test_columns_may_stand_in_any_order(folder: Any) -> None:
    folder.write("dmas.csv", "connections,name,id\n100,Satu,D1\n50,Dua,D2\n")
    assert [d.connections for d in read_site(folder.path).dmas] == [100, 50]


def test_missing_columns_are_named_together(folder: Any) -> None:
    folder.write("dmas.csv", "name\nSatu\n")
    assert ("dmas.csv", 1, "column id, connections is missing") in errors(folder)


@pytest.mark.parametrize("name", ["site.toml", "dmas.csv", "sensors.csv"])
def test_a_missing_file_is_named(folder: Any, name: str) -> None:
    (folder.path / name).unlink()
    assert any(f == name and m.startswith("is missing") for f, _, m in errors(folder))


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="does not exist"):
        read_site(tmp_path / "nowhere")
    with pytest.raises(SiteError, match="is not a folder"):
        (tmp_path / "file").write_text("")
        read_site(tmp_path / "file")


def test_tables_as_excel_writes_them_in_indonesia_are_understood(folder: Any) -> None:
    folder.write(
        "dmas.csv",
        b"\xef\xbb\xbf" + b"sep=;\r\nid;name;connections;mains_km\r\nD1;Satu;100;1,5\r\nD2;Dua;50;\r\n",
    )
    text = (folder.path / "sensors.csv").read_text().replace("112.63", "112,63 ").replace("-7.96", "-7,96 ")
    rows = [line.replace(",63 ", "~63").replace("-7,96 ", "-7~96") for line in text.splitlines()]
    folder.write("sensors.csv", "\r\n".join(r.replace(",", ";").replace("~", ",") for r in rows) + "\r\n")
    assert check_site(folder.path) == []
    site = read_site(folder.path)
    assert site.dmas[0].mains_m == 1500
    assert (site.sensor["P1"].lon, site.sensor["P1"].lat) == (112.63, -7.96)


def test_a_thousands_separator_is_refused_rather_than_guessed(folder: Any) -> None:
    folder.write("dmas.csv", "id;connections;mains_km\nD1;1.250;1.250,5\nD2;50;\n")
    found = [m for f, n, m in errors(folder) if f == "dmas.csv" and n == 2]
    assert any("connections '1.250' is not a whole number" in m for m in found)
    assert any("leave out the thousands separator" in m for m in found)


def test_lines_are_counted_through_comments_blank_lines_and_quoted_line_breaks(folder: Any) -> None:
    folder.write("dmas.csv", '# ours\n\nid,name,connections\nD1,"two\nlines",100\n\nD2,Dua,x\n')
    assert ("dmas.csv", 7, "connections 'x' is not a whole number: write only digits") in errors(folder)


def test_files_in_other_encodings_are_named_with_the_line(folder: Any) -> None:
    folder.write("dmas.csv", "id,name,connections\nD1,Satu,1\nD2,Dúa,2\n".encode("latin-1"))
    assert any(f == "dmas.csv" and n == 3 and "is not UTF-8" in m for f, n, m in errors(folder))
    folder.write("dmas.csv", "id,connections\nD1,1\n".encode("utf-16"))
    assert any(f == "dmas.csv" and "is UTF-16" in m for f, _, m in errors(folder))


def test_a_table_with_an_unclosed_quote_is_named(folder: Any) -> None:
    folder.write("dmas.csv", 'id,name,connections\nD1,"Satu,100\nD2,Dua,50\n')
    assert any(f == "dmas.csv" and "cannot be read as CSV" in m for f, _, m in errors(folder))


def test_mistakes_of_the_epanet_file_come_with_its_lines(folder: Any) -> None:
    folder.change("network.inp", "b c 120 100 130", "b q 120 100 130")
    assert any(f == "network.inp" and n == 13 and "undefined node q" in m for f, n, m in errors(folder)), (
        errors(folder)
    )


def test_a_network_file_without_its_end_is_a_doubt(folder: Any) -> None:
    folder.change("network.inp", "[END]\n", "")
    ((file, _, message),) = warnings(folder)
    assert file == "network.inp" and "cut off" in message
    assert read_site(folder.path).node_dma == {"b": "D1", "c": "D1", "d": "D2"}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("sensors.csv", b"", "is empty"),
        ("sensors.csv", b"id,quantity,unit,dma,device\n", "has no sensor"),
        ("sensors.csv", "id,quantity\n".encode("utf-16"), "is UTF-16"),
        ("dmas.csv", b"", "is empty"),
        ("dmas.csv", b"id,connections\n", "has no DMA"),
        ("dmas.csv", "id,connections\n".encode("utf-16"), "is UTF-16"),
        ("dmas.csv", b"id,connections\nD 1,100\nD2,50\n", "id 'D 1' may hold only"),
        ("network.inp", b"", "is empty"),
        ("site.toml", b"id =\n", "is not TOML"),
    ],
)
def test_what_only_follows_from_a_mistake_is_not_told(
    folder: Any, file: str, content: bytes, message: str
) -> None:
    folder.write(file, content)
    ((where, _, said),) = [(p.file, p.line, p.message) for p in check_site(folder.path)]
    assert where == file
    assert message in said


def test_a_refused_meter_is_told_without_what_its_absence_does_to_the_dmas(folder: Any) -> None:
    folder.change("sensors.csv", "F2,flow,L/s", "F2,flow,furlong")
    ((file, line, message, _),) = [(p.file, p.line, p.message, p.severity) for p in check_site(folder.path)]
    assert (file, line) == ("sensors.csv", 3)
    assert "furlong" in message


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Asia/Malang", "Asia/Jakarta (WIB), Asia/Makassar (WITA), Asia/Jayapura (WIT)"),
        ("Asia/Bali", "Asia/Jakarta (WIB), Asia/Makassar (WITA), Asia/Jayapura (WIT)"),
        ("Surabaya", "Asia/Jakarta (WIB), Asia/Makassar (WITA), Asia/Jayapura (WIT)"),
        ("WITA", ": write Asia/Makassar"),
        ("Asia/Jakrata", "did you mean 'Asia/Jakarta'?"),
        ("Asia/Singapur", "did you mean 'Asia/Singapore'?"),
        ("asia/makasar", "did you mean 'Asia/Makassar'?"),
        ("Europe/Roma", "did you mean 'Europe/Rome'?"),
        ("Europe/Berlino", "did you mean 'Europe/Berlin'?"),
    ],
)
def test_an_unknown_time_zone_comes_with_those_that_it_may_be(folder: Any, zone: str, hint: str) -> None:
    folder.change("site.toml", "Asia/Jakarta", zone)
    file, line, message = only_error(folder)
    assert (file, line) == ("site.toml", 3)
    assert message.startswith(f"unknown timezone {zone!r}")
    assert hint in message


def test_an_unmetered_link_round_a_meter_is_named(folder: Any) -> None:
    folder.change("network.inp", " up d t", " round c d 50 50 130\n up d t")
    file, line, said = only_error(folder)
    assert (file, line) == ("sensors.csv", 3)
    assert "D1 and D2 are one piece of network" in said
    assert "round" in said


def test_an_unmetered_link_round_the_source_meter_is_named(folder: Any) -> None:
    folder.change("network.inp", " up d t", " second a c 50 50 130\n up d t")
    _, line, said = only_error(folder)
    assert line == 2
    assert "link in does not bound D1" in said
    assert "by links second, street" in said


def test_a_shut_link_between_dmas_needs_no_meter(folder: Any) -> None:
    folder.change("network.inp", " up d t", " valve c d 50 50 130 0 Closed\n up d t")
    assert check_site(folder.path) == []


def test_a_meter_against_the_link_it_stands_on_is_told_which_way_is_positive(folder: Any) -> None:
    folder.change("sensors.csv", "F1,flow,L/s,,LOG-1,inlet,D1", "F1,flow,L/s,D1,LOG-1,inlet,")
    _, line, said = only_error(folder)
    assert line in (2, 3)
    assert "positive is from" in said


def test_doubts_do_not_keep_a_site_from_being_used(folder: Any) -> None:
    folder.change("site.toml", 'crs = "EPSG:32749"\n', "")
    folder.change("sensors.csv", "P1,pressure,bar,D1", "P1,pressure,bar,D2")
    said = warnings(folder)
    assert [(f, n) for f, n, _ in said] == [("site.toml", None), ("sensors.csv", 4)]
    assert "node c lies in D1" in said[1][2]
    assert read_site(folder.path).crs == ""


def test_a_sensor_far_from_its_network_is_pointed_out(folder: Any) -> None:
    folder.change("sensors.csv", "112.63,-7.96", "112.63,7.96")
    assert [(f, n) for f, n, m in warnings(folder) if "far from the network" in m] == [("sensors.csv", 4)]
    folder.change("sensors.csv", "112.63,7.96", "112.63,-7.96")
    folder.change("site.toml", "EPSG:32749", "EPSG:32649")  # the northern half of the zone
    assert any("crs, are wrong" in m for _, _, m in warnings(folder))


def test_demand_outside_all_dmas_is_pointed_out(folder: Any) -> None:
    folder.change("network.inp", " a 10 0", " a 10 5")
    assert any("1 junction with 50% of the demand lies in no DMA (a)" in m for _, _, m in warnings(folder))


def test_a_site_without_network_works_on_meters_alone(folder: Any) -> None:
    (folder.path / "network.inp").unlink()
    folder.change("site.toml", 'network = "network.inp"\n', "")
    assert "no network to take it from" in only_error(folder)[2]  # the tank's area
    folder.change("sensors.csv", "storage,,t,300,,", "storage,,t,300,,78.5")
    site = read_site(folder.path)
    assert site.network_file is None
    assert site.node_dma == {}


def test_the_default_network_file_is_found_without_being_named(folder: Any) -> None:
    folder.change("site.toml", 'network = "network.inp"\n', "")
    assert read_site(folder.path).network_file == folder.path / "network.inp"


def test_the_example_of_ferrara_is_right(root: Path) -> None:
    assert check_site(root / "examples" / "ferrara") == []
    site = read_site(root / "examples" / "ferrara")
    assert [s.unit for s in site.sensors] == ["L/s"] * 5
    assert {s.interval_s for s in site.sensors} == {3600}


def test_the_example_of_ferrara_knows_every_public_holiday_of_its_data(root: Path) -> None:
    fixed = [
        (1, 1),
        (1, 6),
        (4, 25),
        (5, 1),
        (6, 2),
        (8, 15),
        (11, 1),
        (12, 8),
        (12, 25),
        (12, 26),
    ]  # L. 260/1949
    easter = [date(2021, 4, 4), date(2022, 4, 17)]
    meant = {date(year, *day) for year in (2021, 2022) for day in fixed} | {
        date(2023, 1, 1),
        date(2023, 1, 6),
    }
    meant |= {day + timedelta(days=k) for day in easter for k in (0, 1)}
    local = {date(2021, 11, 3), date(2022, 11, 3)}
    assert read_site(root / "examples" / "ferrara").monitor.holidays == meant | local


def test_the_example_of_ltown_says_which_file_to_put_in(root: Path) -> None:
    with pytest.raises(SiteError, match="put the EPANET file there"):
        read_site(root / "examples" / "ltown")


@pytest.mark.data
def test_the_example_of_ltown_is_right_once_its_network_is_there(ltown: Path) -> None:
    assert [p for p in check_site(ltown) if p.severity is Severity.ERROR] == []
    site = read_site(ltown)
    assert len(site.sensors) == 33 + 3 + 1 + 82
    assert sum(d == "C" for d in site.node_dma.values()) == 92
    assert len(site.node_dma) == 782


def test_every_key_and_column_is_described(root: Path) -> None:
    text = (root / "docs" / "site-folder.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S)))
    columns = {*DMA_REQUIRED, *DMA_OPTIONAL, *SENSOR_REQUIRED, *SENSOR_OPTIONAL, "node", "dma"}
    columns |= {*BILLED_REQUIRED, *BILLED_OPTIONAL, *NAMES_REQUIRED, *NAMES_OPTIONAL}
    tables = {"monitor": MONITOR_KEYS, "listen": LISTEN_KEYS, "promises": PROMISES_KEYS, **TABLES}
    tables["priority"] = PRIORITY_KEYS
    keys = {*KEYS, *(f"{name}.{k}" for name, table in tables.items() for k in table)} - set(tables)
    words = {*(q.value for q in Quantity), *(r.value for r in Role), *(f.value for f in Format)}
    assert (columns | keys | words) - {"node"} <= described
    assert {u for q in Quantity for u in UNITS[q]} <= described


def test_the_example_of_the_description_is_read_as_it_stands(root: Path, folder: Any) -> None:
    text = (root / "docs" / "site-folder.md").read_text(encoding="utf-8")
    whole, promised = (part.split("```")[0] for part in text.split("```toml\n")[1:3])
    folder.write("site.toml", whole + promised)
    assert check_site(folder.path) == []
    site = read_site(folder.path)
    assert site.monitor.night == (0, 4)
    assert site.promises is not None
    assert site.promises.hours.holidays == site.monitor.holidays
    high, medium, low = (site.promises.by_priority[p] for p in ("high", "medium", "low"))
    assert (high.respond, high.repair, high.working) == (timedelta(hours=1), timedelta(days=1), False)
    assert (medium.locate, medium.working) == (timedelta(hours=16), True)
    assert (low.respond, low.repair) == (None, timedelta(days=5))
