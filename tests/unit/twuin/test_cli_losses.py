"""``twuin losses``: a table for people, JSON for scripts, one clear line for mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def losses(twuin: Run, root: Path) -> Run:
    """Runs ``twuin losses`` on the Ferrara example without readings: status, output, errors."""
    return partial(twuin, "losses", "--site", root / "examples" / "ferrara", "--data-dir", "data")


def test_a_site_without_readings_gets_a_table_of_what_is_missing(losses: Run) -> None:
    status, out, err = losses("--from", "2022-09-01", "--to", "2022-09-28")
    assert status == 0, err
    assert "Ferrara, 2022-09-01 to 2022-09-28 (28 days)" in out
    assert "System input volume" in out and "Non-revenue water" in out
    for said in ("no inflow was measured", "length of mains not given", "no minimum given"):
        assert said in out


def test_the_same_as_json(losses: Run) -> None:
    found = json.loads(losses("--to", "2022-09-28", "--json")[1])
    assert (found["start"], found["end"]) == ("2022-09-01", "2022-09-28")
    assert found["site"]["balance"]["system_input"] is None
    assert len(found["dmas"]) == 5


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--to", "28.9.2022"], "--to '28.9.2022' is not a day, as in 2026-10-31"),
        (["--from", "2022-09-02", "--to", "2022-09-01"], "--from: must not lie after the last day"),
    ],
)
def test_a_wrong_day_is_one_clear_line(losses: Run, flags: list[str], message: str) -> None:
    status, _, err = losses(*flags)
    assert status == 1
    assert err.strip() == f"error: {message}"
