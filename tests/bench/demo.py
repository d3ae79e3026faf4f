"""How long ``twuin demo`` takes from a first start to the page, and to the leak alert on it.

usage: python tests/bench/demo.py [--runs 3]

Each run starts in an empty folder. Prints seconds since the program's start: until the page answers, until
the API has the alert of the scripted leak (the page shows it with the next event), and until the program
has ended after Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from typing import Any


def answers(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            content: bytes = answer.read()
            return content
    except OSError:
        return None


def until(began: float, ready: Callable[[], Any], patience_s: float) -> float:
    """Seconds since ``began`` at which ``ready`` first says so."""
    while not ready():
        if time.monotonic() - began > patience_s:
            raise SystemExit(f"nothing within {patience_s:g} s")
        time.sleep(0.05)
    return time.monotonic() - began


def run() -> tuple[float, float, float]:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        demo = subprocess.Popen(
            [sys.executable, "-m", "twuin", "demo", "--data-dir", folder, "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            page = until(began, lambda: answers(base + "/"), 120)

            def leak() -> bool:
                content = answers(base + "/api/v1/alerts?kind=leak")
                return content is not None and bool(json.loads(content)["items"])

            alert = until(began, leak, 600)
            asked = time.monotonic()
            demo.send_signal(signal.SIGINT)
            demo.wait(60)
            return page, alert, time.monotonic() - asked
        finally:
            demo.kill()
            demo.wait()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=3)
    runs = []
    for number in range(options.parse_args().runs):
        runs.append(run())
        print(
            f"run {number + 1}: page {runs[-1][0]:.1f} s, alert {runs[-1][1]:.1f} s, end {runs[-1][2]:.1f} s"
        )
    for name, values in zip(("page", "alert", "end"), zip(*runs, strict=True), strict=True):
        print(f"{name}: median {statistics.median(values):.1f} s ({min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    main()
