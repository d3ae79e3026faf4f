"""A short run of ``decoders.py`` at every change; the long one is for hands: a million payloads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_no_payload_upsets_a_decoder() -> None:
    """In a process of its own, as its memory is looked at."""
    script = Path(__file__).with_name("decoders.py")
    done = subprocess.run(
        [sys.executable, str(script), "--payloads", "20000", "--seed", "1"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "none upset a decoder" in done.stdout
