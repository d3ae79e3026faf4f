"""Hostile payloads at every decoder, by their way through the pipeline.

    python tests/fuzz/decoders.py --payloads 1000000 --seed 7
    python tests/fuzz/decoders.py --seed 7 --only 123456        the one that a run complained of

Each payload is a golden case that is damaged or rewritten, or a structure that no device sends, on the topic
of any format. It must leave readings, or a rejection with a reason and one line, or be of those that say
nothing; no exception, no hang, no growth of memory. One in 500 is a file for `twuin ingest watch` instead.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import mutate  # noqa: E402

from ingest.files import Tally, open_files  # noqa: E402
from ingest.mapping import load_mapping  # noqa: E402
from ingest.pipeline import Pipeline, RawMessage  # noqa: E402
from ingest.reasons import Reason  # noqa: E402
from waterworks.errors import DataFileError  # noqa: E402
from waterworks.reading import instant  # noqa: E402

HANG_S = 20
"""Wall time after which a payload counts as a hang [s]; the dearest sound one takes some 0.2 s."""

MOST_GROWTH = 96 * 2**20
"""Bytes that a process may grow from a fifth of a run on: full memories of topics and nodes take more."""

FILES = 500  # one file for so many payloads
RECEIVED = instant("2026-11-21T12:00:00Z")
MAPPING = """
[[source]]
files = "wide*"
format = "csv"
time = { column = "t", format = ["iso", "%d/%m/%Y %H:%M"] }
[[source.column]]
match = "D1-.*"
sensor = "{column}"

[[source]]
files = "long*"
format = "csv"
delimiter = ";"
decimal = ","
thousands = "."
time = { column = ["d", "h"], format = "%Y-%m-%d %H:%M:%S", zone = "Europe/Rome" }
long = { sensor = "s", value = "v", unit_column = "u", quality_column = "q" }
"""
WIDE = "t,D1-IN,D1-P1\n2026-01-01 00:00,36,2.5\n2026-01-01T00:05+07:00,,3\n31/12/2025 23:00,-,1e3\n"
LONG = "d;h;s;v;u;q\n2026-01-01;00:00:00;D1-IN;1.036,5;L/s;0\n2026-03-29;02:30:00;D1-P1;2,5;bar;1\n"


class Found(AssertionError):
    """A payload that a decoder does not stand."""


@dataclass
class Report:
    """What a run came to. slowest: seconds of processor time, and which payload. grown: bytes."""

    payloads: int = 0
    readings: int = 0
    silent: int = 0
    files: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, -1)
    grown: int = 0
    peak: int = 0


def golden() -> ModuleType:
    """The module of the golden cases, which is in no package."""
    spec = importlib.util.spec_from_file_location("golden_messages", HERE.parent / "golden/test_messages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Untouched:
    """Decoding asks nothing of a store."""


class Fuzzer:
    def __init__(self, seed: int, folder: Path) -> None:
        self._seed = seed
        cases = golden()
        self._pipeline = Pipeline(cases.SITE, Untouched(), Untouched())  # type: ignore[arg-type]
        self._site = cases.SITE
        self._corpus = [m for case in cases.CASES for m in cases.read(case)[0]]
        twuin = "twuin/malang/d1/"
        self._corpus += [
            RawMessage(f"{twuin}status", b'{"state":"online","time":1795230000000,"battery_v":3.6}'),
            RawMessage(f"{twuin}status", b""),
            RawMessage(f"{twuin}command", b'{"id":"c-81","interval_s":60}'),
            RawMessage(f"{twuin}command/result", b'{"id":"c-81","ok":true,"interval_s":60}'),
        ]  # fmt: skip
        self._topics = sorted({m.topic for m in self._corpus})
        mapping = folder / "mapping.toml"
        mapping.write_text(MAPPING)
        self._folder, self._mapping = folder, load_mapping(mapping)

    def message(self, number: int) -> RawMessage:
        """The payload of this number, the same in every run of the seed."""
        rng = random.Random(f"{self._seed}:{number}")
        topic, payload, _ = rng.choice(self._corpus)
        kind = rng.random()
        if kind < 0.45:
            payload = mutate.damage(payload, rng.choice(self._corpus).payload, rng)
        elif kind < 0.8:
            payload = mutate.rewritten(payload, rng) or mutate.damage(payload, b"", rng)
        elif kind < 0.9:
            payload = rng.choice(mutate.HOSTILE)(rng) if rng.random() < 0.1 else mutate.protobuf(rng)
        if rng.random() < 0.15:
            topic = rng.choice(self._topics)
        if rng.random() < 0.02:
            topic = mutate.damage(topic.encode(), b"/+#%2F", rng).decode("utf-8", "replace")
        return RawMessage(topic, payload, rng.random() < 0.1)

    def run_message(self, message: RawMessage, report: Report) -> None:
        stats = self._pipeline.stats
        before = stats.other + stats.statuses + stats.unwanted
        group = self._pipeline.prepare([message], RECEIVED)
        self._pipeline.foreign.requests()
        silent = stats.other + stats.statuses + stats.unwanted - before
        for r in group.rejected:
            if r.reason is Reason.DECODER_FAILED:
                raise Found(r.detail)
            if not isinstance(r.reason, Reason) or not r.detail or "\n" in r.detail or r.readings < 1:
                raise Found(f"a rejection without reason or in several lines: {r.reason!r} {r.detail!r}")
            report.reasons[r.reason.value] += 1
        # Births and deaths say something of devices alone; so may uplinks of what nobody measures.
        if not (len(group.batch) or group.rejected or silent or group.states):
            raise Found("it left neither readings nor a rejection")
        report.readings += len(group.batch)
        report.silent += not len(group.batch) and not group.rejected

    def run_file(self, number: int, report: Report) -> None:
        rng = random.Random(f"{self._seed}:file:{number}")
        name, text = rng.choice((("wide.csv", WIDE), ("long.csv", LONG)))
        data = mutate.damage(text.encode() * rng.choice((1, 1, 3)), rng.randbytes(50), rng)
        path = self._folder / name
        path.write_bytes(data)
        tally = Tally()
        try:
            for opened in open_files([path], self._mapping, self._site):
                for batch in opened.batches(tally, received=RECEIVED):
                    report.readings += len(batch)
        except DataFileError as e:
            if not str(e):
                raise Found("a file refused without a reason") from None
        for refused in tally.take_refused():
            report.reasons[refused.reason.value] += 1
        report.files += 1


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@contextmanager
def bounded() -> Iterator[None]:
    """Raises Found in what takes longer than ``HANG_S``."""

    def late(*_: object) -> None:
        raise Found(f"longer than {HANG_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fuzz(payloads: int, seed: int, only: int | None = None) -> Report:
    """Run payloads 0 to ``payloads``, or ``only`` one. Raises Found, which names the payload."""
    report = Report()
    logging.disable(logging.CRITICAL)
    # pyarrow tells stderr of a malformed line in another encoding, before it refuses the file
    sys.unraisablehook = lambda _: None
    try:
        with tempfile.TemporaryDirectory() as folder:
            fuzzer = Fuzzer(seed, Path(folder))
            base = 0
            for number in range(payloads) if only is None else [only]:
                message = fuzzer.message(number)
                began = time.thread_time()
                try:
                    with bounded():
                        fuzzer.run_message(message, report)
                        if number % FILES == 0:
                            fuzzer.run_file(number, report)
                except Exception as e:
                    raise Found(
                        f"payload {number} of seed {seed}, topic {message.topic!r}, "
                        f"{len(message.payload)} bytes {message.payload[:200]!r}: {type(e).__name__}: {e}"
                    ) from e
                report.slowest = max(report.slowest, (time.thread_time() - began, number))
                report.payloads += 1
                if number == payloads // 5:
                    base = resident()
                if number % 10_000 == 0:
                    report.peak = max(report.peak, resident())
            report.grown = resident() - base if only is None else 0
    finally:
        logging.disable(logging.NOTSET)
        sys.unraisablehook = sys.__unraisablehook__
    if report.grown > MOST_GROWTH:
        raise Found(f"the process grew by {report.grown / 2**20:.0f} MiB (seed {seed})")
    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--payloads", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="one payload, by its number")
    a = parser.parse_args()
    began = time.monotonic()
    try:
        report = fuzz(a.payloads, a.seed, a.only)
    except Found as e:
        raise SystemExit(f"FOUND: {e}") from e
    took = time.monotonic() - began
    print(
        f"seed {a.seed}: {report.payloads:,} payloads and {report.files:,} files in {took:,.0f} s, none "
        f"upset a decoder; {report.readings:,} readings, {sum(report.reasons.values()):,} rejections, "
        f"{report.silent:,} that say nothing; slowest {report.slowest[0]:.2f} s of processor time "
        f"(payload {report.slowest[1]}); {report.peak / 2**20:.0f} MiB at most, "
        f"{report.grown / 2**20:+.1f} MiB from a fifth on"
    )
    for reason, count in report.reasons.most_common():
        print(f"  {reason}: {count:,}")
    missing = {r.value for r in Reason} - set(report.reasons) - {Reason.DECODER_FAILED.value}
    print(f"reasons that did not come up: {', '.join(sorted(missing)) or 'none'}")


if __name__ == "__main__":
    main()
