"""What a client makes of an answer that it does not get."""

from __future__ import annotations

from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import Any

import pytest

from twuin.cluster.client import Cluster
from waterworks.errors import ClusterUnavailable


def cluster(status: str) -> Cluster:
    made = Cluster("tcp://127.0.0.1:8786")
    connected: Any = SimpleNamespace(status=status, close=lambda timeout: None)
    made._client = connected
    return made


def future(status: str) -> Any:
    def result(timeout: float) -> bytes:
        raise CancelledError

    return SimpleNamespace(status=status, result=result)


@pytest.mark.parametrize("status", ["cancelled", "lost", "finished"])
def test_what_a_dead_worker_had_done_is_given_to_another(status: str) -> None:
    assert cluster("running")._value(future(status), 3, "tcp://w") is None


@pytest.mark.parametrize("status", ["cancelled", "lost", "finished"])
def test_without_a_scheduler_all_is_lost(status: str) -> None:
    with pytest.raises(ClusterUnavailable, match="was lost"):
        cluster("connecting")._value(future(status), 3, "tcp://w")
