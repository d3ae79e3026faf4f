"""The embedded store on a file system that two machines share."""

from __future__ import annotations

import fcntl
import os
from contextlib import closing
from pathlib import Path

import pytest

from ingest.store.embedded import LOCK, open_store
from waterworks.errors import StoreError, StoreUnavailable


def held(folder: Path, said: str) -> int:
    """The store's lock, as held by whoever ``said`` names, of whom no socket is to be found here."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, said.encode())
    return lock


def test_a_store_that_is_open_on_another_machine_is_refused_by_name(tmp_path: Path) -> None:
    lock = held(tmp_path, "0f0f0f0f-0000-4000-8000-000000000000 pump-house 4711\n")
    try:
        with pytest.raises(StoreError, match=r"open on another machine \(pump-house\).*InfluxDB"):
            open_store(tmp_path, patience_s=0.1)
    finally:
        os.close(lock)


def test_a_store_that_a_process_of_this_machine_holds_is_waited_for(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        assert store.owner
        said = (tmp_path / LOCK).read_text()
        assert said.split()[2] == str(os.getpid())
    lock = held(tmp_path, said)
    try:
        with pytest.raises(StoreUnavailable, match="has not begun to answer"):
            open_store(tmp_path, patience_s=0.1)
    finally:
        os.close(lock)
