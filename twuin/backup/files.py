"""Files of an installation, copied while others write them."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from waterworks.errors import BackupError

CHUNK = 1 << 20

_SQLITE = b"SQLite format 3\0"

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file; a copy of the file by SQLite itself needs none of it."""

STAGE = ".restoring"
"""Folder in which what is restored waits until all of it is there."""

BEFORE = "before-restore-"
"""Folders into which a restore moved what was there."""

OF_NOBODY = (STAGE, "lost+found")

OF_RUNNING = ("processes", "means.json", "store.sock", "store.lock")
"""Of a data folder: signs of the processes that run, and what is made anew by itself."""


class Source(NamedTuple):
    """A file to keep: its path, and its path below its folder with ``/`` between."""

    path: Path
    inner: str


def walk(folder: Path, left_out: list[str], without: tuple[Path, ...] = ()) -> Iterator[Source]:
    """All files below ``folder``, by name; links to files count as files.

    without: files and folders that are not looked at. left_out: is told what is neither, or leads elsewhere.
    Raises BackupError where a folder cannot be read.
    """

    def refuse(e: OSError) -> None:
        raise _unreadable(Path(e.filename or folder), e)

    seen = {path.resolve() for path in without}
    for at, folders, files in os.walk(folder, onerror=refuse):
        here = Path(at)
        for name in list(folders):
            path = here / name
            if name in OF_NOBODY or name.startswith(BEFORE) or path.resolve() in seen:
                folders.remove(name)
            elif path.is_symlink():
                left_out.append(f"{path}: a link to a folder")
                folders.remove(name)
        folders.sort()
        for name in sorted(files):
            path = here / name
            if path.resolve() in seen:
                continue
            if path.is_file():
                yield Source(path, path.relative_to(folder).as_posix())
            elif path.is_symlink():
                left_out.append(f"{path}: a link to nothing")


def passing(inner: str) -> bool:
    """Whether a file of a data folder is of the processes that run, and of no use to others."""
    top, name = inner.split("/")[0], inner.split("/")[-1]
    return (
        top in OF_RUNNING
        or name.startswith(".")
        or name.endswith((".lock", ".duckdb", ".duckdb.wal", *BESIDE))
        or (top == "spool" and name == "lock")
    )


def copy_file(source: Path, to: Path) -> int | None:
    """A copy of a file as it is now, from SQLite itself where it is one of its own; its mode.

    None where it is gone meanwhile. Raises BackupError where it cannot be read, OSError where the copy
    cannot be written.
    """
    try:
        with source.open("rb", buffering=0) as file:
            at = os.fstat(file.fileno())
            head = file.read(len(_SQLITE))
            if head == _SQLITE:
                file.close()
                copy_sqlite(source, to)
            else:
                _copy(file, head, source, to, at.st_size)
            return stat.S_IMODE(at.st_mode)
    except FileNotFoundError:
        return None
    except PermissionError as e:
        raise _unreadable(source, e) from e


def _copy(file: FileIO, head: bytes, source: Path, to: Path, least: int) -> None:
    """All of an open file of which ``head`` was read; at least ``least`` bytes, which it had."""
    copied = 0
    with to.open("wb") as out:
        while head:
            out.write(head)
            copied += len(head)
            try:
                head = file.read(CHUNK)
            except OSError as e:
                raise _unreadable(source, e) from e
    if copied < least:
        raise BackupError(f"{source} was cut short while it was copied: try again")


def _unreadable(path: Path, e: OSError) -> BackupError:
    return BackupError(
        f"{e.filename or path} cannot be read ({e.strerror}): run this as a user who may, or leave its part "
        "out (--without)"
    )


def copy_sqlite(source: Path, to: Path) -> None:
    """A copy of an SQLite file as of one instant, by its online backup API: who writes it need not wait.

    Raises BackupError where it is damaged or cannot be read, OSError where the copy cannot be written.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=60)) as live,
            closing(sqlite3.connect(to, isolation_level=None)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, whole in itself
            _prove(copy, source)
    except sqlite3.Error as e:
        if getattr(e, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(to)) from e
        raise BackupError(f"{source} cannot be copied: {e}") from e


def prove_sqlite(path: Path) -> None:
    """BackupError where an SQLite file is not sound."""
    try:
        with closing(sqlite3.connect(path)) as db:
            _prove(db, path)
    except sqlite3.Error as e:
        raise BackupError(f"{path} is damaged: {e}") from e


def _prove(db: sqlite3.Connection, path: Path) -> None:
    said = [row[0] for row in db.execute("PRAGMA quick_check(3)")]
    if said != ["ok"]:
        raise BackupError(f"{path} is damaged, says SQLite: {'; '.join(said)}")


def is_sqlite(path: Path) -> bool:
    """Whether ``path`` begins as SQLite's files do. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE
