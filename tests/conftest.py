"""Fixtures that every room's tests share. Servers run on loopback and are stopped by pid."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import twuin  # noqa: F401 - before NumPy, so that BLAS works as it does in the program

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI") == "true"


def _absent(what: str) -> None:
    """In CI a missing server or data set is a failure; on a developer's machine the test is skipped."""
    if IN_CI:
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the data sets ``ltown`` and ``ferrara``: $TWUIN_DATA, else ../shared/data."""
    folder = Path(os.environ.get("TWUIN_DATA") or ROOT.parent / "shared" / "data").resolve()
    for name in ("ltown", "ferrara"):
        if not (folder / name).is_dir():
            _absent(f"no data set {name!r} in {folder}; name its parent folder with TWUIN_DATA")
    return folder


def _program(name: str) -> str:
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        _absent(f"{name} is not installed; deploy/setup/test-servers.sh installs it")
        raise AssertionError("unreachable")
    return path


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Finds an installed program by name; in CI a missing one fails the test."""
    return _program


@pytest.fixture(scope="session")
def mosquitto() -> str:
    """Path of the mosquitto program."""
    return _program("mosquitto")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the chromium program."""
    return _program("chromium")


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives a TCP port on 127.0.0.1 that nothing listens on, another one at each call."""

    def take() -> int:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        s.close()
        return port

    return take
