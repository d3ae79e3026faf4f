"""Two ingest processes share the messages, which come in any order, some of them twice: nothing tells it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.clocks.quarantine import Quarantine
from ingest.devices import DeviceLog
from ingest.ledger.book import Ledger
from ingest.ledger.numbers import Receipt
from ingest.ledger.report import day_report
from ingest.pipeline import Pipeline, RawMessage
from ingest.rejected import RejectedLog
from ingest.store.embedded import open_store
from waterworks.site import Site

DAY = date(2026, 11, 20)
MIDNIGHT = 1_795_107_600_000  # 2026-11-20T00:00+07:00 [ms]
NOW = np.datetime64(MIDNIGHT * 1000 + 24 * 3_600_000_000, "us")
MESSAGES = 288  # of each device: every 5 minutes


def of_the_day() -> list[RawMessage]:
    """What two devices sent, of which one heeds receipts and one only counts. Some is bad, some is gone."""
    found = []
    for k in range(MESSAGES):
        time = MIDNIGHT + 300_000 * k
        careful: dict[str, Any] = {"sensor": "D1-IN", "time": time, "value": 36 + k / 100}
        if k % 40 == 7:
            careful["value"] = None  # rejected
        if k % 50 == 9:
            careful["time"] = time + 2 * 86_400_000  # held: ahead of the moment at which it comes
        if k % 60 != 11:  # lost for good: the device let it go
            numbers = {"seq": k + 1, "boot": 3, "oldest": max(1, k - 100)}
            found.append(RawMessage("twuin/malang/d1/readings", json.dumps({**careful, **numbers}).encode()))
        if k % 70 != 13:
            plain = {"sensor": "TANK", "time": time, "value": 100 + k / 10, "seq": k + 1}
            found.append(RawMessage("twuin/malang/d2/readings", json.dumps(plain).encode()))
    return found


class Outcome:
    """Everything that is there once messages were taken in, group by group, each by one of the processes."""

    def __init__(self, folder: Path, site: Site, groups: Sequence[tuple[int, Sequence[RawMessage]]]) -> None:
        folder.mkdir()
        receipts: dict[str, Receipt] = {}
        with ExitStack() as stack:
            store = stack.enter_context(closing(open_store(folder)))
            ledgers, quarantines, processes = [], [], []
            for _ in range(2):
                rejected = stack.enter_context(closing(RejectedLog(folder / "rejected.sqlite")))
                ledger = stack.enter_context(closing(Ledger(folder / "ledger.sqlite", site.timezone)))
                quarantine = stack.enter_context(closing(Quarantine(folder / "quarantine.sqlite")))
                devices = stack.enter_context(closing(DeviceLog(folder / "devices.sqlite")))
                ledgers.append(ledger)
                quarantines.append(quarantine)
                processes.append(
                    Pipeline(site, store, rejected, quarantine=quarantine, devices=devices, ledger=ledger)
                )
            for process, group in groups:
                pipeline = processes[process]
                pipeline.commit(pipeline.prepare(group, NOW))
                receipts |= ledgers[process].settle()
            start = np.datetime64(MIDNIGHT * 1000, "us")
            window = store.window(["D1-IN", "TANK"], start, start + np.timedelta64(4, "D"))
            self.stored = [a.tobytes() for a in (window.times, window.values)]
            self.day = day_report(ledgers[0], site, DAY, NOW)
            self.messages = [m._replace(duplicate=0) for m in ledgers[1].messages()]
            self.twice = {m.device: m.duplicate for m in ledgers[1].messages()}
            self.held = [(g.device, g.reason, g.readings) for g in quarantines[0].groups()]
        self.receipts = receipts


@pytest.mark.parametrize("seed", range(6))
def test_order_and_process_make_no_difference(tmp_path: Path, site: Site, seed: int) -> None:
    messages = of_the_day()
    expected = Outcome(tmp_path / "one", site, [(0, messages)])
    assert {m.device: (m.received, m.missing, m.lost) for m in expected.messages} == {
        "d1": (283, 2, 3),  # below its oldest number they are lost, above they may still come
        "d2": (284, 4, 0),
    }
    rng = np.random.default_rng(seed)
    again = rng.choice(len(messages), 100, replace=False)
    # A count begins with what is heard of it first.
    order = np.concatenate([[0, 1], rng.permutation(np.concatenate([np.arange(len(messages)), again]))])
    cuts = np.sort(rng.choice(len(order), 40, replace=False))
    groups = [
        (int(rng.integers(2)), [messages[i] for i in part]) for part in np.split(order, cuts) if len(part)
    ]
    found = Outcome(tmp_path / "two", site, groups)
    assert found.stored == expected.stored
    assert found.held == expected.held
    assert found.messages == expected.messages
    assert sum(found.twice.values()) == 102 + sum(expected.twice.values())
    assert found.receipts == expected.receipts
    for line, right in zip(found.day.lines, expected.day.lines, strict=True):
        assert (line.expected, line.received, line.late, line.rejected, line.missing) == (
            right.expected,
            right.received,
            right.late,
            right.rejected,
            right.missing,
        )
