"""Archives as files: gzipped tar of plain files, written whole or not at all, read without trust.

They are written with ``tarfile``, so any ``tar`` unpacks them. They are read header by header, since an
archive may come from anywhere: nothing but a plain file with a plain name is let in, and nothing is held in
memory but a block at a time.
"""

from __future__ import annotations

import errno
import fcntl
import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from ingest.durable import sync_folder
from twuin.backup.manifest import NAME, PARTS, Entry, Manifest, read_manifest
from waterworks.errors import BackupError

BLOCK = 512
CHUNK = 1 << 20

MAX_MANIFEST = 64 << 20
"""Bytes of a manifest: some 300,000 files."""

MAX_FILES = 1_000_000

MAX_GROWTH, FREE_GROWTH = 200, 1 << 30
"""An archive that unpacks to more than so many times its size, and more than so many bytes, is a bomb.

What Twuin keeps shrinks to a tenth at best; gzip reaches a thousandth.
"""

USTAR_MOST = 8 << 30
"""The largest file [bytes] of the oldest format of tar, which every program reads."""

_PLAIN = re.compile(r"[^\x00-\x1f\x7f\\]+")


class ArchiveWriter:
    """Adds files to an archive that is being made; each is gone from the stage once it is in."""

    def __init__(self, tar: tarfile.TarFile, stage: Path) -> None:
        self._tar = tar
        self.stage = stage
        self.files: list[Entry] = []

    def add(self, name: str, source: Path, mode: int) -> Entry:
        """Put the staged file ``source`` in as ``name``. Raises OSError, BackupError."""
        size = source.stat().st_size
        with source.open("rb") as file:
            entry = self._put(name, file, size, mode)
        source.unlink()
        self.files.append(entry)
        return entry

    def finish(self, manifest: Manifest) -> None:
        """The manifest, which ends the archive."""
        text = manifest.model_dump_json(indent=1, by_alias=True).encode()
        self._put(NAME, io.BytesIO(text), len(text), 0o600)

    def _put(self, name: str, file: IO[bytes], size: int, mode: int) -> Entry:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, mode & 0o777, int(time.time())
        self._tar.format = tarfile.USTAR_FORMAT if size < USTAR_MOST else tarfile.GNU_FORMAT
        hashed = _Hashed(file)
        try:
            self._tar.addfile(info, hashed)
        except ValueError as e:
            raise BackupError(f"{name} cannot be put into an archive ({e}): give it a shorter name") from e
        return Entry(name=name, bytes=size, mode=mode & 0o777, sha256=hashed.digest.hexdigest())


class _Hashed(io.RawIOBase):
    """A file whose bytes are digested as they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


@contextmanager
def write_archive(to: Path) -> Iterator[ArchiveWriter]:
    """An archive at ``to``, which is there once this ends well, and in no other case.

    Only its owner may read it. Raises BackupError: it is there already, the disk is full, ...
    """
    if os.path.lexists(to):
        raise BackupError(f"{to} is there already: name another file, or a folder")
    part = to.with_name(f".{to.name}.part")
    stage = to.with_name(f".{to.name}.stage")
    lock = _take(part, stage)
    try:
        with _clear_errors(to, "written"):
            stage.mkdir(mode=0o700)
            with os.fdopen(os.dup(lock), "wb") as raw:
                with (
                    gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
                    tarfile.open(fileobj=packed, mode="w|", format=tarfile.USTAR_FORMAT) as tar,
                ):
                    yield ArchiveWriter(tar, stage)
                raw.flush()
                os.fsync(raw.fileno())
            _name(part, to)
            sync_folder(to.parent)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        part.unlink(missing_ok=True)
        os.close(lock)


def _take(part: Path, stage: Path) -> int:
    """The unfinished archive, this process's alone; what one that was killed left there is taken away."""
    with _clear_errors(part, "written"):
        lock = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with _clear_errors(part, "written"):
            os.fchmod(lock, 0o600)
            os.ftruncate(lock, 0)
            shutil.rmtree(stage, ignore_errors=True)
    except BlockingIOError:
        os.close(lock)
        raise BackupError(f"another back-up is writing {part} just now: wait for its end") from None
    except BaseException:
        os.close(lock)
        raise
    return lock


def _name(part: Path, to: Path) -> None:
    """Give a finished file its name. It takes the place of none. Raises OSError, BackupError."""
    try:
        os.link(part, to)
    except FileExistsError:
        raise BackupError(f"{to} is there already: name another file, or a folder") from None
    except OSError:  # a disk that knows no links, as a memory stick
        if os.path.lexists(to):
            raise BackupError(f"{to} is there already: name another file, or a folder") from None
        part.rename(to)


@contextmanager
def _clear_errors(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            free = ""
            with suppress(OSError):
                free = f" ({shutil.disk_usage(path.parent).free >> 20:,} MiB are free)"
            raise BackupError(
                f"{path} cannot be {done}: its disk is full{free}; nothing is left of it there. Make room, "
                "or name a folder on another disk"
            ) from e
        raise BackupError(f"{e.filename or path} cannot be {done}: {e.strerror or e}") from e


class Found(NamedTuple):
    """A file as it comes in an archive: its name, mode, size [bytes], and what it holds."""

    name: str
    mode: int
    size: int
    pieces: Iterator[bytes]


def read_archive(path: Path) -> Iterator[Found]:
    """The files of an archive in their order; each is to be read before the next.

    Raises BackupError for whatever is no archive of plain files: cut off, damaged, with links, devices or
    paths that lead elsewhere, or larger than it can be.
    """
    with _damage(path), path.open("rb") as raw:
        size = os.fstat(raw.fileno()).st_size
        with gzip.GzipFile(fileobj=raw, mode="rb") as packed:
            yield from _walk(path, packed, max(MAX_GROWTH * size, FREE_GROWTH))


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """What gzip and the disk say of an archive, as BackupError."""
    try:
        yield
    except (gzip.BadGzipFile, zlib.error) as e:
        raise BackupError(f"{path} is damaged, or no back-up ({e}): use another archive") from None
    except EOFError:
        raise BackupError(f"{path} is cut off: copy it again, or use another archive") from None
    except OSError as e:
        raise BackupError(f"{e.filename or path} cannot be used: {e.strerror or e}") from e


def _walk(path: Path, packed: gzip.GzipFile, most: int) -> Iterator[Found]:
    names: set[str] = set()
    left = most

    def take(size: int) -> bytes:
        nonlocal left
        left -= size
        if left < 0:
            raise BackupError(
                f"{path} unpacks to far more than a back-up can hold: it is none of Twuin's, do not use it"
            )
        with _damage(path):  # whoever asks for the pieces of a file is not within the loop below
            data = packed.read(size)
        if len(data) < size:
            raise BackupError(f"{path} is cut off: copy it again, or use another archive")
        return data

    while True:
        head = take(BLOCK)
        try:
            info = tarfile.TarInfo.frombuf(head, "utf-8", "strict")
        except tarfile.TarError as e:
            if not any(head):  # the end of a tar: then nothing but its padding, and gzip's checksum
                while left >= 0 and (rest := packed.read(CHUNK)):
                    left -= len(rest)
                    if any(rest):
                        raise BackupError(f"{path} goes on after its end: do not use it") from None
                return
            raise BackupError(f"{path} is damaged, or no back-up ({e}): use another archive") from None
        except UnicodeDecodeError:
            raise BackupError(f"{path} has a name that is no UTF-8: do not use it") from None
        _refuse(path, info, names)
        names.add(info.name)
        unread = info.size

        def pieces() -> Iterator[bytes]:
            nonlocal unread
            while unread:
                data = take(min(CHUNK, unread))
                unread -= len(data)
                yield data

        given = pieces()
        yield Found(info.name, info.mode & 0o777, info.size, given)
        for _ in given:
            pass
        take(-info.size % BLOCK)


def _refuse(path: Path, info: tarfile.TarInfo, names: set[str]) -> None:
    """BackupError for what no back-up has.

    Less gets in than through tarfile's own filter for data, which Debian 12's Python 3.11.2 does not have.
    """
    name = info.name
    said = repr(name[:80])
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.size < 0:
        raise BackupError(
            f"{path}: {said} is no plain file, as all of a back-up are: do not use this archive"
        )
    parts = name.split("/")
    if (
        not _PLAIN.fullmatch(name)
        or any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts)
        or (name != NAME and (parts[0] not in PARTS or len(parts) < 2))
    ):
        raise BackupError(f"{path}: {said} is no name of a file in a back-up: do not use this archive")
    if name in names or len(names) > MAX_FILES:
        raise BackupError(f"{path}: {said} is there twice, or too many are: do not use this archive")


def check_archive(path: Path, told: Callable[[Found], None] = lambda _: None) -> Manifest:
    """Read all of an archive and hold every file against the manifest, which it gives. Raises BackupError."""
    if not path.is_file():
        raise BackupError(f"{path} does not exist, or is no file: name the archive of a back-up")
    seen: dict[str, tuple[int, str]] = {}
    manifest: Manifest | None = None
    for found in read_archive(path):
        if manifest is not None:
            raise BackupError(f"{path} goes on after its {NAME}: do not use this archive")
        if found.name == NAME:
            if found.size > MAX_MANIFEST:
                raise BackupError(f"{path}: its {NAME} is too large: do not use this archive")
            manifest = read_manifest(b"".join(found.pieces), str(path))
            continue
        told(found)
        digest, size = hashlib.sha256(), 0
        for piece in found.pieces:
            digest.update(piece)
            size += len(piece)
        seen[found.name] = (size, digest.hexdigest())
    if manifest is None:
        raise BackupError(f"{path} has no {NAME}: it is cut off, or no back-up of Twuin; use another archive")
    said = {entry.name: (entry.bytes, entry.sha256) for entry in manifest.files}
    if len(said) != len(manifest.files) or said != seen:
        wrong = sorted(n for n in {*said, *seen} if said.get(n) != seen.get(n))
        raise BackupError(
            f"{path} is not what its {NAME} says: {', '.join(wrong[:3]) or 'a file is named twice'}"
            f"{', ...' if len(wrong) > 3 else ''}: use another archive"
        )
    return manifest


def unpack(path: Path, manifest: Manifest, place: Callable[[Entry], Path | None]) -> None:
    """Write each file to where ``place`` says (None: nowhere). BackupError, as above, or the disk's."""
    entries = {entry.name: entry for entry in manifest.files}
    for found in read_archive(path):
        entry = entries.get(found.name)
        to = None if entry is None else place(entry)
        if entry is None or to is None:
            continue
        digest = hashlib.sha256()
        with _clear_errors(to, "written"):
            to.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as file:
                for piece in found.pieces:
                    file.write(piece)
                    digest.update(piece)
                file.flush()
                os.fchmod(handle, entry.mode & 0o755 | 0o400)
                os.fsync(handle)
        if digest.hexdigest() != entry.sha256:
            raise BackupError(f"{path} changed while it was read: {entry.name}; try again")
