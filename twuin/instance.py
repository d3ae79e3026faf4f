"""One process for one job in one data folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from waterworks.errors import SettingsError


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
