"""Labelled years: the competition's format, drawn by seed, and truth that is true."""

from __future__ import annotations

import gzip
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from firmware_sim.battle_plan import Mix, Variant, draw_leaks, scenario_text
from firmware_sim.battle_site import battle_site, spread, zones
from firmware_sim.battle_years import YearsReport, hole_diameter_m, simulate_years, write_years
from firmware_sim.files import OutputError
from firmware_sim.leaks import orifice
from firmware_sim.scenario import parse_scenario
from firmware_sim.town import demo_site_folder
from waterworks.epanet_file import read_network
from waterworks.errors import SiteError
from waterworks.site import Site

YEARS = (2018, 2019)
GROWN = """
[[leak]]
id = "old"
pipe = "BC"
position = 1
start = 2018-12-30T06:00:00Z
end = 2018-12-31T18:00:00Z
flow_m3h = 3

[[leak]]
id = "long"
pipe = "EF"
start = 2018-12-30T12:00:00Z
growth = "linear"
peak = 2019-01-01T00:00:00Z
flow_m3h = 1.5

[[leak]]
id = "new"
pipe = "CD"
position = 1
start = 2019-01-01T06:00:00Z
flow_m3h = 2

[[leak]]
id = "after"
pipe = "TB"
start = 2019-03-01T00:00:00Z
flow_m3h = 2
"""
EXACT = """
[devices]
clock_spread_s = 0
send_delay_s = 0
reconnect_delay_s = 0
buffer_samples = 0
pressure_noise_m = 0
flow_noise = 0
"""


def lines(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt") as file:
        return [line.split(";") for line in file.read().splitlines()]


def table(path: Path) -> dict[str, np.ndarray]:
    head, *rows = lines(path)
    cells = np.array([[float(c.replace(",", ".") or "nan") for c in row[1:]] for row in rows])
    return {name: cells[:, k] for k, name in enumerate(head[1:])}


def simulate(site: Site, out: Path, text: str = GROWN, days: int = 4) -> YearsReport:
    start = np.datetime64("2018-12-30", "us")
    end = start + np.timedelta64(days, "D")
    return simulate_years(site, parse_scenario(text + EXACT), out, start, end)


@pytest.fixture
def small(hamlet: str, tmp_path: Path) -> Site:
    """The hamlet with the sensors that the maker gives it."""
    (tmp_path / "town").mkdir()
    (tmp_path / "town" / "network.inp").write_text(hamlet)
    return battle_site(tmp_path / "town" / "network.inp")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("town")
    shutil.copy(demo_site_folder() / "network.inp", folder / "network.inp")
    return battle_site(folder / "network.inp")


# -- files ------------------------------------------------------------------------------------------


def test_files_are_those_of_the_competition(small: Site, tmp_path: Path) -> None:
    report = simulate(small, tmp_path / "out")
    kinds = ("Demands", "Flows", "Levels", "Pressures")
    wanted = {f"{y}_SCADA_{kind}.csv.gz" for y in YEARS for kind in kinds}
    wanted |= {f"{y}_Leakages.csv.gz" for y in YEARS} | {"2018_repairs.txt", "leaks_truth.txt", "network.inp"}
    wanted |= {"faults.csv", "scenario.toml"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == wanted
    for name in sorted(n for n in wanted if n.endswith(".gz")):
        head, *rows = lines(tmp_path / "out" / name)
        assert head[0] == "Timestamp" and len(rows) == 2 * 288
        assert {len(row) for row in rows} == {len(head)}
        assert not any("." in cell for row in rows for cell in row)
    assert lines(tmp_path / "out" / "2019_SCADA_Flows.csv.gz")[1][0] == "2019-01-01 00:00:00"
    (demands,) = {
        len(c.split(",")) for row in lines(tmp_path / "out" / "2018_SCADA_Demands.csv.gz") for c in row
    }
    assert demands == 1  # whole litres
    assert report.leaks == (2, 1) and report.repairs == 1
    assert (tmp_path / "out" / "network.inp").read_bytes() == (small.folder / "network.inp").read_bytes()


def test_truth_tells_when_what_leaked_and_repairs_tell_only_what_was_repaired_in_the_first_year(
    small: Site, tmp_path: Path
) -> None:
    simulate(small, tmp_path / "out")
    truth = (tmp_path / "out" / "leaks_truth.txt").read_text().splitlines()
    told = [[c.strip() for c in row[2:].split(",")] for row in truth]
    assert [(t[0], t[1], t[2], t[4], t[5]) for t in told] == [
        ("BC", "2018-12-30 06:00", "2018-12-31 18:00", "abrupt", "2018-12-30 06:00"),
        ("EF", "2018-12-30 12:00", "2019-01-02 23:55", "incipient", "2019-01-01 00:00"),
        ("CD", "2019-01-01 06:00", "2019-01-02 23:55", "abrupt", "2019-01-01 06:00"),
    ]
    assert (tmp_path / "out" / "2018_repairs.txt").read_text() == "BC, 2018-12-31 18:00\n"
    assert list(table(tmp_path / "out" / "2018_Leakages.csv.gz")) == ["BC", "EF"]
    assert list(table(tmp_path / "out" / "2019_Leakages.csv.gz")) == ["EF", "CD"]


def test_a_leaks_flow_is_the_drawn_one_and_follows_its_hole_and_the_pressure(
    small: Site, tmp_path: Path
) -> None:
    simulate(small, tmp_path / "out")
    flow = table(tmp_path / "out" / "2018_Leakages.csv.gz")
    pressure = table(tmp_path / "out" / "2018_SCADA_Pressures.csv.gz")
    steps = np.arange(2 * 288)
    on = (steps >= 72) & (steps < 288 + 216)
    assert (flow["BC"][~on] == 0).all()
    assert flow["BC"][on].mean() == pytest.approx(3, rel=0.05)
    truth = (tmp_path / "out" / "leaks_truth.txt").read_text().splitlines()
    hole_mm = 1000 * float(truth[0].split(",")[3])
    law = orifice(hole_mm, 0.75) * np.sqrt(pressure["C"])  # the hole is at node C
    assert flow["BC"][on] == pytest.approx(law[on], abs=0.011)
    grows = flow["EF"][144:]
    assert grows[0] == 0 and np.all(np.diff(grows) > -0.02)
    late = table(tmp_path / "out" / "2019_Leakages.csv.gz")
    assert late["EF"].mean() == pytest.approx(1.5, rel=0.05)


def test_a_hole_has_the_diameter_of_its_coefficient() -> None:
    assert hole_diameter_m(orifice(20, 0.75)) == pytest.approx(0.020)


def test_what_flows_in_is_what_is_drawn_and_leaks(small: Site, tmp_path: Path) -> None:
    like = tmp_path / "like"
    like.mkdir()
    for kind, columns in (("Flows", "TB"), ("Demands", "B;C;D;E;F"), ("Pressures", "B")):
        with gzip.open(like / f"2018_SCADA_{kind}.csv.gz", "wt") as file:
            file.write(f"Timestamp;{columns}\n")
    site = battle_site(small.folder / "network.inp", like)
    text = GROWN + "[demand]\nnode_error = 0.3\n[model]\nroughness_error = 0.1\ndiameter_error = 0.03\n"
    simulate(site, tmp_path / "out", text)
    inflow = table(tmp_path / "out" / "2018_SCADA_Flows.csv.gz")["TB"]
    drawn = sum(table(tmp_path / "out" / "2018_SCADA_Demands.csv.gz").values())
    leaks = sum(table(tmp_path / "out" / "2018_Leakages.csv.gz").values())
    assert inflow == pytest.approx(drawn / 1000 + leaks, abs=0.03)
    assert not (tmp_path / "out" / "2018_SCADA_Levels.csv.gz").exists()


def test_the_same_seed_makes_the_same_years_and_another_others(small: Site, tmp_path: Path) -> None:
    network = read_network(small.folder / "network.inp")
    held = []
    for k, seed in enumerate((5, 5, 6)):
        text = scenario_text(small, network, seed, Variant.FAULTS, YEARS)
        start = np.datetime64("2018-12-31", "us")
        out = tmp_path / f"out{k}"
        simulate_years(small, parse_scenario(text), out, start, start + np.timedelta64(2, "D"))
        held.append(
            {
                p.name: gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes()
                for p in out.iterdir()
            }
        )
    assert held[0] == held[1]
    for name in ("2018_SCADA_Pressures.csv.gz", "2018_SCADA_Demands.csv.gz", "leaks_truth.txt"):
        assert held[0][name] != held[2][name]


def test_moments_without_any_reading_have_a_row_of_empty_cells(small: Site, tmp_path: Path) -> None:
    dead = "".join(
        f'[[fault]]\nkind = "offline"\ndevice = "{s.device}"\nstart = 2018-12-30T{h}:00:00Z\n'
        f"end = 2018-12-30T{h + 2}:00:00Z\n"
        for s in small.sensors
        for h in ((10, 20) if s.id == "P-B" else (10,))
    )
    simulate(small, tmp_path / "out", GROWN + dead)
    for kind in ("Pressures", "Flows", "Levels", "Demands"):
        head, *rows = lines(tmp_path / "out" / f"2018_SCADA_{kind}.csv.gz")
        assert len(rows) == 2 * 288
        empty = np.array([[c == "" for c in row[1:]] for row in rows])
        assert empty[120:144].all() and not empty[:120].any()
        assert set(np.array(head[1:])[empty[240:264].all(axis=0)]) == (
            {"B"} if kind == "Pressures" else set()
        )


def test_a_folder_in_use_is_left_alone(small: Site, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="not empty"):
        write_years(small.folder / "network.inp", small.folder, 1)


# -- plan -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_leaks_are_many_of_all_kinds_and_sizes_on_pipes_of_their_own(town: Site, seed: int) -> None:
    network = read_network(town.folder / "network.inp")
    leaks = draw_leaks(town, network, seed, YEARS, Mix())
    demand = network.base_demand.sum() * 3600
    assert [leak.start for leak in leaks] == sorted(leak.start for leak in leaks)
    assert len({leak.pipe for leak in leaks}) == len(leaks)
    metered = {s.element for s in town.sensors}
    assert not metered & {leak.pipe for leak in leaks}
    for year in YEARS:
        of = [leak for leak in leaks if leak.start.year == year]
        assert 14 <= len(of) <= 20
        mended = sum(leak.end is not None for leak in of)
        assert mended <= round(0.5 * len(of))
        assert mended == round(0.5 * len(of)) or year == YEARS[-1]  # some outlast the years
    assert {leak.growth for leak in leaks} == {"abrupt", "linear", "quadratic"}
    flows = np.array([leak.flow_m3h for leak in leaks]) / demand
    assert flows.min() >= 0.0115 - 1e-4 and flows.max() <= 0.2 + 1e-4
    for leak in leaks:
        assert leak.start <= leak.peak and (leak.end is None or leak.peak < leak.end)
        assert leak.end is None or leak.end < datetime(2020, 1, 1, tzinfo=UTC)
    label = dict(zip(network.node_ids, zones(network).tolist(), strict=True))
    at = [label[network.node_ids[network.start[network.link_index[leak.pipe]]]] for leak in leaks]
    assert np.mean(np.array(at) == 0) > 0.6


@pytest.mark.parametrize("variant", list(Variant))
def test_every_variant_is_a_scenario_that_differs_in_what_its_name_says(town: Site, variant: Variant) -> None:
    network = read_network(town.folder / "network.inp")
    plain = parse_scenario(scenario_text(town, network, 3, Variant.PLAIN, YEARS))
    found = parse_scenario(scenario_text(town, network, 3, variant, YEARS))
    assert found.leaks == plain.leaks and found.model == plain.model and found.seed == 3
    assert found.model.roughness_error == 0.10 and found.model.diameter_error == 0.03
    assert 0.1 <= found.demand.node_error <= 0.4
    noisy = variant is Variant.NOISY
    assert (0.03 <= found.devices.pressure_noise_m <= 0.1) == noisy
    assert (plain.devices.pressure_noise_m <= 0.01) and (found.devices != plain.devices) == noisy
    assert (found.demand != plain.demand) == (variant is Variant.HOLIDAYS)
    kinds = {str(f.kind) for f in found.faults}
    assert kinds == {
        Variant.MISSING: {"garbage", "offline"},
        Variant.FAULTS: {"stuck", "offset", "drift", "noise", "spikes"},
    }.get(variant, set())


def test_sensors_are_taken_from_a_folder_of_the_same_format(small: Site, tmp_path: Path) -> None:
    simulate(small, tmp_path / "out", days=1)
    again = battle_site(small.folder / "network.inp", tmp_path / "out")
    assert again.sensors == small.sensors
    (tmp_path / "other.inp").write_text(
        (small.folder / "network.inp").read_text().replace("EF E F", "XX E F")
    )
    with gzip.open(tmp_path / "out" / "2018_SCADA_Flows.csv.gz", "wt") as file:
        file.write("Timestamp;PU;EF\n")
    with pytest.raises(SiteError, match="column 'EF' of Flows is no link"):
        battle_site(tmp_path / "other.inp", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SiteError, match="has no YEAR_SCADA"):
        battle_site(small.folder / "network.inp", tmp_path / "empty")


def test_sensors_for_any_network_are_spread_over_it(town: Site) -> None:
    network = read_network(town.folder / "network.inp")
    found = spread(network)
    assert found["Levels"] == ["TANK-1"] and "PUMP-1" in found["Flows"]
    label = dict(zip(network.node_ids, zones(network).tolist(), strict=True))
    reached = {label[n] for n in found["Pressures"]}
    fed = {z for n, z in label.items() if z >= 0 and network.base_demand[network.node_index[n]] > 0}
    assert reached >= fed
    assert found == spread(network)


# -- command ----------------------------------------------------------------------------------------


def test_the_command_says_what_is_wrong(
    small: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from twuin.cli import main

    network = str(small.folder / "network.inp")
    monkeypatch.setenv("COLUMNS", "200")
    for arguments, message in (
        (["--variant", "worse"], "--variant 'worse' is unknown: use one of plain, noisy, missing"),
        (["--seed", "-1"], "--seed -1 must be 0 or more"),
        (["--like", str(small.folder)], "has no YEAR_SCADA_*.csv.gz to take sensors from"),
    ):
        monkeypatch.setattr(
            "sys.argv",
            [
                "twuin",
                "benchmark",
                "years",
                str(tmp_path / "o"),
                "--network",
                network,
                "--seed",
                "1",
                *arguments,
            ],
        )
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 1
        assert message in capfd.readouterr().err
