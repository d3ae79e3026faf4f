"""Where an MQTT broker is, and what to say when it cannot be had."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import paho.mqtt.client as paho

from waterworks.errors import BrokerError

_NOT_AUTHORISED = (0x86, 0x87)  # MQTT 5.0, section 3.2.2.2; paho gives the codes of 3.1.1 in these terms
_BAD_VERSION = 0x84


@dataclass(frozen=True)
class BrokerOptions:
    """Where a broker is and how to speak to it.

    version: "3.1.1" costs half of "5" in CPU. keepalive_s: how long silence may last before the peer is
    asked for a sign of life. session_s: how long a broker that speaks MQTT 5 keeps messages for us while
    we are away (with 3.1.1, its own configuration decides). receive_maximum: how many unacknowledged
    messages we take at most, as told to a broker that speaks MQTT 5.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    version: Literal["3.1.1", "5"] = "3.1.1"
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: int = 60
    session_s: int = 7 * 86_400
    receive_maximum: int = 8_000

    @property
    def where(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"MQTT broker {host}:{self.port}"


class TakenOver(BrokerError):
    """Another client came with our client id, and the broker gave it our session."""


def taken_over(options: BrokerOptions, client_id: str) -> str:
    """What to say when two clients throw each other out."""
    return (
        f"another client took over our session at {options.where} under the same client id {client_id!r}: "
        "give each ingest process its own name (mqtt.name)"
    )


def identify(client: paho.Client, options: BrokerOptions) -> None:
    """Give ``client`` the user name, password and certificates of ``options``.

    Raises BrokerError when the certificates cannot be used.
    """
    if options.username:
        client.username_pw_set(options.username, options.password or None)
    if options.tls:
        try:
            client.tls_set(
                ca_certs=None if options.ca_file is None else str(options.ca_file),
                certfile=None if options.cert_file is None else str(options.cert_file),
                keyfile=None if options.key_file is None else str(options.key_file),
            )
        except (OSError, ValueError) as e:
            raise BrokerError(f"certificates for {options.where} cannot be used: {e}") from e


_TIMES = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED (openssl/x509_vfy.h)
_NAMES = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH


def unreachable(options: BrokerOptions, e: Exception) -> BrokerError:
    """What to say of a connection that failed with ``e``."""
    match e:
        case ConnectionRefusedError():
            return BrokerError(
                f"no {options.where}: connection refused; is it running, and is this its port?"
            )
        case socket.gaierror():
            return BrokerError(f"no {options.where}: host name {options.host!r} is not known")
        case ssl.SSLCertVerificationError() if e.verify_code in _TIMES:
            return BrokerError(
                f"{options.where}: {e.verify_message}: renew it at the broker (`twuin broker init`), "
                "if the clock of this machine is right"
            )
        case ssl.SSLCertVerificationError() if e.verify_code in _NAMES:
            return BrokerError(
                f"{options.where}: its certificate is for other names ({e.verify_message}): give mqtt.host "
                "one of them, or the certificate this one (`twuin broker init --host`)"
            )
        case ssl.SSLCertVerificationError():
            return BrokerError(
                f"{options.where}: its certificate is not trusted ({e.verify_message}); "
                "name the authority that signed it with mqtt.ca_file"
            )
        case ssl.SSLError():
            return BrokerError(
                f"{options.where}: no TLS connection ({e.reason or e}); does this port speak TLS?"
            )
        case ConnectionResetError() if options.tls:
            return BrokerError(f"{options.where}: no TLS connection; does this port speak TLS?")
        case TimeoutError():
            return BrokerError(f"no {options.where}: no answer in time; is there a firewall between?")
        case _:
            return BrokerError(f"no {options.where}: {e}")


def refused(options: BrokerOptions, code: int, words: str) -> BrokerError:
    """What to say of a CONNECT that was answered with reason ``code``, in the broker's ``words``."""
    if code in _NOT_AUTHORISED:
        return BrokerError(
            f"{options.where} does not admit {who(options)}: check mqtt.username and the password"
        )
    if code == _BAD_VERSION:
        return BrokerError(f"{options.where} does not speak MQTT {options.version}: set mqtt.version")
    return BrokerError(f"{options.where} refuses the connection: {words}")


def who(options: BrokerOptions) -> str:
    """Us, as the broker knows us."""
    return f"user {options.username!r}" if options.username else "clients without a user name"
