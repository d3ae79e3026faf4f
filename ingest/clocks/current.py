"""Corrections as ``clocks.csv`` is now: a clock is found wrong while readings come in."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from ingest.clocks.correct import Corrections
from waterworks.errors import Severity
from waterworks.site import Site
from waterworks.site_clocks import CLOCKS_FILE, read_clocks
from waterworks.tables import Problems
from waterworks.watched import Watched

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often the file is looked at, at most [s]."""


class CurrentCorrections:
    """What a site's ``clocks.csv`` says. For one thread.

    Of a file with mistakes nothing is taken; the log names them once, and what was said before holds.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._file = Watched(site.folder / CLOCKS_FILE)
        self._corrections = Corrections(site)
        self._next = time.monotonic() + LOOK_S

    def get(self) -> Corrections:
        """The corrections to apply now."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LOOK_S
            if self._file.changed():
                self._read()
        return self._corrections

    def _read(self) -> None:
        site, problems = self._site, Problems(CLOCKS_FILE)
        devices = {s.device for s in site.sensors} - {""}
        found = read_clocks(site.folder / CLOCKS_FILE, problems, devices, site.timezone)
        wrong = [p for p in problems.found if p.severity is Severity.ERROR]
        if wrong:
            log.error("clocks are corrected as before: %s", "; ".join(map(str, wrong)))
            return
        self._corrections = Corrections(replace(site, clocks=found))
        log.info("%s was read again: %d corrections", CLOCKS_FILE, len(found))
