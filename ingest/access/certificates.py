"""Certificates for a broker that has none: an authority of its own, and what that signs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ingest.access.files import write_file
from waterworks.errors import BrokerError

AUTHORITY_LASTS = timedelta(days=3650)
"""Devices in the field hold the authority's certificate: a new one means a visit to each."""

SERVER_LASTS = timedelta(days=730)
RENEW_BEFORE = timedelta(days=60)
"""The server's certificate is made anew by ``broker init`` when less is left of it."""

CA, CA_KEY, SERVER, SERVER_KEY = "ca.crt", "ca.key", "server.crt", "server.key"


class Made(NamedTuple):
    """``authority``, ``server``: whether they were made now; ends: when the server's ends."""

    authority: bool
    server: bool
    ends: datetime


def ensure(folder: Path, hosts: Sequence[str], now: datetime) -> Made:
    """Make authority and server certificate in ``folder``, where they are missing, old or for other hosts.

    hosts: names and addresses under which devices reach the broker. A server certificate that another
    authority signed is left alone. Raises BrokerError for files that cannot be used.
    """
    server = _read(folder / SERVER)
    foreign = server is not None and not (folder / CA_KEY).exists()
    if server is not None and foreign:
        return Made(False, False, server.not_valid_after_utc)
    authority = not (folder / CA_KEY).exists()
    if authority:
        _make_authority(folder, now)
    ca = _read(folder / CA)
    if ca is None:
        raise BrokerError(f"{folder / CA} is missing, but its key {CA_KEY} is there: put it back")
    if server is not None and not _signed_by(server, ca):
        return Made(authority, False, server.not_valid_after_utc)
    names = list(dict.fromkeys(hosts))
    fresh = server is not None and server.not_valid_after_utc - now > RENEW_BEFORE
    if server is not None and fresh and set(names) <= set(hosts_of(server)):
        return Made(authority, False, server.not_valid_after_utc)
    if server is not None:
        names = list(dict.fromkeys([*hosts_of(server), *names]))
    made = _make_server(folder, ca, names, now)
    return Made(authority, True, made.not_valid_after_utc)


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """Names and addresses that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def _read(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as e:
        raise BrokerError(f"{path} cannot be read: {e.strerror}") from e
    except ValueError as e:
        raise BrokerError(f"{path} is no certificate in PEM: {e}") from e


def _signed_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, lasts: timedelta
) -> x509.CertificateBuilder:
    # A day back: the clock of a device may be behind.
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _make_authority(folder: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Twuin broker authority {now:%Y-%m-%d}")])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        _builder(name, name, key, now, AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    write_file(folder / CA, made.public_bytes(serialization.Encoding.PEM), 0o644)
    write_file(folder / CA_KEY, _pem(key), 0o600)


def _make_server(folder: Path, ca: x509.Certificate, hosts: Sequence[str], now: datetime) -> x509.Certificate:
    path = folder / CA_KEY
    try:
        ca_key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as e:
        raise BrokerError(f"{path} cannot be read: {e.strerror}") from e
    except (ValueError, TypeError) as e:
        raise BrokerError(f"{path} is no private key in PEM without a password: {e}") from e
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise BrokerError(f"{path} is not the key that Twuin made (an elliptic curve's): put that back")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
    made = (
        _builder(name, ca.subject, key, now, SERVER_LASTS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    # The key first: broken off between the two, the old certificate is seen as old the next time.
    write_file(folder / SERVER_KEY, _pem(key), 0o640)
    write_file(folder / SERVER, made.public_bytes(serialization.Encoding.PEM), 0o644)
    return made


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        name = host.encode("idna").decode()
    except UnicodeError:
        name = ""
    if re.fullmatch(r"(?!-)[A-Za-z0-9_.-]{1,253}", name) is None:
        raise BrokerError(f"{host!r} is neither a host name nor an address")
    return x509.DNSName(name)
