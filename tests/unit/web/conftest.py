"""The sample sites and a client for their pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient


@pytest.fixture(scope="session")
def shown(samples: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """A sample site by name, made once; for tests that change nothing."""
    made: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in made:
            made[name] = samples.BUILDERS[name](tmp_path_factory.mktemp(name))
        return made[name]

    yield get
    for sample in made.values():
        sample.store.close()


@pytest.fixture
def fresh(samples: ModuleType, tmp_path: Path) -> Iterator[Any]:
    """The sample town, for one test alone."""
    sample = samples.town(tmp_path)
    yield sample
    sample.store.close()


@pytest.fixture
def browse() -> Callable[..., TestClient]:
    """A client of a sample's pages that does not follow redirects."""

    def of(sample: Any, language: str = "id", **options: Any) -> TestClient:
        headers = {"accept-language": language}
        return TestClient(sample.app, headers=headers, follow_redirects=False, **options)

    return of
