"""Alerts as somebody sees them who is limited to some DMAs: without the names of what lies beyond.

Sensors and DMAs that are not theirs are named nowhere: neither among those near a leak nor in its evidence.
Pipes are: where a leak may lie, and what shuts it off, is for whoever has to go there, whoever's DMA that is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twuin.alerts.model import Alert, Finding
from twuin.alerts.sight import OF_SENSORS, sensors_of
from waterworks.site import Site


class Trimmer:
    """Trims alerts of ``site`` for who sees ``part`` of it (see ``waterworks.site.part_of``)."""

    def __init__(self, site: Site, part: Site) -> None:
        self._dmas = frozenset(d.id for d in part.dmas)
        # A sensor on a boundary is of both sides, and here of this one.
        self._home = {s.id: s.dma if s.dma in self._dmas else s.from_dma for s in part.sensors}
        own = {*self._dmas, *self._home}
        self._hidden = frozenset({*(d.id for d in site.dmas), *(s.id for s in site.sensors)} - own)

    def alert(self, alert: Alert) -> Alert:
        """``alert`` without the names of what lies beyond; to be shown, never to be stored."""
        return replace(alert, finding=self._finding(alert.finding))

    def _finding(self, f: Finding) -> Finding:
        subject, dma = f.subject, f.dma
        if f.kind in OF_SENSORS:
            own = [s for s in (subject, *sensors_of(f)) if s in self._home]
            subject, homes = next(iter(own), subject), {self._home[s] for s in own}
            if dma not in self._dmas:
                dma = homes.pop() if len(homes) == 1 else ""
        elif subject in self._hidden:  # a leak that was first taken to be next door
            subject = dma
        return replace(
            f,
            subject=subject,
            dma=dma,
            near=tuple(s for s in f.near if s not in self._hidden),
            evidence=self._shown(f.evidence),
        )

    def _shown(self, told: Any) -> Any:
        if isinstance(told, dict):
            return {k: self._shown(v) for k, v in told.items() if k not in self._hidden and self._known(v)}
        if isinstance(told, list):
            return [self._shown(v) for v in told if self._known(v)]
        return told

    def _known(self, value: Any) -> bool:
        return not (isinstance(value, str) and value in self._hidden)
