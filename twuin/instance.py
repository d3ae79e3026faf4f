"""One process for one job in one data folder."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from waterworks.errors import SettingsError

OWNER = "site.id"
"""File in a data folder with the id of the site that it belongs to."""


def prepare_folder(folder: Path) -> None:
    """Make the data folder, or say in one line why it cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-test-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as e:
        raise SettingsError(
            f"data folder {folder} cannot be written to ({e.strerror}): "
            "choose another with --data-dir, or give yourself the right to write there"
        ) from e


def claim_folder(folder: Path, site: str, *, keep: bool = True) -> None:
    """Make the data folder, as above, and see that it is this site's: SettingsError if it is another's.

    Two sites in one folder would take each other's readings, alerts and accounts for their own. One that is
    nobody's yet is this site's from now on; not so where ``keep`` is false, for who only reads.
    """
    prepare_folder(folder)
    if not check_owner(folder, site) and keep:
        with suppress(OSError):  # a disk that is full says so where more is lost by it
            (folder / OWNER).write_text(f"{site}\n", "utf-8")


def check_owner(folder: Path, site: str) -> bool:
    """Whether the data folder is this site's already; SettingsError if it is another's. Writes nothing."""
    path = folder / OWNER
    try:
        owner = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        owner = ""
    if owner and owner != site:
        raise SettingsError(
            f"data folder {folder} is that of site {owner!r}, not of {site!r}: name another with --data-dir, "
            f"for each site needs its own. If {owner!r} is called {site!r} now, remove {path}"
        )
    return bool(owner)


class Instance:
    """Holds ``job`` in ``folder`` as long as this process lives; SettingsError if another one has it.

    The lock is the kernel's: it is gone with the process, however that ends.
    """

    def __init__(self, folder: Path, job: str) -> None:
        self._path = folder / f"{job}.lock"
        self._file = self._path.open("a+", encoding="ascii")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            pid = self._file.read().strip() or "unknown"
            self._file.close()
            raise SettingsError(
                f"another Twuin (process {pid}) already runs as {job!r} with the data folder {folder}: "
                "stop it first, or choose another folder with --data-dir"
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        self._file.close()

    def __enter__(self) -> Instance:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
