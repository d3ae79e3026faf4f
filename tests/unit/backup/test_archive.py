"""Archives are there whole or not at all, and nothing but a back-up is let in."""

from __future__ import annotations

import fcntl
import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twuin.backup import archive as a
from twuin.backup.manifest import FORMAT, NAME, Entry, Manifest, in_seconds
from waterworks.errors import BackupError


def manifest(files: list[Entry], **more: Any) -> Manifest:
    return Manifest(
        **{
            "format": FORMAT, "twuin": "0.1.0", "site": "kota", "began": "2026-11-23T03:00:00+00:00",
            "ended": "2026-11-23T03:00:01+00:00", "host": "here", "database": None, "readings": None,
            "named": {}, "left_out": [], "files": files,
        }
        | more
    )  # fmt: skip


def make(to: Path, files: dict[str, bytes]) -> Manifest:
    with a.write_archive(to) as writing:
        for name, data in files.items():
            staged = writing.stage / "file"
            staged.write_bytes(data)
            writing.add(name, staged, 0o640)
        made = manifest(writing.files)
        writing.finish(made)
    return made


FILES = {"site/site.toml": b"name = 1\n", "data/ledger.sqlite": os.urandom(5_000), "site/a/b c.txt": b""}


def test_what_went_in_comes_out(tmp_path: Path) -> None:
    to = tmp_path / "kept.tar.gz"
    made = make(to, FILES)
    assert a.check_archive(to) == made
    assert to.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["kept.tar.gz"]
    a.unpack(to, made, lambda entry: tmp_path / "out" / entry.name)
    assert {n: (tmp_path / "out" / n).read_bytes() for n in FILES} == FILES
    with tarfile.open(to) as tar:  # as any tar sees it
        assert tar.getnames() == [*FILES, NAME]


def test_one_is_read_by_the_oldest_python_that_runs_twuin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "data_filter",
        "tar_filter",
        "FilterError",
    ):  # Python 3.11.2, as Debian 12 has it, knows none
        monkeypatch.delattr(tarfile, name, raising=False)
    to = tmp_path / "kept.tar.gz"
    made = make(to, FILES)
    assert a.check_archive(to) == made
    a.unpack(to, made, lambda entry: tmp_path / "out" / entry.name)
    assert {n: (tmp_path / "out" / n).read_bytes() for n in FILES} == FILES


def test_times_are_told_in_seconds() -> None:
    assert in_seconds("2026-11-23T03:00:00.123456+00:00") == "2026-11-23T03:00:00+00:00"
    assert (in_seconds("at some time"), in_seconds(None)) == ("at some time", "-")


def test_one_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    to = tmp_path / "kept.tar.gz"
    to.write_bytes(b"mine")
    with pytest.raises(BackupError, match="is there already"):
        make(to, FILES)
    assert to.read_bytes() == b"mine"


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    to = tmp_path / "kept.tar.gz"
    with pytest.raises(RuntimeError), a.write_archive(to) as writing:
        (writing.stage / "file").write_bytes(b"x")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_what_a_killed_one_left_there_goes(tmp_path: Path) -> None:
    (tmp_path / ".kept.tar.gz.part").write_bytes(b"half")
    (tmp_path / ".kept.tar.gz.stage").mkdir()
    (tmp_path / ".kept.tar.gz.stage" / "file").write_bytes(b"secret")
    make(tmp_path / "kept.tar.gz", FILES)
    assert [p.name for p in tmp_path.iterdir()] == ["kept.tar.gz"]


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    with (tmp_path / ".kept.tar.gz.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="another back-up"):
            make(tmp_path / "kept.tar.gz", FILES)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = a.os.open

    def full(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        return opened(
            "/dev/full" if str(path).endswith(".part") else path, flags & ~os.O_NOFOLLOW, mode, **more
        )

    monkeypatch.setattr(a.os, "open", full)
    monkeypatch.setattr(a.os, "ftruncate", lambda *_: None)
    monkeypatch.setattr(a.os, "fchmod", lambda *_: None)
    with pytest.raises(BackupError, match=r"its disk is full .* MiB are free") as told:
        make(tmp_path / "kept.tar.gz", {"data/x": os.urandom(1 << 20)})
    assert "\n" not in str(told.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_one_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    to = tmp_path / "kept.tar.gz"
    make(to, FILES)
    data = to.read_bytes()
    to.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BackupError, match=r"cut off|damaged|no back-up"):
        a.check_archive(to)


def test_any_byte_that_changed_is_found(tmp_path: Path) -> None:
    to = tmp_path / "kept.tar.gz"
    make(to, FILES)
    data = to.read_bytes()
    for at in range(10, len(data), max(1, len(data) // 60)):
        to.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        with pytest.raises(BackupError):
            a.check_archive(to)


def test_a_file_that_is_not_what_was_kept_is_found(tmp_path: Path) -> None:
    to = tmp_path / "kept.tar.gz"
    made = make(tmp_path / "one.tar.gz", FILES)
    packed(
        to, [plain("site/site.toml", b"name = 2\n"), *(plain(n, d) for n, d in [*FILES.items()][1:])], made
    )
    with pytest.raises(BackupError, match=r"not what its manifest.json says: site/site\.toml"):
        a.check_archive(to)


def plain(name: str, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info, data


def special(name: str, kind: bytes, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, b""


def packed(to: Path, members: list[tuple[tarfile.TarInfo, bytes]], said: Manifest | None = None) -> None:
    """An archive of members of any kind, however they are made."""
    if said is not None:
        members = [*members, plain(NAME, said.model_dump_json(by_alias=True).encode())]
    with tarfile.open(to, "w:gz", format=tarfile.GNU_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize(
    "member",
    [
        plain("../evil", b"x"),
        plain("site/../../evil", b"x"),
        plain("/etc/cron.d/evil", b"x"),
        plain("site//evil", b"x"),
        plain("site/./evil", b"x"),
        plain("site\\..\\evil", b"x"),
        plain("site/a\nb", b"x"),
        plain("elsewhere/evil", b"x"),
        plain("site", b"x"),
        plain("site/" + "n" * 300, b"x"),
        special("site/link", tarfile.SYMTYPE, "/etc/passwd"),
        special("site/link", tarfile.LNKTYPE, "site/site.toml"),
        special("site/null", tarfile.CHRTYPE),
        special("site/disk", tarfile.BLKTYPE),
        special("site/pipe", tarfile.FIFOTYPE),
        special("site/folder", tarfile.DIRTYPE),
    ],
    ids=lambda m: f"{m[0].type!r} {m[0].name[:20]!r}",
)
def test_nothing_but_plain_files_below_the_parts_is_let_in(
    tmp_path: Path, member: tuple[tarfile.TarInfo, bytes]
) -> None:
    to = tmp_path / "evil.tar.gz"
    packed(to, [plain("site/site.toml", b"x"), member], manifest([]))
    with pytest.raises(BackupError, match="do not use"):
        a.check_archive(to)
    with pytest.raises(BackupError, match="do not use"):
        a.unpack(to, manifest([]), lambda entry: tmp_path / "out" / entry.name)
    assert [p.name for p in tmp_path.iterdir()] == ["evil.tar.gz"]


def test_a_name_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    to = tmp_path / "evil.tar.gz"
    packed(to, [plain("site/a", b"1"), plain("site/a", b"2")], manifest([]))
    with pytest.raises(BackupError, match="twice"):
        a.check_archive(to)


def test_headers_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    to = tmp_path / "evil.tar.gz"
    info = tarfile.TarInfo("site/x")
    info.pax_headers = {"comment": "x" * 50_000_000}
    with gzip.open(to, "wb") as raw:
        raw.write(info.tobuf(tarfile.PAX_FORMAT))
    with pytest.raises(BackupError, match="no plain file"):
        a.check_archive(to)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(a, "FREE_GROWTH", 1 << 20)
    to = tmp_path / "bomb.tar.gz"
    packed(to, [plain("data/zeros", bytes(64 << 20))], manifest([]))
    with pytest.raises(BackupError, match="far more than a back-up can hold"):
        a.check_archive(to)


def test_what_comes_after_the_end_is_refused(tmp_path: Path) -> None:
    to = tmp_path / "kept.tar.gz"
    packed(to, [], manifest([]))
    whole = gzip.decompress(to.read_bytes())
    to.write_bytes(gzip.compress(whole + b"more"))
    with pytest.raises(BackupError, match="goes on after its end"):
        a.check_archive(to)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda said: said | {"format": FORMAT + 1, "twuin": "9.0"}, r"made by Twuin 9\.0, which is newer"),
        (lambda said: {"format": FORMAT}, "none of a back-up"),
        (lambda said: [said], "none of a back-up"),
    ],
)
def test_a_manifest_that_cannot_be_understood_is_told(
    tmp_path: Path, change: Callable[[Any], Any], told: str
) -> None:
    to = tmp_path / "kept.tar.gz"
    text = json.dumps(change(json.loads(manifest([]).model_dump_json(by_alias=True))))
    packed(to, [plain(NAME, text.encode())])
    with pytest.raises(BackupError, match=told):
        a.check_archive(to)


@pytest.mark.parametrize(
    "data",
    [b"", b"no archive at all", gzip.compress(b"no tar at all" * 99)],
    ids=["empty", "text", "no tar"],  # gzip's bytes hold the time, and names of tests must not change
)
def test_what_is_no_archive_is_told_as_such(tmp_path: Path, data: bytes) -> None:
    to = tmp_path / "kept.tar.gz"
    to.write_bytes(data)
    with pytest.raises(BackupError, match=r"no back-up|cut off"):
        a.check_archive(to)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="does not exist"):
        a.check_archive(tmp_path / "none.tar.gz")
