from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_sim.town import demo_site_folder
from waterworks.epanet_file import read_network
from waterworks.errors import NetworkError, Severity, SiteError
from waterworks.hydraulics import steady_states
from waterworks.placing import distances, spread
from waterworks.site import Role
from waterworks.site_folder import check_site, read_site
from waterworks.site_import import import_site
from waterworks.units import Quantity

TOWN = demo_site_folder() / "network.inp"


def untagged(tmp_path: Path) -> Path:
    text = re.sub(r"\[TAGS\].*?\n\n", "", TOWN.read_text(encoding="utf-8"), flags=re.S)
    assert "[TAGS]" not in text
    path = tmp_path / "town.inp"
    path.write_text(text, encoding="utf-8")
    return path


def test_tagged_districts_come_back_with_their_meters(tmp_path: Path) -> None:
    report = import_site(TOWN, tmp_path / "site", crs="EPSG:32749")
    assert [p for p in check_site(tmp_path / "site") if p.severity is Severity.ERROR] == []
    made, meant = read_site(tmp_path / "site"), read_site(demo_site_folder())
    assert made.node_dma == meant.node_dma
    meters = {(s.element, s.dma, s.from_dma) for s in made.sensors if s.role is Role.INLET}
    assert meters == {(s.element, s.dma, s.from_dma) for s in meant.sensors if s.role is Role.INLET}
    assert report.dmas == 6
    assert any("tags" in n for n in report.notes)


def test_a_network_without_tags_is_divided_at_its_valves_and_pumps(tmp_path: Path) -> None:
    import_site(untagged(tmp_path), tmp_path / "site", crs="EPSG:32749")
    site = read_site(tmp_path / "site")
    inlets = {s.element: (s.dma, s.from_dma) for s in site.sensors if s.role is Role.INLET}
    assert set(inlets) == {"M00", "PUMP-1", "PRV-1", "PRV-2", "PRV-3"}
    # Each of the true DMAs lies within one of those made.
    for dma in ("D1", "D2", "D3", "D4", "D5", "D6"):
        within = {
            site.node_dma[n] for n, d in read_site(demo_site_folder()).node_dma.items()
            if d == dma and n.startswith("J")
        }  # fmt: skip
        assert len(within) == 1
    tank = next(s for s in site.sensors if s.quantity is Quantity.LEVEL)
    assert tank.role is Role.STORAGE  # the pump's meter stands before it
    assert tank.dma == inlets["PUMP-1"][0]


def test_tags_that_are_no_districts_are_left_alone(tmp_path: Path) -> None:
    names = [n for n in read_network(TOWN).node_ids if n.startswith("J")]
    tags = "".join(f" NODE {n} {'PVC' if k % 2 else 'STEEL'}\n" for k, n in enumerate(names))
    text = untagged(tmp_path).read_text().replace("[DEMANDS]", f"[TAGS]\n{tags}\n[DEMANDS]")
    (tmp_path / "materials.inp").write_text(text)
    report = import_site(tmp_path / "materials.inp", tmp_path / "site")
    assert report.dmas == 5
    assert not any("tags" in n for n in report.notes)


def test_flow_into_a_district_is_positive_over_all_its_meters(tmp_path: Path) -> None:
    site = read_site(import_site(TOWN, tmp_path / "site").folder)
    network = read_network(TOWN)
    noon = steady_states(TOWN, [12])
    for dma in site.dmas:
        net = sum(
            noon.flow[0, network.link_index[s.element]] * ((s.dma == dma.id) - (s.from_dma == dma.id))
            for s in site.sensors if s.role is Role.INLET
        )  # fmt: skip
        demand = sum(noon.demand[0, network.node_index[n]] for n, d in site.node_dma.items() if d == dma.id)
        assert net == pytest.approx(demand, rel=1e-3)
        assert net > 0


def test_the_report_states_what_was_assumed_and_the_table_repeats_it(tmp_path: Path) -> None:
    report = import_site(TOWN, tmp_path / "site")
    said = " ".join(report.notes)
    for word in ("20 m3 a month", "Asia/Jakarta", "UTM", "positive is the direction"):
        assert word in said
    first = (tmp_path / "site" / "dmas.csv").read_text().splitlines()[0]
    assert first.startswith("# connections: estimated")
    site = read_site(tmp_path / "site")
    true = read_site(demo_site_folder())
    for dma in true.dmas:
        # 600 l a day and 16 % losses against 20 m3 a month: 6 % apart.
        assert site.dma[dma.id].connections == pytest.approx(dma.connections * 1.06, rel=0.02)
        assert site.dma[dma.id].mains_m == pytest.approx(dma.mains_m, rel=0.05)
        assert site.dma[dma.id].pressure_m == pytest.approx(dma.pressure_m, abs=4)


def test_numbers_in_other_units_than_the_file_says_are_told_first(folder: Any, tmp_path: Path) -> None:
    inp = tmp_path / "wrong.inp"
    text = (folder.path / "network.inp").read_text()
    inp.write_text(text)
    assert not any("units" in n for n in import_site(inp, tmp_path / "right").notes)
    inp.write_text(text.replace("Units LPS", "Units MGD"))  # inches for millimetres, feet for metres
    notes = import_site(inp, tmp_path / "inches").notes
    assert notes[0].startswith("WARNING: are the units right? the file says Units MGD")
    assert "1 pipe is wider than 5 m (main: 5.1 m)" in notes[0]
    inp.write_text(text.replace(" 1.5\n", " 15000\n"))
    notes = import_site(inp, tmp_path / "many").notes
    assert re.search(r"DMA \S+ would have 1,\d{3},\d{3} connections", notes[0])
    assert "mean pressure of DMA" in notes[0]
    inp.write_text(re.sub(r" (\d+) 130\n", lambda m: f" {int(m[1]) / 1000} 130\n", text))
    assert "half of the pipes are at most 0.1 mm wide" in import_site(inp, tmp_path / "metres").notes[0]


def test_one_of_a_kind_is_told_in_the_singular(folder: Any, tmp_path: Path) -> None:
    inp = tmp_path / "one.inp"
    text = (folder.path / "network.inp").read_text()
    inp.write_text(re.sub(r" t 40.*\n| up d t.*\n", "", text))
    said = " | ".join(import_site(inp, tmp_path / "made").notes)
    assert "1 inlet meter on the links" in said
    inp.write_text(text)
    said = " | ".join(import_site(inp, tmp_path / "other").notes)
    assert "1 tank level" in said and "1 tank levels" not in said


def test_an_american_file_gets_american_units(folder: Any, tmp_path: Path) -> None:
    folder.change("network.inp", "Units LPS", "Units GPM")
    (tmp_path / "gpm.inp").write_bytes((folder.path / "network.inp").read_bytes())
    site = read_site(import_site(tmp_path / "gpm.inp", tmp_path / "made").folder)
    assert {s.unit for s in site.sensors} == {"gpm", "psi", "ft"}


def test_degrees_are_known_for_what_they_are(folder: Any, tmp_path: Path) -> None:
    text = re.sub(r"6(79\d\d\d) 9(119\d\d\d)", lambda m: f"112.{m[1]} -7.{m[2]}",
                  (folder.path / "network.inp").read_text())  # fmt: skip
    (tmp_path / "degrees.inp").write_text(text)
    assert read_site(import_site(tmp_path / "degrees.inp", tmp_path / "made").folder).crs == "EPSG:4326"


def test_names_that_topics_cannot_carry_are_changed_and_those_of_elements_kept(
    network_file: Callable[[str], Path], tmp_path: Path
) -> None:
    text = (
        "[JUNCTIONS]\n J#1/a 5 2\n J:2,b 5 2\n q+ 5 1\n[RESERVOIRS]\n R+ 50\n[TANKS]\n"
        " Tank/1 30 2 0 4 9 0\n[PIPES]\n p/1 R+ J#1/a 9 200 100\n p2 J#1/a J:2,b 9 200 100\n"
        " p3 J:2,b q+ 9 200 100\n p4 q+ Tank/1 9 200 100\n[OPTIONS]\n Units LPS\n[END]\n"
    )
    folder = import_site(network_file(text), tmp_path / "made", name="Kota / Barat #2").folder
    site = read_site(folder)
    assert site.name == "Kota / Barat #2"
    assert re.fullmatch(r"[\w.\-]+", site.id)
    assert {s.element for s in site.sensors} >= {"p/1", "Tank/1"}
    assert set(site.node_dma) == {"J#1/a", "J:2,b", "q+"}


def test_a_file_in_windows_letters_is_copied_as_utf8(tmp_path: Path) -> None:
    raw = "[JUNCTIONS]\n Señor 5 2\n[RESERVOIRS]\n r 50\n[PIPES]\n p r Señor 9 200 100\n[END]\n".encode(
        "cp1252"
    )
    (tmp_path / "old.inp").write_bytes(raw)
    report = import_site(tmp_path / "old.inp", tmp_path / "made")
    assert read_site(report.folder).node_dma == {"Señor": "D1"}
    assert any("Windows-1252" in n for n in report.notes)


def test_a_network_that_lives_on_a_tank_is_metered_at_the_tank(
    network_file: Callable[[str], Path], tmp_path: Path
) -> None:
    text = (
        "[JUNCTIONS]\n a 5 2\n b 5 2\n[TANKS]\n t 30 2 0 4 9 0\n"
        "[PIPES]\n out t a 9 200 100\n p a b 9 200 100\n[END]\n"
    )  # fmt: skip
    site = read_site(import_site(network_file(text), tmp_path / "made").folder)
    assert [(s.element, s.dma) for s in site.sensors if s.role is Role.INLET] == [("out", "D1")]


def test_what_cannot_be_imported_is_refused_before_anything_is_written(
    network_file: Callable[[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(NetworkError, match="no junction"):
        text = "[RESERVOIRS]\n r 9\n s 8\n[PIPES]\n p r s 9 200 100\n[END]\n"
        import_site(network_file(text), tmp_path / "made")
    with pytest.raises(NetworkError, match="undefined node"):
        text = "[JUNCTIONS]\n a 1 1\n[RESERVOIRS]\n r 9\n[PIPES]\n p r x 9 200 100\n[END]\n"
        import_site(network_file(text), tmp_path / "made")
    with pytest.raises(SiteError, match="no coordinate system"):
        import_site(TOWN, tmp_path / "made", crs="Malang")
    assert not (tmp_path / "made").exists()


def test_a_site_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    import_site(TOWN, tmp_path / "site")
    before = {p.name: p.read_bytes() for p in (tmp_path / "site").iterdir()}
    with pytest.raises(SiteError, match=r"holds site\.toml"):
        import_site(TOWN, tmp_path / "site")
    assert {p.name: p.read_bytes() for p in (tmp_path / "site").iterdir()} == before


@pytest.mark.data
def test_ltown_is_divided_as_its_makers_drew_it(ltown: Path, tmp_path: Path) -> None:
    site = read_site(import_site(ltown / "network.inp", tmp_path / "made").folder)
    elements = {s.element: (s.dma, s.from_dma) for s in site.sensors if s.role is Role.INLET}
    assert elements == {"p227": ("D1", ""), "p235": ("D1", ""), "PUMP_1": ("D2", "D1"), "PRV-3": ("D3", "D1")}
    with (ltown / "sensors.csv").open() as f:
        area_c = {r["element"] for r in csv.DictReader(f) if r["dma"] == "C" and r["quantity"] == "pressure"}
    assert {site.node_dma[n] for n in area_c} == {"D2"}
    assert 3 <= sum(s.quantity is Quantity.PRESSURE and s.dma == "D1" for s in site.sensors) <= 5


def test_spread_nodes_are_each_as_far_as_can_be_from_those_before() -> None:
    network = read_network(TOWN)
    inside = [network.node_index[n] for n, d in read_site(demo_site_folder()).node_dma.items() if d == "D2"]
    chosen = spread(network, inside, 4)
    assert len(set(chosen)) == 4
    assert set(chosen) <= set(inside)
    for k in range(1, 4):
        to_chosen = distances(network, chosen[:k]).min(axis=0)[inside]
        assert to_chosen.max() == pytest.approx(distances(network, chosen[:k])[:, chosen[k]].min())


def test_distances_follow_the_pipes_and_take_the_shorter_of_two(network_file: Callable[[str], Path]) -> None:
    text = (
        "[JUNCTIONS]\n a 5 2\n b 5 2\n c 5 1\n[RESERVOIRS]\n r 50\n[PIPES]\n p1 r a 100 200 100\n"
        " p2 a b 300 200 100\n p3 b a 250 200 100\n p4 b c 40 200 100\n[END]\n"
    )  # fmt: skip
    network = read_network(network_file(text))
    foot = 0.3048  # a file without units is in gallons and feet
    np.testing.assert_allclose(distances(network, [3])[0], np.array([100, 350, 390, 0]) * foot)
    cut = np.array([False, True, True, False])
    assert distances(network, [3], cut)[0].tolist() == [pytest.approx(100 * foot), np.inf, np.inf, 0]


def test_a_site_is_named_as_its_folder_unless_told_otherwise(tmp_path: Path) -> None:
    assert import_site(TOWN, tmp_path / "Kali Bening").folder == tmp_path / "Kali Bening"
    site = read_site(tmp_path / "Kali Bening")
    assert (site.id, site.name) == ("Kali-Bening", "Kali Bening")
    import_site(TOWN, tmp_path / "b", name="Watu Gede")
    assert read_site(tmp_path / "b").name == "Watu Gede"
