"""What client and workers have in common, without Dask."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from waterworks.errors import SettingsError

Work = Callable[[Any], Any]
"""What a worker does with an order; both, and what it gives back, are small and can be pickled."""

Works = Mapping[str, Work]


@dataclass(frozen=True)
class Certificates:
    """Certificate authority, own certificate and its key, for ``tls://``."""

    ca: Path
    cert: Path
    key: Path

    @staticmethod
    def of(address: str, ca: Path | None, cert: Path | None, key: Path | None) -> Certificates | None:
        """Those that an address needs; None: none. SettingsError where they do not fit it."""
        scheme, sep, rest = address.partition("://")
        host, colon, port = rest.rpartition(":")
        if scheme not in ("tcp", "tls") or not (sep and host and colon and port.isdecimal()) or "/" in rest:
            raise SettingsError(
                f"scheduler {address!r} is no address of a Dask scheduler: write tcp://HOST:PORT or "
                "tls://HOST:PORT, as in tcp://127.0.0.1:8786"
            )
        if scheme == "tcp":
            if ca or cert or key:
                raise SettingsError(
                    f"cluster.ca_file, cert_file and key_file are for tls://, and the scheduler is {address}"
                )
            return None
        if ca is None or cert is None or key is None:
            raise SettingsError(
                f"scheduler {address}: name the certificate authority, a certificate and its key by "
                "cluster.ca_file, cluster.cert_file and cluster.key_file"
            )
        for name, file in (("ca_file", ca), ("cert_file", cert), ("key_file", key)):
            try:
                file.open("rb").close()
            except OSError as e:
                raise SettingsError(f"setting cluster.{name} {file}: {e.strerror}") from e
        return Certificates(ca, cert, key)


class Versions(NamedTuple):
    """What must be the same for results to be the same to the last digit."""

    python: str
    twuin: str
    numpy: str
    scipy: str
    machine: str

    def apart(self, other: Versions) -> str:
        """Where they differ, as in "numpy 2.1.0, not 2.4.6"; "" where they do not."""
        pairs = zip(self._fields, other, self, strict=True)
        return "; ".join(f"{name} {theirs}, not {ours}" for name, theirs, ours in pairs if theirs != ours)


def versions() -> Versions:
    """Those of this process."""
    from twuin import __version__

    return Versions(
        ".".join(platform.python_version_tuple()[:2]),
        __version__,
        version("numpy"),
        version("scipy"),
        platform.machine(),
    )


class Failed(NamedTuple):
    """What a worker could not do, as a line for people. again: asking later may help."""

    message: str
    again: bool
