"""Files that are put into a folder: stored once each, and never left without a word."""

from __future__ import annotations

import gzip
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ingest.mapping import Mapping, load_mapping
from ingest.rejected import RejectedLog
from ingest.watch import Watch
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.site import Site

MAPPING = """
[[source]]
files = "flow*"
format = "csv"
time = { column = "t" }
[[source.column]]
name = "in"
sensor = "D1-IN"
"""
ROWS = "t,in\n2026-01-01 00:00,36\n2026-01-01 00:05,72\n"


class Place:
    """A watched folder and the time of day."""

    def __init__(
        self, tmp_path: Path, site: Site, store: Any, rejected: RejectedLog, mapping: Mapping
    ) -> None:
        self.folder = tmp_path / "inbox"
        self.folder.mkdir()
        self.now = 0.0
        self.store = store
        self._parts = (mapping, site, store, rejected)
        self.start()

    def start(self, **options: Any) -> None:
        """A process begins to watch, and knows nothing of one before."""
        self.watch = Watch(self.folder, *self._parts, settle_s=10.0, clock=lambda: self.now, **options)

    def put(self, name: str, text: str | bytes = ROWS) -> Path:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def look(self, after: float = 0.0) -> int:
        self.now += after
        return self.watch.look()

    def settle(self) -> int:
        """See what is there, and again when it has stayed as it is."""
        self.look()
        return self.look(10.0)

    def files(self) -> list[str]:
        return sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file())

    def note(self, name: str) -> str:
        return (self.folder / f"{name}.txt").read_text()


@pytest.fixture
def place(tmp_path: Path, site: Site, store: Any, rejected: RejectedLog) -> Place:
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING)
    return Place(tmp_path, site, store, rejected, load_mapping(path))


def test_a_file_is_taken_when_it_has_stopped_growing(place: Place) -> None:
    path = place.put("flow1.csv", "t,in\n2026-01-01 00:00,36\n2026-01-01 0")
    assert place.look() == place.look(9.0) == 0
    path.write_text(ROWS)  # the rest comes
    assert place.look(9.0) == place.look(9.0) == 0
    assert place.watch.stats.waiting == 1
    assert place.look(1.0) == 1
    assert place.files() == ["done/flow1.csv", "done/flow1.csv.txt"]
    assert place.note("done/flow1.csv") == "2 readings read: 2 stored\n"
    assert len(place.store.readings) == 2


def test_a_file_that_is_still_being_named_or_hidden_is_not_touched(place: Place) -> None:
    for name in (".flow1.csv", "flow1.csv.part", "flow1.csv.tmp", "flow1.csv~"):
        place.put(name)
    (place.folder / "flow-folder").mkdir()
    (place.folder / "flow-link.csv").symlink_to(place.put("flow2.csv"))
    assert place.settle() == 1
    (place.folder / "flow1.csv.part").rename(place.folder / "flow1.csv")
    assert place.settle() == 1
    assert "done/flow1.csv" in place.files() and ".flow1.csv" in place.files()
    assert (place.folder / "flow-link.csv").is_symlink()


def test_a_name_that_was_there_before_gets_a_number(place: Place) -> None:
    for _ in range(3):
        place.put("flow.csv")
        assert place.settle() == 1
    names = [f for f in place.files() if f.endswith(".csv")]
    assert names == ["done/flow-2.csv", "done/flow-3.csv", "done/flow.csv"]
    assert place.note("done/flow-2.csv") == "2 readings read: 0 stored, 2 there already\n"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("flow.csv", b"", "is empty"),
        ("flow.csv", b"t;in\n2026-01-01 00:00;36\n", "column 't' is missing"),
        ("flow.csv", b"t,in\n2026-01-01 00:00,36\n\xff\xfe,1\n", "is not utf-8"),
        ("flow.csv", ROWS.encode("utf-16"), ""),
        ("flow.csv", b"\0" * 5000, ""),
        ("flow.csv", b"t,in\nnever,36\n", "line 2: "),
        ("flow.csv.gz", gzip.compress(ROWS.encode() * 500, mtime=0)[:-20], ""),
        ("flow.csv.gz", b"no gzip", ""),
        ("level.csv", ROWS.encode(), "no [[source]] of"),
        ("report.pdf", b"%PDF-1.4", "no [[source]] of"),
    ],
)
def test_a_file_that_cannot_be_used_is_put_aside_with_the_reason(
    place: Place, name: str, content: bytes, why: str
) -> None:
    place.put(name, content)
    assert place.settle() == 1
    assert place.files() == [f"failed/{name}", f"failed/{name}.txt"]
    note = place.note(f"failed/{name}")
    assert why in note and note.strip() and "Traceback" not in note
    assert (place.watch.stats.failed, place.watch.stats.problem) == (1, "")


def test_a_file_without_end_is_not_read(place: Place) -> None:
    place.start(max_file=20)
    place.put("flow.csv")
    assert place.settle() == 1
    assert "has 45 bytes, and at most 20 are read" in place.note("failed/flow.csv")
    assert place.store.calls == 0


def test_cells_that_are_rejected_are_named_beside_the_file(place: Place) -> None:
    place.put("flow.csv", ROWS + "2026-01-01 00:10,many\n")
    assert place.settle() == 1
    note = place.note("done/flow.csv").splitlines()
    assert note[0] == "3 readings read: 2 stored, 1 rejected"
    assert "flow.csv:4" in note[1] and "'many'" in note[1]


@pytest.mark.parametrize("failure", [StoreUnavailable("disk full"), StoreError("refused")])
def test_while_the_store_takes_nothing_files_stay_where_they_are(place: Place, failure: Exception) -> None:
    place.put("flow.csv")
    place.look()
    place.store.failures = [failure]
    with pytest.raises(type(failure)):
        place.look(10.0)
    assert place.files() == ["flow.csv"]
    assert place.look() == 1
    assert place.files() == ["done/flow.csv", "done/flow.csv.txt"]


def test_a_process_that_ended_amid_a_file_costs_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("flow.csv")
    with monkeypatch.context() as m:

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        m.setattr(Watch, "_move", killed)  # stored, and then the process is no more
        with pytest.raises(KeyboardInterrupt):
            place.settle()
    place.start()
    assert place.settle() == 1
    assert place.note("done/flow.csv") == "2 readings read: 0 stored, 2 there already\n"
    assert len(place.store.readings) == 2


def test_a_file_that_grows_while_it_is_read_is_read_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.put("flow.csv")
    honest = Watch._read

    def read(self: Watch, *args: Any) -> tuple[str, str]:
        done = honest(self, *args)
        with path.open("a") as f:
            f.write("2026-01-01 00:10,108\n")
        return done

    with monkeypatch.context() as m:
        m.setattr(Watch, "_read", read)
        assert place.settle() == 0
    assert place.files() == ["flow.csv"]
    assert place.settle() == 1
    assert len(place.store.readings) == 3


def test_a_file_that_cannot_be_moved_is_read_once_and_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.put("flow.csv")
    honest = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return honest(self, target)

    with monkeypatch.context() as m:
        m.setattr(Path, "rename", rename)
        assert place.settle() == 0
        assert place.look(60.0) == 0
        assert place.store.calls == 1
        assert "cannot be moved into done/ (Permission denied)" in place.watch.stats.problem
    path.unlink()
    assert place.look() == 0
    assert place.watch.stats.problem == ""


def test_a_file_that_may_not_be_read_is_put_aside(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ingest.tabular._Csv", denied)  # root, whom tests may run as, may read everything
    place.put("flow.csv")
    assert place.settle() == 1
    assert "cannot be read: Permission denied" in place.note("failed/flow.csv")


def test_a_note_that_cannot_be_written_holds_nothing_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("flow.csv")

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    place.look()
    with monkeypatch.context() as m:
        m.setattr(Path, "write_text", full)
        assert place.look(10.0) == 1
    assert place.files() == ["done/flow.csv"]


def test_a_folder_that_goes_away_is_waited_for(place: Place) -> None:
    place.folder.rmdir()
    place.folder.write_bytes(b"")  # a file in its place
    stop = threading.Event()
    thread = threading.Thread(target=place.watch.run, args=(stop,), kwargs={"poll_s": 0.01})
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while "cannot be used" not in place.watch.stats.problem:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        place.folder.unlink()
        place.folder.mkdir()
        while place.watch.stats.problem:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        stop.set()
        thread.join()
