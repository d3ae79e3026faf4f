"""Why a broker is not reached, with what would be right."""

from __future__ import annotations

import ssl

import pytest

from ingest.broker_options import BrokerOptions, unreachable


@pytest.mark.parametrize(
    ("code", "said", "right"),
    [
        (10, "certificate has expired", "renew it at the broker"),
        (9, "certificate is not yet valid", "the clock of this machine"),
        (62, "Hostname mismatch", "broker init --host"),
        (64, "IP address mismatch", "broker init --host"),
        (20, "unable to get local issuer certificate", "mqtt.ca_file"),
    ],
)
def test_a_certificate_is_refused_with_what_mends_it(code: int, said: str, right: str) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, said
    told = str(unreachable(BrokerOptions(host="broker.example", tls=True), error))
    assert said in told
    assert right in told
    assert ("mqtt.ca_file" in told) == (code == 20)
