"""A benchmark spread over real workers comes to what one process comes to."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twuin.benchmark import injected, own
from twuin.benchmark.injected_parts import OwnRate, begin, work
from twuin.benchmark.rivals import rivals
from twuin.cluster.client import Cluster
from waterworks.errors import ClusterError

sys.path.insert(0, str(Path(__file__).parent))

from dask_servers import servers

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("installation")]

DAYS, STARTS = 215, 2
HISTORY = DAYS * 24 * 8
"""Bytes of the inflow of one DMA."""


def make_inflow(folder: Path) -> Path:
    """A site of two DMAs, and a file of its hourly inflow with bursts of its own."""
    (folder / "site.toml").write_text('id = "two"\nname = "Two"\ntimezone = "Asia/Jakarta"\n')
    (folder / "dmas.csv").write_text("id,name,connections\nA,A,500\nB,B,900\n")
    (folder / "sensors.csv").write_text(
        "id,name,quantity,unit,role,dma,device,interval_s\n"
        "A-Q,Inlet A,flow,L/s,inlet,A,A-L,3600\nB-Q,Inlet B,flow,L/s,inlet,B,B-L,3600\n"
    )
    (folder / "mapping.toml").write_text(
        '[[source]]\nfiles = "*.csv"\n[source.time]\ncolumn = "time"\nzone = "Asia/Jakarta"\n'
        '[[source.column]]\nmatch = \'(\\w) (.+)\'\nsensor = "{1}-Q"\nunit = "{2}"\n'
    )
    rng = np.random.default_rng(8)
    hour = np.arange(DAYS * 24)
    flow = np.array([8.0, 20.0]) * (1 + 0.4 * np.sin((hour % 24 - 9) / 24 * 2 * np.pi))[:, None]
    flow *= 1 + np.array([0.03, 0.08]) * rng.standard_normal((len(hour), 2))
    flow[150 * 24 : 156 * 24, 1] += 6.0
    flow[185 * 24 : 186 * 24, 0] += 3.0
    when = np.datetime64("2025-01-01T00:00:00") + hour * np.timedelta64(3600, "s")
    lines = [f"{str(t).replace('T', ' ')},{a:.3f},{b:.3f}" for t, (a, b) in zip(when, flow, strict=True)]
    file = folder / "flow.csv"
    file.write_text("\n".join(["time,A L/s,B L/s", *lines]) + "\n")
    return file


def test_injected_leaks_spread_over_workers_come_to_the_same_to_the_last_digit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Orders name settings by number, and the knob: fewer of them are asked for.
    monkeypatch.setattr(own, "KNOB", (1.0, 3.0))
    monkeypatch.setattr(injected, "rivals", lambda: rivals()[:2])
    file = make_inflow(tmp_path)
    asked: dict[str, Any] = {"site": tmp_path, "starts": STARTS}
    asked["score_from"] = np.datetime64("2025-05-27").item()
    here = injected.run([file], **asked)
    assert len(here.points) > 1, "no method but Twuin is compared"

    with servers(tmp_path / "servers") as started, closing(Cluster(started.address)) as cluster:
        started.scheduler()
        started.worker("w1")
        started.worker("w2")
        started.wait_for(cluster, 2)
        did: Counter[str] = Counter()

        def each(name: str, work: Callable[[Any], Any], orders: Sequence[Any]) -> Iterator[tuple[int, Any]]:
            for answer in cluster.each(name, orders):
                did[answer.worker] += 1
                yield answer.number, answer.value

        there = injected.run([file], **asked, each=each)
        assert len(did) == 2, "one worker did it all"
        assert json.dumps(there.as_json()) == json.dumps(here.as_json())
        for a, b in zip(
            [*here.points, *here.ahead, *here.fixed], [*there.points, *there.ahead, *there.fixed], strict=True
        ):
            assert np.array_equal(a.delay, b.delay), a.method
        # Orders name the files; no inflow goes with them.
        assert cluster.largest[0] < HISTORY / 4

        # A worker whose file is another one says so, instead of measuring that.
        noted = file.read_text()
        file.write_text(noted.replace("2025-03-01 05:00:00,", "2025-03-01 05:00:00,1"))
        case = begin([file], tmp_path, STARTS, 1, asked["score_from"])
        file.write_text(noted)
        with pytest.raises(ClusterError, match=r"flow\.csv .* is not the same here"):
            list(each("benchmark.injected", work, [(case, OwnRate(3.0))]))
