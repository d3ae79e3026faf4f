"""``twuin monitor --once`` says of each alert what became of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

Run = Callable[..., tuple[int, str, str]]

SITE = {
    "site.toml": 'id = "kota"\n',
    "dmas.csv": "id,connections\nD1,100\n",
    "sensors.csv": "id,quantity,unit,dma,device,role,interval_s\nD1-IN,flow,m3/h,D1,L1,inlet,3600\n",
}
MAPPING = """[[source]]
files = "*.csv"
time = { column = "time" }
[[source.column]]
name = "D1-IN"
sensor = "D1-IN"
"""


def hours(first: int, last: int) -> str:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    lines = (f"{(start + timedelta(hours=h)).isoformat()},10.5\n" for h in range(first, last))
    return "time,D1-IN\n" + "".join(lines)


def test_an_alert_that_later_readings_took_back_is_called_withdrawn(twuin: Run, tmp_path: Path) -> None:
    for name, text in SITE.items():
        (tmp_path / "kota").mkdir(exist_ok=True)
        (tmp_path / "kota" / name).write_text(text)
    (tmp_path / "mapping.toml").write_text(MAPPING)
    (tmp_path / "heard.csv").write_text(hours(0, 48) + hours(120, 168).partition("\n")[2])
    (tmp_path / "later.csv").write_text(hours(48, 120))
    where = ["--site", "kota", "--data-dir", "data"]

    status, _, err = twuin("backfill", "heard.csv", "--mapping", "mapping.toml", *where)
    assert status == 0, err
    status, out, err = twuin("monitor", "--once", *where)
    assert status == 0, err
    alert, said = out.splitlines()[:2]
    assert (
        alert.startswith("silent") and alert.endswith("  closed") and said.startswith("1 alert in readings")
    )

    status, _, err = twuin("backfill", "later.csv", "--mapping", "mapping.toml", *where)
    assert status == 0, err
    status, out, err = twuin("monitor", "--once", *where)
    assert status == 0, err
    alert, said = out.splitlines()[:2]
    assert alert.startswith("silent") and alert.endswith("  withdrawn")
    assert said.startswith(
        "1 alert (1 withdrawn: later readings do not support it any more) in readings from"
    )
