"""What a back-up holds, where it refuses, and what comes back."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_sim.town import demo_site_folder
from ingest.sqlite_file import SqliteFile
from ingest.store.embedded import open_store
from twuin import backup_jobs, restore_jobs
from twuin.accounts.service import By
from twuin.app import open_accounts, read_settings_site
from twuin.backup import manifest as m
from twuin.backup.archive import check_archive
from twuin.settings import Settings, in_use, load
from waterworks.errors import BackupError, SettingsError, TwuinError
from waterworks.reading import ReadingBatch

T0 = np.datetime64("2026-11-01", "us")
MINUTE = np.timedelta64(60_000_000, "us")


def readings(n: int, first: int = 0) -> ReadingBatch:
    time = T0 + (first + np.arange(n)) * MINUTE
    return ReadingBatch.of(["D1-IN"] * n, time, np.arange(n, dtype=float) + first, received=time + MINUTE)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation with a bit of everything, in ``live``."""
    live = tmp_path / "live"
    shutil.copytree(demo_site_folder(), live / "site")
    (live / "site" / "notify.toml").write_text(f'[secrets]\nbot = {{ file = "{live}/etc/bot" }}\n')
    for name, text in {
        "etc/mqtt": "geheim\n", "etc/bot": "123:abc\n", "data/notify.key": "key",
        "data/reports/2026-10.pdf": "%PDF",
        "data/spool/main/000000000001.spool": "readings that wait", "data/spool/main/lock": "1",
        "data/processes/monitor.json": "{}", "data/means.json": "{}", "data/monitor.lock": "1",
        "broker/certs/ca.key": "KEY", "broker/data/mosquitto.db": "queue",
    }.items():  # fmt: skip
        (live / name).parent.mkdir(parents=True, exist_ok=True)
        (live / name).write_text(text)
    (live / "broker/certs/ca.key").chmod(0o600)
    ledger = SqliteFile(
        live / "data" / "ledger.sqlite", "CREATE TABLE IF NOT EXISTS t (n INTEGER);", "ledger"
    )
    with ledger.write() as db:
        db.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(1000)])
    ledger.close()
    file = tmp_path / "twuin.toml"
    file.write_text(
        f'site = "{live}/site"\ndata_dir = "{live}/data"\nbroker_dir = "{live}/broker"\n'
        f'[mqtt]\npassword_file = "{live}/etc/mqtt"\nca_file = "{live}/broker/certs/ca.crt"\n'
    )
    made = load(file)
    with closing(open_store(made.data_dir)) as store:
        store.append(readings(500))
    with closing(open_accounts(made, read_settings_site(made))) as accounts:
        accounts.first(By("test"))
    return made


def back_up(settings: Settings, to: Path, **more: Any) -> backup_jobs.Kept:
    given: dict[str, Any] = {"config": None, "without": (), "keep": None, "say": lambda _: None}
    return backup_jobs.run_backup(settings, to, **given | more)


def restore(archive: Path, **more: Any) -> restore_jobs.Restored:
    given: dict[str, Any] = {
        "into": None, "config": None, "flags": {}, "without": (), "replace": False, "say": lambda _: None,
    }  # fmt: skip
    return restore_jobs.run_restore(archive, **given | more)


@pytest.fixture
def kept(settings: Settings, tmp_path: Path) -> Path:
    folder = tmp_path / "safe"
    folder.mkdir()
    return back_up(settings, folder).path


def test_it_holds_all_but_what_only_running_processes_need(kept: Path, settings: Settings) -> None:
    found = check_archive(kept)
    names = {entry.name for entry in found.files}
    assert {
        "config/settings.toml", "config/files/mqtt.password_file", "config/files/notify.secrets.bot",
        "site/site.toml", "site/notify.toml", "broker/certs/ca.key", "data/ledger.sqlite", "data/notify.key",
        "data/reports/2026-10.pdf", "data/spool/main/000000000001.spool", "database/twuin.sqlite",
        "readings/000001.parquet",
    } <= names  # fmt: skip
    assert not [n for n in names if "mosquitto.db" in n or "lock" in n or "means" in n or "processes" in n]
    assert not [n for n in names if n.endswith((".duckdb", "-wal")) or n == "data/twuin.sqlite"]
    assert found.readings is not None and found.readings.count == 500
    order = [entry.name for entry in found.files]
    places = [
        order.index(n) for n in order if n.startswith(("data/ledger", "data/spool", "database", "readings"))
    ]
    assert places == sorted(places)
    assert order.index("data/ledger.sqlite") < order.index("data/spool/main/000000000001.spool")


def test_files_are_kept_to_the_last_byte(settings: Settings, tmp_path: Path) -> None:
    large = os.urandom(3 << 20)
    assert settings.site is not None
    (settings.site / "large.bin").write_bytes(large)
    restore(back_up(settings, tmp_path / "one.tar.gz").path, into=tmp_path / "new")
    assert (tmp_path / "new/site/large.bin").read_bytes() == large
    for path in settings.site.iterdir():
        assert (tmp_path / "new/site" / path.name).read_bytes() == path.read_bytes()
    key = tmp_path / "new/broker/certs/ca.key"
    assert key.read_text() == "KEY" and key.stat().st_mode & 0o777 == 0o600


def test_it_comes_back_below_one_folder_and_runs_from_there(
    kept: Path, settings: Settings, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "live")
    new = tmp_path / "new"
    done = restore(kept, into=new)
    assert done.readings == 500 and done.settings_file == new / "twuin.toml"
    assert not {".restoring", "store.lock", "store.sock"} & {p.name for p in (new / "data").iterdir()}
    said = load(done.settings_file)
    assert (said.site, said.data_dir, said.broker_dir) == (new / "site", new / "data", new / "broker")
    assert said.mqtt.secret() == "geheim" and said.mqtt.ca_file == new / "broker/certs/ca.crt"
    with closing(open_store(said.data_dir)) as store:
        back = store.batch(store.names(), T0, T0 + 1000 * MINUTE)
    order = np.argsort(back.time)
    assert np.array_equal(back.value[order], np.arange(500.0))
    assert np.array_equal(back.received, back.time + MINUTE)
    with closing(sqlite3.connect(new / "data/ledger.sqlite")) as db:
        assert db.execute("SELECT count(*), sum(n) FROM t").fetchone() == (1000, 499_500)
    with closing(open_accounts(said, read_settings_site(said))) as accounts:
        assert [a.name for a in accounts.accounts()] == ["admin"]
    assert (new / "data/spool/main/000000000001.spool").read_text() == "readings that wait"


def test_one_time_codes_and_sessions_do_not_come_back(kept: Path, settings: Settings, tmp_path: Path) -> None:
    with closing(sqlite3.connect(settings.data_dir / "twuin.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM account_code").fetchone() == (1,)
    restore(kept, into=tmp_path / "new")
    with closing(sqlite3.connect(tmp_path / "new/data/twuin.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM account_code").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM security_event").fetchone()[0] >= 1


def test_while_others_write_the_copy_is_whole(settings: Settings, tmp_path: Path) -> None:
    stop = threading.Event()
    done = [500]
    book = SqliteFile(settings.data_dir / "ledger.sqlite", "", "ledger")
    with closing(open_store(settings.data_dir)) as store:

        def write() -> None:
            while not stop.is_set():
                store.append(readings(50, done[0]))
                with book.write() as db:  # two rows or none
                    db.execute("INSERT INTO t VALUES (1)")
                    db.execute("INSERT INTO t VALUES (-1)")
                done[0] += 50

        thread = threading.Thread(target=write)
        thread.start()
        while done[0] < 700:
            stop.wait(0.01)
        before = done[0]
        kept = back_up(settings, tmp_path / "amid.tar.gz")
        stop.set()
        thread.join()
    book.close()
    assert kept.manifest.readings is not None and kept.manifest.readings.count >= before
    restore(kept.path, into=tmp_path / "new")
    with closing(sqlite3.connect(tmp_path / "new/data/ledger.sqlite")) as db:
        assert db.execute("SELECT sum(n) FROM t").fetchone() == (499_500,)
    with closing(open_store(tmp_path / "new/data")) as store:
        back = np.sort(store.batch(store.names(), T0, T0 + 10**6 * MINUTE).value)
    assert np.array_equal(back[:before], np.arange(float(before)))


def test_nothing_that_is_there_is_overwritten(kept: Path, settings: Settings, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in (tmp_path / "live").rglob("*") if p.is_file()}
    with pytest.raises(BackupError, match=r"is not empty .*--replace"):
        restore(kept, config=tmp_path / "twuin.toml")
    after = {p: p.read_bytes() for p in (tmp_path / "live").rglob("*") if p.is_file()}
    assert after == before


def test_told_plainly_what_is_there_goes_aside(kept: Path, settings: Settings, tmp_path: Path) -> None:
    (settings.data_dir / "notify.key").write_text("newer")
    done = restore(kept, config=tmp_path / "twuin.toml", replace=True)
    assert (settings.data_dir / "notify.key").read_text() == "key"
    (aside,) = settings.data_dir.glob("before-restore-*")
    assert (aside / "notify.key").read_text() == "newer"
    assert any(str(aside) in note for note in done.notes)
    again = back_up(settings, tmp_path / "again.tar.gz").manifest  # what went aside is not kept again
    assert not [e.name for e in again.files if "before-restore" in e.name]


def test_a_folder_in_use_is_not_replaced(kept: Path, settings: Settings, tmp_path: Path) -> None:
    with closing(open_store(settings.data_dir)), pytest.raises(BackupError, match="stop it first"):
        restore(kept, config=tmp_path / "twuin.toml", replace=True)


def test_a_restore_that_fails_leaves_nothing(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device", "there")

    monkeypatch.setattr(restore_jobs.readings, "load", full)
    with pytest.raises(BackupError, match="No space left on device; nothing was restored"):
        restore(kept, into=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_too_small_a_disk_is_told_before_anything_is_written(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(restore_jobs.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(BackupError, match="make room first"):
        restore(kept, into=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_one_of_a_newer_version_is_refused(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore_jobs, "__version__", "0.0.9")
    with pytest.raises(BackupError, match=r"made by Twuin .* newer than this one \(0\.0\.9\)"):
        restore(kept, into=tmp_path / "new")
    monkeypatch.undo()
    monkeypatch.setattr(restore_jobs, "readable_schema", lambda schema: schema == "0007")
    with pytest.raises(BackupError, match="newer than this one"):
        restore(kept, into=tmp_path / "new")


@pytest.mark.parametrize("part", [p for p in m.PARTS if p not in ("site", "config")])
def test_any_part_can_be_left_out(settings: Settings, tmp_path: Path, part: str) -> None:
    made = back_up(settings, tmp_path / "some.tar.gz", without=[part])
    assert part not in made.manifest.parts and f"{part}: asked for" in made.manifest.left_out
    full = back_up(settings, tmp_path / "full.tar.gz")
    done = restore(full.path, into=tmp_path / "new", without=[part])
    assert part not in done.parts
    assert (done.readings is None) == (part == "readings")


def test_parts_that_stayed_are_left_as_they_are(kept: Path, settings: Settings, tmp_path: Path) -> None:
    for lost in ("site", "broker"):
        shutil.rmtree(tmp_path / "live" / lost)
    key = settings.data_dir / "notify.key"
    key.write_text("newer")
    restore(kept, config=tmp_path / "twuin.toml", without=["data", "database", "readings"])
    assert key.read_text() == "newer" and (tmp_path / "live/site/site.toml").exists()


def test_only_the_newest_are_kept_and_nothing_else_goes(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "safe"
    folder.mkdir()
    others = [
        "twuin-kota-wening-20250101T000000Z.tar.gz.asc",
        "twuin-other-20250101T000000Z.tar.gz",
        "notes.txt",
    ]
    old = [f"twuin-kota-wening-2025010{n}T000000Z.tar.gz" for n in range(1, 5)]
    for name in (*others, *old):
        (folder / name).write_text("")
    with pytest.raises(SettingsError, match=r"not-yet does not exist: --keep needs a folder"):
        back_up(settings, folder / "not-yet", keep=3)
    made = back_up(settings, folder, keep=3, without=["readings"])
    assert {p.name for p in folder.iterdir()} == {*others, *old[-2:], made.path.name}


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("none/x.tar.gz", "there is no folder"),
        ("x.zip", r"ends in \.tar\.gz"),
        ("backups", r"backups does not exist: make a folder of that name first, or"),
        ("live/data", "lies in the data folder"),
        ("live/site/x.tar.gz", "lies in the site folder"),
    ],
)
def test_a_place_that_will_not_do_is_told(settings: Settings, tmp_path: Path, to: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        back_up(settings, tmp_path / to)


def test_a_data_folder_that_is_not_there_is_not_made(settings: Settings, tmp_path: Path) -> None:
    shutil.rmtree(settings.data_dir)
    with pytest.raises(TwuinError, match="no data folder"):
        back_up(settings, tmp_path / "x.tar.gz")
    assert not settings.data_dir.exists()


def test_a_damaged_file_is_told_and_no_back_up_is_made(settings: Settings, tmp_path: Path) -> None:
    path = settings.data_dir / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:8192] = os.urandom(4096)
    path.write_bytes(data)
    with pytest.raises(BackupError, match=r"ledger\.sqlite"):
        back_up(settings, tmp_path / "x.tar.gz")
    assert not (tmp_path / "x.tar.gz").exists()


def test_settings_in_use_hold_secrets_and_only_what_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWUIN_MQTT__PASSWORD", "geheim")
    found = in_use(load(None, {"web": {"port": 81, "trusted_proxies": ["10.0.0.0/8"]}}))
    assert found["mqtt"] == {"password": "geheim"}
    assert found["web"] == {"port": 81, "trusted_proxies": ("10.0.0.0/8",)}
    assert json.loads(json.dumps(found))["data_dir"] == str(Path("twuin-data").absolute())
