"""What is DuckDB's own about the embedded store: its file, its failures, its sharing."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.store import duck, protocol, recent, shared
from ingest.store.duck import DuckStore
from ingest.store.embedded import FILE, SOCKET, open_store
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.reading import AppendResult, ReadingBatch

T0 = np.datetime64("2026-03-01", "us")
FAR = T0 + np.timedelta64(3650, "D")


def rows(start: int, count: int, sensor: str = "a", value: float = 1.0) -> ReadingBatch:
    times = T0 + np.arange(start, start + count) * np.timedelta64(1, "s")
    return ReadingBatch.of([sensor] * count, times, np.full(count, value), received=T0)


def in_child(code: str, *args: object, before: Callable[[], None] | None = None) -> str:
    """What a program of its own prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=before,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestFile:
    def test_a_file_that_is_no_database_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        path.write_bytes(os.urandom(50_000))
        with pytest.raises(StoreError, match=r"readings\.duckdb.*not a valid DuckDB"):
            DuckStore(path)
        path.unlink()
        DuckStore(path).close()  # nothing of the failure is left behind

    def test_nothing_is_acknowledged_that_would_go_into_a_file_that_was_taken_away(
        self, tmp_path: Path
    ) -> None:
        store = DuckStore(tmp_path / FILE)
        store.append(rows(0, 3))
        away = tmp_path / "away"
        store.path.rename(away)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="taken away while it was open"):
                store.append(rows(3, 3))
            store.path.write_bytes(b"another file")
        store.path.unlink()
        away.rename(store.path)
        assert store.append(rows(3, 3)).stored == 3
        store.close()
        store = DuckStore(tmp_path / FILE)
        assert len(store.window(["a"], T0, FAR).times) == 6
        store.close()

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        store = DuckStore(path)
        store.append(rows(0, 100_000))
        store.close()
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(StoreError, match=r"readings\.duckdb"):
            store = DuckStore(path)
            store.window(["a"], T0, FAR)

    def test_a_database_of_something_else_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        with duckdb.connect(str(path)) as con:
            con.execute("CREATE TABLE cats (name VARCHAR)")
        with pytest.raises(StoreError, match="something else"):
            DuckStore(path)
        with duckdb.connect(str(path)) as con:
            assert con.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("cats",)]

    def test_a_file_of_a_newer_twuin_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        DuckStore(path).close()
        with duckdb.connect(str(path)) as con:
            con.execute("UPDATE meta SET format = 99")
        with pytest.raises(StoreError, match=r"format 99.*format 1"):
            DuckStore(path)

    def test_a_second_store_on_the_same_file_is_refused_in_this_process(self, tmp_path: Path) -> None:
        store = DuckStore(tmp_path / FILE)
        with pytest.raises(StoreUnavailable, match="already open"):
            DuckStore(tmp_path / "." / FILE)
        store.close()
        DuckStore(tmp_path / FILE).close()

    def test_a_second_store_on_the_same_file_is_refused_in_another_process(self, tmp_path: Path) -> None:
        store = DuckStore(tmp_path / FILE)
        said = in_child(
            """
            import sys
            from pathlib import Path
            from ingest.store.duck import DuckStore
            from waterworks.errors import StoreUnavailable
            try:
                DuckStore(Path(sys.argv[1]))
            except StoreUnavailable as error:
                print(error)
            """,
            tmp_path / FILE,
        )
        assert "in use by another process" in said
        store.close()

    def test_closing_waits_for_a_call_that_is_under_way(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = DuckStore(tmp_path / FILE)
        store.append(rows(0, 10))
        reading, go_on, done = threading.Event(), threading.Event(), threading.Event()
        fetch = duck._fetch

        def slow(*arguments: Any) -> Any:
            reading.set()
            go_on.wait(10)
            return fetch(*arguments)

        monkeypatch.setattr(duck, "_fetch", slow)
        seen: list[int] = []

        def close() -> None:
            store.close()
            done.set()

        reader = threading.Thread(target=lambda: seen.append(len(store.window(["a"], T0, FAR).times)))
        reader.start()
        reading.wait(10)
        closer = threading.Thread(target=close)
        closer.start()
        assert not done.wait(0.2)
        go_on.set()
        reader.join()
        closer.join()
        assert seen == [10] and done.is_set()

    def test_a_folder_where_one_may_not_write_is_named(self, tmp_path: Path) -> None:
        folder = tmp_path / "shut"
        folder.mkdir()
        folder.chmod(0o555)
        tmp_path.chmod(0o755)
        said = in_child(
            """
            import os, sys
            from pathlib import Path
            from waterworks.errors import StoreError
            from ingest.store.duck import DuckStore
            from ingest.store.embedded import open_store
            if os.geteuid() == 0:
                os.setuid(65534)  # root may write anywhere
            folder = Path(sys.argv[1])
            tries = (DuckStore, folder / "x.duckdb"), (open_store, folder), (open_store, folder / "sub")
            for make, path in tries:
                try:
                    make(path)
                except StoreError as error:
                    print(str(error).replace(chr(10), " "))
            """,
            _as_seen_by_others(folder),
        )
        lines = said.splitlines()
        assert len(lines) == 3 and all("ermission denied" in line for line in lines)

    def test_a_path_that_is_a_file_is_no_data_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="data folder"):
            open_store(tmp_path / "file")


def _as_seen_by_others(folder: Path) -> Path:
    """``folder``, made reachable for a user who is not its owner."""
    for parent in folder.parents:
        if parent.stat().st_uid != os.geteuid() or parent.stat().st_mode & 0o001:
            break
        parent.chmod(parent.stat().st_mode | 0o011)
    return folder


class TestFullDisk:
    def test_a_write_that_does_not_fit_stores_nothing_and_later_ones_go_on(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        DuckStore(path).close()

        def small_files() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))

        said = in_child(
            """
            import resource, sys
            import numpy as np
            from pathlib import Path
            from ingest.store.duck import DuckStore
            from waterworks.errors import StoreUnavailable
            from waterworks.reading import ReadingBatch
            t0 = np.datetime64("2026-03-01", "us")
            rng = np.random.default_rng(1)
            def rows(k, n):
                times = t0 + np.arange(k, k + n) * np.timedelta64(1, "s")
                return ReadingBatch.of(["a"] * n, times, rng.normal(size=n), received=t0)
            store = DuckStore(Path(sys.argv[1]))
            stored = 0
            try:
                while stored < 1_000_000:
                    store.append(rows(stored, 2_000))
                    stored += 2_000
            except StoreUnavailable as error:
                assert "nothing was stored" in str(error), error
            else:
                raise SystemExit("the limit had no effect")
            far = t0 + np.timedelta64(3650, "D")
            assert len(store.window(["a"], t0, far).times) == stored
            assert store.latest()["a"].time == t0 + (stored - 1) * np.timedelta64(1, "s")
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            store.append(rows(stored, 2_000))
            stored += 2_000
            assert len(store.window(["a"], t0, far).times) == stored
            store.close()
            print(stored)
            """,
            path,
            before=small_files,
        )
        store = DuckStore(path)
        assert len(store.window(["a"], T0, FAR).times) == int(said)
        store.close()


class TestCost:
    def test_small_appends_do_not_bloat_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        store = DuckStore(path)
        names, count = tuple(f"s{k}" for k in range(50)), 400
        for k in range(count):
            values = np.round(np.sin(np.arange(50) + k), 2)
            time_ = np.full(50, T0 + k * np.timedelta64(100, "ms"))
            store.append(ReadingBatch.columns(names, np.arange(50), time_, values, received=time_))
        store.close()
        assert path.stat().st_size < 40 * 50 * count  # bytes: 38 a row, were nothing compressed
        assert not path.with_name(FILE + ".wal").exists()


class TestSharing:
    def test_the_first_owns_and_the_next_is_its_client(self, tmp_path: Path) -> None:
        first, second = open_store(tmp_path), open_store(tmp_path)
        assert first.owner and not second.owner
        first.append(rows(0, 3))
        second.append(rows(3, 3))
        for store in (first, second):
            assert len(store.window(["a"], T0, FAR).times) == 6
        second.close()
        first.close()

    def test_a_client_takes_over_when_the_owner_closes(self, tmp_path: Path) -> None:
        first, second, third = (open_store(tmp_path) for _ in range(3))
        second.append(rows(0, 3))
        first.close()
        assert second.append(rows(0, 4)) == AppendResult(1, 3, 0)
        assert second.owner
        assert third.append(rows(0, 5)) == AppendResult(1, 4, 0)
        assert not third.owner
        third.close()
        second.close()

    def test_only_its_user_may_connect(self, tmp_path: Path) -> None:
        store = open_store(tmp_path)
        assert (tmp_path / SOCKET).stat().st_mode & 0o777 == 0o600
        store.close()

    def test_a_folder_with_a_long_path_can_be_shared(self, tmp_path: Path) -> None:
        folder = tmp_path / ("x" * 120) / ("y" * 120)
        first, second = open_store(folder), open_store(folder)
        second.append(rows(0, 3))
        assert not second.owner and first.names() == ["a"]
        second.close()
        first.close()

    def test_what_a_dead_owner_left_does_not_matter(self, tmp_path: Path) -> None:
        in_child(
            """
            import os, signal, sys
            from pathlib import Path
            from ingest.store.embedded import open_store
            from waterworks.reading import ReadingBatch
            import numpy as np
            store = open_store(Path(sys.argv[1]))
            t = np.datetime64("2026-03-01", "us")
            store.append(ReadingBatch.of(["a"], [t], [1.0], received=t))
            os._exit(0)
            """,
            tmp_path,
        )
        assert (tmp_path / SOCKET).exists()
        store = open_store(tmp_path)
        assert store.owner and store.names() == ["a"]
        store.close()

    def test_a_child_that_was_forked_does_not_hold_the_store(self, tmp_path: Path) -> None:
        said = in_child(
            """
            import os, sys, time
            from pathlib import Path
            from ingest.store.embedded import open_store
            store = open_store(Path(sys.argv[1]))
            child = os.fork()
            if child == 0:
                os.close(1)
                os.close(2)
                time.sleep(3)
                os._exit(0)
            store.close()
            again = open_store(Path(sys.argv[1]))
            print(again.owner)
            again.close()
            os.kill(child, 9)
            os.waitpid(child, 0)
            """,
            tmp_path,
        )
        assert said == "True\n"

    def test_a_program_that_forgets_to_close_ends_quietly(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; from pathlib import Path; from ingest.store.embedded import open_store; "
                "store = open_store(Path(sys.argv[1]))",
                str(tmp_path),
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert not (tmp_path / SOCKET).exists()

    def test_errors_of_the_owner_reach_the_client(self, tmp_path: Path) -> None:
        owner, client = open_store(tmp_path), open_store(tmp_path)
        bad = ReadingBatch.of(["a"], [T0], [np.nan], received=T0)
        with pytest.raises(StoreError, match=r"a at .* not finite"):
            client.append(bad)
        assert client.append(rows(0, 1)).stored == 1  # and the connection is still good
        client.close()
        owner.close()

    def test_a_mistake_of_the_owner_is_told_and_does_not_look_like_its_death(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner, client = open_store(tmp_path), open_store(tmp_path)
        monkeypatch.setattr(DuckStore, "names", lambda self: 1 // 0)
        with pytest.raises(StoreError, match="ZeroDivisionError"):
            client.names()
        assert not client.owner
        client.close()
        owner.close()

    def test_an_owner_that_hangs_makes_the_store_unavailable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner = open_store(tmp_path)
        client = open_store(tmp_path)
        client.close()
        monkeypatch.setattr(shared, "ANSWER_TIMEOUT_S", 0.2)
        client = open_store(tmp_path)
        release = threading.Event()
        monkeypatch.setattr(DuckStore, "names", lambda self: (release.wait(10), [])[1])
        with pytest.raises(StoreUnavailable, match="has not answered"):
            client.names()
        release.set()
        client.close()
        owner.close()

    def test_a_broken_file_is_told_at_once_not_waited_for(self, tmp_path: Path) -> None:
        (tmp_path / FILE).write_bytes(os.urandom(50_000))
        began = time.monotonic()
        with pytest.raises(StoreError, match="not a valid DuckDB"):
            open_store(tmp_path)
        assert time.monotonic() - began < 5  # not the ten seconds of a take-over


class TestProtocol:
    @pytest.fixture
    def line(self, tmp_path: Path) -> socket.socket:
        self.store = open_store(tmp_path)
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(10)
        sock.connect(str(tmp_path / SOCKET))
        return sock

    def finish(self, sock: socket.socket) -> None:
        sock.close()
        assert self.store.append(rows(0, 1)).stored == 1  # the owner is well
        self.store.close()

    def test_another_version_is_told_which_one_is_spoken(self, line: socket.socket) -> None:
        protocol.send(line, protocol.Hello(99))
        answer = protocol.receive_answer(line)
        assert isinstance(answer, protocol.Failed) and not answer.passing
        assert f"version {protocol.VERSION} " in answer.message and "version 99" in answer.message
        with pytest.raises(OSError, match="hung up"):
            protocol.receive_answer(line)
        self.finish(line)

    def test_a_request_before_the_greeting_is_refused(self, line: socket.socket) -> None:
        protocol.send(line, protocol.AskNames())
        assert isinstance(protocol.receive_answer(line), protocol.Failed)
        self.finish(line)

    @pytest.mark.parametrize(
        "raw",
        [
            b"GET / HTTP/1.1\r\n\r\n",  # its first bytes are a length of more than 1 GiB
            b"\x04\x00\x00\x00junk",
            b"\xff\xff\xff\x3f" + b"x" * 100_000,  # a long message that never comes
            b"",
            b"\x01",
        ],
    )
    def test_what_is_no_message_ends_that_connection_only(self, line: socket.socket, raw: bytes) -> None:
        protocol.send(line, protocol.Hello(protocol.VERSION))
        assert isinstance(protocol.receive_answer(line), protocol.Welcome)
        line.sendall(raw)
        line.shutdown(socket.SHUT_WR)
        rest = b"".join(iter(lambda: line.recv(65_536), b""))
        if rest:
            answer = msgspec.msgpack.decode(rest[4:], type=protocol.Answer)
            assert isinstance(answer, protocol.Failed)
        self.finish(line)

    def test_a_batch_whose_columns_do_not_fit_is_refused(self, line: socket.socket) -> None:
        protocol.send(line, protocol.Hello(protocol.VERSION))
        protocol.receive_answer(line)
        good = protocol.pack_batch(rows(0, 2))
        changes: list[dict[str, Any]] = [
            {"time": good.time[:8]},
            {"time": good.time[:7]},
            {"sensor": b"\xff" * 8},
            {"names": []},
        ]
        for change in changes:
            protocol.send(line, msgspec.structs.replace(good, **change))
            answer = protocol.receive_answer(line)
            assert isinstance(answer, protocol.Failed) and not answer.passing
        assert self.store.names() == []
        self.finish(line)

    def test_a_message_too_long_is_not_sent(
        self, line: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(protocol, "MAX_BYTES", 1000)
        with pytest.raises(StoreError, match="smaller batches"):
            protocol.send(line, protocol.pack_batch(rows(0, 100)))
        monkeypatch.undo()
        self.finish(line)


class TestChanges:
    @given(
        st.lists(
            st.lists(
                st.tuples(st.sampled_from("abc"), st.integers(-50, 50), st.integers(0, 2)),
                min_size=1,
                max_size=6,
            ),
            min_size=1,
            max_size=6,
        ),
        st.integers(1, 8),
    )
    @settings(max_examples=40, deadline=None)
    def test_what_is_told_by_heart_is_what_the_file_holds(
        self, batches: list[list[tuple[str, int, int]]], kept: int
    ) -> None:
        """Of readings that replaced others the file knows no more that they were touched twice."""
        with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setattr(recent, "KEPT", kept)
            store = DuckStore(Path(folder) / FILE)
            assert store._recent.after(0) is not None
            cursors = [0]
            for batch in batches:
                names, seconds, values = zip(*batch, strict=True)
                times = T0 + np.array(seconds) * np.timedelta64(1, "s")
                store.append(ReadingBatch.of(list(names), times, np.array(values, float), received=T0))
                cursors.append(store.changes(cursors[-1]).cursor)
            told = [store.changes(cursor) for cursor in cursors]
            store.close()
            again = DuckStore(Path(folder) / FILE)
            assert cursors[-1] == again.changes(0).cursor
            for cursor, heard in zip(cursors, told, strict=True):
                read = again.changes(cursor)
                assert heard.cursor == read.cursor
                assert heard.spans.keys() == read.spans.keys()
                for name, (first, last) in read.spans.items():
                    low, high = heard.spans[name]
                    assert low <= first and last <= high
            again.close()

    def test_only_the_newest_commits_are_known_by_heart(self) -> None:
        known = recent.Recent(7, kept=3)
        for commit in (8, 9):
            known.add(commit, np.array([4, 2, 4], np.int32), np.array([5, commit, -5]))
        spans = known.after(8)
        assert spans is not None and known.after(7) is None
        assert spans.sensor.tolist() == [2, 4]
        assert spans.first.tolist() == [9, -5] and spans.last.tolist() == [9, 5]
        nothing = known.after(9)
        assert nothing is not None and not len(nothing.sensor)
        known.add(10, np.arange(4, dtype=np.int32), np.zeros(4, np.int64))  # more than is kept at all
        assert known.after(9) is None and known.after(10) is not None
