"""A made town of DMAs that nothing joins, in a folder, with a leak in every third."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from twuin.alerts.model import Finding
from waterworks.ports import ReadingStore
from waterworks.reading import ReadingBatch
from waterworks.site import Site
from waterworks.site_folder import read_site

START = np.datetime64("2026-03-01T00:00:00", "us")
STEP_S = 3600


def make_site(folder: Path, dmas: int) -> Site:
    """A site of so many DMAs, each with an inlet meter and a pressure."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.toml").write_text('id = "spread"\nname = "Spread"\ntimezone = "Asia/Jakarta"\n')
    ids = [f"D{k:05d}" for k in range(dmas)]
    (folder / "dmas.csv").write_text(
        "id,name,connections\n" + "".join(f"{d},DMA {d},{300 + k % 7 * 40}\n" for k, d in enumerate(ids))
    )
    lines = ["id,name,quantity,unit,role,dma,device,interval_s"]
    for d in ids:
        lines.append(f"{d}-Q,Inlet {d},flow,m3/h,inlet,{d},{d}-A,{STEP_S}")
        lines.append(f"{d}-P,Pressure {d},pressure,m,,{d},{d}-A,{STEP_S}")
    (folder / "sensors.csv").write_text("\n".join(lines) + "\n")
    return read_site(folder)


def readings(site: Site, first_day: float, last_day: float, seed: int = 3) -> ReadingBatch:
    """All readings of these days since ``START``; the same whatever days are asked for together."""
    n = len(site.dmas)
    rows = np.arange(round(first_day * 24), round(last_day * 24))
    day = rows / 24
    hour = (day * 24 + 7) % 24
    noise = np.stack([np.random.default_rng([seed, int(r)]).standard_normal((2, n)) for r in rows])
    mean = 0.004 + 0.001 * (np.arange(n) % 5)
    use = mean * (1 + 0.5 * np.sin((hour - 9) / 24 * 2 * np.pi))[:, None] * (1 + 0.03 * noise[:, 0])
    leak = np.where((np.arange(n) % 3 == 1) & (day[:, None] >= 20.4), 0.3 * mean, 0.0)
    flow = use + leak
    pressure = 40 - 500 * flow + 0.05 * noise[:, 1]
    names = [x for d in site.dmas for x in (f"{d.id}-Q", f"{d.id}-P")]
    values = np.stack([flow, pressure], axis=2).reshape(len(rows), 2 * n)
    time = START + rows * np.timedelta64(STEP_S * 1_000_000, "us")
    return ReadingBatch.columns(
        tuple(names),
        np.tile(np.arange(2 * n), len(rows)),
        np.repeat(time, 2 * n),
        values.ravel(),
        received=time[-1] + np.timedelta64(60, "s"),
    )


class Now:
    """A clock that stands where the last readings set it."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> np.datetime64:
        return self.time


class Told:
    """Keeps what was found in the last round."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def apply(self, findings: Sequence[Finding], *, since: datetime | None = None) -> None:
        self.findings = list(findings)


def feed(store: ReadingStore, site: Site, now: Now, first_day: float, last_day: float) -> None:
    """Store the readings of these days; the clock then stands where the last came."""
    batch = readings(site, first_day, last_day)
    store.append(batch)
    now.time = batch.received[-1]
