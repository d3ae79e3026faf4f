"""The broker's certificates: made where missing, renewed in time, and a stranger's left alone."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ingest.access.certificates import CA, CA_KEY, SERVER, SERVER_KEY, ensure, hosts_of
from waterworks.errors import BrokerError

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOSTS = ["broker.example", "192.0.2.7", "localhost"]


def server(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / SERVER).read_bytes())


def test_authority_and_certificate_are_made_once(tmp_path: Path) -> None:
    made = ensure(tmp_path, HOSTS, NOW)
    assert (made.authority, made.server) == (True, True)
    assert made.ends == NOW + timedelta(days=730)
    assert hosts_of(server(tmp_path)) == HOSTS
    assert (tmp_path / CA_KEY).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / SERVER_KEY).stat().st_mode & 0o777 == 0o640
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert ensure(tmp_path, HOSTS, NOW + timedelta(days=600))[:2] == (False, False)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / SERVER, tmp_path / SERVER_KEY)


def test_a_certificate_that_ends_soon_is_renewed_by_the_same_authority(tmp_path: Path) -> None:
    ensure(tmp_path, HOSTS, NOW)
    authority = (tmp_path / CA).read_bytes()
    made = ensure(tmp_path, ["localhost"], NOW + timedelta(days=680))
    assert (made.authority, made.server) == (False, True)
    assert hosts_of(server(tmp_path)) == HOSTS, "for the hosts it was for"
    assert (tmp_path / CA).read_bytes() == authority, "which devices hold"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / SERVER, tmp_path / SERVER_KEY)


def test_another_host_is_added_to_it(tmp_path: Path) -> None:
    ensure(tmp_path, HOSTS, NOW)
    assert ensure(tmp_path, ["new.example", "localhost"], NOW).server
    assert hosts_of(server(tmp_path)) == [*HOSTS, "new.example"]


def test_a_certificate_of_another_authority_is_left_alone(tmp_path: Path) -> None:
    other, mine = tmp_path / "other", tmp_path / "mine"
    other.mkdir()
    mine.mkdir()
    ensure(other, HOSTS, NOW)
    (mine / SERVER).write_bytes((other / SERVER).read_bytes())
    assert ensure(mine, HOSTS, NOW + timedelta(days=700)) == (False, False, NOW + timedelta(days=730))
    ensure(tmp_path, HOSTS, NOW)
    (tmp_path / SERVER).write_bytes((other / SERVER).read_bytes())
    assert ensure(tmp_path, HOSTS, NOW + timedelta(days=700)).server is False


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (SERVER, b"none", "server.crt is no certificate in PEM"),
        (CA, b"none", "ca.crt is no certificate in PEM"),
        (CA, None, "ca.crt is missing, but its key ca.key is there"),
        (CA_KEY, b"none", "ca.key is no private key in PEM"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    ensure(tmp_path, HOSTS, NOW)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BrokerError, match=says):
        ensure(tmp_path, [*HOSTS, "another.example"], NOW)


def test_what_is_no_host_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="'a b' is neither a host name nor an address"):
        ensure(tmp_path, ["a b"], NOW)
