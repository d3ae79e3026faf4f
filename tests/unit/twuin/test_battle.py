"""``twuin benchmark battle`` on a small made-up folder, and the score of its rules."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from twuin.benchmark.battle import run
from twuin.benchmark.battle_data import local_instant, read_repairs, read_scada
from twuin.benchmark.battle_score import Report, TrueLeak, score
from twuin.cli import app
from waterworks.errors import BenchmarkError
from waterworks.steady import SteadySolver

SIDE = 5
SENSORS = ("n2", "n4", "n8", "n11", "n14", "n17", "n20", "n22", "n24")
LEAK = "p23"
BEGINS = local_instant("2019-01-08 06:00")
M3H = 1 / 3600


def network() -> str:
    lines = ["[JUNCTIONS]"]
    n = SIDE * SIDE
    lines += [f" n{i} 10 {2 + i % 3} day" for i in range(n)]
    lines += ["[RESERVOIRS]", " R 60", "[PIPES]", " p0 R n0 100 300 120 0 Open"]
    k = 1
    for r in range(SIDE):
        for c in range(SIDE):
            here = r * SIDE + c
            if c + 1 < SIDE:
                lines.append(f" p{k} n{here} n{here + 1} 100 100 120 0 Open")
                k += 1
            if r + 1 < SIDE:
                lines.append(f" p{k} n{here} n{here + SIDE} 100 100 120 0 Open")
                k += 1
    day = [0.5, 0.4, 0.4, 0.4, 0.5, 0.8, 1.3, 1.6, 1.5, 1.3, 1.1, 1.0]
    day += [1.1, 1.1, 1.0, 1.0, 1.1, 1.3, 1.5, 1.4, 1.2, 1.0, 0.8, 0.6]
    lines += ["[PATTERNS]", " day " + " ".join(map(str, day))]
    lines += [
        "[TIMES]",
        " Duration 24:00",
        " Pattern Timestep 1:00",
        "[OPTIONS]",
        " Units CMH",
        " Headloss H-W",
    ]
    lines += ["[COORDINATES]"] + [f" n{i} {100 * (i % SIDE)} {100 * (i // SIDE)}" for i in range(n)]
    return "\n".join([*lines, " R -100 0", "[END]"]) + "\n"


def write(path: Path, times: list[datetime], names: tuple[str, ...], values: np.ndarray) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as f:
        f.write("Timestamp;" + ";".join(names) + "\n")
        for when, row in zip(times, values, strict=True):
            f.write(f"{when:%Y-%m-%d %H:%M:%S};" + ";".join(f"{v:.3f}".replace(".", ",") for v in row) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hourly measurements of 27 days of December and 18 of January; a leak in January."""
    out = tmp_path_factory.mktemp("battle")
    (out / "network.inp").write_text(network())
    rng = np.random.default_rng(11)
    for year, first, count in (
        (2018, local_instant("2018-12-05 00:00"), 27),
        (2019, local_instant("2019-01-01 00:00"), 18),
    ):
        times = [first + timedelta(hours=k) for k in range(count * 24)]
        with SteadySolver(out / "network.inp") as solver:
            week = np.array([t.weekday() * 24 + t.hour for t in times])
            demand = solver.weekly[week] * rng.normal(1, 0.25, (len(times), solver.weekly.shape[1])).clip(0.1)
            ends = _ends(LEAK)
            leaking = np.array([t >= BEGINS for t in times])
            flow = np.where(leaking, 6 * M3H, 0.0)
            demand[:, ends] += flow[:, None] / 2
            head, through = solver.solve(demand, np.full((len(times), 1), 60.0))
        nodes = [int(s[1:]) for s in SENSORS]
        write(
            out / f"{year}_SCADA_Pressures.csv.gz",
            times,
            SENSORS,
            head[:, nodes] - 10 + rng.normal(0, 0.01, (len(times), 9)),
        )
        write(out / f"{year}_SCADA_Flows.csv.gz", times, ("p0",), through[:, :1] / M3H)
        five = np.repeat(flow / M3H, 12)
        write(
            out / f"{year}_Leakages.csv.gz",
            [first + timedelta(minutes=5 * k) for k in range(len(five))],
            (LEAK,),
            five[:, None],
        )
    (out / "leaks_truth.txt").write_text(
        f"- {LEAK}, {BEGINS:%Y-%m-%d %H:%M}, 2019-12-31 23:55, 0.01, abrupt, {BEGINS:%Y-%m-%d %H:%M}\n"
    )
    (out / "2018_repairs.txt").write_text("")
    return out


def _ends(pipe: str) -> list[int]:
    line = next(x for x in network().splitlines() if x.split()[:1] == [pipe])
    return [int(x[1:]) for x in line.split()[1:3]]


def test_the_leak_is_reported_once_near_its_place_and_scored(folder: Path) -> None:
    shares: list[float] = []
    battle = run(folder, progress=shares.append)
    assert shares[-1] == 1.0
    (report,) = battle.reports
    assert BEGINS < report.when <= BEGINS + timedelta(days=3)
    assert report.flow / M3H == pytest.approx(6.0, rel=0.4)
    assert battle.score is not None
    assert (len(battle.score.hits), battle.score.false, battle.score.repeats) == (1, 0, 0)
    assert 0.7 < battle.score.total / battle.score.perfect <= 1.0


def test_a_sensor_that_is_stuck_is_left_out_and_makes_no_leak(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    scada = read_scada(tmp_path, 2019)
    pressure = scada.pressure.copy()
    pressure[72:] = np.where(np.array(SENSORS) == "n11", pressure[72] - 2.0, pressure[72:])
    times = [local_instant(str(t).replace("T", " ")[:16]) for t in scada.times]
    write(tmp_path / "2019_SCADA_Pressures.csv.gz", times, SENSORS, pressure)
    battle = run(tmp_path)
    assert {battle.gate.ids[f.sensor] for f in battle.gate.faults} == {"P-n11"}
    assert "n11" in str(battle.as_json()["left_out"])
    assert battle.score is not None
    assert (len(battle.score.hits), battle.score.false) == (1, 0)


def test_the_truth_is_not_needed_and_changes_nothing(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if "eak" not in path.name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    out = tmp_path / "results.txt"
    done = CliRunner().invoke(app, ["benchmark", "battle", str(tmp_path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "nothing is scored" in " ".join(done.output.split())
    lines = [x for x in out.read_text().splitlines() if not x.startswith("#")]
    battle = run(folder)
    assert lines == [f"{r.pipe}, {r.when:%Y-%m-%d %H:%M}" for r in battle.reports]


def test_mistakes_in_the_folder_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="give the battle's folder"):
        run(tmp_path)
    for path in folder.glob("2019*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "network.inp").write_text(network())
    with pytest.raises(BenchmarkError, match="the year before is needed"):
        run(tmp_path)
    (tmp_path / "2018_repairs.txt").write_text("p1, 2018-02-03 04:05\np2; yesterday\n")
    with pytest.raises(BenchmarkError, match=r"2018_repairs.txt, line 2: 'p2; yesterday'"):
        read_repairs(tmp_path, 2018)
    with gzip.open(tmp_path / "2017_SCADA_Pressures.csv.gz", "wt") as f:
        f.write("Timestamp;n2\n2017-01-02 00:00:00;1,0\n2017-01-01 00:00:00;1,0\n")
    with pytest.raises(BenchmarkError, match="times must rise"):
        read_scada(tmp_path, 2017)
    (tmp_path / "2018_repairs.txt").write_bytes(b"\x89PNG")
    with pytest.raises(BenchmarkError, match=r"2018_repairs.txt: is no text"):
        read_repairs(tmp_path, 2018)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Empty CSV file"),
        (b"Timestamp;n2\n", "holds 0 rows of 1 columns"),
        (b"Timestamp\n2016-01-01 00:00:00\n2016-01-01 01:00:00\n", "holds 2 rows of 0 columns"),
        (b"Timestamp;n2\n2016-01-01 00:00:00;much\n", "invalid value 'much'"),
        (b"Timestamp,n2\n2016-01-01 00:00:00,1.5\n", "';' between columns"),
        (b"Timestamp;n2\nyesterday;1,5\n", "invalid value 'yesterday'"),
    ],
)
def test_a_file_that_is_no_table_of_measurements_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "2016_SCADA_Pressures.csv").write_bytes(content)
    with pytest.raises(BenchmarkError, match=r"2016_SCADA_Pressures\.csv: ") as failed:
        read_scada(tmp_path, 2016)
    assert said in str(failed.value)


@pytest.mark.parametrize("content", [b"\x1f\x8b broken", gzip.compress(b"Timestamp;n2\n" * 99, mtime=0)[:-9]])
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "2016_SCADA_Pressures.csv.gz").write_bytes(content)
    with pytest.raises(BenchmarkError, match=r"2016_SCADA_Pressures\.csv\.gz: cannot be read"):
        read_scada(tmp_path, 2016)


def test_values_that_cannot_be_are_missing_ones(tmp_path: Path) -> None:
    (tmp_path / "2016_SCADA_Pressures.csv").write_bytes(
        b"Timestamp;n2;n4;n8\n2016-01-01 00:00:00;-300;1e30;40,5\n2016-01-01 01:00:00;;NaN;inf\n"
    )
    (tmp_path / "2016_SCADA_Flows.csv").write_bytes(
        b"Timestamp;p0\n2016-01-01 00:00:00;-9999\n2016-01-01 01:00:00;36,0\n"
    )
    read = read_scada(tmp_path, 2016)
    nan = float("nan")
    np.testing.assert_array_equal(read.pressure, [[nan, nan, 40.5], [nan, nan, nan]])
    np.testing.assert_allclose(read.flow, [[nan], [0.01]])


def test_a_truth_that_cannot_be_read_costs_the_score_only(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "leaks_truth.txt").write_text("- p23, yesterday, today\n")
    battle = run(tmp_path)
    assert battle.score is None and battle.reports
    assert "leaks_truth.txt, line 1: '- p23, yesterday, today'" in battle.tables()[0].notes[0]


def test_what_cannot_be_written_is_said_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for options in (["--out", str(tmp_path / "no" / "x.txt")], ["--plots", str(tmp_path / "file")]):
        result = CliRunner().invoke(app, ["benchmark", "battle", str(tmp_path / "missing"), *options])
        assert isinstance(result.exception, BenchmarkError)
        assert f"with {options[0]}" in str(result.exception)
    kept = tmp_path / "kept.txt"
    kept.write_text("as it was")
    new = tmp_path / "new.txt"
    for to in (kept, new):
        CliRunner().invoke(app, ["benchmark", "battle", str(tmp_path / "missing"), "--out", str(to)])
    assert kept.read_text() == "as it was" and not new.exists()


def test_a_column_that_the_network_does_not_have_is_named(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "network.inp").write_text(network().replace("n24", "n99"))
    with pytest.raises(BenchmarkError, match=r"column n24 is no node of network\.inp"):
        run(tmp_path)


def test_reports_are_judged_by_the_rules_of_the_competition() -> None:
    first = local_instant("2019-01-01 00:00")
    flow = np.full(105120, 10 * M3H)
    leaks = [
        TrueLeak("a", first, local_instant("2019-12-31 23:55"), flow),
        TrueLeak(
            "b",
            local_instant("2019-06-01 00:00"),
            local_instant("2019-07-01 00:00"),
            np.where(np.arange(105120) // 288 < 181, flow, 0),
        ),
    ]
    pipes = {"a": 0, "b": 1, "c": 2, "d": 3}
    metres = np.array([[0, 250, 150, np.inf], [250, 0, 400, np.inf], [150, 400, 0, np.inf], [np.inf] * 4])
    metres[3, 3] = 0
    day = timedelta(days=1)
    got = score(
        [
            Report("d", first + day),  # near nothing
            Report("c", first + 2 * day),  # 150 m from a
            Report("a", first + 3 * day),  # a again
            Report("a", first + 160 * day),  # 250 m from b, which now runs too
            Report("b", first + 200 * day),  # b is repaired; 250 m from a, found already
        ],
        leaks,
        pipes,
        metres,
        2019,
    )
    assert [r.leak for r in got.rows] == [None, "a", "repeat", "b", "repeat"]
    assert (got.false, got.repeats, len(got.hits)) == (1, 2, 2)
    left = (105120 - (2 * 288 - 1)) * 300 * 10 * M3H
    assert got.rows[1].money == pytest.approx(left * 0.8 - 250)
    assert got.rows[0].money == -500
    assert got.rows[3].money == pytest.approx(
        (181 * 288 - (160 * 288 - 1)) * 300 * 10 * M3H * 0.8 - 500 * 250 / 300
    )
    assert got.delays == pytest.approx([2.0, 9.0])
    assert got.missed == []
