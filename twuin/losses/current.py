"""A site whose bills are those of its file now: they come in every month, while Twuin runs."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from waterworks.errors import Severity
from waterworks.site import Site
from waterworks.site_losses import BILLED_FILE, read_bills
from waterworks.tables import Problems
from waterworks.watched import Watched

log = logging.getLogger("twuin.losses")


class CurrentBills:
    """The site as it was read, with the bills of billed.csv as it is; safe from several threads.

    A file with mistakes is told of in the log once, and the bills before it stay in use.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._file = Watched(site.folder / BILLED_FILE)
        self._lock = threading.Lock()

    def site(self) -> Site:
        """The site with the bills of the file now."""
        with self._lock:
            if self._file.changed():
                problems = Problems(BILLED_FILE)
                found = read_bills(self._site.folder / BILLED_FILE, problems, set(self._site.dma))
                wrong = [p for p in problems.found if p.severity is Severity.ERROR]
                if wrong:
                    log.error("bills are not taken: %s", "; ".join(map(str, wrong)))
                else:
                    self._site = replace(self._site, billing=tuple(found))
            return self._site
