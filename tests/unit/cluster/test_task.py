"""What a worker answers to orders that it cannot follow, and addresses that are none."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from twuin.cluster import task
from twuin.cluster.model import Certificates, Failed, versions
from waterworks.errors import SettingsError, StoreUnavailable


@pytest.fixture(autouse=True)
def works() -> Iterator[None]:
    def away(order: Any) -> Any:
        raise StoreUnavailable("the store is away")

    task.install({"double": lambda order: 2 * order, "away": away})
    yield
    task.install({})


def done(what: str, order: Any, expected: Any = None) -> Any:
    return pickle.loads(task.do(what, pickle.dumps(order), expected or versions()))


def test_an_order_is_done() -> None:
    assert done("double", 21) == 42


def test_a_worker_with_another_numpy_does_nothing_and_says_which() -> None:
    other = versions()._replace(numpy="1.0.0")
    failed = done("double", 21, other)
    assert isinstance(failed, Failed)
    assert f"numpy {versions().numpy}, not 1.0.0" in failed.message
    assert not failed.again


def test_a_store_that_is_away_may_be_asked_again() -> None:
    assert done("away", 0) == Failed("the store is away", True)


def test_a_worker_that_is_none_of_twuin_says_how_to_start_one() -> None:
    task.install({})
    assert "twuin worker" in done("double", 21).message


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:8786", "http://a:1", "tcp://a", "tcp://a:b", "tcp://a:1/x"]
)
def test_what_is_no_address_is_refused_with_one_that_would_be(address: str) -> None:
    with pytest.raises(SettingsError, match=r"tcp://127\.0\.0\.1:8786"):
        Certificates.of(address, None, None, None)


def test_encryption_needs_all_three_files_and_they_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    with pytest.raises(SettingsError, match=r"cluster\.cert_file"):
        Certificates.of("tls://a:1", file, None, None)
    with pytest.raises(SettingsError, match=r"cluster.ca_file .*ca.pem"):
        Certificates.of("tls://a:1", file, file, file)
    file.write_text("")
    assert Certificates.of("tls://a:1", file, file, file) == Certificates(file, file, file)
    with pytest.raises(SettingsError, match="are for tls://"):
        Certificates.of("tcp://a:1", file, None, None)
