"""The command line: help everywhere, mistakes in one line, JSON for scripts."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware_sim.town import demo_site_folder
from ingest.reasons import Reason
from ingest.rejected import Rejected, RejectedLog
from ingest.spool.spool import Spool
from twuin.cli.options import broker_flags, moment
from waterworks.errors import SettingsError
from waterworks.reading import ReadingBatch, instant

Run = Callable[..., tuple[int, str, str]]

COMMANDS = [
    [],
    ["demo"],
    ["serve"],
    ["ingest"],
    ["ingest", "spool"],
    ["ingest", "unknown"],
    ["ingest", "rejected"],
    ["monitor"],
    ["backfill"],
    ["replay"],
    ["simulate"],
    ["losses"],
    ["grafana", "write"],
    ["grafana", "sync"],
    ["site"],
    ["site", "check"],
    ["site", "import"],
    ["benchmark", "years"],
    ["benchmark", "battle"],
    ["benchmark", "injected"],
    ["benchmark", "faults"],
    ["benchmark", "scale"],
    ["account"],
    ["account", "init"],
    ["account", "add"],
    ["token"],
    ["token", "add"],
    ["webhook"],
    ["webhook", "add"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(twuin: Run, command: list[str]) -> None:
    status, out, _ = twuin(*command, "--help")
    assert status == 0
    assert "Usage: twuin" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve"], "no site folder: name one with --site"),
        (["serve", "--site", "nowhere"], "nowhere"),
        (["serve", "--broker", "x:y:z"], "is not HOST or HOST:PORT"),
        (["monitor", "--once"], "no site folder"),
        (["backfill", "x.csv", "--mapping", "none.toml", "--site", demo_site_folder()], "none.toml"),
        (["replay", "x.csv", "--mapping", "none.toml", "--speed", "fast"], "--speed 'fast'"),
        (["simulate", "--out", "here"], "--out needs --days"),
        (["simulate", "--out", "here", "--days", "1", "--format", "xml"], "--format 'xml'"),
        (["simulate", "--out", "here", "--days", "nan"], "--days nan is not a number above 0"),
        (["simulate", "--out", "here", "--days", "-1"], "--days -1 is not a number above 0"),
        (["simulate", "--start", "yesterday"], "--start 'yesterday'"),
        (["simulate", "--speed", "300"], "--speed above 1 needs --days"),
        (["simulate", "--scenario", "nothing.toml"], "nothing.toml"),
        (["ingest", "rejected"], "no rejected messages"),
        (["ingest", "unknown"], "no unknown names"),
        (["site", "import", "none.inp"], "none.inp"),
        (["--config", "none.toml", "serve"], "none.toml"),
        (["--log-level", "loud", "serve"], "log_level"),
    ],
)
def test_a_mistake_is_one_line_and_status_1(twuin: Run, arguments: list[object], message: str) -> None:
    status, out, err = twuin(*arguments)
    lines = [line for line in err.splitlines() if line.strip()]
    assert status == 1
    assert len(lines) == 1 and lines[0].startswith("error: "), err
    assert message in lines[0]
    assert "Traceback" not in out + err


def test_ctrl_c_while_the_program_is_still_loaded_is_no_traceback() -> None:
    interrupted = """
import runpy, sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "twuin.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
runpy.run_module("twuin", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", interrupted], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_the_installed_command_is_the_one_that_is_tried_here() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"twuin": "twuin.__main__:main"}


def test_site_check_names_mistakes_for_people_and_scripts(twuin: Run, tmp_path: Path) -> None:
    assert twuin("site", "check", demo_site_folder())[0] == 0
    folder = tmp_path / "broken"
    folder.mkdir()
    for file in demo_site_folder().iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    sensors = folder / "sensors.csv"
    sensors.write_text(sensors.read_text().replace("flow,m3/h", "flow,furlong", 1))
    status, out, err = twuin("site", "check", folder)
    assert status == 1
    assert "1 mistake to mend" in err
    assert "sensors.csv:2:" in out and "furlong" in out
    status, out, _ = twuin("site", "check", folder, "--json")
    assert status == 1
    assert [(p["severity"], p["line"]) for p in json.loads(out) if "furlong" in p["message"]] == [
        ("error", 2)
    ]


def test_monitor_says_what_it_could_judge(twuin: Run) -> None:
    status, out, err = twuin("monitor", "--once", "--site", demo_site_folder(), "--data-dir", "data")
    assert status == 0, err
    assert "There are no readings of Kota Wening" in out
    twuin("simulate", "--out", "sim", "--days", "1", "--start", "2026-03-02T00:00+07:00")
    site = ["--site", demo_site_folder(), "--data-dir", "data"]
    twuin("backfill", "sim/readings.parquet", "--mapping", "sim/mapping.toml", *site)
    status, out, err = twuin("monitor", "--once", *site)
    assert "No alerts in readings from 2026-03-02 00:00 to 2026-03-0" in out and "(Asia/Jakarta)" in out
    assert "first 7 measured days only teach" in out


def test_site_import_names_a_next_command_that_can_be_pasted(twuin: Run, tmp_path: Path) -> None:
    status, out, _ = twuin("site", "import", demo_site_folder() / "network.inp", "--out", "Kota Wening")
    assert status == 0
    _, _, command = out.rstrip().rpartition("then run: ")
    assert twuin(*shlex.split(command)[1:])[0] == 0


def test_what_waits_in_spools_is_told_by_process(twuin: Run, tmp_path: Path) -> None:
    status, out, _ = twuin("ingest", "spool", "--data-dir", tmp_path)
    assert status == 0 and "nothing waits" in out
    when = instant("2026-11-21T03:00:00Z")
    old, main = (Spool(tmp_path / "spool" / name, keep_free_bytes=0) for name in ("old", "main"))
    old.append(ReadingBatch.of(["S", "S"], [when, when + 1], [1.0, 2.0], received=when))
    old.close()
    (tmp_path / "spool" / "old" / "000000000009-0000000000.damaged").write_bytes(b"x")
    status, out, _ = twuin("ingest", "spool", "--data-dir", tmp_path)
    assert status == 0
    assert "main (running): nothing waits" in out
    assert "old (not running): 2 readings wait (0.0 MiB), the oldest received 2026-11-21 03:00:00Z" in out
    assert "twuin ingest" in out and "000000000009-0000000000.damaged" in out
    status, out, _ = twuin("ingest", "spool", "--data-dir", tmp_path, "--json")
    assert [(s["name"], s["running"], s["readings"]) for s in json.loads(out)] == [
        ("main", True, 0),
        ("old", False, 2),
    ]
    main.close()


def test_rejected_messages_are_listed_counted_and_given_back_as_they_came(twuin: Run, tmp_path: Path) -> None:
    log = RejectedLog(tmp_path / "rejected.sqlite")
    log.add(
        [
            Rejected(
                datetime.now(UTC), "twuin/a/b/readings", b"\xffnot json [bold]", Reason.BAD_JSON, "no JSON"
            )
        ]
    )
    status, out, _ = twuin("ingest", "rejected", "--data-dir", tmp_path)
    assert status == 0
    assert "bad_json" in out and "not json [bold]" in out and "1 rejected in all" in out
    status, out, _ = twuin("ingest", "rejected", "--data-dir", tmp_path, "--json")
    assert json.loads(out)["counts"] == {"bad_json": 1}
    number = json.loads(out)["items"][0]["id"]
    status, out, err = twuin("ingest", "rejected", number + 1, "--data-dir", tmp_path)
    assert status == 1 and "no rejected message has the number" in err


def test_simulated_files_can_be_loaded_and_analysed(twuin: Run, tmp_path: Path) -> None:
    status, out, err = twuin(
        "simulate", "--out", "sim", "--days", "2", "--start", "2026-03-02T00:00+07:00", "--json"
    )
    assert status == 0, err
    made = json.loads(out)
    site = ["--site", demo_site_folder(), "--data-dir", "data"]
    load = ["backfill", "sim/readings.parquet", "--mapping", "sim/mapping.toml", *site, "--json"]
    status, out, err = twuin(*load)
    assert status == 0, err
    assert json.loads(out)["stored"] == made["readings"] > 10_000
    status, out, err = twuin(*load)
    assert (json.loads(out)["stored"], json.loads(out)["duplicates"]) == (0, made["readings"])
    status, out, err = twuin("monitor", "--once", "--json", *site)
    assert status == 0, err
    assert json.loads(out) == []


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.7", "192.0.2.7", None),
        ("broker:8883", "broker", 8883),
        ("[2001:db8::1]:1884", "2001:db8::1", 1884),
        ("[2001:db8::1]", "2001:db8::1", None),
        ("2001:db8::1", "2001:db8::1", None),
    ],
)
def test_a_broker_is_a_host_with_or_without_a_port(text: str, host: str, port: int | None) -> None:
    assert broker_flags(text) == {"host": host, "port": port}


@pytest.mark.parametrize("text", ["", ":1883", "host:", "host:http", "a b:1"])
def test_what_is_no_broker_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        broker_flags(text)


def test_a_time_without_its_zone_is_refused() -> None:
    with pytest.raises(SettingsError, match="zone"):
        moment("2026-01-31T20:00", "--start")
