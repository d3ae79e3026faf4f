"""Grafana's stand-in, for tests of the sync."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def grafana_api() -> ModuleType:
    """tests/grafana_api/server.py."""
    name = "grafana_api_server"
    path = Path(__file__).parents[2] / "grafana_api" / "server.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def new_grafana(grafana_api: ModuleType) -> Iterator[Callable[..., Any]]:
    """Starts a Grafana; at the end nothing may have been asked that its description does not allow."""
    servers: list[Any] = []

    def start(**more: Any) -> Any:
        servers.append(grafana_api.GrafanaServer(**more))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
        assert server.violations == []


@pytest.fixture
def grafana(new_grafana: Callable[..., Any]) -> Any:
    """A Grafana with nothing in it."""
    return new_grafana()
