from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from firmware_sim.town import demo_site_folder
from waterworks.epanet_file import opened, read_network
from waterworks.errors import NetworkError
from waterworks.hydraulics import steady_states
from waterworks.network import LinkKind, Network, NodeKind

FOOT, INCH, PSI = 0.3048, 0.0254, 0.3048 / 0.4333  # psi as EPANET takes it
# Factors from NIST SP 811, written out anew: m3/s of each of EPANET's flow units.
FLOW = {
    "CFS": FOOT**3,
    "GPM": 3.785411784e-3 / 60,
    "MGD": 3785.411784 / 86400,
    "IMGD": 4546.09 / 86400,
    "AFD": 43560 * FOOT**3 / 86400,
    "LPS": 1e-3,
    "LPM": 1e-3 / 60,
    "MLD": 1000 / 86400,
    "CMH": 1 / 3600,
    "CMD": 1 / 86400,
    "CMS": 1.0,
}
US = ("CFS", "GPM", "MGD", "IMGD", "AFD")


def written(units: str, headloss: str, pressure: str = "") -> str:
    """One network, always the same in SI, written in a unit system."""
    us = units in US
    length, diameter = (FOOT, INCH) if us else (1.0, 1e-3)
    head = {"": PSI if us else 1.0, "PSI": PSI, "KPA": PSI / 6.895, "METERS": 1.0, "BAR": PSI / 0.068948,
            "FEET": FOOT}[pressure]  # fmt: skip
    rough = {"H-W": 130.0, "C-M": 0.012, "D-W": 0.0002 / (FOOT if us else 1.0) * 1e3}[headloss]
    q = FLOW[units]
    option = f" Pressure {pressure}\n" if pressure else ""
    return f"""\
[JUNCTIONS]
 a {20 / length!r} 0
 b {15 / length!r} {0.004 / q!r} day
 c {14 / length!r} {0.003 / q!r} day
 d {12 / length!r} {0.001 / q!r}
[RESERVOIRS]
 r {70 / length!r}
[TANKS]
 t {50 / length!r} {2 / length!r} {0.5 / length!r} {4 / length!r} {8 / length!r} 0
[PIPES]
 p1 r a {500 / length!r} {0.2 / diameter!r} {rough!r} 1.5 Open
 p2 b c {300 / length!r} {0.15 / diameter!r} {rough!r} 0 CV
 p3 c d {200 / length!r} {0.1 / diameter!r} {rough!r} 0 Closed
 p4 a t {100 / length!r} {0.15 / diameter!r} {rough!r} 0 Open
 p5 c d {250 / length!r} {0.1 / diameter!r} {rough!r} 0 Open
[PUMPS]
 pu r a HEAD lift SPEED 0.9
[VALVES]
 prv a b {0.15 / diameter!r} PRV {30 / head!r} 0
 fcv b d {0.1 / diameter!r} FCV {0.0005 / q!r} 0
 tcv b d {0.1 / diameter!r} TCV 12 0
[CURVES]
 lift {0.01 / q!r} {5 / length!r}
[PATTERNS]
 day 0.5 1.0 1.8
[DEMANDS]
 b {0.004 / q!r} day
 b {0.002 / q!r}
[OPTIONS]
 Units {units}
 Headloss {headloss}
{option} Demand Multiplier 1.1
[END]
"""


def arrays(n: Network) -> dict[str, np.ndarray]:
    names = ("elevation", "base_demand", "tank_diameter", "tank_init", "tank_min", "tank_max", "length",
             "diameter", "roughness", "minor_loss", "setting")  # fmt: skip
    return {k: getattr(n, k) for k in names}


@pytest.mark.parametrize("headloss", ["H-W", "D-W", "C-M"])
@pytest.mark.parametrize("units", FLOW)
def test_every_unit_system_gives_the_same_si_network(
    units: str, headloss: str, network_file: Callable[[str], Path]
) -> None:
    n = read_network(network_file(written(units, headloss)))
    assert (n.units, n.headloss) == (units, headloss)
    assert n.node_ids == ("a", "b", "c", "d", "r", "t")
    expected = {
        "elevation": [20, 15, 14, 12, 70, 50],
        "base_demand": [0, 1.1 * (0.004 * 1.1 + 0.002), 1.1 * 0.003 * 1.1, 1.1 * 0.001, 0, 0],
        "tank_diameter": [np.nan] * 5 + [8],
        "tank_init": [np.nan] * 5 + [2],
        "tank_min": [np.nan] * 5 + [0.5],
        "tank_max": [np.nan] * 5 + [4],
        "length": [500, 300, 200, 100, 250, 0, 0, 0, 0],
        "diameter": [0.2, 0.15, 0.1, 0.15, 0.1, 0, 0.15, 0.1, 0.1],
        "roughness": [{"H-W": 130, "D-W": 0.0002, "C-M": 0.012}[headloss]] * 5 + [0] * 4,
        "minor_loss": [1.5, 0, 0, 0, 0, 0, 0, 0, 0],
        "setting": [np.nan] * 5 + [0.9, 30, 0.0005, 12],
    }
    for name, value in arrays(n).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert n.open.tolist() == [True, True, False, True, True, True, True, True, True]
    assert [LinkKind(k).name for k in n.link_kind] == [
        "PIPE", "CVPIPE", "PIPE", "PIPE", "PIPE", "PUMP", "PRV", "FCV", "TCV",
    ]  # fmt: skip
    assert [NodeKind(k).name for k in n.node_kind] == ["JUNCTION"] * 4 + ["RESERVOIR", "TANK"]


@pytest.mark.parametrize("pressure", ["PSI", "KPA", "METERS", "BAR", "FEET"])
@pytest.mark.parametrize("units", ["GPM", "LPS"])
def test_a_valve_setting_in_any_pressure_unit_is_the_same_head(
    units: str, pressure: str, network_file: Callable[[str], Path]
) -> None:
    path = network_file(written(units, "H-W", pressure))
    n = read_network(path)
    prv = n.link_index["prv"]
    assert n.setting[prv] == pytest.approx(30, rel=1e-6)
    # And it is the head that EPANET then holds behind the valve.
    state = steady_states(path, [1])
    behind = n.end[prv]
    assert state.head[0, behind] - n.elevation[behind] == pytest.approx(30, abs=1e-3)


def test_hydraulics_are_the_same_in_every_unit_system(network_file: Callable[[str], Path]) -> None:
    base = steady_states(network_file(written("CMS", "D-W")), [0, 1, 2])
    for units in FLOW:
        state = steady_states(network_file(written(units, "D-W")), [0, 1, 2])
        np.testing.assert_allclose(state.head, base.head, atol=0.01, err_msg=units)
        np.testing.assert_allclose(state.flow, base.flow, atol=2e-5, err_msg=units)
        np.testing.assert_allclose(state.demand[:, :4], base.demand[:, :4], atol=1e-6, err_msg=units)


@pytest.mark.data
def test_ltown_has_its_known_size_and_topology(ltown: Path) -> None:
    n = read_network(ltown / "network.inp")
    assert (n.node_kind == NodeKind.JUNCTION).sum() == 782
    assert (n.link_kind == LinkKind.PIPE).sum() == 905
    assert (n.node_kind == NodeKind.RESERVOIR).sum() == 2
    assert [n.link_ids[i] for i in np.flatnonzero(n.link_kind == LinkKind.PRV)] == ["PRV-1", "PRV-2", "PRV-3"]
    assert n.units == "CMH"
    assert n.length.sum() == pytest.approx(43_100, rel=0.01)  # m, as published: 42.6 km and the mains
    pump = n.link_index["PUMP_1"]
    assert (n.node_ids[n.start[pump]], n.node_ids[n.end[pump]]) == ("n54", "T1")


def test_bends_are_kept_by_link_and_missing_coordinates_are_nan(network_file: Callable[[str], Path]) -> None:
    text = written("LPS", "H-W").replace(
        "[END]", "[COORDINATES]\n a 1 2\n[VERTICES]\n p1 5 6\n p1 7 8\n[END]"
    )
    n = read_network(network_file(text))
    assert n.xy[0].tolist() == [1, 2]
    assert np.isnan(n.xy[1:]).all()
    assert {k: v.tolist() for k, v in n.vertices.items()} == {0: [[5, 6], [7, 8]]}


BROKEN = """\
[TITLE]
two of everything
[JUNCTIONS]
;a comment
 a 10 5
 b x 5
 a 10 5
[RESERVOIRS]
 r 50
[PIPES]
 p1 r a 100 100 100

 p2 a zz 100 100 100 ; nowhere
 p3\ta\tb 100 -5 100
[OPTIONS]
 Units FOO
[END]
"""


def test_every_mistake_of_an_epanet_file_is_named_with_its_line(network_file: Callable[[str], Path]) -> None:
    with pytest.raises(NetworkError) as e:
        read_network(network_file(BROKEN))
    said = [(p.line, p.message) for p in e.value.problems]
    assert [line for line, _ in said] == [6, 7, 13, 14, 16]
    assert said[0][1] == "illegal numeric value x in [JUNCTIONS] (EPANET error 202)"
    assert "duplicate ID label a" in said[1][1]
    assert "undefined node zz" in said[2][1]
    assert str(e.value.problems[0]).startswith("some.inp:6: ")


def test_a_mistake_beside_a_quoted_word_keeps_its_line(network_file: Callable[[str], Path]) -> None:
    text = '[JUNCTIONS]\n a 5 2\n "q" 5 1\n[RESERVOIRS]\n r 50\n[PIPES]\n p r a 9 200 100\n[END]\n'
    with pytest.raises(NetworkError, match=r"some.inp:3: illegal numeric value 1 in \[JUNCTIONS\]"):
        read_network(network_file(text))


def test_an_unconnected_node_is_named_with_the_line_that_defines_it(
    network_file: Callable[[str], Path],
) -> None:
    text = "[JUNCTIONS]\n a 1 1\n lost 1 1\n[RESERVOIRS]\n r 9\n[PIPES]\n p r a 9 9 9\n[END]\n"
    with pytest.raises(NetworkError, match=r"some.inp:3: .*unconnected node.*lost"):
        read_network(network_file(text))


def test_a_network_without_source_is_refused(network_file: Callable[[str], Path]) -> None:
    text = "[JUNCTIONS]\n a 1 1\n b 1 1\n[PIPES]\n p b a 9 9 9\n[END]\n"
    with pytest.raises(NetworkError, match="no tanks or reservoirs"):
        read_network(network_file(text))


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"there is no file .*none\.inp"):
        read_network(tmp_path / "none.inp")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "some.inp: is empty, and should be an EPANET file"),
        (b"\r\n \n", "some.inp: is empty, and should be an EPANET file"),
        (b"Dear colleague,\nfind the [network] attached.\n", "some.inp: is no EPANET file: no section"),
        (b"# Twuin\n\n[settings](docs/settings.md)\n", "some.inp: is no EPANET file: no section"),
        (bytes(range(256)) * 20, "some.inp: is no EPANET file: no section"),
        ("[JUNCTIONS]\n a 5\n".encode("utf-16"), "some.inp:1: is UTF-16, which EPANET does not read"),
    ],
    ids=["empty", "blank", "letter", "readme", "bytes", "utf-16"],
)
def test_what_is_no_epanet_file_is_said_to_be_none(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "some.inp"
    path.write_bytes(content)
    with pytest.raises(NetworkError) as e:
        read_network(path)
    (problem,) = e.value.problems
    assert str(problem).startswith(message)
    if problem.line is None:
        assert "Export" in problem.message  # what would be right


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_a_file_that_was_cut_off_is_said_to_be(tmp_path: Path, share: float) -> None:
    whole = (demo_site_folder() / "network.inp").read_bytes()
    path = tmp_path / "some.inp"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(NetworkError) as e:
        read_network(path)
    first, *others = e.value.problems
    assert "cut off" in first.message and "[END]" in first.message
    assert first.line == path.read_bytes().rstrip().count(b"\n") + 1
    assert others  # EPANET's own words are still told


def test_mistakes_in_a_whole_file_are_not_put_down_to_a_cut(network_file: Callable[[str], Path]) -> None:
    with pytest.raises(NetworkError) as e:
        read_network(network_file(BROKEN))
    assert not any("cut off" in p.message for p in e.value.problems)


def test_reading_and_solving_leave_no_file_behind(
    network_file: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = network_file(written("LPS", "H-W"))
    here, scratch = tmp_path / "here", tmp_path / "scratch"
    here.mkdir()
    scratch.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    read_network(path)
    with opened(path):
        assert list(scratch.iterdir()) == []  # nor would there be if this process were killed here
    steady_states(path, [0, 1])
    with pytest.raises(NetworkError):
        read_network(network_file(BROKEN))
    assert list(here.iterdir()) == []
    assert list(scratch.iterdir()) == []


def test_names_in_windows_letters_are_read_as_written(tmp_path: Path) -> None:
    raw = "[JUNCTIONS]\n Señor 5 2\n[RESERVOIRS]\n r 50\n[PIPES]\n p r Señor 9 200 100\n[END]\n".encode(
        "cp1252"
    )
    (tmp_path / "old.inp").write_bytes(raw)
    assert read_network(tmp_path / "old.inp").node_ids == ("Señor", "r")


def test_windows_line_ends_make_no_difference(tmp_path: Path) -> None:
    plain = written("LPS", "H-W")
    (tmp_path / "a.inp").write_bytes(plain.encode())
    (tmp_path / "b.inp").write_bytes(plain.replace("\n", "\r\n").encode())
    a, b = read_network(tmp_path / "a.inp"), read_network(tmp_path / "b.inp")
    for name, value in arrays(a).items():
        np.testing.assert_array_equal(value, arrays(b)[name])


def test_a_byte_order_mark_that_epanet_stumbles_over_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.inp").write_bytes(b"\xef\xbb\xbf" + written("LPS", "H-W").encode())
    with pytest.raises(NetworkError, match=r"^b.inp:1: begins with a byte order mark"):
        read_network(tmp_path / "b.inp")


def test_more_than_ten_mistakes_are_said_to_be_more(network_file: Callable[[str], Path]) -> None:
    rows = "".join(f" n{k} x\n" for k in range(15))
    with pytest.raises(NetworkError) as e:
        read_network(network_file(f"[JUNCTIONS]\n{rows}[RESERVOIRS]\n r 9\n[END]\n"))
    assert [p.line for p in e.value.problems[:10]] == list(range(2, 12))
    assert "there may be more" in e.value.problems[-1].message


def test_numbers_that_are_none_are_refused_by_line(network_file: Callable[[str], Path]) -> None:
    text = (
        "[JUNCTIONS]\n a nan 1\n b 1 inf\n[RESERVOIRS]\n r 9\n[PIPES]\n p r a 9 9 9\n q a b nan 9 9\n[END]\n"
    )
    with pytest.raises(NetworkError) as e:
        read_network(network_file(text))
    said = [str(p) for p in e.value.problems]
    assert "some.inp:2: elevation of a is not a finite number" in said
    assert "some.inp:3: demand of b is not a finite number" in said
    assert "some.inp:8: length of q is not a finite number" in said
